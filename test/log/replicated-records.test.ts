import { describe, expect, it } from 'vitest';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { batchAround, runsOf, validateReplicated } from '../../src/log/replicated-records.ts';

function batchAt(baseOffset: number, leaderEpoch: number, valueBytes = 50): Buffer {
  const builder = new RecordBatchBuilder({});
  for (let i = 0; i < 2; i++) {
    builder.append({ timestamp: 1000 + baseOffset, key: null, value: Buffer.alloc(valueBytes), headers: [] });
  }
  const bytes = builder.build();
  const batch = new RecordBatch(bytes);
  batch.setBaseOffset(baseOffset);
  batch.setPartitionLeaderEpoch(leaderEpoch);
  return bytes;
}

describe('what a follower got', () => {
  const batches = [batchAt(10, 1), batchAt(12, 1), batchAt(20, 2), batchAt(22, 3, 500)];
  const records = Buffer.concat(batches);
  const size = batches[0]!.length;

  it('goes into one run, without a copy, where it fits in a segment', () => {
    const [run, ...more] = runsOf(validateReplicated(records, 10), 1_000_000);
    expect(more).toEqual([]);
    expect(run!.records).toBe(records);
    expect(run).toMatchObject({
      firstOffset: 10,
      lastOffset: 23,
      leaderEpoch: 3,
      recordCount: 8,
      maxTimestamp: 1022,
    });
  });

  it('is split between batches where it does not, a batch that is too large alone being a run', () => {
    const runs = runsOf(validateReplicated(records, 10), 2 * size);
    expect(runs.map(run => [run.firstOffset, run.lastOffset, run.leaderEpoch])).toEqual([
      [10, 13, 1],
      [20, 21, 2],
      [22, 23, 3],
    ]);
    expect(Buffer.concat(runs.map(run => run.records)).equals(records)).toBe(true);
  });

  it('is split where offsets are too far apart for the index of one segment', () => {
    const far = Buffer.concat([batchAt(0, 1), batchAt(0x7fff_ffff, 1)]);
    expect(runsOf(validateReplicated(far, 0), 1_000_000).map(run => run.firstOffset)).toEqual([
      0, 0x7fff_ffff,
    ]);
  });

  it('begins in the middle of a batch only if that holds the offset', () => {
    expect(batchAround(records, 11)?.baseOffset).toBe(10);
    expect(batchAround(records, 10)).toBeUndefined();
    expect(batchAround(records, 12)).toBeUndefined();
    expect(batchAround(records.subarray(0, 20), 11)).toBeUndefined();
  });
});
