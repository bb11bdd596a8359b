import { Kafka, logLevel } from 'kafkajs';
import { expect } from 'vitest';

/** A record as the clients' programs print it. */
export interface PrintedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

/** Creates a topic with kafkajs, which speaks to every broker that the checks are run against. */
export async function createTopic(
  bootstrap: string,
  topic: string,
  numPartitions: number,
  configs: Record<string, string> = {},
): Promise<void> {
  const kafka = new Kafka({ brokers: [bootstrap], clientId: 'setup', logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
}

/** Splits the tab-separated lines of a program; lines without a tab are dropped. */
export function tabbedLines(text: string): string[][] {
  return text
    .split('\n')
    .filter(line => line.includes('\t'))
    .map(line => line.split('\t'));
}

/** The offsets of each partition in the order they were met. */
export function offsetsByPartition(
  records: readonly { partition: number; offset: number }[],
): Map<number, number[]> {
  const byPartition = new Map<number, number[]>();
  for (const { partition, offset } of records) {
    const offsets = byPartition.get(partition);
    if (offsets === undefined) byPartition.set(partition, [offset]);
    else offsets.push(offset);
  }
  return byPartition;
}

/** Expects that each partition was read from `first` on, in order, without a gap and with nothing twice. */
export function expectContiguous(records: readonly PrintedRecord[], first = 0): void {
  for (const [partition, offsets] of offsetsByPartition(records)) {
    const expected = offsets.map((_, index) => first + index);
    expect(offsets, `offsets of partition ${partition}`).toEqual(expected);
  }
}
