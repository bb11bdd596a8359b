import { type Int64, type Offset, type Timestamp, toInt64 } from '../base/int64.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** What a producer gives: the fields of one record, before it has an offset. */
export interface RecordInput {
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: Timestamp;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[] | undefined;
}

/**
 * One record of a batch. `key`, `value` and the values of the headers are views: they share memory with the batch (or
 * with its decompressed records) and keep it alive. Copy what outlives the batch.
 */
export interface KafkaRecord extends RecordInput {
  readonly offset: Offset;
  readonly timestamp: Timestamp;
  readonly headers: readonly RecordHeader[];
  /** -1 if the batch has none. */
  readonly sequence: number;
}

export const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

export const TimestampType = { CREATE_TIME: 0, LOG_APPEND_TIME: 1 } as const;
export type TimestampType = 0 | 1;

export const NO_TIMESTAMP = -1;
export const NO_PRODUCER_ID: Int64 = -1;
export const NO_PRODUCER_EPOCH = -1;
export const NO_SEQUENCE = -1;
export const NO_PARTITION_LEADER_EPOCH = -1;

/** The sequence that comes `increment` after `sequence`: past 2^31-1 it starts again at 0. */
export function incrementSequence(sequence: number, increment: number): number {
  const sum = sequence + increment;
  return sum > 0x7fff_ffff ? sum - 0x8000_0000 : sum;
}

/** The sequence that comes `decrement` before `sequence`, the inverse of {@link incrementSequence}. */
export function decrementSequence(sequence: number, decrement: number): number {
  const difference = sequence - decrement;
  return difference < 0 ? difference + 0x8000_0000 : difference;
}

/** The timestamp that lies `delta` after the base timestamp of its batch. It wraps at 64 bits, as Java adds. */
export function recordTimestamp(baseTimestamp: Timestamp, delta: Int64): Timestamp {
  if (typeof baseTimestamp === 'number' && typeof delta === 'number') {
    const sum = baseTimestamp + delta;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toInt64(BigInt.asIntN(64, BigInt(baseTimestamp) + BigInt(delta)));
}

/** The inverse of {@link recordTimestamp}. */
export function timestampDelta(timestamp: Timestamp, baseTimestamp: Timestamp): Int64 {
  if (typeof timestamp === 'number' && typeof baseTimestamp === 'number') {
    const difference = timestamp - baseTimestamp;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return toInt64(BigInt.asIntN(64, BigInt(timestamp) - BigInt(baseTimestamp)));
}
