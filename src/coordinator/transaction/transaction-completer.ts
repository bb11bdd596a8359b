import { invariant } from '../../base/assert.ts';
import type { TimelineMap } from '../../base/timeline-map.ts';
import {
  type CoordinatorResult,
  type CoordinatorShardContext,
  emptyResult,
} from '../runtime/coordinator-shard.ts';
import type { MarkerOutcome, TransactionMarkerWriter } from './transaction-marker-writer.ts';
import { completed, type TransactionMetadata } from './transaction-metadata.ts';
import { listPartitions } from './transaction-partitions.ts';
import type { TransactionRecord } from './transaction-records.ts';
import { isPrepared, TransactionState } from './transaction-state.ts';

type Result = CoordinatorResult<void, TransactionRecord>;

/** Before a decision that could not be carried out is taken up again, ms. */
const RETRY_MS = 500;

/**
 * Carries out what is decided:
 *
 *     prepared record committed ──> markers in all partitions ──> record of completion
 *
 * Nothing but the loss of the shard ends this before its end; the next coordinator takes it up from the log.
 */
export class TransactionCompleter {
  private readonly context: CoordinatorShardContext<TransactionRecord>;
  private readonly transactions: TimelineMap<string, TransactionMetadata>;
  private readonly writer: TransactionMarkerWriter;
  /** What is being carried out, by transactional id. */
  private readonly underWay = new Map<string, TransactionMetadata>();
  private isActive = false;

  constructor(
    context: CoordinatorShardContext<TransactionRecord>,
    transactions: TimelineMap<string, TransactionMetadata>,
    writer: TransactionMarkerWriter,
  ) {
    this.context = context;
    this.transactions = transactions;
    this.writer = writer;
  }

  /** Takes up what coordinators before this one have decided. The whole log is committed. */
  onLoaded(): void {
    this.isActive = true;
    for (const [transactionalId, { state }] of this.transactions.entries())
      if (isPrepared(state)) this.start(transactionalId);
  }

  onUnloaded(): void {
    this.isActive = false;
    this.underWay.clear();
  }

  /**
   * The decision is committed; or, with a `code`, it is not known to be. An append that failed has taken it back, one
   * that only takes long has not: what stands is waited for.
   */
  onPrepared(transactionalId: string, code: number | undefined): void {
    if (code === undefined) this.start(transactionalId);
    else if (this.preparedState(transactionalId) !== undefined) this.startLater(transactionalId);
  }

  private startLater(transactionalId: string): void {
    this.context.timer.schedule(timerKey(transactionalId), RETRY_MS, () => ({
      // Without records: this ends when all that the shard has written is committed.
      ...emptyResult<TransactionRecord>(),
      onCompleted: code => {
        if (code === undefined) this.start(transactionalId);
      },
    }));
  }

  private start(transactionalId: string): void {
    const prepared = this.preparedState(transactionalId);
    if (!this.isActive || prepared === undefined || this.underWay.get(transactionalId) === prepared) return;
    const committedOffset = this.context.registry.snapshots[0]!.epoch;
    invariant(
      this.transactions.get(transactionalId, committedOffset) === prepared,
      'T9',
      () => `markers of producer ${prepared.producerId} before the decision is committed`,
    );
    this.underWay.set(transactionalId, prepared);
    void this.carryOut(transactionalId, prepared);
  }

  private async carryOut(transactionalId: string, prepared: TransactionMetadata): Promise<void> {
    const outcome = await this.writeMarkers(transactionalId, prepared);
    if (!this.isCurrent(transactionalId, prepared)) return;
    if (outcome === 'written') {
      this.context.timer.run(timerKey(transactionalId), () => this.complete(transactionalId, prepared));
      return;
    }
    // As long as this broker is the coordinator the transaction is its to end: with the leader epoch of then.
    this.context.logger.warn('the markers of a transaction are not written', {
      partition: this.context.partition,
      transactionalId,
      outcome,
    });
    this.underWay.delete(transactionalId);
    this.startLater(transactionalId);
  }

  private async writeMarkers(transactionalId: string, prepared: TransactionMetadata): Promise<MarkerOutcome> {
    if (prepared.partitions.size === 0) return 'written';
    const markers = {
      transactionalId,
      producerId: prepared.producerId,
      producerEpoch: prepared.producerEpoch,
      coordinatorEpoch: this.context.leaderEpoch(),
      isCommit: prepared.state === TransactionState.PREPARE_COMMIT,
      transactionVersion: prepared.clientTransactionVersion,
      partitions: listPartitions(prepared.partitions),
    };
    return this.writer.write(markers, () => this.isCurrent(transactionalId, prepared));
  }

  /** Tried again by the timer until it is committed. */
  private complete(transactionalId: string, prepared: TransactionMetadata): Result {
    if (this.transactions.get(transactionalId) !== prepared) return emptyResult();
    const metadata = completed(prepared, this.context.runtime.clock.wallMs());
    return {
      records: [{ transactionalId, metadata }],
      response: undefined,
      onCompleted: code => {
        if (code === undefined) this.underWay.delete(transactionalId);
      },
    };
  }

  private preparedState(transactionalId: string): TransactionMetadata | undefined {
    const metadata = this.transactions.get(transactionalId);
    return metadata !== undefined && isPrepared(metadata.state) ? metadata : undefined;
  }

  private isCurrent(transactionalId: string, prepared: TransactionMetadata): boolean {
    return this.isActive && this.transactions.get(transactionalId) === prepared;
  }
}

function timerKey(transactionalId: string): string {
  return `complete-${transactionalId}`;
}
