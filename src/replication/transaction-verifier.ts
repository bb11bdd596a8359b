import type { ProducerId } from '../base/int64.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import type { TransactionOperation } from '../protocol/transaction-operation.ts';

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
