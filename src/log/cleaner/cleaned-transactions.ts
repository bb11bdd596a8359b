import type { Offset, ProducerId } from '../../base/int64.ts';
import { ControlRecordType, controlRecordTypeId } from '../../record/control-records.ts';
import type { RecordBatch } from '../../record/record-batch.ts';
import type { AbortedTxn } from '../transaction-index.ts';

/** An aborted transaction in which the cleaner is. */
interface OngoingAborted {
  readonly txn: AbortedTxn;
  /** A batch of it was met: it stands in the log, or did until now. */
  hasBatches: boolean;
}

/** All of {@link CleanedTransactions}, in a form that goes from thread to thread. */
export interface CleanedTransactionsState {
  /** Not met yet, by first offset. */
  readonly aborted: readonly AbortedTxn[];
  readonly ongoingAborted: readonly OngoingAborted[];
  /** Producers with batches of a transaction that was, or will be, committed. */
  readonly ongoingCommitted: readonly ProducerId[];
}

export const NO_TRANSACTIONS: CleanedTransactionsState = {
  aborted: [],
  ongoingAborted: [],
  ongoingCommitted: [],
};

/** The state with the aborted transactions of the part of the log that comes next. */
export function withAborted(
  state: CleanedTransactionsState,
  aborted: readonly AbortedTxn[],
): CleanedTransactionsState {
  return { ...state, aborted: [...aborted].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1)) };
}

/**
 * Follows the transactions of a log while its batches are gone through in order: which batches belong to an aborted
 * one, and which markers no batch needs any more.
 */
export class CleanedTransactions {
  /** Aborted transactions whose marker stays for the sake of their batches: the transaction index lists them. */
  readonly retained: AbortedTxn[] = [];
  private readonly aborted: readonly AbortedTxn[];
  private next = 0;
  private readonly ongoingAborted = new Map<ProducerId, OngoingAborted>();
  private readonly ongoingCommitted: Set<ProducerId>;

  constructor(state: CleanedTransactionsState) {
    this.aborted = state.aborted;
    for (const ongoing of state.ongoingAborted) this.ongoingAborted.set(ongoing.txn.producerId, ongoing);
    this.ongoingCommitted = new Set(state.ongoingCommitted);
  }

  get state(): CleanedTransactionsState {
    return {
      aborted: this.aborted.slice(this.next),
      ongoingAborted: [...this.ongoingAborted.values()],
      ongoingCommitted: [...this.ongoingCommitted],
    };
  }

  private meetUpTo(offset: Offset): void {
    for (; this.next < this.aborted.length; this.next++) {
      const txn = this.aborted[this.next]!;
      if (txn.firstOffset > offset) return;
      // One that goes on from the segment before is known already.
      if (!this.ongoingAborted.has(txn.producerId))
        this.ongoingAborted.set(txn.producerId, { txn, hasBatches: false });
    }
  }

  /** Takes a batch of data. Whether it belongs to an aborted transaction: nobody is to read it. */
  onDataBatch(batch: RecordBatch): boolean {
    this.meetUpTo(batch.lastOffset);
    if (!batch.isTransactional) return false;
    const { producerId } = batch;
    const ongoing = this.ongoingAborted.get(producerId);
    if (ongoing === undefined) {
      this.ongoingCommitted.add(producerId);
      return false;
    }
    ongoing.hasBatches = true;
    return true;
  }

  /** Takes a batch with a control record. Whether no batch of the log needs it any more. */
  onControlBatch(batch: RecordBatch): boolean {
    this.meetUpTo(batch.lastOffset);
    const [record] = batch.records();
    // It was emptied before.
    if (record === undefined) return true;
    const { producerId } = batch;
    switch (controlRecordTypeId(record.key)) {
      case ControlRecordType.ABORT: {
        const ongoing = this.ongoingAborted.get(producerId);
        this.ongoingAborted.delete(producerId);
        if (ongoing === undefined || !ongoing.hasBatches) return true;
        this.retained.push(ongoing.txn);
        return false;
      }
      case ControlRecordType.COMMIT:
        return !this.ongoingCommitted.delete(producerId);
      default:
        return false;
    }
  }
}
