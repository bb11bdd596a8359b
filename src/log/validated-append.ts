import { add64, type LeaderEpoch, type Offset, sub64, type Timestamp } from '../base/int64.ts';
import type { LogConfig } from '../config/log-config.ts';
import { NO_TIMESTAMP, TimestampType } from '../record/record.ts';
import type { AppendedRecords } from './pending-append.ts';
import type { RecordConditions } from './record-errors.ts';

/** Whom the records of an append come from. */
export type AppendOrigin = 'client' | 'coordinator' | 'raftLeader' | 'replication';

export type ValidatorConfig = Pick<
  LogConfig,
  | 'maxMessageBytes'
  | 'cleanupPolicy'
  | 'compressionType'
  | 'compressionGzipLevel'
  | 'compressionLz4Level'
  | 'compressionZstdLevel'
  | 'messageTimestampType'
  | 'messageTimestampBeforeMaxMs'
  | 'messageTimestampAfterMaxMs'
>;

export interface ValidationContext {
  readonly origin: Exclude<AppendOrigin, 'replication'>;
  /** What the first record gets. */
  readonly firstOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  readonly nowMs: Timestamp;
  readonly config: ValidatorConfig;
  /** What the records of one batch may take after decompression, in bytes. */
  readonly maxDecompressedBytes?: number;
}

export interface ValidationResult extends AppendedRecords {
  /** The last offset of the batch that has `maxTimestamp`, as a time index keeps it; -1 without a timestamp. */
  readonly offsetOfMaxTimestamp: Offset;
  /** The records were rewritten (another codec, an old format, wrong offset deltas) into a new buffer. */
  readonly rewritten: boolean;
  /** Records that came in an old format and now have the current one. */
  readonly convertedRecordCount: number;
}

const DECOMPRESSED_BYTES_MIN = 16 * 1024 * 1024;
const DECOMPRESSED_RATIO = 16;

/** What is found out while the batches of one append are looked at, one after the other. */
export class ValidatedAppend {
  readonly context: ValidationContext;
  readonly topicTimestampType: TimestampType;
  nextOffset: Offset;
  recordCount = 0;
  maxTimestamp: Timestamp = NO_TIMESTAMP;
  offsetOfMaxTimestamp: Offset = -1;

  constructor(context: ValidationContext) {
    this.context = context;
    this.topicTimestampType =
      context.config.messageTimestampType === 'LogAppendTime'
        ? TimestampType.LOG_APPEND_TIME
        : TimestampType.CREATE_TIME;
    this.nextOffset = context.firstOffset;
  }

  get conditions(): RecordConditions {
    const { nowMs, config } = this.context;
    return { nowMs, config, topicTimestampType: this.topicTimestampType };
  }

  /**
   * What the records of one batch may take after decompression: 16 times what the batch may take, and 16 MiB at least.
   * Kafka has no such limit, and 2 KB of zstd can hold 64 MiB. Decompression runs on the event loop, where 16 MiB take
   * about 50 ms.
   */
  get maxDecompressedBytes(): number {
    const { maxDecompressedBytes, config } = this.context;
    return (
      maxDecompressedBytes ?? Math.max(DECOMPRESSED_BYTES_MIN, DECOMPRESSED_RATIO * config.maxMessageBytes)
    );
  }

  /** Takes note of a batch that has got its offsets. */
  add(count: number, lastOffset: Offset, maxTimestamp: Timestamp): void {
    this.recordCount += count;
    this.nextOffset = add64(lastOffset, 1);
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp;
      this.offsetOfMaxTimestamp = lastOffset;
    }
  }

  result(records: Buffer, rewritten: boolean, convertedRecordCount: number): ValidationResult {
    const { firstOffset, nowMs } = this.context;
    return {
      records,
      firstOffset,
      lastOffset: sub64(this.nextOffset, 1),
      recordCount: this.recordCount,
      maxTimestamp: this.maxTimestamp,
      offsetOfMaxTimestamp: this.offsetOfMaxTimestamp,
      logAppendTime: this.topicTimestampType === TimestampType.LOG_APPEND_TIME ? nowMs : NO_TIMESTAMP,
      rewritten,
      convertedRecordCount,
    };
  }
}
