import type { ProducerId } from '../../base/int64.ts';
import type { TopicPartition } from '../../log/topic-partition.ts';

/** How a transaction has ended, for the partitions that it has written to. */
export interface TransactionMarkers {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  /** The leader epoch of the coordinator's partition: a partition refuses the markers of an earlier one. */
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  /** Of the client: from 2 on the producer epoch is one more than that of the records. */
  readonly transactionVersion: number;
  readonly partitions: readonly TopicPartition[];
}

/**
 * - written: every partition has its marker, or does not exist any more.
 * - fenced: a partition has seen a marker of a later coordinator.
 * - cancelled: they are not wanted any more.
 */
export type MarkerOutcome = 'written' | 'fenced' | 'cancelled';

/** The way of the coordinator to the partitions of a transaction, wherever they are led. */
export interface TransactionMarkerWriter {
  /** Tries again by itself, for as long as `isWanted` says so. Never rejects. */
  write(markers: TransactionMarkers, isWanted: () => boolean): Promise<MarkerOutcome>;
}
