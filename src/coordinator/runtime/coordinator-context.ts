import { InvariantError, invariant } from '../../base/assert.ts';
import { type LeaderEpoch, min64, type Offset } from '../../base/int64.ts';
import type { Logger } from '../../base/logger.ts';
import { SnapshotRegistry } from '../../base/snapshot-registry.ts';
import type { CompressionType } from '../../compression/compression-type.ts';
import { Errors } from '../../protocol/errors.ts';
import type { Runtime, Timer } from '../../runtime/runtime.ts';
import type { TransactionMarker } from '../../record/transaction-marker.ts';
import type { VerifiedTransaction } from './coordinator-batch.ts';
import { coordinatorErrorCode, coordinatorErrorOf } from './coordinator-errors.ts';
import { CoordinatorLog, type LogOwner } from './coordinator-log.ts';
import type {
  CoordinatorRecordSerde,
  CoordinatorResult,
  CoordinatorShard,
  CoordinatorShardFactory,
  SerializedRecord,
} from './coordinator-shard.ts';
import { ShardTimers } from './coordinator-timer.ts';
import { type Completion, DeferredEvents } from './deferred-events.ts';
import type { CoordinatorPartition, PartitionListener, PartitionWriter } from './partition-writer.ts';

/**
 * | from    | to      | when                                                                     |
 * |---------|---------|--------------------------------------------------------------------------|
 * | INITIAL | LOADING | this broker becomes the leader of the partition                          |
 * | LOADING | ACTIVE  | the log has been replayed, and all that was replayed is committed        |
 * | LOADING | FAILED  | the log could not be read, or a record in it could not be understood     |
 * | FAILED  | LOADING | this broker becomes the leader again, in a later epoch                   |
 * | ACTIVE  | FAILED  | a batch that had been staged could not be written; it is loaded anew     |
 * | ACTIVE  | FAILED  | the log gave a batch other offsets than the state; it is loaded anew     |
 * | any     | CLOSED  | another broker leads the partition, it is deleted, or the broker stops   |
 */
export type CoordinatorState = 'INITIAL' | 'LOADING' | 'ACTIVE' | 'FAILED' | 'CLOSED';

/** What all shards of a coordinator share. */
export interface CoordinatorOptions<S extends CoordinatorShard<R>, R> {
  /** The topic that holds the coordinator's log. */
  readonly topic: string;
  readonly serde: CoordinatorRecordSerde<R>;
  readonly shardFactory: CoordinatorShardFactory<S, R>;
  readonly writer: PartitionWriter;
  /**
   * How long records wait for others to share their batch, ms. 0: not at all. -1: until the end of the present turn
   * of the event loop, which costs no time when there is little to do and gathers much when there is much.
   */
  readonly appendLingerMs: number;
  /** How long a response waits for its records to be committed, ms. */
  readonly writeTimeoutMs: number;
  readonly compression: CompressionType;
}

/** How long a timer's operation that failed waits for its next attempt, ms. */
const TIMER_RETRY_MS = 500;

/**
 * One shard and what surrounds it: its log, the responses that wait, the timers, the offset up to which its state is
 * committed. The state has a snapshot at the end of every batch from the committed one on.
 */
export class CoordinatorContext<S extends CoordinatorShard<R>, R> implements PartitionListener, LogOwner<R> {
  readonly partition: CoordinatorPartition;
  readonly registry = new SnapshotRegistry();
  readonly timers: ShardTimers<R>;
  readonly shard: S;
  epoch: LeaderEpoch;
  state: CoordinatorState = 'INITIAL';
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: CoordinatorOptions<S, R>;
  private readonly onFailed: () => void;
  private readonly deferred = new DeferredEvents();
  private deadlineTimer: Timer | undefined;
  private readonly log: CoordinatorLog<R>;
  private committed: Offset = 0;
  /** The highest high watermark told, which may be ahead of the log's end while an append is under way. */
  private highWatermark: Offset = 0;
  /** The log has been replayed. */
  private isLoaded = false;

  /** `onFailed`: a write has failed, and the shard with it. */
  constructor(
    runtime: Runtime,
    logger: Logger,
    options: CoordinatorOptions<S, R>,
    partition: number,
    epoch: LeaderEpoch,
    onFailed: () => void,
  ) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
    this.onFailed = onFailed;
    this.partition = { topic: options.topic, partition };
    this.epoch = epoch;
    this.timers = new ShardTimers(runtime, (key, operation) => {
      this.write(operation, code => {
        if (code !== undefined) this.retryTimer(key, operation, code);
      });
    });
    const { registry, timers: timer } = this;
    const leaderEpoch = () => this.epoch;
    this.shard = options.shardFactory({ runtime, logger, registry, timer, partition, leaderEpoch });
    this.log = new CoordinatorLog(runtime, logger, { ...options, partition: this.partition }, this);
  }

  /**
   * Ends the load: the state holds the log up to `written`, and has snapshots at batch ends around `highWatermark`. A
   * new leader learns only from its followers how far its predecessor had committed. The shard serves when the high
   * watermark has come to `written`: before that it might tell an offset older than one that was acknowledged (G4).
   */
  activate(written: Offset, highWatermark: Offset): void {
    invariant(this.state === 'LOADING', 'G5', () => `${this.state} shard activated`);
    this.log.written = written;
    this.committed = this.registry.snapshots[0]!.epoch;
    this.isLoaded = true;
    this.onHighWatermarkUpdated(highWatermark);
  }

  private maybeServe(): void {
    if (this.state !== 'LOADING' || !this.isLoaded || this.highWatermark < this.log.written) return;
    this.state = 'ACTIVE';
    this.advance();
    try {
      this.shard.onLoaded();
    } catch (error) {
      this.onUnexpected('a shard could not begin to serve', error);
      this.stop('FAILED');
    }
  }

  /**
   * Runs a write operation and calls `complete` once with its outcome. Operations take effect in the order of these
   * calls. The operation itself runs before this returns, or not at all. With `transaction` its records are part of
   * that: the shard is told with each, and later how it has ended.
   */
  write<T>(
    operation: (shard: S) => CoordinatorResult<T, R>,
    complete: (code: number | undefined, response?: T) => void,
    transaction?: VerifiedTransaction,
  ): void {
    // Whatever comes of this operation, it may take nothing back that others have done.
    const code = transaction && this.log.flush();
    if (code !== undefined) {
      complete(code);
      return;
    }
    let result: CoordinatorResult<T, R>;
    let serialized: SerializedRecord[];
    try {
      result = operation(this.shard);
      serialized = result.records.map(record => this.options.serde.serialize(record));
    } catch (error) {
      const code = coordinatorErrorOf(error);
      if (code === Errors.UNKNOWN_SERVER_ERROR) this.onUnexpected('a write operation failed', error);
      complete(code);
      return;
    }
    const done: Completion = code => {
      try {
        result.onCompleted?.(code);
      } catch (error) {
        this.onUnexpected('the completion of a write operation failed', error);
      }
      if (code === undefined) complete(undefined, result.response);
      else complete(code);
    };
    if (serialized.length === 0) this.awaitPresentState(done);
    else this.log.append({ result, serialized, transaction, done });
  }

  read<T>(operation: (shard: S, committedOffset: Offset) => T): T {
    return operation(this.shard, this.committed);
  }

  /** The operation wrote nothing, but may have seen what is not yet committed. */
  private awaitPresentState(done: Completion): void {
    if (this.log.awaitBatch(done)) return;
    if (this.committed < this.log.written) this.defer(done);
    else done();
  }

  /**
   * Ends the transaction of a producer: what it has written counts from here on, or is dropped. Calls `complete` once;
   * with the log's code where the marker is fenced, and then nothing has changed.
   */
  completeTransaction(marker: TransactionMarker, complete: Completion): void {
    this.log.endTransaction(marker, complete);
  }

  onWritten(waiting: readonly Completion[]): void {
    for (const done of waiting) this.defer(done);
    this.advance();
  }

  onOutOfStep(): void {
    this.stop('FAILED');
    this.onFailed();
  }

  private defer(done: Completion): void {
    const deadlineMs = this.runtime.clock.monotonicMs() + this.options.writeTimeoutMs;
    this.deferred.add(this.log.written, deadlineMs, done);
    if (this.deadlineTimer === undefined) this.armDeadline(this.options.writeTimeoutMs);
  }

  private armDeadline(delayMs: number): void {
    this.deadlineTimer = this.runtime.timers.after(delayMs, () => {
      const now = this.runtime.clock.monotonicMs();
      this.deadlineTimer = undefined;
      this.deferred.expire(now, coordinatorErrorCode(Errors.REQUEST_TIMED_OUT));
      const next = this.deferred.nextDeadlineMs;
      if (next !== undefined) this.armDeadline(Math.max(1, next - now));
    });
  }

  onHighWatermarkUpdated(offset: Offset): void {
    if (offset > this.highWatermark) this.highWatermark = offset;
    if (this.state === 'LOADING') this.maybeServe();
    else if (!this.log.isAppending) this.advance();
  }

  private advance(): void {
    if (this.state !== 'ACTIVE') return;
    const reached = min64(this.highWatermark, this.log.written);
    // The high watermark of a follower's fetch need not be a batch end: the last snapshot that it has passed counts.
    let committed = this.committed;
    for (const { epoch } of this.registry.snapshots) {
      if (epoch > reached) break;
      committed = epoch;
    }
    if (committed <= this.committed) return;
    this.committed = committed;
    this.registry.deleteBefore(committed);
    this.deferred.completeUpTo(committed);
  }

  onWriteFailed(code: number): void {
    if (this.state !== 'ACTIVE') return;
    this.logger.error('the log of a coordinator cannot be written', {
      topic: this.partition.topic,
      partition: this.partition.partition,
      code,
    });
    this.stop('FAILED');
    this.onFailed();
  }

  /** Ends the shard: those who wait are told to look for the coordinator again. */
  close(): void {
    if (this.state !== 'CLOSED') this.stop('CLOSED');
  }

  /** The load has failed. */
  fail(): void {
    this.stop('FAILED');
  }

  private stop(state: 'FAILED' | 'CLOSED'): void {
    const was = this.state;
    this.state = state;
    this.timers.cancelAll();
    this.deadlineTimer?.cancel();
    this.deadlineTimer = undefined;
    const waiting = this.log.drop();
    this.deferred.failAll(Errors.NOT_COORDINATOR);
    for (const done of waiting) done(Errors.NOT_COORDINATOR);
    if (was === 'ACTIVE') this.shard.onUnloaded();
    // What those callbacks may have scheduled.
    this.timers.cancelAll();
  }

  private retryTimer(key: string, operation: () => CoordinatorResult<void, R>, code: number): void {
    if (this.state !== 'ACTIVE' || this.timers.isScheduled(key)) return;
    this.logger.warn('the operation of a timer failed and is tried again', { key, code });
    this.timers.schedule(key, TIMER_RETRY_MS, operation);
  }

  /** A mistake in the shard. If it has broken an invariant, its memory is not to be trusted any more. */
  onUnexpected(message: string, error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error);
    this.logger.error(message, {
      topic: this.partition.topic,
      partition: this.partition.partition,
      error: stack,
    });
    if (error instanceof InvariantError && this.state === 'ACTIVE') this.stop('FAILED');
  }
}
