import type { LeaderEpoch, Offset, Timestamp } from '../base/int64.ts';
import type { KafkaError } from '../protocol/errors.ts';

export type WrittenCallback = (error?: KafkaError) => void;

/** What an append has done, or will have done once it is written. */
export interface LogAppendInfo {
  /** The offset of the first record appended; -1 if there was none. */
  readonly firstOffset: Offset;
  /** Inclusive; `firstOffset` - 1 if there was none. */
  readonly lastOffset: Offset;
  readonly lastLeaderEpoch: LeaderEpoch;
  readonly maxTimestamp: Timestamp;
  /** -1 under CreateTime. */
  readonly logAppendTime: Timestamp;
  readonly logStartOffset: Offset;
  readonly recordCount: number;
  /** Bytes staged; 0 for a duplicate. */
  readonly validBytes: number;
  /** The batch was appended before, at the offsets given here: nothing was staged. */
  readonly duplicate: boolean;
  /**
   * Calls `callback` when the append is as durable as the flush policy asks for and `logEndOffset` covers
   * it: at once if it already is. With an error (KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER after a
   * truncation) if it never will be.
   */
  onWritten(callback: WrittenCallback): void;
}
