import { add64, diff64, type Offset, readInt64, type Timestamp, writeInt64 } from '../base/int64.ts';
import type { FileHandleCache, LogFile } from './file-handle-cache.ts';
import { CorruptIndexError, IndexFile } from './index-file.ts';

export const TIME_INDEX_ENTRY_BYTES = 12;

export interface TimestampOffset {
  readonly timestamp: Timestamp;
  readonly offset: Offset;
}

/**
 * The highest timestamp so far at points of a segment:
 *
 *     0 timestamp int64        no record up to that offset has a higher one
 *     8 relativeOffset int32   the last offset of the batch that has it, less the segment's base offset
 *
 * Timestamps strictly increase, offsets do not decrease.
 */
export class TimeIndex {
  readonly index: IndexFile;
  private readonly baseOffset: Offset;
  private readonly handles: FileHandleCache;

  constructor(handles: FileHandleCache, file: LogFile, baseOffset: Offset) {
    this.handles = handles;
    this.index = new IndexFile(file, TIME_INDEX_ENTRY_BYTES);
    this.baseOffset = baseOffset;
  }

  /**
   * Reads the file if it is not in memory. Throws {@link CorruptIndexError} if the entries are not in
   * order.
   */
  load(): void {
    if (this.index.isLoaded) return;
    this.index.load(this.handles, countUsed);
    const { buffer, entries } = this.index;
    for (let slot = 0; slot < entries; slot++) {
      const at = slot * TIME_INDEX_ENTRY_BYTES;
      const relative = buffer.readInt32BE(at + 8);
      const before = at - TIME_INDEX_ENTRY_BYTES;
      const ordered =
        slot === 0
          ? relative >= 0
          : relative >= buffer.readInt32BE(before + 8) &&
            buffer.compare(buffer, before, before + 8, at, at + 8) > 0;
      if (ordered) continue;
      this.index.reset();
      throw new CorruptIndexError(this.index.file.path, `entry ${slot} is out of order`);
    }
  }

  get entries(): number {
    return this.index.entries;
  }

  entry(slot: number): TimestampOffset {
    const at = slot * TIME_INDEX_ENTRY_BYTES;
    const { buffer } = this.index;
    return { timestamp: readInt64(buffer, at), offset: add64(this.baseOffset, buffer.readInt32BE(at + 8)) };
  }

  /** (-1, base offset) if there is none. */
  lastEntry(): TimestampOffset {
    return this.entries === 0 ? { timestamp: -1, offset: this.baseOffset } : this.entry(this.entries - 1);
  }

  /** Appends if `timestamp` is higher than the last one. */
  maybeAppend(timestamp: Timestamp, offset: Offset): void {
    if (timestamp <= this.lastEntry().timestamp) return;
    const at = this.index.reserve();
    writeInt64(this.index.buffer, at, timestamp);
    this.index.buffer.writeInt32BE(diff64(offset, this.baseOffset), at + 8);
  }

  /** The last entry whose timestamp is <= `timestamp`, else (-1, base offset). */
  lookup(timestamp: Timestamp): TimestampOffset {
    const { buffer } = this.index;
    let low = 0;
    let high = this.entries - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (readInt64(buffer, middle * TIME_INDEX_ENTRY_BYTES) <= timestamp) low = middle + 1;
      else high = middle - 1;
    }
    return high < 0 ? { timestamp: -1, offset: this.baseOffset } : this.entry(high);
  }

  /** Keeps the entries below `offset`. */
  truncateTo(offset: Offset): void {
    let count = this.entries;
    while (count > 0 && this.entry(count - 1).offset >= offset) count--;
    this.index.truncateToEntries(count);
  }
}

/**
 * Entries before the zeros that Kafka preallocates. Entry 0 may be (0, 0); behind it timestamps are above
 * 0.
 */
function countUsed(bytes: Buffer, slots: number): number {
  let low = slots > 1 ? 1 : slots;
  let high = slots;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * TIME_INDEX_ENTRY_BYTES;
    if (bytes.readInt32BE(at) === 0 && bytes.readInt32BE(at + 4) === 0) high = middle;
    else low = middle + 1;
  }
  if (low === 1 && slots > 1 && bytes.readInt32BE(0) === 0 && bytes.readInt32BE(4) === 0) return 0;
  return low;
}
