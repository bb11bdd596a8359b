import { readdirSync } from 'node:fs';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BrokerProcess } from '../support/broker-process.ts';
import { temporaryFolder } from '../support/broker-target.ts';
import { odradek } from '../support/odradek-process.ts';

const DESCRIPTORS = 1024;
const TOPICS = 10;
const PARTITIONS = 1000;
/** More segments than the process has descriptors, each with records in it. */
const WRITTEN_PARTITIONS = 1500;

let broker: BrokerProcess;
let kafka: Kafka;
const folder = temporaryFolder('many-partitions');

beforeAll(async () => {
  const launch = odradek();
  const limited = {
    ...launch,
    command(configFile: string, workDirectory: string) {
      const { file, args, ...rest } = launch.command(configFile, workDirectory);
      return {
        ...rest,
        file: 'sh',
        args: ['-c', `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`, file, ...args],
      };
    },
  };
  broker = await BrokerProcess.create(limited, { workDirectory: folder.path });
  await broker.start();
  kafka = new Kafka({ brokers: [broker.bootstrap], clientId: 'many', logLevel: logLevel.NOTHING });
});

afterAll(async () => {
  await broker?.dispose();
  folder.remove();
});

async function endOffsets(): Promise<number[]> {
  const admin = kafka.admin();
  await admin.connect();
  const ends: number[] = [];
  for (let topic = 0; topic < TOPICS; topic++) {
    for (const { high } of await admin.fetchTopicOffsets(`many-${topic}`)) ends.push(Number(high));
  }
  await admin.disconnect();
  return ends;
}

function written(count: number, records: number): number[] {
  return Array.from({ length: TOPICS * PARTITIONS }, (_, index) => (index < count ? records : 0));
}

async function writeOneEach(): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  for (let topic = 0; topic * PARTITIONS < WRITTEN_PARTITIONS; topic++) {
    const count = Math.min(PARTITIONS, WRITTEN_PARTITIONS - topic * PARTITIONS);
    const messages = Array.from({ length: count }, (_, partition) => ({
      partition,
      value: `${topic}/${partition}`,
    }));
    await producer.send({ topic: `many-${topic}`, messages });
  }
  await producer.disconnect();
}

describe(`${TOPICS * PARTITIONS} partitions with ${DESCRIPTORS} file descriptors`, () => {
  test('are made, written to and read', async () => {
    const admin = kafka.admin();
    await admin.connect();
    for (let topic = 0; topic < TOPICS; topic++) {
      await admin.createTopics({ topics: [{ topic: `many-${topic}`, numPartitions: PARTITIONS }] });
    }
    await admin.disconnect();
    await writeOneEach();
    expect(await endOffsets()).toEqual(written(WRITTEN_PARTITIONS, 1));
    expect(readdirSync(`/proc/${broker.pid}/fd`).length).toBeLessThan(DESCRIPTORS);
  });

  test('are all there after a clean stop, and take more records', async () => {
    await broker.stop();
    await broker.start();
    expect(await endOffsets()).toEqual(written(WRITTEN_PARTITIONS, 1));
    await writeOneEach();
    expect(await endOffsets()).toEqual(written(WRITTEN_PARTITIONS, 2));
  });

  test('are all there after kill -9', async () => {
    await broker.kill();
    await broker.start();
    expect(await endOffsets()).toEqual(written(WRITTEN_PARTITIONS, 2));
  });
});
