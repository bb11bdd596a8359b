import { MalformedError } from '../base/byte-reader.ts';
import { diff64, type Timestamp } from '../base/int64.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { NO_TIMESTAMP, TimestampType } from '../record/record.ts';

/** One record at fault: where it stands in its batch, and why it is refused. */
export interface RecordError {
  readonly batchIndex: number;
  readonly message: string;
}

/** INVALID_RECORD or INVALID_TIMESTAMP, with the records at fault (ProduceResponse v8 carries them). */
export class RecordValidationError extends KafkaError {
  readonly recordErrors: readonly RecordError[];

  constructor(code: number, message: string, recordErrors: readonly RecordError[]) {
    super(code, message);
    this.name = 'RecordValidationError';
    this.recordErrors = recordErrors;
  }
}

/** What single records are held against. */
export interface RecordConditions {
  readonly nowMs: Timestamp;
  readonly topicTimestampType: TimestampType;
  readonly config: Pick<
    LogConfig,
    'cleanupPolicy' | 'messageTimestampBeforeMaxMs' | 'messageTimestampAfterMaxMs'
  >;
}

/** An answer lists this many records at fault at most. */
const RECORD_ERRORS_MAX = 1000;

/** The checks of single records: a key where the topic is compacted, a timestamp within the limits. */
export class RecordErrors {
  private readonly conditions: RecordConditions;
  private readonly sourceTimestampType: TimestampType;
  private readonly compacted: boolean;
  private readonly errors: RecordError[] = [];
  private count = 0;
  private hasInvalidTimestamp = false;

  constructor(conditions: RecordConditions, sourceTimestampType: TimestampType) {
    this.conditions = conditions;
    this.sourceTimestampType = sourceTimestampType;
    this.compacted = conditions.config.cleanupPolicy.has('compact');
  }

  check(batchIndex: number, keyIsNull: boolean, timestamp: Timestamp): void {
    if (keyIsNull && this.compacted) {
      this.add(batchIndex, 'a compacted topic cannot take a record without a key');
      return;
    }
    const { nowMs, config, topicTimestampType } = this.conditions;
    if (topicTimestampType === TimestampType.CREATE_TIME && timestamp !== NO_TIMESTAMP) {
      const age = diff64(nowMs, timestamp);
      if (age > config.messageTimestampBeforeMaxMs || -age > config.messageTimestampAfterMaxMs) {
        this.hasInvalidTimestamp = true;
        const earliest = Number(nowMs) - config.messageTimestampBeforeMaxMs;
        const latest = Number(nowMs) + config.messageTimestampAfterMaxMs;
        this.add(batchIndex, `the timestamp ${timestamp} is not within ${earliest} to ${latest}`);
      }
    } else if (this.sourceTimestampType === TimestampType.LOG_APPEND_TIME) {
      this.hasInvalidTimestamp = true;
      this.add(batchIndex, 'a producer may not set the timestamp type to LogAppendTime');
    }
  }

  add(batchIndex: number, message: string): void {
    this.count++;
    if (this.errors.length < RECORD_ERRORS_MAX) this.errors.push({ batchIndex, message });
  }

  throwIfAny(): void {
    if (this.count === 0) return;
    if (this.hasInvalidTimestamp) {
      throw new RecordValidationError(
        Errors.INVALID_TIMESTAMP,
        'one or more records were refused because of their timestamps',
        this.errors,
      );
    }
    const samples = this.errors.slice(0, 3).map(({ batchIndex, message }) => `${batchIndex}: ${message}`);
    throw new RecordValidationError(
      Errors.INVALID_RECORD,
      `${this.count} records were refused, among them ${samples.join('; ')}`,
      this.errors,
    );
  }
}

export function invalidRecord(message: string): KafkaError {
  return new KafkaError(Errors.INVALID_RECORD, message);
}

/** CORRUPT_MESSAGE for bytes that are no batch; any other error as it is. */
export function corruptMessage(error: unknown): unknown {
  return error instanceof MalformedError ? new KafkaError(Errors.CORRUPT_MESSAGE, error.message) : error;
}

export function checkSize(sizeInBytes: number, maxMessageBytes: number): void {
  if (sizeInBytes > maxMessageBytes) {
    throw new KafkaError(
      Errors.MESSAGE_TOO_LARGE,
      `a record batch takes ${sizeInBytes} bytes, the topic allows ${maxMessageBytes} (max.message.bytes)`,
    );
  }
}
