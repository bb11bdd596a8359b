import type { Offset } from '../base/int64.ts';
import type { LogConfig } from '../config/log-config.ts';
import type { LogEnvironment } from './log-environment.ts';
import { LogSegment, NEW_SEGMENT_FILES, type SegmentFiles } from './log-segment.ts';

/** A segment of a log in `directory`: a new one, or that of `files`. */
export function openSegment(
  environment: LogEnvironment,
  directory: string,
  config: LogConfig,
  baseOffset: Offset,
  files: SegmentFiles = NEW_SEGMENT_FILES,
  createdMs: number = environment.runtime.clock.wallMs(),
): LogSegment {
  const { random } = environment.runtime;
  const jitterMax = Math.min(config.segmentJitterMs, config.segmentMs, 2 ** 47);
  const jitter = jitterMax >= 1 ? random.below(Math.floor(jitterMax)) : 0;
  const segment = new LogSegment(environment, directory, baseOffset, files, createdMs, jitter);
  // The name of the file is all that tells where an empty log goes on. Nothing is needed to tell that of offset 0.
  if (!files.hasLog && baseOffset !== 0) segment.log.open();
  return segment;
}

/** The segments of one log, by base offset. */
export class LogSegments {
  private list: LogSegment[];

  constructor(segments: readonly LogSegment[] = []) {
    this.list = [...segments].sort((a, b) => (a.baseOffset < b.baseOffset ? -1 : 1));
  }

  get all(): readonly LogSegment[] {
    return this.list;
  }

  get size(): number {
    return this.list.length;
  }

  get first(): LogSegment | undefined {
    return this.list[0];
  }

  /** The last one, which gets the appends. */
  get active(): LogSegment {
    return this.list[this.list.length - 1]!;
  }

  add(segment: LogSegment): void {
    const slot = this.floorSlot(segment.baseOffset);
    if (slot >= 0 && this.list[slot]!.baseOffset === segment.baseOffset) this.list[slot] = segment;
    else this.list.splice(slot + 1, 0, segment);
  }

  remove(segment: LogSegment): void {
    const slot = this.list.indexOf(segment);
    if (slot >= 0) this.list.splice(slot, 1);
  }

  /** The last segment that starts at or before `offset`. */
  floor(offset: Offset): LogSegment | undefined {
    return this.list[this.floorSlot(offset)];
  }

  /** The first segment that starts behind `offset`. */
  higher(offset: Offset): LogSegment | undefined {
    return this.list[this.floorSlot(offset) + 1];
  }

  /** The segments that may hold offsets in [`from`, `to`), in order. */
  overlapping(from: Offset, to: Offset): LogSegment[] {
    const segments: LogSegment[] = [];
    for (let slot = Math.max(0, this.floorSlot(from)); slot < this.list.length; slot++) {
      const segment = this.list[slot]!;
      if (segment.baseOffset >= to) break;
      segments.push(segment);
    }
    return segments;
  }

  private floorSlot(offset: Offset): number {
    const { list } = this;
    const last = list.length - 1;
    if (last < 0 || list[last]!.baseOffset <= offset) return last;
    let low = 0;
    let high = last;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (list[middle]!.baseOffset <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
