import { invariant } from '../../base/assert.ts';
import type { LeaderEpoch, Offset } from '../../base/int64.ts';
import type { Logger } from '../../base/logger.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import type { TransactionMarker } from '../../record/transaction-marker.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { coordinatorErrorOf } from './coordinator-errors.ts';
import { CoordinatorContext, type CoordinatorOptions } from './coordinator-context.ts';
import { loadShard } from './coordinator-loader.ts';
import type { CoordinatorResult, CoordinatorShard } from './coordinator-shard.ts';
import type { ClientTransaction, PartitionReader } from './partition-writer.ts';

export interface CoordinatorRuntimeOptions<S extends CoordinatorShard<R>, R>
  extends CoordinatorOptions<S, R> {
  readonly reader: PartitionReader;
}

/** Before a shard whose write has failed is loaded anew, ms. */
const LOAD_AGAIN_MS = 1_000;

/**
 * The shards of a coordinator, one for each partition of its topic that this broker leads.
 *
 * A write operation runs in the shard at once and gives records and a response. The records change the state at once,
 * go to the log with those of other operations as one batch, and the response is delivered when they are committed
 * (G4). If the append fails, the state goes back and the response is an error. A read operation sees the committed
 * state only. Nothing is answered before a shard has loaded, nor after it has been unloaded (G5).
 */
export class CoordinatorRuntime<S extends CoordinatorShard<R>, R> {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: CoordinatorRuntimeOptions<S, R>;
  private readonly contexts = new Map<number, CoordinatorContext<S, R>>();

  constructor(runtime: Runtime, logger: Logger, options: CoordinatorRuntimeOptions<S, R>) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
  }

  /**
   * This broker leads `partition` in `epoch`: replays it and then serves it. Does nothing for an epoch that is not
   * newer; for a newer one the shard that is there goes on. Resolves when the shard has loaded, or does not load.
   */
  async load(partition: number, epoch: LeaderEpoch): Promise<void> {
    const present = this.contexts.get(partition);
    if (present !== undefined) {
      if (present.epoch >= epoch) return;
      if (present.state === 'ACTIVE' || present.state === 'LOADING') {
        present.epoch = epoch;
        return;
      }
      this.drop(present);
    }
    const { reader, serde, writer, topic } = this.options;
    const onFailed = (): void => this.loadAgainLater(context);
    const context: CoordinatorContext<S, R> = new CoordinatorContext(
      this.runtime,
      this.logger,
      this.options,
      partition,
      epoch,
      onFailed,
    );
    this.contexts.set(partition, context);
    context.state = 'LOADING';
    const startMs = this.runtime.clock.monotonicMs();
    try {
      writer.registerListener(context.partition, context);
      const summary = await loadShard(this.runtime, reader, serde, {
        partition: context.partition,
        registry: context.registry,
        shard: context.shard,
        isWanted: () => context.state === 'LOADING',
      });
      if (summary === undefined) return;
      context.activate(summary.endOffset, summary.highWatermark);
      if (summary.records > 0) {
        const ms = Math.round(this.runtime.clock.monotonicMs() - startMs);
        this.logger.info('loaded a coordinator shard', {
          topic,
          partition,
          epoch: context.epoch,
          ms,
          ...summary,
        });
      }
    } catch (error) {
      if (context.state !== 'LOADING' && context.state !== 'ACTIVE') return;
      this.logger.error('a coordinator shard failed to load', {
        topic,
        partition,
        epoch,
        error: String(error),
      });
      context.fail();
    }
  }

  /**
   * A disk that had no room for a write may have some again while this broker goes on leading: what the log holds is
   * what the shard has to know. Where the log is lost the load fails, and that is the end of it.
   */
  private loadAgainLater(context: CoordinatorContext<S, R>): void {
    this.runtime.timers.after(LOAD_AGAIN_MS, () => {
      const { partition } = context.partition;
      if (this.contexts.get(partition) !== context || context.state !== 'FAILED') return;
      this.drop(context);
      void this.load(partition, context.epoch);
    });
  }

  /**
   * This broker no longer leads `partition`, as of `epoch`, or it is gone (no epoch). Does nothing if the shard is of
   * a later epoch.
   */
  unload(partition: number, epoch?: LeaderEpoch): void {
    const context = this.contexts.get(partition);
    if (context === undefined || (epoch !== undefined && context.epoch > epoch)) return;
    this.drop(context);
    this.logger.info('unloaded a coordinator shard', { topic: this.options.topic, partition, epoch });
  }

  private drop(context: CoordinatorContext<S, R>): void {
    this.contexts.delete(context.partition.partition);
    this.options.writer.deregisterListener(context.partition, context);
    context.close();
  }

  /** Unloads all shards. */
  close(): void {
    for (const context of [...this.contexts.values()]) this.drop(context);
  }

  /**
   * Runs a write operation. Rejects with `KafkaError`: the operation's own, or `NOT_COORDINATOR`,
   * `COORDINATOR_LOAD_IN_PROGRESS`, `COORDINATOR_NOT_AVAILABLE`, `UNKNOWN_SERVER_ERROR` of the shard.
   */
  write<T>(partition: number, operation: (shard: S) => CoordinatorResult<T, R>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.active(partition).write(operation, completionOf(resolve, reject));
    });
  }

  /**
   * Runs a write operation whose records are part of `transaction`: the state may hold them, but they count from the
   * marker on that ends it. It runs when the transaction has been verified to be open; in this call where nobody has
   * to be asked. Rejects as {@link write}, with `INVALID_PRODUCER_EPOCH`, `INVALID_TXN_STATE`, and with what the
   * coordinator of the transaction says.
   */
  async writeTransactional<T>(
    partition: number,
    transaction: ClientTransaction,
    operation: (shard: S) => CoordinatorResult<T, R>,
  ): Promise<T> {
    const { producerId, producerEpoch } = transaction;
    invariant(producerId >= 0, 'T7', 'a transaction without a producer id');
    const context = this.active(partition);
    try {
      const verification = this.options.writer.verifyTransaction(context.partition, transaction);
      const verificationGuard = verification && (await verification);
      // No producer has such an epoch. Who is asked says more, if the producer is another one too.
      if (producerEpoch < 0) throw new KafkaError(Errors.INVALID_PRODUCER_EPOCH);
      return await new Promise((resolve, reject) => {
        const producer = { producerId, producerEpoch, verificationGuard };
        this.active(partition).write(operation, completionOf(resolve, reject), producer);
      });
    } catch (error) {
      throw new KafkaError(coordinatorErrorOf(error));
    }
  }

  /**
   * Ends the transaction of a producer in `partition`. Resolves when the marker is committed. Rejects as {@link write},
   * and with `INVALID_PRODUCER_EPOCH` or `TRANSACTION_COORDINATOR_FENCED` where the marker comes too late.
   */
  completeTransaction(partition: number, marker: TransactionMarker): Promise<void> {
    return new Promise((resolve, reject) => {
      this.active(partition).completeTransaction(marker, completionOf<void>(resolve, reject));
    });
  }

  /**
   * Runs a read operation on the state as of `committedOffset` (G4). Throws `KafkaError`: the operation's own, or
   * `NOT_COORDINATOR`, `COORDINATOR_LOAD_IN_PROGRESS`.
   */
  read<T>(partition: number, operation: (shard: S, committedOffset: Offset) => T): T {
    return this.active(partition).read(operation);
  }

  /** The partitions whose shard is here, whatever its state. */
  partitions(): number[] {
    return [...this.contexts.keys()];
  }

  /** The partitions whose shard serves. */
  activePartitions(): number[] {
    return this.partitions().filter(partition => this.contexts.get(partition)!.state === 'ACTIVE');
  }

  isLoading(): boolean {
    for (const context of this.contexts.values()) if (context.state === 'LOADING') return true;
    return false;
  }

  private active(partition: number): CoordinatorContext<S, R> {
    const context = this.contexts.get(partition);
    if (context?.state === 'ACTIVE') return context;
    throw new KafkaError(
      context?.state === 'LOADING' ? Errors.COORDINATOR_LOAD_IN_PROGRESS : Errors.NOT_COORDINATOR,
    );
  }
}

function completionOf<T>(resolve: (response: T) => void, reject: (error: KafkaError) => void) {
  return (code: number | undefined, response?: T): void => {
    if (code === undefined) resolve(response as T);
    else reject(new KafkaError(code));
  };
}
