import { describe, expect, it } from 'vitest';
import type { FinalState, ReplicaAtRest } from './final-state.ts';
import { batchAtRest, EMPTY, HistoryBuilder, PARTITION, replicaAtRest, STRICT } from './history-builder.ts';
import { checkReplicaLogs } from './replica-logs.ts';

const AB = batchAtRest(0, ['a', 'b']);
const C = batchAtRest(2, ['c'], { leaderEpoch: 1 });

function end(replicas: readonly ReplicaAtRest[], more: Partial<FinalState> = {}): FinalState {
  return { ...EMPTY, replicas, partitions: [PARTITION], up: [1, 2, 3], ...more };
}

function three(third: ReplicaAtRest): FinalState {
  return end([replicaAtRest(1, [AB, C]), replicaAtRest(2, [AB, C]), third]);
}

function found(state: FinalState, options = STRICT, builder = new HistoryBuilder()): string[] {
  return builder.check(checkReplicaLogs, state, options);
}

describe('replica logs', () => {
  it('finds nothing in equal replicas that hold what was acknowledged', () => {
    const builder = new HistoryBuilder().write('p', ['a', 'b'], 0).write('p', ['c'], 2);
    expect(found(three(replicaAtRest(3, [AB, C])), STRICT, builder)).toEqual([]);
  });

  it('R1: equal offset and epoch, and another record below', () => {
    const other = batchAtRest(0, ['a', 'x']);
    const state = three(replicaAtRest(3, [other, C]));
    expect(found(state, { ...STRICT, atRest: false })).toEqual(['R1', 'R1']);
  });

  it('R1: equal offset and epoch, and other bytes', () => {
    const state = three(replicaAtRest(3, [AB, { ...C, digest: 'other bytes' }]));
    expect(found(state, { ...STRICT, atRest: false })).toEqual(['R1', 'R1']);
  });

  it('tails of different epochs may differ while the cluster works', () => {
    const tail = batchAtRest(2, ['z'], { leaderEpoch: 0 });
    expect(found(three(replicaAtRest(3, [AB, tail])), { ...STRICT, atRest: false })).toEqual([]);
  });

  it('a replica that starts later is compared from there', () => {
    expect(found(three(replicaAtRest(3, [C], { logStartOffset: 2 })))).toEqual([]);
  });

  it('R11: a replica is behind when all is at rest', () => {
    expect(found(three(replicaAtRest(3, [AB])))).toEqual(['R11']);
  });

  it('R11: a replica is not in sync, or has no log', () => {
    const all = [1, 2, 3].map(node => replicaAtRest(node, [AB]));
    const partitions = [{ ...PARTITION, isr: [1, 2] }];
    expect(found(end(all, { partitions }))).toEqual(['R11']);
    expect(found(end(all.slice(0, 2)))).toEqual(['R11']);
  });

  it('M11: a partition has no leader when all is at rest', () => {
    expect(found(end([], { partitions: [{ ...PARTITION, leader: -1 }] }))).toEqual(['M11']);
  });

  it('R4: the leader has nothing, or something else, where a record was acknowledged', () => {
    const missing = new HistoryBuilder().write('p', ['d'], 3);
    expect(found(three(replicaAtRest(3, [AB, C])), STRICT, missing)).toEqual(['R4']);
    const other = new HistoryBuilder().write('p', ['x'], 1);
    expect(found(three(replicaAtRest(3, [AB, C])), STRICT, other)).toEqual(['R4']);
    expect(found(three(replicaAtRest(3, [AB, C])), { ...STRICT, lossAllowed: true }, other)).toEqual([]);
  });

  it('S1: offsets that overlap, and offsets that are missing', () => {
    expect(found(end([replicaAtRest(1, [AB, batchAtRest(1, ['c'])])], { partitions: [] }))).toEqual(['S1']);
    expect(found(end([replicaAtRest(1, [AB, batchAtRest(3, ['c'])])], { partitions: [] }))).toEqual(['S1']);
  });

  it('S11: a leader epoch that goes back', () => {
    const batches = [batchAtRest(0, ['a'], { leaderEpoch: 2 }), batchAtRest(1, ['b'], { leaderEpoch: 1 })];
    expect(found(end([replicaAtRest(1, batches)], { partitions: [] }))).toEqual(['S11']);
  });

  it('S2: a wrong checksum, and bytes that are no batch', () => {
    const wrong = replicaAtRest(1, [{ ...AB, crcIsValid: false }]);
    expect(found(end([wrong], { partitions: [] }))).toEqual(['S2']);
    const torn = replicaAtRest(1, [AB], { damage: '3 bytes behind its last batch' });
    expect(found(end([torn], { partitions: [] }))).toEqual(['S2']);
  });

  function produced(baseOffset: number, count: number, producerEpoch: number, baseSequence: number) {
    const values = Array.from({ length: count }, (_, index) => `${baseOffset}.${index}`);
    return batchAtRest(baseOffset, values, { producerId: 7, producerEpoch, baseSequence });
  }

  it('T1: sequences follow each other, over 2^31 and into the next epoch', () => {
    const top = 0x7fff_ffff;
    const batches = [
      produced(0, 2, 0, top - 1),
      produced(2, 1, 0, 0),
      produced(3, 1, 1, 0),
      produced(4, 1, 1, 1),
    ];
    expect(found(end([replicaAtRest(1, batches)], { partitions: [] }))).toEqual([]);
  });

  it('T1: a sequence twice, one left out, and an epoch that begins in the middle', () => {
    const log = (...batches: ReturnType<typeof produced>[]) =>
      found(end([replicaAtRest(1, batches)], { partitions: [] }));
    expect(log(produced(0, 2, 0, 0), produced(2, 2, 0, 0))).toEqual(['T1']);
    expect(log(produced(0, 2, 0, 0), produced(2, 2, 0, 3))).toEqual(['T1']);
    expect(log(produced(0, 2, 0, 0), produced(2, 2, 1, 2))).toEqual(['T1']);
  });

  it('T1: where records may be lost one may be left out, and none be there twice', () => {
    const log = (...batches: ReturnType<typeof produced>[]) =>
      found(end([replicaAtRest(1, batches)], { partitions: [] }), { ...STRICT, lossAllowed: true });
    expect(log(produced(0, 2, 0, 0), produced(2, 2, 0, 3))).toEqual([]);
    expect(log(produced(0, 2, 0, 0), produced(2, 2, 0, 1))).toEqual(['T1']);
  });

  it('T3: a record of an older producer epoch', () => {
    const batches = [produced(0, 1, 1, 0), produced(1, 1, 0, 0)];
    expect(found(end([replicaAtRest(1, batches)], { partitions: [] }))).toEqual(['T3']);
  });
});
