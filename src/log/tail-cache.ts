import type { Offset } from '../base/int64.ts';
import type { LogSegment } from './log-segment.ts';

/** A buffer that keeps this many times its size alive is copied into one of its own. */
const COPY_IF_PINNED_TIMES = 8;

/** Whole batches that were appended together, as they are in the file. */
export interface TailEntry {
  readonly baseOffset: Offset;
  /** Exclusive. */
  readonly nextOffset: Offset;
  readonly segment: LogSegment;
  readonly position: number;
  records: Buffer;
  readonly owner: TailCacheOfLog;
  /** The entries appended before it and after it, to whatever log. */
  older: TailEntry | undefined;
  newer: TailEntry | undefined;
}

/**
 * The bytes appended last, over all logs of a broker: consumers that keep up are served without reading a
 * file. Only what is small is copied: an entry is a view of the buffer that came from the network. The budget counts
 * the memory that entries keep alive, not their own size, since six partitions may share one received frame.
 *
 * Entries are in one list by age, and leave it from anywhere: a busy log may drop many that are younger than the only
 * one of an idle log. What is dropped is kept by nobody here, and its segment neither.
 */
export class TailCache {
  private readonly maxBytes: number;
  private readonly maxBytesPerLog: number;
  private readonly pinned = new Map<ArrayBufferLike, number>();
  private pinnedBytes = 0;
  private oldest: TailEntry | undefined;
  private newest: TailEntry | undefined;

  constructor(maxBytes: number, maxBytesPerLog: number) {
    this.maxBytes = maxBytes;
    this.maxBytesPerLog = maxBytesPerLog;
  }

  /** The memory that cached entries keep alive. */
  get bytes(): number {
    return this.pinnedBytes;
  }

  forLog(): TailCacheOfLog {
    return new TailCacheOfLog(this, this.maxBytesPerLog);
  }

  /** For {@link TailCacheOfLog}. */
  hold(entry: TailEntry): void {
    const { records } = entry;
    const pinsMuch =
      records.length * COPY_IF_PINNED_TIMES < records.buffer.byteLength && !this.pinned.has(records.buffer);
    if (pinsMuch || isOfPool(records)) {
      const copy = Buffer.allocUnsafeSlow(records.length);
      records.copy(copy);
      entry.records = copy;
    }
    const memory = entry.records.buffer;
    const uses = this.pinned.get(memory) ?? 0;
    if (uses === 0) this.pinnedBytes += memory.byteLength;
    this.pinned.set(memory, uses + 1);
    const { newest } = this;
    entry.older = newest;
    if (newest === undefined) this.oldest = entry;
    else newest.newer = entry;
    this.newest = entry;
    while (this.pinnedBytes > this.maxBytes && this.oldest !== undefined) this.oldest.owner.dropOldest();
  }

  /** For {@link TailCacheOfLog}: the entry is dropped. */
  release(entry: TailEntry): void {
    const memory = entry.records.buffer;
    const uses = this.pinned.get(memory)!;
    if (uses === 1) {
      this.pinned.delete(memory);
      this.pinnedBytes -= memory.byteLength;
    } else {
      this.pinned.set(memory, uses - 1);
    }
    const { older, newer } = entry;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    entry.older = undefined;
    entry.newer = undefined;
  }
}

/**
 * Whether it shares memory with whatever else in the process is small, as `Buffer.allocUnsafe` has it. Which entries
 * have one piece of that memory in common is chance, and what is served from here must not be.
 */
function isOfPool(records: Buffer): boolean {
  return records.buffer.byteLength === Buffer.poolSize && records.length < Buffer.poolSize / 2;
}

/** The cached end of one log: entries in the order of offsets, without a hole between them. */
export class TailCacheOfLog {
  private readonly cache: TailCache;
  private readonly maxBytes: number;
  /** `undefined` below `head`. */
  private entries: (TailEntry | undefined)[] = [];
  private head = 0;
  private bytes = 0;

  constructor(cache: TailCache, maxBytes: number) {
    this.cache = cache;
    this.maxBytes = maxBytes;
  }

  add(baseOffset: Offset, nextOffset: Offset, segment: LogSegment, position: number, records: Buffer): void {
    const entry: TailEntry = {
      baseOffset,
      nextOffset,
      segment,
      position,
      records,
      owner: this,
      older: undefined,
      newer: undefined,
    };
    this.entries.push(entry);
    this.bytes += records.length;
    this.cache.hold(entry);
    while (this.bytes > this.maxBytes && this.head < this.entries.length) this.dropOldest();
  }

  /**
   * The slot of the entry that holds `offset`, or the first one behind it; -1 if the cache begins behind
   * it.
   */
  find(offset: Offset): number {
    const { entries } = this;
    let low = this.head;
    if (low >= entries.length || entries[low]!.baseOffset > offset) return -1;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low < entries.length ? low : -1;
  }

  at(slot: number): TailEntry | undefined {
    return this.entries[slot];
  }

  dropOldest(): void {
    const entry = this.entries[this.head]!;
    this.entries[this.head] = undefined;
    this.head++;
    this.bytes -= entry.records.length;
    this.cache.release(entry);
    if (this.head === this.entries.length) {
      this.entries = [];
      this.head = 0;
    } else if (this.head > 256 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }

  clear(): void {
    while (this.head < this.entries.length) this.dropOldest();
  }

  /** Drops what stands in segments that others have replaced: aborted records may be gone from those. */
  dropReplaced(): void {
    while (this.entries[this.head]?.segment.replaced === true) this.dropOldest();
  }
}
