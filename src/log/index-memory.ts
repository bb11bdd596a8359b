import type { LogSegment } from './log-segment.ts';

/**
 * Bounds the memory of indexes that can be read again: those of segments that are written to the end. The
 * segments used longest ago give theirs back.
 */
export class IndexMemory {
  private readonly maxBytes: number;
  /** In the order of use, with the bytes counted for each. */
  private readonly segments = new Map<LogSegment, number>();
  private totalBytes = 0;
  private latest: LogSegment | undefined;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.totalBytes;
  }

  touch(segment: LogSegment): void {
    // Appends touch the same segment again and again.
    if (segment === this.latest) return;
    this.forget(segment);
    const bytes = segment.indexMemoryBytes;
    if (bytes === 0) return;
    this.latest = segment;
    this.segments.set(segment, bytes);
    this.totalBytes += bytes;
    if (this.totalBytes > this.maxBytes) this.evict(segment);
  }

  forget(segment: LogSegment): void {
    const bytes = this.segments.get(segment);
    if (bytes === undefined) return;
    this.segments.delete(segment);
    this.totalBytes -= bytes;
    if (this.latest === segment) this.latest = undefined;
  }

  private evict(keep: LogSegment): void {
    for (const segment of this.segments.keys()) {
      if (this.totalBytes <= this.maxBytes) return;
      if (segment === keep) continue;
      segment.unloadIndexes();
      this.forget(segment);
    }
  }
}
