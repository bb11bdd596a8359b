import type { ProducerId } from '../base/int64.ts';
import type { TopicPartition } from '../log/topic-partition.ts';

/**
 * What the client of a transactional append can take (Kafka's TransactionSupportedOperation):
 *
 * | operation               | Produce  | the coordinator is asked                         | if that is refused    |
 * |-------------------------|----------|--------------------------------------------------|-----------------------|
 * | `defaultError`          | v3-v10   | whether the partition belongs to the transaction | INVALID_TXN_STATE     |
 * | `genericErrorSupported` | v11      | the same                                         | TRANSACTION_ABORTABLE |
 * | `addPartition`          | from v12 | to add the partition: no client has done it      | TRANSACTION_ABORTABLE |
 */
export type TransactionOperation = 'defaultError' | 'genericErrorSupported' | 'addPartition';

/** Partitions that begin to take part in a transaction. */
export interface TransactionVerification {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly operation: TransactionOperation;
  readonly partitions: readonly TopicPartition[];
}

/** Asks the coordinator of a transactional id about its open transaction. */
export interface TransactionVerifier {
  /**
   * One error code for each partition, in their order; NONE for those that belong to the open transaction. Never
   * rejects.
   */
  verify(verification: TransactionVerification): Promise<readonly number[]>;
}
