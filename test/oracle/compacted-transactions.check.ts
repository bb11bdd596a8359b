import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BrokerProcess } from '../support/broker-process.ts';
import { launchOf, type TargetName, targetName, temporaryFolder } from '../support/broker-target.ts';
import { freePort } from '../support/free-ports.ts';
import {
  COMPACTED_TOPICS,
  type CompactedFiles,
  type CompactedTopic,
  type CompactedView,
  CompactionSide,
} from './compaction-side.ts';

/**
 * One history of transactions is written to this broker and to Apache Kafka, which compact it at the same points of it.
 * What readers see, the batches that are left and the transaction indexes must be equal; then the two go on with each
 * other's directory. Left out of the comparison are the times of markers and of delete horizons, which are the clock's,
 * and what follows from other bytes of one content: positions, sizes and checksums.
 */
const ORACLE: TargetName = 'apache-kafka-4.3.0';
const TOPICS = Object.keys(COMPACTED_TOPICS) as CompactedTopic[];

const PROPERTIES = {
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
  'log.cleaner.backoff.ms': '100',
  'log.cleaner.dedupe.buffer.size': '8388608',
  'producer.id.expiration.check.interval.ms': '300',
};

/** What was seen at a point of the history. */
type Seen = Record<CompactedTopic, CompactedView>;

interface Run {
  readonly side: CompactionSide;
  readonly seen: Map<string, Seen>;
  /** Base offsets of the segments that an open transaction kept from being compacted. */
  heldFrom: number;
}

async function stage(run: Run, name: string): Promise<void> {
  run.seen.set(name, { short: await run.side.look('short'), long: await run.side.look('long') });
  run.side.copy(name);
}

/** Up to a transaction that stays open, with others begun and ended behind it. */
async function untilHeld(run: Run): Promise<void> {
  const { side } = run;
  await side.createTopics();
  for (const name of ['p', 'q', 'r', 's', 't']) await side.open(name);
  await side.open('z', { transactionVersion: 2 });
  await side.open('i', null);
  await side.plain({ a: '1', b: '1', c: '1' });
  await side.add('p');
  await side.write('p', { a: 'p1', b: 'p1' });
  await side.end('p', true);
  await side.add('q');
  await side.write('q', { a: 'q1', d: 'q1' }, true);
  await side.end('q', false);
  await side.add('p');
  await side.write('p', { c: null });
  await side.end('p', true);

  await side.segment();
  await side.add('r');
  await side.write('r', { e: 'r1', a: 'r1' });
  await side.write('i', { f: 'i1', a: 'i1' });
  await side.segment();
  await side.write('r', { e: 'r2' });
  await side.end('r', false);
  // A transaction of markers only.
  await side.add('q');
  await side.end('q', true);
  await side.write('z', { g: 'z1', a: 'z1' }, true);
  await side.end('z', true);
  await side.write('z', { g: 'z2' });
  await side.end('z', false);

  run.heldFrom = await side.segment();
  await side.add('s');
  await side.write('s', { h: 's1', a: 's1' });
  await side.add('p');
  await side.write('p', { a: 'p2' });
  await side.end('p', true);
  await side.add('q');
  await side.write('q', { b: 'q2' });
  await side.end('q', false);
  await side.segment();
  await side.add('t');
  await side.write('t', { h: 't1', b: 't1' });
  await side.add('p');
  await side.write('p', { b: null, j: 'p3' });
  await side.end('p', true);
  await side.segment();
  await side.segment();
  await stage(run, 'before the first cleaning');
  await side.compact(run.heldFrom);
  await stage(run, 'held by an open transaction');
}

async function afterwards(run: Run): Promise<void> {
  const { side } = run;
  await side.end('s', true);
  await side.end('t', false);
  await side.segment();
  await side.passHorizon();
  await side.compact();
  await stage(run, 'all transactions ended');

  await side.add('p');
  await side.write('p', { a: 'p4', h: 'p4' });
  await side.end('p', true);
  await side.segment();
  await side.passHorizon();
  await side.compact();
  await stage(run, 'past the delete horizon');

  // The last batches of producers lose all their records; one has a new epoch, of which nothing is written yet.
  await side.init('p');
  await side.plain({ a: '2', b: '2', e: '2', f: '2', g: '2', h: '2', j: null });
  await side.write('z', { k: 'z3' });
  await side.end('z', true);
  await side.segment();
  await side.passHorizon();
  await side.compact();
  await stage(run, 'superseded');
  await side.add('p');
  await side.write('p', { k: null });
  await side.end('p', false);
  await side.plain({ k: '3' });
  await side.segment();
  await side.passHorizon();
  await side.compact();
  await stage(run, 'superseded and past the horizon');
  await side.segment();
  await side.passHorizon();
  await side.compact();
  await stage(run, 'settled');

  // Those that ended with a marker; the times of the records of the others are still to come.
  await side.expire(1, ['p', 'q', 'r', 's', 't', 'z']);
  await side.segment();
  await side.passHorizon();
  await side.compact();
  await stage(run, 'producers forgotten');
  await side.expire(86_400_000, []);

  await side.open('v');
  await side.open('w');
  await side.add('v');
  await side.add('w');
  await side.write('v', { a: 'v1', l: 'v1' });
  await side.write('w', { a: 'w1', m: 'w1' });
  await side.plain({ n: '4' });
  await side.segment();
  await stage(run, 'two transactions open');
}

async function onTheOtherDirectory(run: Run): Promise<void> {
  const { side } = run;
  await stage(run, 'opened by the other broker');
  await side.end('v', true);
  await side.end('w', false);
  await side.write('i', { f: 'i2' });
  await side.segment();
  await side.compact();
  await stage(run, 'compacted by the other broker');
  await side.passHorizon();
  await side.segment();
  await side.compact();
  await side.passHorizon();
  await side.segment();
  await side.compact();
  await stage(run, 'compacted further by the other broker');
}

const folder = temporaryFolder('compacted-transactions');
const runs: Run[] = [];
const brokers: BrokerProcess[] = [];
const files: Map<string, CompactedFiles>[] = [];

beforeAll(async () => {
  const kinds = [
    { first: targetName(), second: ORACLE },
    { first: ORACLE, second: targetName() },
  ];
  const successors: BrokerProcess[] = [];
  for (const { first, second } of kinds) {
    const base = `${folder.path}/of-${runs.length}`;
    const ports = { port: await freePort(), controllerPort: await freePort() };
    const create = async (name: TargetName, turn: string) => {
      const options = {
        workDirectory: `${base}/${turn}`,
        dataDirectory: `${base}/data`,
        properties: PROPERTIES,
      };
      const broker = await BrokerProcess.create(await launchOf(name), { ...options, ...ports });
      brokers.push(broker);
      return broker;
    };
    const broker = await create(first, 'first');
    successors.push(await create(second, 'second'));
    await broker.start();
    const run: Run = { side: new CompactionSide(broker, `${base}/copies`), seen: new Map(), heldFrom: 0 };
    runs.push(run);
    await untilHeld(run);
    await afterwards(run);
    await run.side.stop();
  }
  for (const [index, run] of runs.entries()) {
    await successors[index]!.start();
    await run.side.goOnWith(successors[index]!);
    await onTheOtherDirectory(run);
    await run.side.stop();
  }
  for (const { side, seen } of runs) files.push(await side.files([...seen.keys()]));
});

afterAll(async () => {
  for (const { side } of runs) side.close();
  for (const broker of brokers) await broker.dispose();
  folder.remove();
});

const STAGES = [
  'before the first cleaning',
  'held by an open transaction',
  'all transactions ended',
  'past the delete horizon',
  'superseded',
  'superseded and past the horizon',
  'settled',
  'producers forgotten',
  'two transactions open',
  'opened by the other broker',
  'compacted by the other broker',
  'compacted further by the other broker',
];

describe.each(TOPICS)('the topic %s', topic => {
  test.each(STAGES)('%s: readers see the same of both', name => {
    const [ours, theirs] = runs.map(({ seen }) => seen.get(name)?.[topic]);
    expect(ours?.uncommitted).not.toEqual([]);
    expect(ours).toEqual(theirs);
  });

  test.each(STAGES)('%s: the same batches and aborted transactions are left', name => {
    const [ours, theirs] = files.map(each => each.get(`${name}/${topic}`));
    expect(Object.values(ours?.batches ?? {}).flat().length).toBeGreaterThan(3);
    expect(ours).toEqual(theirs);
  });

  const batchesAt = (index: number, name: string) =>
    Object.values(files[index]?.get(`${name}/${topic}`)?.batches ?? {}).flat();
  const markersAt = (name: string) =>
    batchesAt(0, name).filter(({ isControl, count }) => isControl && count > 0);
  const abortedAt = (name: string) => Object.values(files[0]?.get(`${name}/${topic}`)?.aborted ?? {}).flat();

  test('nothing from the segment of the last stable offset on is touched', () => {
    for (const { side, heldFrom } of runs) {
      const kept = (name: string) =>
        side
          .copied(name, topic)
          .filter(path => Number.parseInt(basename(path), 10) >= heldFrom)
          .map(path => [basename(path), readFileSync(path).toString('hex')]);
      expect(kept('held by an open transaction').length).toBeGreaterThan(3);
      expect(kept('held by an open transaction')).toEqual(kept('before the first cleaning'));
    }
  });

  test('aborted records go at once, and their markers later', () => {
    const recordsOf = (producer: string, name: string) =>
      batchesAt(0, name).filter(each => each.producer === producer && !each.isControl && each.count > 0);
    expect(recordsOf('r', 'before the first cleaning')).toHaveLength(2);
    expect(recordsOf('r', 'held by an open transaction')).toEqual([]);
    // Of the first transaction of q, of which no batch is left: not even an empty one for its sequence.
    const [offset] = batchesAt(0, 'before the first cleaning')
      .filter(({ producer, isControl }) => producer === 'q' && isControl)
      .map(({ baseOffset }) => baseOffset);
    const marker = (name: string) => markersAt(name).filter(({ baseOffset }) => baseOffset === offset);
    const isIndexed = (name: string) => abortedAt(name).some(line => line.startsWith(`q 6-${offset} `));
    expect(marker('held by an open transaction')).toMatchObject([{ hasDeleteHorizon: false }]);
    expect(isIndexed('held by an open transaction')).toBe(true);
    expect(marker('all transactions ended')).toMatchObject([{ hasDeleteHorizon: true }]);
    expect(isIndexed('all transactions ended')).toBe(false);
    expect(marker('past the delete horizon')).toHaveLength(topic === 'short' ? 0 : 1);
  });

  test('no broker doubts what it finds', () => {
    const doubts =
      /(reset|invalid|corrupt|damaged|recover|not compacted|uncleanable|fail).*\b(short|long)-0/i;
    const lines = brokers.flatMap(({ logFile }) => readFileSync(logFile, 'utf8').split('\n'));
    expect(lines.filter(line => doubts.test(line))).toEqual([]);
  });

  test('the last sequence of a producer stays while it is known, and no longer', () => {
    const emptied = (name: string) =>
      batchesAt(0, name).filter(each => each.count === 0 && !each.isControl && each.baseSequence >= 0);
    expect(emptied('settled').map(({ producer }) => producer)).toEqual(expect.arrayContaining(['i', 's']));
    const left = batchesAt(0, 'producers forgotten').filter(
      each => each.producer === 's' && each.count === 0,
    );
    expect(left).toEqual([]);
  });
});
