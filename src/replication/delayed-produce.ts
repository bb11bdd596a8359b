import type { Int64, Offset, Timestamp } from '../base/int64.ts';
import type { LogAppendInfo } from '../log/log-append-info.ts';
import { RecordValidationError } from '../log/log-validator.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { Timer, Timers } from '../runtime/runtime.ts';
import { type Partition, requiredOffset } from './partition.ts';

/** What became of the records for one partition. */
export interface PartitionAppendResult {
  errorCode: number;
  errorMessage: string | null;
  /** Of the records at fault, where the validator found some. */
  recordErrors: readonly { batchIndex: number; batchIndexErrorMessage: string | null }[];
  /** -1 with an error. */
  baseOffset: Offset;
  /** -1 under CreateTime. */
  logAppendTimeMs: Timestamp;
  logStartOffset: Int64;
}

/** `logStartOffset` is -1 where the log was not looked at, or not found to be at fault. */
export function failedAppend(error: unknown, logStartOffset: Offset = -1): PartitionAppendResult {
  const faults = error instanceof RecordValidationError ? error.recordErrors : [];
  return {
    errorCode: errorCodeOf(error),
    errorMessage: error instanceof KafkaError ? error.message : null,
    recordErrors: faults.map(({ batchIndex, message }) => ({ batchIndex, batchIndexErrorMessage: message })),
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset,
  };
}

function appended(info: LogAppendInfo): PartitionAppendResult {
  return {
    errorCode: Errors.NONE,
    errorMessage: null,
    recordErrors: [],
    baseOffset: info.firstOffset,
    logAppendTimeMs: info.logAppendTime,
    logStartOffset: info.logStartOffset,
  };
}

/** In the place of a result that will be another one. */
const NOT_YET: PartitionAppendResult = failedAppend(new KafkaError(Errors.UNKNOWN_SERVER_ERROR));

export type AppendCallback = (results: readonly PartitionAppendResult[]) => void;

/**
 * The second half of an append to several partitions: it waits for each to be written and, under acks=all, for the
 * high watermark to cover it; then it calls back once. Only a wait for other replicas takes a timer: a write ends in
 * the same turn, or fails.
 */
export class DelayedProduce {
  private readonly timers: Timers;
  private readonly acks: number;
  private readonly timeoutMs: number;
  private readonly results: PartitionAppendResult[];
  private readonly onComplete: AppendCallback;
  private readonly waiting: boolean[] = [];
  /** One more than the waits until {@link seal}: it keeps the first of several from completing all. */
  private pending = 1;
  private timer: Timer | undefined;

  constructor(timers: Timers, acks: number, timeoutMs: number, onComplete: AppendCallback) {
    this.timers = timers;
    this.acks = acks;
    this.timeoutMs = timeoutMs;
    this.onComplete = onComplete;
    this.results = [];
  }

  addFailure(error: unknown, logStartOffset?: Offset): void {
    this.results.push(failedAppend(error, logStartOffset));
  }

  add(partition: Partition, info: LogAppendInfo): void {
    const index = this.results.length;
    this.results.push(appended(info));
    this.pending++;
    this.follow(index, partition, info);
  }

  /** An append that is held back: {@link begin} or {@link refuse} is called with what this gives. */
  addLater(): number {
    this.pending++;
    return this.results.push(NOT_YET) - 1;
  }

  begin(index: number, partition: Partition, info: LogAppendInfo): void {
    this.results[index] = appended(info);
    this.follow(index, partition, info);
  }

  refuse(index: number, error: unknown, logStartOffset?: Offset): void {
    this.results[index] = failedAppend(error, logStartOffset);
    this.seal();
  }

  private follow(index: number, partition: Partition, info: LogAppendInfo): void {
    this.waiting[index] = true;
    info.onWritten(error => {
      if (error !== undefined) this.complete(index, error);
      else if (this.acks !== -1) this.complete(index, undefined);
      else this.awaitReplicas(index, partition, info);
    });
  }

  /** All partitions have been added. */
  seal(): void {
    if (--this.pending === 0) this.onComplete(this.results);
  }

  private awaitReplicas(index: number, partition: Partition, info: LogAppendInfo): void {
    const offset = requiredOffset(info);
    partition.awaitHighWatermark(offset, info.lastLeaderEpoch, error => this.complete(index, error));
    if (this.waiting[index] && this.timer === undefined) {
      this.timer = this.timers.after(this.timeoutMs, () => this.expire());
    }
  }

  private expire(): void {
    const error = new KafkaError(
      Errors.REQUEST_TIMED_OUT,
      `the records were not replicated within ${this.timeoutMs} ms`,
    );
    this.timer = undefined;
    for (let index = 0; index < this.waiting.length; index++) this.complete(index, error);
  }

  private complete(index: number, error: KafkaError | undefined): void {
    if (!this.waiting[index]) return;
    this.waiting[index] = false;
    if (error !== undefined) this.results[index] = failedAppend(error);
    if (--this.pending > 0) return;
    this.timer?.cancel();
    this.onComplete(this.results);
  }
}
