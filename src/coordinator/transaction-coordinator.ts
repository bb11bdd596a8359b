import type { LeaderEpoch, ProducerId } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { ListTransactionsResponse } from '../protocol/messages/66-list-transactions.ts';
import type { Input } from '../protocol/schema.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { coordinatorPartitionOf } from './runtime/coordinator-partition.ts';
import { CoordinatorRuntime } from './runtime/coordinator-runtime.ts';
import type { CoordinatorResult } from './runtime/coordinator-shard.ts';
import type { PartitionReader, PartitionWriter } from './runtime/partition-writer.ts';
import type { ProducerIdManager } from './transaction/producer-id-manager.ts';
import type { TransactionCoordinatorConfig } from './transaction/transaction-coordinator-config.ts';
import { TransactionCoordinatorShard } from './transaction/transaction-coordinator-shard.ts';
import { TransactionFilter, type TransactionFilters } from './transaction/transaction-filter.ts';
import {
  type AddPartitions,
  type DescribedTransaction,
  type EndTransaction,
  withoutProducer,
  type ListedTransaction,
  NEEDS_PRODUCER_ID,
  type NeedsProducerId,
  type ProducerAnswer,
  type TransactionalProducer,
} from './transaction/transaction-manager.ts';
import type { TransactionMarkerWriter } from './transaction/transaction-marker-writer.ts';
import { NO_TRANSACTION_TIMEOUT_MS } from './transaction/transaction-metadata.ts';
import { type TransactionRecord, transactionRecordSerde } from './transaction/transaction-records.ts';

export type ListTransactionsAnswer = Input<typeof ListTransactionsResponse>;

export interface TransactionCoordinatorOptions {
  readonly config: TransactionCoordinatorConfig;
  readonly writer: PartitionWriter;
  readonly reader: PartitionReader;
  readonly markerWriter: TransactionMarkerWriter;
  readonly producerIds: ProducerIdManager;
  /** How many partitions `__transaction_state` has; `undefined` while it is not there. */
  readonly partitionCount: () => number | undefined;
  /** The level of the feature `transaction.version`: 0, 1 or 2. */
  readonly transactionVersion: () => number;
}

/** As the fields of InitProducerId. */
export interface InitProducerIdInput {
  readonly transactionalId: string | null;
  readonly transactionTimeoutMs: number;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly enable2Pc: boolean;
  readonly keepPreparedTxn: boolean;
}

/** The records are few and small, and every one of them is waited for. */
const APPEND_LINGER_MS = -1;
/** `__transaction_state` is not compressed, as in Apache Kafka. */
const UNCOMPRESSED = 0;

/**
 * The transaction coordinator of a broker: every transactional id belongs to one partition of `__transaction_state`, and
 * is served by the leader of that partition.
 *
 * Methods that serve a request run their synchronous half in the call, and never reject: errors are in the answer.
 * Besides the codes given with each, `NOT_COORDINATOR`, `COORDINATOR_LOAD_IN_PROGRESS` and `COORDINATOR_NOT_AVAILABLE`
 * send the client to look for the coordinator again.
 */
export class TransactionCoordinator {
  private readonly config: TransactionCoordinatorConfig;
  private readonly runtime: Runtime;
  private readonly partitionCount: () => number | undefined;
  private readonly producerIds: ProducerIdManager;
  private readonly shards: CoordinatorRuntime<TransactionCoordinatorShard, TransactionRecord>;
  private stopped = false;

  constructor(runtime: Runtime, logger: Logger, options: TransactionCoordinatorOptions) {
    const { config, writer, reader, transactionVersion, markerWriter } = options;
    this.config = config;
    this.runtime = runtime;
    this.partitionCount = options.partitionCount;
    this.producerIds = options.producerIds;
    const nextProducerId = () => this.producerIds.next();
    const shardOptions = { config, markerWriter, transactionVersion, nextProducerId };
    this.shards = new CoordinatorRuntime(runtime, logger.child('transaction-coordinator'), {
      topic: InternalTopic.TRANSACTION_STATE,
      serde: transactionRecordSerde(transactionVersion),
      shardFactory: context => new TransactionCoordinatorShard(context, shardOptions),
      writer,
      reader,
      appendLingerMs: APPEND_LINGER_MS,
      writeTimeoutMs: config.writeTimeoutMs,
      compression: UNCOMPRESSED,
    });
  }

  // The partitions

  /** The partition of `__transaction_state` that a transactional id belongs to. */
  partitionFor(transactionalId: string): number {
    return coordinatorPartitionOf(transactionalId, this.partitionCount() ?? this.config.topicPartitions);
  }

  /**
   * This broker has become the leader of a partition of `__transaction_state`: its ids are served when it has loaded, and
   * what was decided about them is carried out. Resolves then.
   */
  onElection(partition: number, leaderEpoch: LeaderEpoch): Promise<void> {
    return this.stopped ? Promise.resolve() : this.shards.load(partition, leaderEpoch);
  }

  /** Another broker leads the partition as of `leaderEpoch`, or (without an epoch) the partition is gone. */
  onResignation(partition: number, leaderEpoch?: LeaderEpoch): void {
    this.shards.unload(partition, leaderEpoch);
  }

  /** Unloads all partitions; nothing is served afterwards. */
  shutdown(): void {
    this.stopped = true;
    this.shards.close();
  }

  // Producers

  /**
   * A producer id of one's own (null), or that of a transactional id, whose producer before this one is fenced.
   *
   * Errors: `INVALID_REQUEST` for an empty id, `INVALID_TRANSACTION_TIMEOUT`, `CONCURRENT_TRANSACTIONS` while the
   * transaction of the producer before ends, `PRODUCER_FENCED`; for a two-phase commit, if that is off,
   * `TRANSACTIONAL_ID_AUTHORIZATION_FAILED`, to keep a prepared one `UNSUPPORTED_VERSION`.
   */
  async initProducerId(request: InitProducerIdInput): Promise<ProducerAnswer> {
    const { transactionalId, enable2Pc, producerId, producerEpoch } = request;
    try {
      if (transactionalId === null) {
        return { errorCode: Errors.NONE, producerId: await this.producerIds.next(), producerEpoch: 0 };
      }
      if (transactionalId === '') return withoutProducer(Errors.INVALID_REQUEST);
      if (enable2Pc && !this.config.twoPhaseCommitEnabled)
        return withoutProducer(Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
      if (request.keepPreparedTxn) return withoutProducer(Errors.UNSUPPORTED_VERSION);
      const transactionTimeoutMs = enable2Pc ? NO_TRANSACTION_TIMEOUT_MS : request.transactionTimeoutMs;
      if (!enable2Pc && (transactionTimeoutMs <= 0 || transactionTimeoutMs > this.config.maxTimeoutMs))
        return withoutProducer(Errors.INVALID_TRANSACTION_TIMEOUT);
      const init = { transactionalId, transactionTimeoutMs, producerId, producerEpoch };
      return await this.withProducerId(transactionalId, (shard, id) => shard.initProducerId(init, id));
    } catch (error) {
      return withoutProducer(errorCodeOf(error));
    }
  }

  /**
   * Takes partitions into the producer's transaction, and begins one with the first of them.
   *
   * Errors: `INVALID_REQUEST` for an empty id, `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`,
   * `CONCURRENT_TRANSACTIONS` while its last transaction ends.
   */
  async addPartitions(request: AddPartitions): Promise<number> {
    try {
      return await this.write(request.transactionalId, shard => shard.addPartitions(request));
    } catch (error) {
      return errorCodeOf(error);
    }
  }

  /** Whether partitions belong to the producer's open transaction: one code for each, in their order. */
  async verifyPartitions(
    producer: TransactionalProducer,
    partitions: readonly TopicPartition[],
  ): Promise<number[]> {
    try {
      const { transactionalId } = producer;
      return await this.write(transactionalId, shard => shard.verifyPartitions({ ...producer, partitions }));
    } catch (error) {
      const code = errorCodeOf(error);
      return partitions.map(() => code);
    }
  }

  /**
   * Decides the producer's transaction. Answered when the decision is committed; the markers follow.
   *
   * Errors: `INVALID_REQUEST` for an empty id, `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`,
   * `CONCURRENT_TRANSACTIONS` while a transaction ends, `INVALID_TXN_STATE`.
   */
  async endTransaction(request: EndTransaction): Promise<ProducerAnswer> {
    try {
      const { transactionalId } = request;
      return await this.withProducerId(transactionalId, (shard, id) => shard.endTransaction(request, id));
    } catch (error) {
      return withoutProducer(errorCodeOf(error));
    }
  }

  // Transactional ids

  /** Errors: `INVALID_REQUEST` for an empty id, `TRANSACTIONAL_ID_NOT_FOUND`. */
  describeTransactions(transactionalIds: readonly string[]): DescribedTransaction[] {
    return transactionalIds.map(transactionalId => {
      try {
        if (transactionalId === '') throw new KafkaError(Errors.INVALID_REQUEST);
        return this.shards.read(this.activePartition(transactionalId), (shard, committedOffset) =>
          shard.describeTransaction(transactionalId, committedOffset),
        );
      } catch (error) {
        return { transactionalId, errorCode: errorCodeOf(error) };
      }
    });
  }

  /**
   * The ids that this broker serves, over as many turns of the event loop as that takes. Errors:
   * `INVALID_REGULAR_EXPRESSION`.
   */
  async listTransactions(filters: TransactionFilters): Promise<ListTransactionsAnswer> {
    if (this.stopped) return { errorCode: Errors.COORDINATOR_NOT_AVAILABLE };
    if (this.shards.isLoading()) return { errorCode: Errors.COORDINATOR_LOAD_IN_PROGRESS };
    const transactionStates: ListedTransaction[] = [];
    try {
      const filter = new TransactionFilter(filters, this.runtime.clock.wallMs());
      for (const partition of this.shards.activePartitions())
        await this.listPartition(partition, filter, transactionStates);
      return { errorCode: Errors.NONE, unknownStateFilters: filter.unknownStates, transactionStates };
    } catch (error) {
      return { errorCode: errorCodeOf(error) };
    }
  }

  private async listPartition(
    partition: number,
    filter: TransactionFilter,
    listed: ListedTransaction[],
  ): Promise<void> {
    // Another broker lists those of a partition that is not served here any more.
    if (!this.isServed(partition)) return;
    const ids = this.shards.read(partition, shard => shard.transactionalIds());
    const go = () =>
      this.shards.read(partition, (shard, offset) => shard.listTransactions(ids, filter, listed, offset));
    while (this.isServed(partition) && !go()) {
      await new Promise<void>(resolve => this.runtime.timers.soon(resolve));
    }
  }

  private isServed(partition: number): boolean {
    return this.shards.activePartitions().includes(partition);
  }

  /** Runs an operation that may need a new producer id, which only the controller can give. */
  private async withProducerId<T>(
    transactionalId: string,
    operation: (
      shard: TransactionCoordinatorShard,
      producerId: ProducerId | undefined,
    ) => CoordinatorResult<T | NeedsProducerId, TransactionRecord>,
  ): Promise<T> {
    const answer = await this.write(transactionalId, shard => operation(shard, undefined));
    if (answer !== NEEDS_PRODUCER_ID) return answer;
    const producerId = await this.producerIds.next();
    const second = await this.write(transactionalId, shard => operation(shard, producerId));
    if (second === NEEDS_PRODUCER_ID) throw new KafkaError(Errors.UNKNOWN_SERVER_ERROR);
    return second;
  }

  private async write<T>(
    transactionalId: string,
    operation: (shard: TransactionCoordinatorShard) => CoordinatorResult<T, TransactionRecord>,
  ): Promise<T> {
    if (transactionalId === '') throw new KafkaError(Errors.INVALID_REQUEST);
    return this.shards.write(this.activePartition(transactionalId), operation);
  }

  private activePartition(transactionalId: string): number {
    if (this.stopped) throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE);
    return this.partitionFor(transactionalId);
  }
}
