import type { ProducerId } from '../../base/int64.ts';

export interface TransactionMarkers {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  readonly transactionVersion: number;
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[];
}

export type TransactionMarkersOutcome = 'written' | 'fenced' | 'cancelled';

export interface TransactionMarkerWriter {
  write(markers: TransactionMarkers, isWanted: () => boolean): Promise<TransactionMarkersOutcome>;
}
