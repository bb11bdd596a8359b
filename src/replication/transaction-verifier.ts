import type { ProducerId } from '../base/int64.ts';
import type { TopicPartition } from '../log/topic-partition.ts';

export type TransactionOperation = 'defaultError' | 'genericErrorSupported' | 'addPartition';

export interface TransactionVerification {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly operation: TransactionOperation;
  readonly partitions: readonly TopicPartition[];
}

export interface TransactionVerifier {
  verify(verification: TransactionVerification): Promise<readonly number[]>;
}
