import type { Offset, ProducerId } from '../../base/int64.ts';
import { TimelineMap } from '../../base/timeline-map.ts';
import type {
  CoordinatorResult,
  CoordinatorShard,
  CoordinatorShardContext,
} from '../runtime/coordinator-shard.ts';
import { TransactionCompleter } from './transaction-completer.ts';
import type { TransactionCoordinatorConfig } from './transaction-coordinator-config.ts';
import { TransactionExpiry } from './transaction-expiry.ts';
import type { TransactionFilter } from './transaction-filter.ts';
import {
  type AddPartitions,
  type DescribedTransaction,
  type EndTransaction,
  type InitProducerId,
  type ListedTransaction,
  type NeedsProducerId,
  type ProducerAnswer,
  TransactionManager,
} from './transaction-manager.ts';
import type { TransactionMarkerWriter } from './transaction-marker-writer.ts';
import type { TransactionMetadata } from './transaction-metadata.ts';
import type { TransactionRecord } from './transaction-records.ts';

type Result<T = void> = CoordinatorResult<T, TransactionRecord>;

/** What all shards of the coordinator share. */
export interface TransactionShardOptions {
  readonly config: TransactionCoordinatorConfig;
  /** A producer id that nobody has had; asks the controller, if need be. */
  readonly nextProducerId: () => Promise<ProducerId>;
  readonly markerWriter: TransactionMarkerWriter;
  /** The level of the feature `transaction.version`. */
  readonly transactionVersion: () => number;
}

/** The transactional ids of one partition of `__transaction_state`. */
export class TransactionCoordinatorShard implements CoordinatorShard<TransactionRecord> {
  private readonly completer: TransactionCompleter;
  private readonly manager: TransactionManager;
  private readonly expiry: TransactionExpiry;

  constructor(context: CoordinatorShardContext<TransactionRecord>, options: TransactionShardOptions) {
    const transactions = new TimelineMap<string, TransactionMetadata>(context.registry);
    this.completer = new TransactionCompleter(context, transactions, options.markerWriter);
    this.manager = new TransactionManager(context, transactions, this.completer, options.transactionVersion);
    this.expiry = new TransactionExpiry(context, this.manager, options.config, options.nextProducerId);
  }

  initProducerId(
    request: InitProducerId,
    newProducerId: ProducerId | undefined,
  ): Result<ProducerAnswer | NeedsProducerId> {
    return this.manager.initProducerId(request, newProducerId);
  }

  addPartitions(request: AddPartitions): Result<number> {
    return this.manager.addPartitions(request);
  }

  verifyPartitions(request: Omit<AddPartitions, 'transactionVersion'>): Result<number[]> {
    return this.manager.verifyPartitions(request);
  }

  endTransaction(
    request: EndTransaction,
    newProducerId: ProducerId | undefined,
  ): Result<ProducerAnswer | NeedsProducerId> {
    return this.manager.endTransaction(request, newProducerId);
  }

  /** Throws `TRANSACTIONAL_ID_NOT_FOUND`. */
  describeTransaction(transactionalId: string, committedOffset: Offset): DescribedTransaction {
    return this.manager.describe(transactionalId, committedOffset);
  }

  /** All ids, to go on with turn by turn. */
  transactionalIds(): Iterator<string> {
    return this.manager.transactions.keys();
  }

  /** See {@link TransactionManager.list}. */
  listTransactions(
    ids: Iterator<string>,
    filter: TransactionFilter,
    listed: ListedTransaction[],
    committedOffset: Offset,
  ): boolean {
    return this.manager.list(ids, filter, listed, committedOffset);
  }

  // CoordinatorShard

  replay(record: TransactionRecord): void {
    this.manager.replay(record);
  }

  /** Nobody writes to `__transaction_state` in transactions. */
  replayEndTransactionMarker(): void {}

  onLoaded(): void {
    this.completer.onLoaded();
    this.expiry.onLoaded();
  }

  onUnloaded(): void {
    this.completer.onUnloaded();
    this.expiry.onUnloaded();
  }
}
