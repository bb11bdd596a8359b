import { add64, diff64, type Offset } from '../base/int64.ts';
import type { FileHandleCache, LogFile } from './file-handle-cache.ts';
import { CorruptIndexError, IndexFile } from './index-file.ts';

export const OFFSET_INDEX_ENTRY_BYTES = 8;

/** Where the batch that ends at `offset` starts. */
export interface OffsetPosition {
  readonly offset: Offset;
  readonly position: number;
}

/**
 * Maps offsets of a segment to file positions, one entry for about every `index.interval.bytes`:
 *
 *     0 relativeOffset int32   the last offset of a batch, less the segment's base offset
 *     4 position int32         where that batch starts in the .log
 *
 * Both strictly increase. No entry is at position 0, so zeros behind the entries are padding.
 */
export class OffsetIndex {
  readonly index: IndexFile;
  private readonly baseOffset: Offset;
  private readonly handles: FileHandleCache;

  constructor(handles: FileHandleCache, file: LogFile, baseOffset: Offset) {
    this.handles = handles;
    this.index = new IndexFile(file, OFFSET_INDEX_ENTRY_BYTES);
    this.baseOffset = baseOffset;
  }

  /**
   * Reads the file if it is not in memory. Throws {@link CorruptIndexError} if entries do not increase or
   * point past `logBytes`.
   */
  load(logBytes: number): void {
    if (this.index.isLoaded) return;
    this.index.load(this.handles, countUsed);
    const { buffer, entries } = this.index;
    let offset = -1;
    let position = 0;
    for (let at = 0; at < entries * OFFSET_INDEX_ENTRY_BYTES; at += OFFSET_INDEX_ENTRY_BYTES) {
      const nextOffset = buffer.readInt32BE(at);
      const nextPosition = buffer.readInt32BE(at + 4);
      if (nextOffset <= offset || nextPosition <= position || nextPosition >= logBytes) {
        this.index.reset();
        throw new CorruptIndexError(
          this.index.file.path,
          `entry ${at / OFFSET_INDEX_ENTRY_BYTES} is out of order`,
        );
      }
      offset = nextOffset;
      position = nextPosition;
    }
  }

  get entries(): number {
    return this.index.entries;
  }

  entry(slot: number): OffsetPosition {
    const at = slot * OFFSET_INDEX_ENTRY_BYTES;
    const { buffer } = this.index;
    return { offset: add64(this.baseOffset, buffer.readInt32BE(at)), position: buffer.readInt32BE(at + 4) };
  }

  lastEntry(): OffsetPosition | undefined {
    return this.entries === 0 ? undefined : this.entry(this.entries - 1);
  }

  /** The caller sees to it that both increase and that the offset fits. */
  append(offset: Offset, position: number): void {
    const at = this.index.reserve();
    this.index.buffer.writeInt32BE(diff64(offset, this.baseOffset), at);
    this.index.buffer.writeInt32BE(position, at + 4);
  }

  /**
   * The last entry whose offset is <= `offset`; `undefined` if there is none: start at the segment's start.
   */
  lookup(offset: Offset): OffsetPosition | undefined {
    const slot = this.slotFor(offset);
    return slot < 0 ? undefined : this.entry(slot);
  }

  /**
   * The first entry whose offset is above `offset`: the first batch that ends there starts at its position or before.
   */
  firstAbove(offset: Offset): OffsetPosition | undefined {
    const slot = this.slotFor(offset) + 1;
    return slot < this.entries ? this.entry(slot) : undefined;
  }

  private slotFor(offset: Offset): number {
    const relative = diff64(offset, this.baseOffset);
    const { buffer } = this.index;
    let low = 0;
    let high = this.entries - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (buffer.readInt32BE(middle * OFFSET_INDEX_ENTRY_BYTES) <= relative) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  /**
   * The first entry at or behind `position`: no batch that starts before `position` ends behind its offset.
   */
  firstAtOrAfter(position: number): OffsetPosition | undefined {
    const { buffer } = this.index;
    let low = 0;
    let high = this.entries - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (buffer.readInt32BE(middle * OFFSET_INDEX_ENTRY_BYTES + 4) < position) low = middle + 1;
      else high = middle - 1;
    }
    return low < this.entries ? this.entry(low) : undefined;
  }

  /** Keeps the entries below `offset`. */
  truncateTo(offset: Offset): void {
    let slot = this.slotFor(offset);
    if (slot >= 0 && this.entry(slot).offset === offset) slot--;
    this.index.truncateToEntries(slot + 1);
  }
}

/** Entries before the zeros that Kafka preallocates and, after a crash, leaves behind them. */
function countUsed(bytes: Buffer, slots: number): number {
  let low = 0;
  let high = slots;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bytes.readInt32BE(middle * OFFSET_INDEX_ENTRY_BYTES + 4) === 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
