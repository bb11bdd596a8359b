import { add64, type LeaderEpoch, type Offset, sub64, type Timestamp } from '../base/int64.ts';
import type { KafkaError } from '../protocol/errors.ts';
import { NO_TIMESTAMP } from '../record/record.ts';
import type { LogAppendInfo, WrittenCallback } from './log-append-info.ts';
import type { LogSegment } from './log-segment.ts';
import { type BatchMetadata, firstOffsetOf } from './producer-state-entry.ts';

/** Whole batches with their offsets, ready for one segment. */
export interface AppendedRecords {
  readonly records: Buffer;
  readonly firstOffset: Offset;
  /** Inclusive; `firstOffset` - 1 if there were no records. */
  readonly lastOffset: Offset;
  readonly recordCount: number;
  /** Of all batches; -1 if no record has a timestamp. */
  readonly maxTimestamp: Timestamp;
  /** -1 under CreateTime. */
  readonly logAppendTime: Timestamp;
}

/** An append on its way to the disk. */
export class PendingAppend implements LogAppendInfo {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** Exclusive: where the log ends with this append. */
  readonly endOffset: Offset;
  readonly lastLeaderEpoch: LeaderEpoch;
  readonly maxTimestamp: Timestamp;
  readonly logAppendTime: Timestamp;
  readonly logStartOffset: Offset;
  readonly recordCount: number;
  readonly duplicate: boolean;
  /** `undefined` if there is nothing to write. */
  readonly segment: LogSegment | undefined;
  readonly position: number;
  readonly validBytes: number;
  /** Only until it is written. */
  records: Buffer | undefined;

  private outcome: 'waiting' | 'done' | KafkaError = 'waiting';
  private callback: WrittenCallback | undefined;
  private moreCallbacks: WrittenCallback[] | undefined;

  constructor(
    fields: Omit<LogAppendInfo, 'onWritten'> & {
      endOffset: Offset;
      segment: LogSegment | undefined;
      position: number;
      records: Buffer | undefined;
    },
  ) {
    this.firstOffset = fields.firstOffset;
    this.lastOffset = fields.lastOffset;
    this.endOffset = fields.endOffset;
    this.lastLeaderEpoch = fields.lastLeaderEpoch;
    this.maxTimestamp = fields.maxTimestamp;
    this.logAppendTime = fields.logAppendTime;
    this.logStartOffset = fields.logStartOffset;
    this.recordCount = fields.recordCount;
    this.duplicate = fields.duplicate;
    this.segment = fields.segment;
    this.position = fields.position;
    this.validBytes = fields.validBytes;
    this.records = fields.records;
  }

  /** Of batches that `segment` has staged at `position`. */
  static staged(
    append: AppendedRecords,
    leaderEpoch: LeaderEpoch,
    logStartOffset: Offset,
    segment: LogSegment,
    position: number,
  ): PendingAppend {
    const { records, firstOffset, lastOffset, maxTimestamp, logAppendTime, recordCount } = append;
    return new PendingAppend({
      firstOffset,
      lastOffset,
      endOffset: add64(lastOffset, 1),
      lastLeaderEpoch: leaderEpoch,
      maxTimestamp,
      logAppendTime,
      logStartOffset,
      recordCount,
      validBytes: records.length,
      duplicate: false,
      segment,
      position,
      records,
    });
  }

  /** Of a batch that was appended before, as `batch`. It settles when that one has: see the caller. */
  static duplicateOf(
    batch: BatchMetadata,
    leaderEpoch: LeaderEpoch,
    recordCount: number,
    logStartOffset: Offset,
  ): PendingAppend {
    return new PendingAppend({
      ...NOTHING_TO_WRITE,
      firstOffset: firstOffsetOf(batch),
      lastOffset: batch.lastOffset,
      endOffset: add64(batch.lastOffset, 1),
      lastLeaderEpoch: leaderEpoch,
      maxTimestamp: batch.timestamp,
      // As Kafka answers, whatever the topic's timestamps are.
      logAppendTime: batch.timestamp,
      logStartOffset,
      recordCount,
      duplicate: true,
    });
  }

  /** Of no records, settled. */
  static empty(leaderEpoch: LeaderEpoch, logStartOffset: Offset, endOffset: Offset): PendingAppend {
    const append = new PendingAppend({
      ...NOTHING_TO_WRITE,
      firstOffset: -1,
      lastOffset: sub64(endOffset, 1),
      endOffset,
      lastLeaderEpoch: leaderEpoch,
      maxTimestamp: NO_TIMESTAMP,
      logAppendTime: NO_TIMESTAMP,
      logStartOffset,
      recordCount: 0,
      duplicate: false,
    });
    append.settle();
    return append;
  }

  onWritten(callback: WrittenCallback): void {
    if (this.outcome === 'done') callback();
    else if (this.outcome !== 'waiting') callback(this.outcome);
    else if (this.callback === undefined) this.callback = callback;
    else (this.moreCallbacks ??= []).push(callback);
  }

  settle(error?: KafkaError): void {
    if (this.outcome !== 'waiting') return;
    this.outcome = error ?? 'done';
    this.records = undefined;
    const { callback, moreCallbacks } = this;
    this.callback = undefined;
    this.moreCallbacks = undefined;
    callback?.(error);
    if (moreCallbacks !== undefined) for (const one of moreCallbacks) one(error);
  }
}

const NOTHING_TO_WRITE = { segment: undefined, position: 0, records: undefined, validBytes: 0 };
