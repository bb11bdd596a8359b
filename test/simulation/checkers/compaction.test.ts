import { describe, expect, it } from 'vitest';
import type { CheckOptions } from './checker.ts';
import { checkCompaction } from './compaction.ts';
import type { BatchAtRest, FinalState, ReplicaAtRest } from './final-state.ts';
import { batchAtRest, EMPTY, HistoryBuilder, PARTITION, replicaAtRest, STRICT } from './history-builder.ts';
import type { KeyedRecord } from './history.ts';

const { partition } = PARTITION;

/** A batch of records of one key each; no value for a tombstone. */
function batch(
  baseOffset: number,
  records: readonly (readonly [key: string, value?: string])[],
): BatchAtRest {
  const values = records.map(([, value]) => value ?? '');
  return { ...batchAtRest(baseOffset, values), keys: records.map(([key]) => key) };
}

function replica(node: number, ...batches: BatchAtRest[]): ReplicaAtRest {
  return { ...replicaAtRest(node, batches), name: 'compacted-0' };
}

type Write = readonly [offset: number | undefined, ...records: KeyedRecord[]];

const written = (...writes: Write[]) => writtenWith(STRICT, ...writes);

function writtenWith(options: CheckOptions, ...writes: Write[]) {
  const builder = new HistoryBuilder();
  for (const [op, [offset, ...records]] of writes.entries()) {
    builder.history.record('keyed', { kind: 'keyedSend', op, partition, records });
    if (offset !== undefined) builder.history.record('keyed', { kind: 'keyedSent', op, offset });
  }
  return (...replicas: ReplicaAtRest[]): string[] => {
    const state: FinalState = { ...EMPTY, replicas, partitions: [PARTITION], up: [1, 2, 3] };
    return builder.check(checkCompaction, state, options);
  };
}

const A1 = { key: 'a', value: 'a1' };
const A2 = { key: 'a', value: 'a2' };
const NO_A = { key: 'a', value: null };

describe('compacted logs at rest', () => {
  it('may lack what was written over, each in its own way', () => {
    const check = written([0, A1], [1, A2]);
    const last = batch(1, [['a', 'a2']]);
    expect(check(replica(1, last), replica(2, batch(0, [['a', 'a1']]), last))).toEqual([]);
  });

  it('S10: the last record of a key is gone, or an older one is the last', () => {
    expect(written([0, A1])(replica(1))).toEqual(['S10']);
    expect(written([0, A1], [1, A2])(replica(1, batch(0, [['a', 'a1']])))).toEqual(['S10']);
    expect(written([0, A1], [1, A2])(replica(1, batch(1, [['a', 'a1']])))).toEqual(['S10']);
  });

  it('S10: a key that was deleted comes back, but its tombstone may go', () => {
    const check = written([0, A1], [1, NO_A]);
    expect(check(replica(1))).toEqual([]);
    expect(check(replica(1, batch(1, [['a']])))).toEqual([]);
    expect(check(replica(1, batch(0, [['a', 'a1']])))).toEqual(['S10']);
  });

  it('a replica that was out of the ISR may have missed a tombstone', () => {
    const history = [
      [0, A1],
      [1, NO_A],
      [2, { key: 'b', value: 'b1' }],
    ] as const;
    const b = batch(2, [['b', 'b1']]);
    const late = replica(2, batch(0, [['a', 'a1']]), b);
    const options = { ...STRICT, hasLagged: (_: string, node: number) => node === 2 };
    expect(written(...history)(late, replica(1, b))).toEqual(['S10', 'R11']);
    expect(writtenWith(options, ...history)(late, replica(1, b))).toEqual([]);
    // But nothing else.
    expect(writtenWith(options, ...history)(replica(2), replica(1, b))).toEqual(['S10', 'R11']);
  });

  it('a write without an answer may have come or not', () => {
    const check = written([0, A1], [undefined, A2], [undefined, NO_A]);
    expect(check(replica(1, batch(0, [['a', 'a1']])))).toEqual([]);
    expect(check(replica(1, batch(5, [['a', 'a2']])))).toEqual([]);
    expect(check(replica(1))).toEqual([]);
  });

  it('S10, T1: a record that nobody wrote, or that is there twice', () => {
    const check = written([0, A1]);
    expect(check(replica(1, batch(0, [['a', 'a1']]), batch(1, [['b', 'b1']])))).toEqual(['S10']);
    expect(check(replica(1, batch(0, [['a', 'a1']]), batch(1, [['a', 'a1']])))).toEqual(['T1']);
  });

  it('R11: replicas that do not agree on the last record of a key', () => {
    const check = written([0, A1], [undefined, A2]);
    const first = replica(1, batch(0, [['a', 'a1']]));
    expect(check(first, replica(2, batch(1, [['a', 'a2']])))).toEqual(['R11']);
  });
});
