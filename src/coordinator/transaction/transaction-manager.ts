import type { Offset, ProducerId, Timestamp } from '../../base/int64.ts';
import type { TimelineMap } from '../../base/timeline-map.ts';
import type { TopicPartition } from '../../log/topic-partition.ts';
import type { DescribeTransactionsResponse } from '../../protocol/messages/65-describe-transactions.ts';
import type { ListTransactionsResponse } from '../../protocol/messages/66-list-transactions.ts';
import { errorCodeOf, Errors, KafkaError } from '../../protocol/errors.ts';
import type { CoordinatorResult, CoordinatorShardContext } from '../runtime/coordinator-shard.ts';
import type { TransactionCompleter } from './transaction-completer.ts';
import type { TransactionFilter } from './transaction-filter.ts';
import {
  completed,
  fenced,
  isEpochExhausted,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  newTransactionMetadata,
  PRODUCER_EPOCH_MAX,
  prepared,
  supportsEpochBump,
  type TransactionMetadata,
  withAddedPartitions,
  withNewProducerId,
  withNextEpoch,
} from './transaction-metadata.ts';
import { hasPartition } from './transaction-partitions.ts';
import type { TransactionRecord } from './transaction-records.ts';
import { isIdle, isPrepared, TRANSACTION_STATE_NAMES, TransactionState } from './transaction-state.ts';

type Result<T> = CoordinatorResult<T, TransactionRecord>;

/** Whose request it is. */
export interface TransactionalProducer {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

/** Checked by the coordinator. `producerId` and `producerEpoch` are those that the client had, or -1 both. */
export interface InitProducerId extends TransactionalProducer {
  readonly transactionTimeoutMs: number;
}

export interface EndTransaction extends TransactionalProducer {
  readonly isCommit: boolean;
  /** Of the client. */
  readonly transactionVersion: number;
}

export interface AddPartitions extends TransactionalProducer {
  readonly partitions: readonly TopicPartition[];
  /** Of the client. */
  readonly transactionVersion: number;
}

/** What the producer is from now on; -1 both with an error, and where the client does not ask. */
export interface ProducerAnswer {
  readonly errorCode: number;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

export type DescribedTransaction = Partial<DescribeTransactionsResponse['transactionStates'][number]>;
export type ListedTransaction = ListTransactionsResponse['transactionStates'][number];

/** The operation has changed nothing: it is to be run again with a new producer id. */
export const NEEDS_PRODUCER_ID = Symbol('needs a producer id');
export type NeedsProducerId = typeof NEEDS_PRODUCER_ID;

/**
 * The transactional ids of a shard and the requests of their producers.
 *
 * Every answer, an error too, leaves when the state that it goes by is committed: who is told to be fenced is.
 */
export class TransactionManager {
  readonly transactions: TimelineMap<string, TransactionMetadata>;
  private readonly context: CoordinatorShardContext<TransactionRecord>;
  private readonly transactionVersion: () => number;
  private readonly completer: TransactionCompleter;
  /** Ids that have a transaction open, or had one: an append that fails may open it again. */
  private readonly mayBeOpen = new Set<string>();

  /** `transactionVersion` gives the level of the feature `transaction.version`. */
  constructor(
    context: CoordinatorShardContext<TransactionRecord>,
    transactions: TimelineMap<string, TransactionMetadata>,
    completer: TransactionCompleter,
    transactionVersion: () => number,
  ) {
    this.context = context;
    this.transactions = transactions;
    this.completer = completer;
    this.transactionVersion = transactionVersion;
  }

  /** Errors: `CONCURRENT_TRANSACTIONS`, `PRODUCER_FENCED`. */
  initProducerId(
    request: InitProducerId,
    newProducerId: ProducerId | undefined,
  ): Result<ProducerAnswer | NeedsProducerId> {
    const { transactionalId, transactionTimeoutMs } = request;
    const present = this.transactions.get(transactionalId);
    if (present === undefined && newProducerId === undefined) return unchanged(NEEDS_PRODUCER_ID);
    const now = this.now();
    const metadata = present ?? newTransactionMetadata(newProducerId!, transactionTimeoutMs, now);
    if (isPrepared(metadata.state)) return refused(Errors.CONCURRENT_TRANSACTIONS);
    const isExpected = request.producerId !== NO_PRODUCER_ID;
    if (isExpected && !isKnownProducer(metadata, request)) return refused(Errors.PRODUCER_FENCED);
    if (metadata.state === TransactionState.ONGOING) {
      const fence = this.fence(transactionalId, metadata, newProducerId);
      if (fence === undefined) return unchanged(NEEDS_PRODUCER_ID);
      // The client asks again, and is given an epoch when the transaction of the one before it has ended.
      return { ...fence, response: withoutProducer(Errors.CONCURRENT_TRANSACTIONS) };
    }
    const { producerEpoch } = metadata;
    const isExhausted =
      isEpochExhausted(producerEpoch) && (!isExpected || request.producerEpoch === producerEpoch);
    if (isExhausted && newProducerId === undefined) return unchanged(NEEDS_PRODUCER_ID);
    try {
      const next = isExhausted
        ? withNewProducerId(metadata, newProducerId!, isExpected, transactionTimeoutMs, now)
        : withNextEpoch(metadata, isExpected ? request.producerEpoch : undefined, transactionTimeoutMs, now);
      return { records: [{ transactionalId, metadata: next }], response: producerOf(next) };
    } catch (error) {
      if (error instanceof KafkaError) return refused(errorCodeOf(error));
      throw error;
    }
  }

  /** Errors: `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS`. */
  addPartitions({ partitions, transactionVersion, ...producer }: AddPartitions): Result<number> {
    const { transactionalId, producerId, producerEpoch } = producer;
    const metadata = this.transactions.get(transactionalId);
    if (metadata === undefined) return unchanged(Errors.INVALID_PRODUCER_ID_MAPPING);
    // First: when a transaction ends, its producer may be given another id, and begin to use it while it ends.
    if (isPrepared(metadata.state)) return unchanged(Errors.CONCURRENT_TRANSACTIONS);
    if (metadata.producerId !== producerId) return unchanged(Errors.INVALID_PRODUCER_ID_MAPPING);
    if (metadata.producerEpoch !== producerEpoch) return unchanged(Errors.PRODUCER_FENCED);
    const isThere =
      metadata.state === TransactionState.ONGOING &&
      partitions.every(partition => hasPartition(metadata.partitions, partition));
    if (isThere) return unchanged(Errors.NONE);
    const next = withAddedPartitions(metadata, partitions, transactionVersion, this.now());
    return { records: [{ transactionalId, metadata: next }], response: Errors.NONE };
  }

  /** One code for each partition: `NONE` for those that are in the transaction, else `TRANSACTION_ABORTABLE`. */
  verifyPartitions({ partitions, ...producer }: Omit<AddPartitions, 'transactionVersion'>): Result<number[]> {
    const metadata = this.transactions.get(producer.transactionalId);
    const code = verificationError(metadata, producer);
    return unchanged(
      partitions.map(partition => {
        if (code !== Errors.NONE) return code;
        return hasPartition(metadata!.partitions, partition) ? Errors.NONE : Errors.TRANSACTION_ABORTABLE;
      }),
    );
  }

  /** Errors: `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS`, `INVALID_TXN_STATE`. */
  endTransaction(
    request: EndTransaction,
    newProducerId: ProducerId | undefined,
  ): Result<ProducerAnswer | NeedsProducerId> {
    const metadata = this.transactions.get(request.transactionalId);
    if (metadata === undefined) return refused(Errors.INVALID_PRODUCER_ID_MAPPING);
    return supportsEpochBump(request.transactionVersion)
      ? this.endAndBumpEpoch(metadata, request, newProducerId)
      : this.endInSameEpoch(metadata, request);
  }

  /**
   * The transaction of an older client. The epoch stays: a request that comes again cannot be told from the next one.
   *
   * | state          | commit                  | abort                   |
   * |----------------|-------------------------|-------------------------|
   * | Empty          | INVALID_TXN_STATE       | INVALID_TXN_STATE       |
   * | Ongoing        | PrepareCommit           | PrepareAbort            |
   * | Prepare...     | CONCURRENT_TRANSACTIONS | CONCURRENT_TRANSACTIONS |
   * | CompleteCommit | NONE                    | INVALID_TXN_STATE       |
   * | CompleteAbort  | INVALID_TXN_STATE       | NONE                    |
   */
  private endInSameEpoch(metadata: TransactionMetadata, request: EndTransaction): Result<ProducerAnswer> {
    const { isCommit } = request;
    if (metadata.producerId !== request.producerId) return refused(Errors.INVALID_PRODUCER_ID_MAPPING);
    if (metadata.producerEpoch !== request.producerEpoch) return refused(Errors.PRODUCER_FENCED);
    const { state } = metadata;
    if (isPrepared(state)) return refused(Errors.CONCURRENT_TRANSACTIONS);
    if (state === TransactionState.ONGOING) {
      const end = { isCommit, transactionVersion: 0, nextProducerId: NO_PRODUCER_ID };
      const next = prepared(metadata, end, this.now());
      return { ...this.decided(request.transactionalId, next), response: withoutProducer(Errors.NONE) };
    }
    const isDone = state === (isCommit ? TransactionState.COMPLETE_COMMIT : TransactionState.COMPLETE_ABORT);
    return refused(isDone ? Errors.NONE : Errors.INVALID_TXN_STATE);
  }

  /**
   * The transaction of a client of version 2. Its epoch, e, says which transaction is meant (T8):
   *
   * | state          | epoch of the id | commit                  | abort                   |
   * |----------------|-----------------|-------------------------|-------------------------|
   * | Empty          | e               | INVALID_TXN_STATE       | PrepareAbort            |
   * | Ongoing        | e               | PrepareCommit           | PrepareAbort            |
   * | Prepare...     | any             | CONCURRENT_TRANSACTIONS | CONCURRENT_TRANSACTIONS |
   * | CompleteCommit | e + 1: repeated | NONE                    | INVALID_TXN_STATE       |
   * | CompleteCommit | e               | INVALID_TXN_STATE       | PrepareAbort            |
   * | CompleteAbort  | e + 1: repeated | INVALID_TXN_STATE       | NONE                    |
   * | CompleteAbort  | e               | INVALID_TXN_STATE       | PrepareAbort            |
   * | any other epoch                  | PRODUCER_FENCED         | PRODUCER_FENCED         |
   *
   * Where the last epoch was used up, epoch 0 of the producer id that followed stands for e + 1. Where an older client
   * has ended the last transaction, e + 1 is its epoch, and e is any other one. The abort of a transaction in which
   * nothing was written makes sure that what may still be on its way is not let in.
   */
  private endAndBumpEpoch(
    metadata: TransactionMetadata,
    request: EndTransaction,
    newProducerId: ProducerId | undefined,
  ): Result<ProducerAnswer | NeedsProducerId> {
    const { transactionalId, isCommit, transactionVersion } = request;
    const { state, producerEpoch } = metadata;
    if (isPrepared(state)) return refused(Errors.CONCURRENT_TRANSACTIONS);
    // An older client that has ended its transaction has the epoch that follows, and this one is fenced.
    const wasBumpedByEnd = supportsEpochBump(metadata.clientTransactionVersion);
    const isRotated =
      wasBumpedByEnd &&
      metadata.previousProducerId === request.producerId &&
      request.producerEpoch === PRODUCER_EPOCH_MAX - 1 &&
      producerEpoch === 0;
    if (metadata.producerId !== request.producerId && !isRotated)
      return refused(Errors.INVALID_PRODUCER_ID_MAPPING);
    const isComplete =
      state === TransactionState.COMPLETE_COMMIT || state === TransactionState.COMPLETE_ABORT;
    const isBumped = wasBumpedByEnd && producerEpoch === request.producerEpoch + 1;
    const isRepeated = isComplete && (isRotated || isBumped);
    if (isRepeated) {
      const wasCommit = state === TransactionState.COMPLETE_COMMIT;
      if (wasCommit !== isCommit) return refused(Errors.INVALID_TXN_STATE);
      return unchanged(producerOf(metadata));
    }
    if (producerEpoch !== request.producerEpoch) return refused(Errors.PRODUCER_FENCED);
    if (isCommit && state !== TransactionState.ONGOING) return refused(Errors.INVALID_TXN_STATE);
    const needsProducerId = isEpochExhausted(producerEpoch);
    if (needsProducerId && newProducerId === undefined) return unchanged(NEEDS_PRODUCER_ID);
    const nextProducerId = needsProducerId ? newProducerId! : NO_PRODUCER_ID;
    const now = this.now();
    const next = prepared(metadata, { isCommit, transactionVersion, nextProducerId }, now);
    // The client may begin its next transaction at once: it is told who it will be when this one is complete.
    return { ...this.decided(transactionalId, next), response: producerOf(completed(next, now)) };
  }

  /**
   * Ends an open transaction in place of its producer, who is fenced. `undefined` if a new producer id is needed for
   * that and none is given.
   */
  fence(
    transactionalId: string,
    metadata: TransactionMetadata,
    newProducerId: ProducerId | undefined,
  ): Result<void> | undefined {
    const transactionVersion = this.transactionVersion();
    const needsProducerId = supportsEpochBump(transactionVersion) && isEpochExhausted(metadata.producerEpoch);
    if (needsProducerId && newProducerId === undefined) return undefined;
    const nextProducerId = needsProducerId ? newProducerId! : NO_PRODUCER_ID;
    const next = fenced(metadata, transactionVersion, nextProducerId, this.now());
    return this.decided(transactionalId, next);
  }

  private decided(transactionalId: string, metadata: TransactionMetadata): Result<void> {
    return {
      records: [{ transactionalId, metadata }],
      response: undefined,
      onCompleted: code => this.completer.onPrepared(transactionalId, code),
    };
  }

  replay({ transactionalId, metadata }: TransactionRecord): void {
    if (metadata === null) {
      this.transactions.delete(transactionalId);
      return;
    }
    this.transactions.set(transactionalId, metadata);
    if (metadata.state === TransactionState.ONGOING) this.mayBeOpen.add(transactionalId);
  }

  /** The ids with an open transaction, and those whose transaction is decided and not yet complete. */
  *openTransactions(): Iterable<string> {
    for (const transactionalId of this.mayBeOpen) {
      const metadata = this.transactions.get(transactionalId);
      // What is complete was decided in a record that is committed: nothing opens it again.
      if (metadata === undefined || isIdle(metadata.state)) this.mayBeOpen.delete(transactionalId);
      else yield transactionalId;
    }
  }

  /** Throws `TRANSACTIONAL_ID_NOT_FOUND`. */
  describe(transactionalId: string, committedOffset: Offset): DescribedTransaction {
    const metadata = this.transactions.get(transactionalId, committedOffset);
    if (metadata === undefined) throw new KafkaError(Errors.TRANSACTIONAL_ID_NOT_FOUND);
    return {
      errorCode: Errors.NONE,
      transactionalId,
      transactionState: TRANSACTION_STATE_NAMES[metadata.state],
      transactionTimeoutMs: metadata.transactionTimeoutMs,
      transactionStartTimeMs: metadata.startTimestamp,
      producerId: metadata.producerId,
      producerEpoch: metadata.producerEpoch,
      topics: Array.from(metadata.partitions, ([topic, partitions]) => ({
        topic,
        partitions: [...partitions],
      })),
    };
  }

  /**
   * Lists ids that `filter` lets through until a turn's work is done; `ids` goes on where it stands. Returns whether
   * all have been looked at. Throws `INVALID_REGULAR_EXPRESSION`.
   */
  list(
    ids: Iterator<string>,
    filter: TransactionFilter,
    listed: ListedTransaction[],
    committedOffset: Offset,
  ): boolean {
    for (let cost = 0; cost < 1; ) {
      const { done, value: transactionalId } = ids.next();
      if (done === true) return true;
      cost += filter.cost(transactionalId);
      const metadata = this.transactions.get(transactionalId, committedOffset);
      if (metadata === undefined || !filter.matches(transactionalId, metadata)) continue;
      const { producerId, state } = metadata;
      listed.push({ transactionalId, producerId, transactionState: TRANSACTION_STATE_NAMES[state] });
    }
    return false;
  }

  private now(): Timestamp {
    return this.context.runtime.clock.wallMs();
  }
}

/**
 * Whether the producer that a client says it is may be initialized anew: the present one; any, if the id is new; the
 * one before it, if its epochs are used up: this may be the request again that was given another id for that.
 */
function isKnownProducer(
  metadata: TransactionMetadata,
  { producerId, producerEpoch }: InitProducerId,
): boolean {
  return (
    metadata.producerEpoch === NO_PRODUCER_EPOCH ||
    producerId === metadata.producerId ||
    (producerId === metadata.previousProducerId && isEpochExhausted(producerEpoch))
  );
}

function verificationError(
  metadata: TransactionMetadata | undefined,
  { producerId, producerEpoch }: TransactionalProducer,
): number {
  if (metadata === undefined || metadata.producerId !== producerId) return Errors.INVALID_PRODUCER_ID_MAPPING;
  if (metadata.producerEpoch !== producerEpoch) return Errors.PRODUCER_FENCED;
  return isPrepared(metadata.state) ? Errors.CONCURRENT_TRANSACTIONS : Errors.NONE;
}

function producerOf({ producerId, producerEpoch }: TransactionMetadata): ProducerAnswer {
  return { errorCode: Errors.NONE, producerId, producerEpoch };
}

/** With an error, or where the client does not ask. */
export function withoutProducer(errorCode: number): ProducerAnswer {
  return { errorCode, producerId: NO_PRODUCER_ID, producerEpoch: NO_PRODUCER_EPOCH };
}

function unchanged<T>(response: T): Result<T> {
  return { records: [], response };
}

function refused(errorCode: number): Result<ProducerAnswer> {
  return unchanged(withoutProducer(errorCode));
}
