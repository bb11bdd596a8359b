import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedTarget, startTarget, targetName } from '../support/broker-target.ts';
import { atLeast, JAVA_CLIENT_VERSIONS, type JavaClientVersion, runJava } from '../support/client-tools.ts';
import { createTopic, expectContiguous, type PrintedRecord, tabbedLines } from './records.ts';

const PARTITIONS = 3;
const RECORDS_PER_CODEC = 200;

let target: StartedTarget;

beforeAll(async () => {
  target = await startTarget('java');
});

afterAll(async () => {
  await target?.dispose();
});

/** Apache Kafka 4.x refuses clients older than 2.1; our broker and Apache Kafka 3.9 do not. */
const versions = JAVA_CLIENT_VERSIONS.filter(
  version => targetName() !== 'apache-kafka-4.3.0' || atLeast(version, '2.1'),
);

function codecsOf(version: JavaClientVersion): string[] {
  const codecs = ['none', 'gzip', 'snappy', 'lz4'];
  if (atLeast(version, '2.1')) codecs.push('zstd');
  return codecs;
}

async function produce(
  version: JavaClientVersion,
  topic: string,
  label: string,
  ...config: string[]
): Promise<void> {
  const args = [target.broker.bootstrap, topic, `${PARTITIONS}`, `${RECORDS_PER_CODEC}`, label, ...config];
  const { stdout } = await runJava('producer', version, args);
  expect(tabbedLines(stdout), `acknowledgements of ${label}`).toHaveLength(RECORDS_PER_CODEC);
}

function parseRecords(lines: readonly string[][]): PrintedRecord[] {
  return lines.map(([, partition, offset, key, value]) => ({
    partition: Number(partition),
    offset: Number(offset),
    key: key ?? '',
    value: value ?? '',
  }));
}

async function consumeInTwoLives(version: JavaClientVersion, topic: string, count: number): Promise<void> {
  const group = `group-${topic}`;
  // The first life ends behind a poll: on a slow machine one may bring all that there is.
  const config = atLeast(version, '0.10') ? ['max.poll.records=20'] : [];
  const args = [target.broker.bootstrap, topic, group, `${count}`, ...config];
  const { stdout } = await runJava('consumer', version, args);
  const lines = tabbedLines(stdout);
  const inGroup = parseRecords(lines.filter(([life]) => life === '1' || life === '2'));
  const secondLife = lines.filter(([life]) => life === '2');
  expect(secondLife.length, 'records left for the second life').toBeGreaterThan(0);
  expect(inGroup).toHaveLength(count);
  expectContiguous(inGroup);
  const labels = codecsOf(version).map(codec => `${version}-${codec}`);
  const expected = labels.flatMap(label =>
    Array.from({ length: RECORDS_PER_CODEC }, (_, i) => value(label, i)),
  );
  expect(inGroup.map(record => record.value).sort()).toEqual(expected.sort());
  const afterSeek = parseRecords(lines.filter(([life]) => life === 'seek'));
  expect(afterSeek[0]?.offset).toBe(1);
}

function value(label: string, index: number): string {
  return `${label}-${index}-abcdefghijklmnopqrstuvwxyz`;
}

describe.each(versions)('Java client %s', version => {
  const topic = `java-${version}`;
  const total = codecsOf(version).length * RECORDS_PER_CODEC;

  beforeAll(async () => {
    await createTopic(target.broker.bootstrap, topic, PARTITIONS);
  });

  test('produces with every codec that it knows', async () => {
    for (const codec of codecsOf(version)) {
      await produce(version, topic, `${version}-${codec}`, `compression.type=${codec}`);
    }
  });

  test.runIf(atLeast(version, '0.9'))('consumes in a group and goes on from its commit', async () => {
    await consumeInTwoLives(version, topic, total);
  });

  test.runIf(atLeast(version, '0.10.1'))('finds offsets by beginning, end and time', async () => {
    const lookUp = async (timestamp: number) =>
      tabbedLines(
        (await runJava('offsets', version, [target.broker.bootstrap, topic, `${timestamp}`])).stdout,
      ).map(line => line.map(Number));
    const early = await lookUp(1);
    expect(early).toHaveLength(PARTITIONS);
    expect(early.reduce((sum, [, , end = 0]) => sum + end, 0)).toBe(total);
    for (const [, beginning, , offset, timestamp = 0] of early) {
      expect(beginning).toBe(0);
      expect(offset).toBe(0);
      expect(timestamp).toBeGreaterThan(Date.now() - 3_600_000);
    }
    for (const [, , , offset] of await lookUp(Date.now() + 3_600_000)) expect(offset).toBe(-1);
  });

  test.runIf(atLeast(version, '0.11'))('produces idempotently', async () => {
    const idempotent = `idempotent-${version}`;
    await createTopic(target.broker.bootstrap, idempotent, PARTITIONS);
    await produce(version, idempotent, 'idempotent', 'enable.idempotence=true', 'batch.size=512');
  });

  test.runIf(atLeast(version, '0.11') && !atLeast(version, '4.0'))('administers topics', async () => {
    const name = `admin-${version}`;
    const { stdout } = await runJava('admin-basic', version, [target.broker.bootstrap, name]);
    expect(tabbedLines(stdout)).toEqual([
      ['nodes', '1'],
      ['listed', 'true'],
      ['partitions', '4'],
      ['leaderless', '0'],
      ['retention.ms', '123456'],
      ['cleanup.policy', 'delete'],
      ['retention.ms is default', 'false'],
      ['second creation', 'TopicExistsException'],
      ['listed after deletion', 'false'],
    ]);
  });
});

test('what the newest client wrote with any codec, the oldest consumers read', async () => {
  const topic = 'new-to-old';
  const readers = versions.filter(version => atLeast(version, '0.9') && !atLeast(version, '4.0'));
  await createTopic(target.broker.bootstrap, topic, PARTITIONS);
  // A client that predates zstd is told so by the broker (UNSUPPORTED_COMPRESSION_TYPE), so zstd is left out.
  const codecs = ['none', 'gzip', 'snappy', 'lz4'];
  for (const codec of codecs) {
    const label = `new-${codec}`;
    await produce('4.3.0', topic, label, `compression.type=${codec}`);
  }
  const count = codecs.length * RECORDS_PER_CODEC;
  for (const version of readers) {
    const args = [target.broker.bootstrap, topic, `new-to-old-${version}`, `${count}`];
    const { stdout } = await runJava('consumer', version, args);
    const read = parseRecords(tabbedLines(stdout).filter(([life]) => life !== 'seek'));
    expectContiguous(read);
    expect(new Set(read.map(record => record.value)).size, `read by ${version}`).toBe(count);
  }
});
