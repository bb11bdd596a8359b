import { MalformedError } from '../base/byte-reader.ts';
import { diff64, type Int64, type LeaderEpoch, max64, type Offset, type Timestamp } from '../base/int64.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { NO_TIMESTAMP } from '../record/record.ts';
import { batchesOf, RecordBatch } from '../record/record-batch.ts';
import type { AppendedRecords } from './pending-append.ts';

export interface ReplicatedRecords {
  /** The whole batches at the start of what came; what follows them is the start of a batch that was cut off. */
  readonly records: Buffer;
  readonly batches: readonly RecordBatch[];
}

/** Whole batches that go into one segment. */
export interface ReplicatedRun extends AppendedRecords {
  readonly batches: readonly RecordBatch[];
  /** Of the last batch. */
  readonly leaderEpoch: LeaderEpoch;
}

/** Offsets in a segment's index are relative, in 31 bits. */
const RELATIVE_OFFSET_MAX = 0x7fff_ffff;

/**
 * Checks what a follower got from its leader: framing, checksums (S2), and offsets that go up from `firstOffset` on.
 * Throws CORRUPT_MESSAGE, and INVALID_RECORD for offsets out of order.
 */
export function validateReplicated(records: Buffer, firstOffset: Offset): ReplicatedRecords {
  const batches: RecordBatch[] = [];
  let nextOffset: Int64 = firstOffset;
  let end = 0;
  try {
    for (const batch of batchesOf(records)) {
      if (!batch.isValid()) {
        throw new KafkaError(
          Errors.CORRUPT_MESSAGE,
          `the batch at offset ${batch.baseOffset} has a wrong checksum`,
        );
      }
      if (batch.baseOffset < nextOffset || batch.lastOffsetDelta < 0) {
        throw new KafkaError(
          Errors.INVALID_RECORD,
          `the batch at offset ${batch.baseOffset} starts below ${nextOffset}, where it should go on`,
        );
      }
      nextOffset = batch.nextOffset;
      end = batch.end;
      batches.push(batch);
    }
  } catch (error) {
    if (error instanceof MalformedError) throw new KafkaError(Errors.CORRUPT_MESSAGE, error.message);
    throw error;
  }
  return { records: end === records.length ? records : records.subarray(0, end), batches };
}

/**
 * The batches in runs of at most `segmentBytes`: a leader may answer with more than a segment of this broker holds. A
 * batch that alone is larger makes a run of its own, since the leader has taken it.
 */
export function runsOf({ records, batches }: ReplicatedRecords, segmentBytes: number): ReplicatedRun[] {
  const runs: ReplicatedRun[] = [];
  let from = 0;
  while (from < batches.length) {
    const first = batches[from]!;
    let last = first;
    let recordCount = 0;
    let maxTimestamp: Timestamp = NO_TIMESTAMP;
    let to = from;
    for (; to < batches.length; to++) {
      const batch = batches[to]!;
      const isTooLarge = batch.end - first.position > segmentBytes;
      const isTooFar = diff64(batch.lastOffset, first.baseOffset) > RELATIVE_OFFSET_MAX;
      if (to > from && (isTooLarge || isTooFar)) break;
      last = batch;
      recordCount += batch.count;
      maxTimestamp = max64(maxTimestamp, batch.maxTimestamp);
    }
    const isAll = from === 0 && to === batches.length;
    runs.push({
      records: isAll ? records : records.subarray(first.position, last.end),
      batches: isAll ? batches : batches.slice(from, to),
      firstOffset: first.baseOffset,
      lastOffset: last.lastOffset,
      leaderEpoch: last.partitionLeaderEpoch,
      maxTimestamp,
      // The leader has given the time already.
      logAppendTime: NO_TIMESTAMP,
      recordCount,
    });
    from = to;
  }
  return runs;
}

/**
 * Whether `records` begin with a batch that holds `startOffset` in its middle: a leader whose log start was moved
 * there by DeleteRecords gives that batch whole.
 */
export function batchAround(records: Buffer, startOffset: Offset): RecordBatch | undefined {
  try {
    const first = RecordBatch.at(records, 0);
    const isAround = first !== undefined && first.baseOffset < startOffset && first.lastOffset >= startOffset;
    return isAround ? first : undefined;
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}
