import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createTopic } from '../clients/records.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { launchOf, type TargetName, targetName, temporaryFolder } from '../support/broker-target.ts';
import { deleteRecords } from '../support/delete-records.ts';
import { freePort } from '../support/free-ports.ts';
import {
  lastValues,
  type ReadRecord,
  readTopic,
  type WrittenRecord,
  writeTopic,
} from '../support/kcat-records.ts';
import { activeSegmentStart, cleanedUpTo, segmentFiles } from '../support/log-directory-files.ts';
import { allFiles, complaintsIn, dump } from './dump-log-segments.ts';

const ORACLE: TargetName = 'apache-kafka-4.3.0';
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const KEYS = 300;
const RECORDS_PER_CODEC = 2_000;
/** Base64 of it is a value: what compresses well would fill no segment. */
const VALUE_BYTES = 600;
const SEGMENT_BYTES = '1048576';
const PATIENCE_MS = 60_000;

/** Compacted; compacted and deleted from by retention; deleted from by retention and DeleteRecords. */
const TOPICS = ['kept', 'both', 'cut'] as const;
const CUT_AT = 700;
const DAY_MS = '86400000';

const TOPIC_CONFIGS: Readonly<Record<(typeof TOPICS)[number], Readonly<Record<string, string>>>> = {
  kept: { 'cleanup.policy': 'compact' },
  both: { 'cleanup.policy': 'compact,delete', 'retention.bytes': '400000' },
  cut: { 'cleanup.policy': 'delete', 'retention.bytes': '2097152' },
};

/** What both brokers are told, so that all is done soon. */
const PROPERTIES = {
  'offsets.topic.num.partitions': '1',
  'log.cleaner.backoff.ms': '200',
  'log.cleaner.dedupe.buffer.size': '8388608',
  'log.retention.check.interval.ms': '500',
  'log.initial.task.delay.ms': '500',
};

/** Records for one turn, the same each time: a third of the keys' last records are tombstones. */
function historyOf(turn: string): WrittenRecord[] {
  return Array.from({ length: RECORDS_PER_CODEC * CODECS.length }, (_, index) => {
    const key = `key-${(index * 7919) % KEYS}`;
    if (index % 3 === 0) return { key, value: null };
    // A hash function that gives as many bytes as one wants.
    const bytes = createHash('shake256', { outputLength: VALUE_BYTES })
      .update(`${turn}-${index}`)
      .digest('base64');
    return { key, value: `${turn}-${index}-${bytes}` };
  });
}

async function fill(broker: BrokerProcess, topic: string, history: readonly WrittenRecord[]): Promise<void> {
  for (const [index, codec] of CODECS.entries()) {
    const part = history.slice(index * RECORDS_PER_CODEC, (index + 1) * RECORDS_PER_CODEC);
    const headers = [`codec=${codec}`, 'empty='];
    await writeTopic(broker.bootstrap, topic, part, { codec, headers, partition: 0 });
  }
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
    await sleep(100);
  }
}

/** Whether the cleaner has come to the active segment, or retention has deleted all before it. */
function isClean({ dataDirectory }: BrokerProcess, topic: string): boolean {
  const end = activeSegmentStart(dataDirectory, topic, 0);
  const isAlone = segmentFiles(dataDirectory, topic, 0).length === 1;
  return end > 0 && (isAlone || cleanedUpTo(dataDirectory, topic, 0) >= end);
}

async function untilClean(broker: BrokerProcess): Promise<void> {
  for (const topic of ['kept', 'both']) {
    await eventually(`${topic} is compacted by ${broker.name}`, () => isClean(broker, topic));
  }
}

type Contents = Map<string, ReadRecord[]>;

async function readAll({ bootstrap }: BrokerProcess): Promise<Contents> {
  const found: Contents = new Map();
  for (const topic of TOPICS) found.set(topic, await readTopic(bootstrap, topic));
  return found;
}

/** Waits until what is read does not change any more: retention may be about to delete. */
async function settled(broker: BrokerProcess): Promise<Contents> {
  for (let before = await readAll(broker); ; ) {
    await sleep(1_500);
    const now = await readAll(broker);
    if (TOPICS.every(topic => now.get(topic)?.length === before.get(topic)?.length)) return now;
    before = now;
  }
}

function expectCompacted(contents: Contents, history: readonly WrittenRecord[]): void {
  const kept = contents.get('kept') ?? [];
  expect(lastValues(kept)).toEqual(lastValues(history));
  expect(kept.length).toBeLessThan(history.length / 2);
  expect(kept.length).toBeGreaterThan(lastValues(history).size);
  const offsets = kept.map(({ offset }) => offset);
  expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
}

/**
 * A batch that compaction left without records keeps its last timestamp, and may have an entry in the time index: the tool
 * finds a mismatch with the time of no record, -1. It says so of what Apache Kafka has compacted too.
 */
function withoutEmptied(text: string): string {
  return text.replaceAll(
    /^Found timestamp mismatch in :.*\n(\s+Index timestamp: \d+, log timestamp: -1\n)+/gm,
    '',
  );
}

/** Everything that the tool has to say of the logs and indexes of the topics, of a broker that does not run. */
async function expectNoComplaints({ dataDirectory }: BrokerProcess): Promise<void> {
  const files = TOPICS.flatMap(topic => allFiles(join(dataDirectory, `${topic}-0`)));
  const logs = files.filter(path => path.endsWith('.log'));
  const others = files.filter(path => /\.(index|timeindex|snapshot)$/.test(path));
  const text = await dump(logs, '--deep-iteration', '--print-data-log');
  expect(complaintsIn(text)).toEqual([]);
  expect(text.match(/^\| offset: /gm)?.length).toBeGreaterThan(100);
  expect(complaintsIn(withoutEmptied(await dump(others)))).toEqual([]);
  const indexes = others.filter(path => !path.endsWith('.snapshot'));
  expect(complaintsIn(withoutEmptied(await dump(indexes, '--verify-index-only')))).toEqual([]);
}

/** Warnings of either broker that it did not believe what it found of compacted logs. */
function doubts({ logFile }: BrokerProcess): string[] {
  const pattern =
    /(reset|invalid|corrupt|damaged|recover|not compacted|uncleanable|fail).*\b(kept|both|cut)-0/i;
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .filter(line => pattern.test(line));
}

describe.each([
  { first: targetName(), second: ORACLE },
  { first: ORACLE, second: targetName() },
])('a directory that $first has compacted and deleted from', ({ first, second }) => {
  test(`has the same contents for ${second}, whose cleaner goes on where the other one was`, async () => {
    const folder = temporaryFolder('compacted-exchange');
    const ports = { port: await freePort(), controllerPort: await freePort() };
    const create = async (name: TargetName, turn: string) =>
      BrokerProcess.create(await launchOf(name), {
        workDirectory: `${folder.path}/${turn}`,
        dataDirectory: `${folder.path}/data`,
        properties: PROPERTIES,
        ...ports,
      });
    const before = await create(first, 'first');
    const after = await create(second, 'second');
    try {
      await before.start();
      for (const topic of TOPICS) {
        const usual = {
          'segment.bytes': SEGMENT_BYTES,
          'min.cleanable.dirty.ratio': '0.01',
          'delete.retention.ms': DAY_MS,
          'file.delete.delay.ms': '200',
        };
        await createTopic(before.bootstrap, topic, 1, { ...usual, ...TOPIC_CONFIGS[topic] });
      }
      const history = historyOf('first');
      for (const topic of TOPICS) await fill(before, topic, history);
      await untilClean(before);
      await deleteRecords(before.port, 'cut', 0, history.length - CUT_AT);
      const written = await settled(before);
      expectCompacted(written, history);
      expect(written.get('cut')?.[0]?.offset).toBe(history.length - CUT_AT);
      const upTo = cleanedUpTo(before.dataDirectory, 'kept', 0);
      await before.stop();
      await expectNoComplaints(before);

      await after.start();
      expect(await readAll(after)).toEqual(written);
      expect(cleanedUpTo(after.dataDirectory, 'kept', 0)).toBe(upTo);
      const more = historyOf('second');
      for (const topic of TOPICS) await fill(after, topic, more);
      await untilClean(after);
      const grown = await settled(after);
      expectCompacted(grown, [...history, ...more]);
      expect(cleanedUpTo(after.dataDirectory, 'kept', 0)).toBeGreaterThan(upTo);
      expect(doubts(after)).toEqual([]);
      await after.stop();
      await expectNoComplaints(after);

      await before.start();
      expect(await readAll(before)).toEqual(grown);
      expect(doubts(before)).toEqual([]);
      expect(segmentFiles(before.dataDirectory, 'cut', 0)[0]).not.toBe('00000000000000000000.log');
    } finally {
      await before.dispose();
      await after.dispose();
      folder.remove();
    }
  });
});
