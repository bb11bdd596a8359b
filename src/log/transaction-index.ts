import { type Offset, type ProducerId, readInt64, writeInt64 } from '../base/int64.ts';
import type { FileHandleCache, LogFile } from './file-handle-cache.ts';
import { CorruptIndexError, IndexFile } from './index-file.ts';

const ABORTED_TXN_BYTES = 34;

export interface AbortedTxn {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
  /** Of the marker; inclusive. */
  readonly lastOffset: Offset;
  /** The last stable offset once this transaction was decided: no later entry concerns offsets below it. */
  readonly lastStableOffset: Offset;
}

/**
 * The aborted transactions whose marker lies in a segment, in the order of the markers:
 *
 *     0 version int16 = 0
 *     2 producerId int64
 *     10 firstOffset int64
 *     18 lastOffset int64
 *     26 lastStableOffset int64
 *
 * Most segments have none, and then there is no file.
 */
export class TransactionIndex {
  readonly index: IndexFile;
  private readonly handles: FileHandleCache;

  constructor(handles: FileHandleCache, file: LogFile) {
    this.handles = handles;
    this.index = new IndexFile(file, ABORTED_TXN_BYTES);
  }

  /**
   * Throws {@link CorruptIndexError} for an unknown version, an end before a start, or markers out of
   * order.
   */
  load(): void {
    if (this.index.isLoaded) return;
    this.index.load(this.handles, (_bytes, slots) => slots);
    let before: AbortedTxn | undefined;
    for (let slot = 0; slot < this.index.entries; slot++) {
      const entry = this.entry(slot);
      const bad =
        entry.lastOffset < entry.firstOffset ||
        (before !== undefined && entry.lastOffset <= before.lastOffset);
      if (bad || this.index.buffer.readInt16BE(slot * ABORTED_TXN_BYTES) !== 0) {
        this.index.reset();
        throw new CorruptIndexError(this.index.file.path, `entry ${slot} is no aborted transaction`);
      }
      before = entry;
    }
  }

  /** Whether there is anything to load or to write. */
  get isEmpty(): boolean {
    return this.index.isLoaded && this.index.entries === 0;
  }

  get entries(): number {
    return this.index.entries;
  }

  entry(slot: number): AbortedTxn {
    const at = slot * ABORTED_TXN_BYTES;
    const { buffer } = this.index;
    return {
      producerId: readInt64(buffer, at + 2),
      firstOffset: readInt64(buffer, at + 10),
      lastOffset: readInt64(buffer, at + 18),
      lastStableOffset: readInt64(buffer, at + 26),
    };
  }

  append(txn: AbortedTxn): void {
    const at = this.index.reserve();
    const { buffer } = this.index;
    buffer.writeInt16BE(0, at);
    writeInt64(buffer, at + 2, txn.producerId);
    writeInt64(buffer, at + 10, txn.firstOffset);
    writeInt64(buffer, at + 18, txn.lastOffset);
    writeInt64(buffer, at + 26, txn.lastStableOffset);
  }

  /**
   * Adds the transactions that overlap [`fetchOffset`, `upperBound`) to `into`. Whether the search is
   * complete: no later segment can hold another one.
   */
  collect(fetchOffset: Offset, upperBound: Offset, into: AbortedTxn[]): boolean {
    for (let slot = this.firstEndingAtOrAfter(fetchOffset); slot < this.entries; slot++) {
      const txn = this.entry(slot);
      if (txn.firstOffset < upperBound) into.push(txn);
      if (txn.lastStableOffset >= upperBound) return true;
    }
    return false;
  }

  /** The first slot whose marker is at or behind `offset`; `entries` if there is none. */
  private firstEndingAtOrAfter(offset: Offset): number {
    let low = 0;
    let high = this.entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.entry(middle).lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Keeps the entries whose marker is below `offset`. */
  truncateTo(offset: Offset): void {
    this.index.truncateToEntries(this.firstEndingAtOrAfter(offset));
  }
}
