import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedTarget, startTarget, targetName } from '../support/broker-target.ts';
import {
  atLeast,
  buildFranzGo,
  compileJava,
  fetchPython,
  JAVA_CLIENT_VERSIONS,
  JAVA_FLAGS,
} from '../support/client-tools.ts';
import { projectRoot } from '../support/project.ts';
import { checkKafkajs } from './kafkajs-transactions.ts';
import { createTopic, tabbedLines } from './records.ts';
import { runWithCrashes } from './run-with-crashes.ts';

const PARTITIONS = 6;
const RECORDS = 100;
const TRANSACTIONS = 4;

let target: StartedTarget;

beforeAll(async () => {
  target = await startTarget('transactions', {
    properties: {
      // A broker of Apache Kafka that was killed gets in again when its session is over.
      'broker.heartbeat.interval.ms': '500',
      'broker.session.timeout.ms': '3000',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
      'transaction.state.log.num.partitions': '4',
      'offsets.topic.num.partitions': '4',
    },
  });
});

afterAll(async () => {
  await target?.dispose();
});

/** Transactions came in 0.11. Apache Kafka 4.x refuses clients older than 2.1; our broker and 3.9 do not. */
const versions = JAVA_CLIENT_VERSIONS.filter(version =>
  atLeast(version, targetName() === 'apache-kafka-4.3.0' ? '2.1' : '0.11'),
);

interface TopicRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** What a reader of one isolation level printed. */
function recordsOf(lines: readonly string[][], isolation: string, topic: string): TopicRecord[] {
  return lines
    .filter(([kind, level, name]) => kind === 'record' && level === isolation && name === topic)
    .map(([, , , partition, offset, value]) => ({
      topic,
      partition: Number(partition),
      offset: Number(offset),
      value: value ?? '',
    }));
}

function valuesOf(label: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${label}-${i}`);
}

const sortedValues = (records: readonly TopicRecord[]) => records.map(({ value }) => value).sort();

const inPartition = (records: readonly TopicRecord[], partition: number) =>
  records.filter(record => record.partition === partition);

async function committedOffsets(groupId: string, topic: string) {
  const kafka = new Kafka({ brokers: [target.broker.bootstrap], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const [fetched] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const partitions = fetched?.partitions ?? [];
    return new Map(partitions.map(({ partition, offset, metadata }) => [partition, { offset, metadata }]));
  } finally {
    await admin.disconnect();
  }
}

test("kafkajs's transactions are read when committed, and their offsets with them", async () => {
  const kafka = new Kafka({
    brokers: [target.broker.bootstrap],
    clientId: 'check',
    logLevel: logLevel.NOTHING,
  });
  await checkKafkajs(kafka, async () => {
    await target.broker.kill();
    await target.broker.start();
  });
});

test("confluent-kafka's transactions are read when committed, and their offsets with them", async () => {
  const program = join(projectRoot, 'test/clients/python/transactions.py');
  const output = await runWithCrashes(target.broker, await fetchPython(), [program, target.broker.bootstrap]);
  expect(stepsOf(output)).toEqual([
    'ok transactions',
    'ok consume, transform, produce',
    'ok fencing',
    'ok timeout',
    'ok both isolation levels',
  ]);
});

test("franz-go's group sessions copy each record once", async () => {
  const program = await buildFranzGo('transactions');
  const output = await runWithCrashes(target.broker, program, [target.broker.bootstrap]);
  expect(stepsOf(output)).toEqual([
    'ok transactions',
    'ok group sessions',
    'ok fencing',
    'ok timeout',
    'ok both isolation levels',
  ]);
});

const stepsOf = (output: string) => output.split('\n').filter(line => line.startsWith('ok '));

describe.each(versions)('transactions of the Java client %s', version => {
  const prefix = `java-${version}`;
  let lines: string[][] = [];

  beforeAll(async () => {
    for (const topic of ['in', 'out']) {
      await createTopic(target.broker.bootstrap, `${prefix}-${topic}`, PARTITIONS);
    }
    const classPath = await compileJava('transactions', version);
    const program = [...JAVA_FLAGS, '-cp', classPath, 'Main'];
    const args = [...program, target.broker.bootstrap, prefix, `${TRANSACTIONS}`];
    lines = tabbedLines(await runWithCrashes(target.broker, 'java', args));
  }, 180_000);

  const linesOf = (wanted: string) => lines.filter(([kind]) => kind === wanted).map(line => line.slice(1));

  test('go on when the broker is killed in the middle of them', () => {
    expect(linesOf('pause')).toEqual([['write'], ['write'], ['transform'], ['transform']]);
    expect(linesOf('written')).toEqual([
      ['0', 'commit'],
      ['1', 'abort'],
      ['2', 'commit'],
      ['3', 'abort'],
    ]);
  });

  test('are read when committed, and nothing else of them', () => {
    const committed = recordsOf(lines, 'read_committed', 'in');
    const kept = [0, 2].flatMap(n => valuesOf(`write-${n}`, RECORDS));
    const later = [...valuesOf('fencing-0', PARTITIONS), ...valuesOf('next-0', PARTITIONS)];
    expect(sortedValues(committed)).toEqual([...kept, ...later].sort());
    const all = recordsOf(lines, 'read_uncommitted', 'in');
    const aborted = [1, 3].flatMap(n => valuesOf(`write-${n}`, RECORDS));
    const ended = [...valuesOf('fenced-0', PARTITIONS), ...valuesOf('slow-0', PARTITIONS)];
    expect(sortedValues(all)).toEqual([...kept, ...later, ...aborted, ...ended].sort());
    for (const record of committed) expect(all).toContainEqual(record);
  });

  test('copy each record once, in order, with offsets that follow exactly', async () => {
    const copied = recordsOf(lines, 'read_committed', 'out');
    const source = recordsOf(lines, 'read_committed', 'in').filter(({ value }) => value.startsWith('write-'));
    const offsets = await committedOffsets(`${prefix}-group`, `${prefix}-in`);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const from = inPartition(source, partition);
      const expected = from.map(({ value }) => `kept-${value}`);
      expect(inPartition(copied, partition).map(({ value }) => value)).toEqual(expected);
      const next = (from.at(-1)?.offset ?? 0) + 1;
      expect(offsets.get(partition)).toEqual({ offset: `${next}`, metadata: 'kept' });
    }
    const dropped = linesOf('transformed').filter(([, end]) => end === 'abort');
    const records = dropped.reduce((sum, [count]) => sum + Number(count), 0);
    expect(records).toBeGreaterThan(0);
    const all = recordsOf(lines, 'read_uncommitted', 'out');
    expect(all.filter(({ value }) => value.startsWith('dropped-'))).toHaveLength(records);
    expect(all).toHaveLength(copied.length + records);
  });

  test('are fenced by a second producer and ended at their timeout', () => {
    expect(linesOf('fenced')).toEqual([['ProducerFencedException']]);
    // A client of the second transaction protocol may be one epoch behind: its commit is taken for that of a
    // transaction which has been aborted since.
    const secondProtocol = atLeast(version, '4.0') && targetName() !== 'apache-kafka-3.9.1';
    const late = secondProtocol ? 'InvalidTxnStateException' : 'ProducerFencedException';
    expect(linesOf('timeout')).toEqual([[late]]);
  });
});
