import { invariant } from '../../base/assert.ts';
import { add64, type LeaderEpoch, type Offset } from '../../base/int64.ts';
import type { Logger } from '../../base/logger.ts';
import type { SnapshotRegistry } from '../../base/snapshot-registry.ts';
import type { CompressionType } from '../../compression/compression-type.ts';
import { Errors } from '../../protocol/errors.ts';
import { type TransactionMarker, transactionMarkerBatch } from '../../record/transaction-marker.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import {
  type AppendableBatch,
  CoordinatorBatch,
  fitsInBatch,
  type VerifiedTransaction,
} from './coordinator-batch.ts';
import { coordinatorErrorOf } from './coordinator-errors.ts';
import type { CoordinatorResult, CoordinatorShard, SerializedRecord } from './coordinator-shard.ts';
import type { Completion } from './deferred-events.ts';
import type { CoordinatorPartition, PartitionWriter } from './partition-writer.ts';

export interface CoordinatorLogOptions {
  readonly partition: CoordinatorPartition;
  readonly writer: PartitionWriter;
  readonly appendLingerMs: number;
  readonly compression: CompressionType;
}

/** What a {@link CoordinatorLog} writes for. */
export interface LogOwner<R> {
  readonly shard: CoordinatorShard<R>;
  readonly registry: SnapshotRegistry;
  /** In which the owner leads the partition. */
  readonly epoch: LeaderEpoch;
  /** A batch is in the log, which now ends at `written`: those who wait for it wait until that is committed. */
  onWritten(waiting: readonly Completion[]): void;
  /** The log has given a batch other offsets than the state says. `waiting` have been answered. */
  onOutOfStep(): void;
  /** A mistake in the shard. */
  onUnexpected(message: string, error: unknown): void;
}

/** What an operation of the shard has given, to be appended. */
export interface PendingRecords<R> {
  readonly result: CoordinatorResult<unknown, R>;
  /** Those of `result`. */
  readonly serialized: readonly SerializedRecord[];
  /** Given: they are a batch of their own, in this open transaction. No batch is being filled then. */
  readonly transaction: VerifiedTransaction | undefined;
  readonly done: Completion;
}

/**
 * The log of a shard, as the shard writes it: the batch being filled, and where the log ends.
 *
 * A record changes the state when it is taken into the batch, a transaction marker when it is appended. The state has a
 * snapshot at the end of every batch; an append that fails takes the state back to the end of the batch before it.
 *
 * | what is appended                 | goes to the log                                                     |
 * |----------------------------------|---------------------------------------------------------------------|
 * | records of an operation          | with those of others, at the end of the linger or of the turn       |
 * | records in a transaction         | at once, in a batch of their own, when that being filled has gone   |
 * | the marker that ends one         | the same                                                            |
 */
export class CoordinatorLog<R> {
  /** The offset after the last record in the log. */
  written: Offset = 0;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: CoordinatorLogOptions;
  private readonly owner: LogOwner<R>;
  private batch: CoordinatorBatch | undefined;
  private appending = false;

  constructor(runtime: Runtime, logger: Logger, options: CoordinatorLogOptions, owner: LogOwner<R>) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
    this.owner = owner;
  }

  /** An append is under way: the high watermark may be ahead of {@link written}. */
  get isAppending(): boolean {
    return this.appending;
  }

  /** Has `done` wait with the batch being filled. Returns false if there is none. */
  awaitBatch(done: Completion): boolean {
    this.batch?.waiting.push(done);
    return this.batch !== undefined;
  }

  /** Forgets the batch being filled, and returns who waits for it. */
  drop(): readonly Completion[] {
    const waiting = this.batch?.waiting ?? [];
    this.batch = undefined;
    return waiting;
  }

  append(pending: PendingRecords<R>): void {
    const { result, serialized, transaction, done } = pending;
    const isDivisible = result.atomic === false && transaction === undefined;
    let maxBytes: number;
    try {
      maxBytes = this.options.writer.maxBatchBytes(this.options.partition);
    } catch (error) {
      done(coordinatorErrorOf(error));
      return;
    }
    invariant(transaction === undefined || this.batch === undefined, 'T7', 'a transaction shares a batch');
    if (this.batch?.hasRoomFor(serialized) === false) {
      const code = this.flush();
      // The batch before this operation is lost, and with it the state that the operation started from.
      if (code !== undefined) {
        done(code);
        return;
      }
    }
    if (!isDivisible && !fitsInBatch(serialized, maxBytes)) {
      this.logger.error('the records of an operation do not fit into a batch', {
        ...this.options.partition,
        records: serialized.length,
        maxBytes,
      });
      done(Errors.UNKNOWN_SERVER_ERROR);
      return;
    }
    for (let i = 0; i < serialized.length; i++) {
      if (isDivisible && this.batch?.hasRoomFor([serialized[i]!]) === false) {
        const code = this.flush();
        if (code !== undefined) {
          done(code);
          return;
        }
      }
      const batch = (this.batch ??= this.openBatch(maxBytes, transaction));
      if (result.replay !== false && !this.replay(result.records[i]!, batch)) {
        done(Errors.UNKNOWN_SERVER_ERROR);
        return;
      }
      batch.append(serialized[i]!);
    }
    this.batch!.waiting.push(done);
    if (transaction !== undefined || this.options.appendLingerMs === 0) this.flush();
  }

  /** Returns false if that failed, and the batch with it. */
  private replay(record: R, batch: CoordinatorBatch): boolean {
    const { producerId, producerEpoch } = batch.transaction ?? NO_TRANSACTION;
    try {
      this.owner.shard.replay(record, { offset: batch.nextOffset, producerId, producerEpoch });
      return true;
    } catch (error) {
      this.batch = undefined;
      this.failBatch(batch, Errors.UNKNOWN_SERVER_ERROR);
      this.owner.onUnexpected('a new record could not be replayed', error);
      return false;
    }
  }

  private openBatch(maxBytes: number, transaction: VerifiedTransaction | undefined): CoordinatorBatch {
    const { runtime, written: baseOffset } = this;
    const { appendLingerMs, compression } = this.options;
    const timestamp = runtime.clock.wallMs();
    const batch = new CoordinatorBatch({ baseOffset, maxBytes, compression, timestamp, transaction });
    const flush = () => {
      if (this.batch === batch) this.flush();
    };
    if (transaction !== undefined) return batch;
    if (appendLingerMs < 0) runtime.timers.soon(flush);
    else if (appendLingerMs > 0) runtime.timers.after(appendLingerMs, flush);
    return batch;
  }

  /** Appends the batch being filled. Returns the error code for its clients if that failed. */
  flush(): number | undefined {
    const { batch } = this;
    this.batch = undefined;
    return batch && this.appendBatch(batch);
  }

  /** Ends a transaction in the state and in the log, behind the batch being filled. */
  endTransaction(marker: TransactionMarker, done: Completion): void {
    const code = this.flush();
    if (code !== undefined) {
      done(code);
      return;
    }
    const { producerId, producerEpoch, isCommit, transactionVersion } = marker;
    const baseOffset = this.written;
    const batch: AppendableBatch = {
      baseOffset,
      nextOffset: add64(baseOffset, 1),
      appendOptions: { transactionVersion },
      waiting: [done],
      build: () => transactionMarkerBatch(marker, this.runtime.clock.wallMs()),
    };
    try {
      this.owner.shard.replayEndTransactionMarker(producerId, producerEpoch, isCommit);
    } catch (error) {
      this.failBatch(batch, Errors.UNKNOWN_SERVER_ERROR);
      this.owner.onUnexpected('a new transaction marker could not be replayed', error);
      return;
    }
    this.appendBatch(batch);
  }

  private appendBatch(batch: AppendableBatch): number | undefined {
    const { options, owner } = this;
    this.appending = true;
    try {
      this.written = options.writer.append(
        options.partition,
        owner.epoch,
        batch.build(),
        batch.appendOptions,
      );
    } catch (error) {
      const code = coordinatorErrorOf(error);
      this.logger.warn('an append to the log of a coordinator failed', {
        ...options.partition,
        error: String(error),
      });
      this.failBatch(batch, code);
      return code;
    } finally {
      this.appending = false;
    }
    if (this.written !== batch.nextOffset) return this.endOutOfStep(batch);
    owner.registry.takeSnapshot(this.written);
    owner.onWritten(batch.waiting);
    return undefined;
  }

  /** Somebody else has written to the partition: the state is not that of the log, and its offsets are wrong. */
  private endOutOfStep(batch: AppendableBatch): number {
    this.logger.error('the log of a coordinator has other records than its state', {
      ...this.options.partition,
      expected: String(batch.nextOffset),
      written: String(this.written),
    });
    for (const done of batch.waiting) done(Errors.NOT_COORDINATOR);
    this.owner.onOutOfStep();
    return Errors.NOT_COORDINATOR;
  }

  private failBatch(batch: AppendableBatch, code: number): void {
    this.owner.registry.revertTo(batch.baseOffset);
    for (const done of batch.waiting) done(code);
  }
}

const NO_TRANSACTION: VerifiedTransaction = { producerId: -1, producerEpoch: -1 };
