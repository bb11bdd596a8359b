import type { LeaderEpoch, Offset, ProducerId } from '../../base/int64.ts';
import type { VerificationGuard } from '../../log/verification-guard.ts';
import type { TransactionOperation } from '../../protocol/transaction-operation.ts';

/** A partition of a coordinator's topic. */
export interface CoordinatorPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * What a partition tells its coordinator. Calls may come from inside {@link PartitionWriter.append}; none may come
 * after {@link PartitionWriter.deregisterListener}.
 */
export interface PartitionListener {
  /** All records below `offset` are committed. `offset` never goes back. */
  onHighWatermarkUpdated(offset: Offset): void;
  /**
   * A batch whose {@link PartitionWriter.append} had returned could not be written to the log, nor could those after
   * it. `code` is Kafka's error code (`KAFKA_STORAGE_ERROR`). The shard stops and answers nothing from its memory.
   */
  onWriteFailed(code: number): void;
}

/** A transaction in which a client has records written to a coordinator's partition. */
export interface ClientTransaction {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly operation: TransactionOperation;
}

/** What the log must know of a batch besides its bytes. */
export interface CoordinatorAppendOptions {
  /** Of a batch in a transaction: what {@link PartitionWriter.verifyTransaction} gave for it. */
  readonly verificationGuard?: VerificationGuard | undefined;
  /** Of a transaction marker: the version of transactions that it belongs to. Default 0. */
  readonly transactionVersion?: number;
}

/**
 * The way a coordinator writes to its partition. Owned here; the server implements it over the replicated log.
 *
 * Order of calls for a partition: `registerListener` when its load begins; `append` while it is active;
 * `deregisterListener` when it is unloaded.
 */
export interface PartitionWriter {
  /** Calls `listener` from now on, the first time at the next change of the high watermark. */
  registerListener(partition: CoordinatorPartition, listener: PartitionListener): void;
  deregisterListener(partition: CoordinatorPartition, listener: PartitionListener): void;
  /** The largest batch that the partition takes now, in bytes (`max.message.bytes`). */
  maxBatchBytes(partition: CoordinatorPartition): number;
  /**
   * Asks the coordinator of `transaction` whether `partition` belongs to it, or has it added (KIP-890). `undefined`
   * where nobody has to be asked: the transaction has records in the partition, or transactions are not verified.
   *
   * Throws and rejects with `KafkaError`: `NOT_LEADER_OR_FOLLOWER`, `INVALID_PRODUCER_EPOCH`, and what the coordinator
   * of the transaction says.
   */
  verifyTransaction(
    partition: CoordinatorPartition,
    transaction: ClientTransaction,
  ): Promise<VerificationGuard> | undefined;
  /**
   * Appends one whole record batch (format v2, base offset 0: offsets and the partition leader epoch are filled in)
   * as the leader with the origin `coordinator`, acks=all: the synchronous half only. `batch` belongs to the log
   * afterwards. Returns the offset after the last record.
   *
   * Throws `KafkaError`: `NOT_LEADER_OR_FOLLOWER` if this broker does not lead the partition in `leaderEpoch`,
   * `NOT_ENOUGH_REPLICAS`, `MESSAGE_TOO_LARGE`, `UNKNOWN_TOPIC_OR_PARTITION`, `KAFKA_STORAGE_ERROR`; of a batch in a
   * transaction `INVALID_PRODUCER_EPOCH`, `INVALID_TXN_STATE`; of a transaction marker `INVALID_PRODUCER_EPOCH`,
   * `TRANSACTION_COORDINATOR_FENCED`. Nothing was staged then.
   */
  append(
    partition: CoordinatorPartition,
    leaderEpoch: LeaderEpoch,
    batch: Buffer,
    options?: CoordinatorAppendOptions,
  ): Offset;
}

/** Where the log of a partition stands. */
export interface PartitionBounds {
  readonly logStartOffset: Offset;
  /** Exclusive. */
  readonly logEndOffset: Offset;
  /** Exclusive. */
  readonly highWatermark: Offset;
}

/** The way a coordinator reads its partition when it loads. Owned here; the server implements it over the log. */
export interface PartitionReader {
  /** `undefined` if the partition is not here. */
  bounds(partition: CoordinatorPartition): PartitionBounds | undefined;
  /**
   * Whole record batches from the one that holds `offset` on, about `maxBytes` of them, at least one where there is
   * one below the log end offset (whatever the high watermark); empty at the end. Rejects with `KafkaError`.
   */
  read(partition: CoordinatorPartition, offset: Offset, maxBytes: number): Promise<Buffer>;
}
