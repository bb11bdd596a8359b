import type { ProducerId, Timestamp } from '../base/int64.ts';
import { ControlRecordType, endTransactionMarkerBatch } from './control-records.ts';

/** The end of a producer's transaction in one partition, as the transaction coordinator has decided it. */
export interface TransactionMarker {
  readonly producerId: ProducerId;
  /** Of the transaction; since transactions of version 2 the one after it, which the producer goes on with. */
  readonly producerEpoch: number;
  /** The leader epoch of the transaction coordinator's partition. An older one than the last seen is fenced. */
  readonly coordinatorEpoch: number;
  readonly isCommit: boolean;
  /** The version of transactions that this one is of: 0, 1 or 2. It is not written. */
  readonly transactionVersion: number;
}

/** The control batch of `marker`, with base offset 0. */
export function transactionMarkerBatch(marker: TransactionMarker, timestamp: Timestamp): Buffer {
  const { producerId, producerEpoch, coordinatorEpoch, isCommit } = marker;
  const type = isCommit ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
  return endTransactionMarkerBatch({ producerId, producerEpoch, type, coordinatorEpoch, timestamp });
}
