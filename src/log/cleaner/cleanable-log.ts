import { diff64, min64, type Offset } from '../../base/int64.ts';
import type { LogConfig } from '../../config/log-config.ts';
import { MAX_RELATIVE_OFFSET, type LogSegment } from '../log-segment.ts';
import type { LogSegments } from '../log-segments.ts';

/** A log, as far as it matters when it is to be compacted. */
interface CompactedLog {
  readonly segments: LogSegments;
  readonly config: LogConfig;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly lastStableOffset: Offset;
  readonly cleanerCheckpoint: Offset | undefined;
}

/** The part of a log that a cleaning would compact, and how much there is to gain. */
export interface CleanableRange {
  /** All below was compacted before. */
  readonly firstDirtyOffset: Offset;
  /** Where the first segment begins that may not be compacted yet. */
  readonly firstUncleanableOffset: Offset;
  /** Bytes of the dirty segments in between. */
  readonly cleanableBytes: number;
  /** Of those, the share in all segments that would be read. */
  readonly cleanableRatio: number;
  /** max.compaction.lag.ms is over for a dirty record. */
  readonly isOverdue: boolean;
}

/**
 * What of `log` can be compacted: not the active segment, not the one that holds the last stable offset, and none from
 * the first on that has a record younger than min.compaction.lag.ms (S10). A checkpoint that lies outside of the log
 * says nothing: all of it counts as dirty.
 */
export function cleanableRange(log: CompactedLog, nowMs: number): CleanableRange {
  const { segments, config, logStartOffset } = log;
  const checkpoint = log.cleanerCheckpoint ?? logStartOffset;
  const isUsable = checkpoint >= logStartOffset && checkpoint <= log.logEndOffset;
  const firstDirtyOffset = isUsable ? checkpoint : logStartOffset;
  const { active } = segments;
  let bound = min64(active.baseOffset, log.lastStableOffset);
  const dirty = segments.overlapping(firstDirtyOffset, active.baseOffset);
  if (config.minCompactionLagMs > 0) {
    const youngestMs = nowMs - config.minCompactionLagMs;
    const tooYoung = dirty.find(segment => segment.maxTimestampSoFar().timestamp > youngestMs);
    if (tooYoung !== undefined) bound = min64(bound, tooYoung.baseOffset);
  }
  const firstUncleanableOffset = segments.floor(bound)?.baseOffset ?? segments.first!.baseOffset;
  let cleanBytes = 0;
  let cleanableBytes = 0;
  for (const segment of segments.all) {
    if (segment.baseOffset < firstDirtyOffset) cleanBytes += segment.writtenBytes;
  }
  if (firstUncleanableOffset > firstDirtyOffset) {
    for (const segment of segments.overlapping(firstDirtyOffset, firstUncleanableOffset))
      cleanableBytes += segment.writtenBytes;
  }
  return {
    firstDirtyOffset,
    firstUncleanableOffset,
    cleanableBytes,
    cleanableRatio: cleanableBytes === 0 ? 0 : cleanableBytes / (cleanBytes + cleanableBytes),
    isOverdue: cleanableBytes > 0 && isOverdue(dirty, nowMs - config.maxCompactionLagMs),
  };
}

/** Whether one of the segments begins with a record from before `oldestMs`. */
function isOverdue(segments: readonly LogSegment[], oldestMs: number): boolean {
  // Without a limit, nothing is; this saves the look at each segment.
  if (oldestMs <= 0) return false;
  return segments.some(segment => {
    const timestamp = segment.firstBatchTimestamp();
    return timestamp !== undefined && timestamp > 0 && timestamp < oldestMs;
  });
}

/** Segments of one group become one: their files are renamed in one turn of the event loop. */
const GROUP_SEGMENTS_MAX = 128;
const SMALLEST_INDEX_INTERVAL_BYTES = 61;
const BYTES_OF_INDEX_ENTRIES = 12;

/**
 * Puts segments, up to the one that ends at `end`, into groups that each make one segment of at most `segment.bytes`,
 * with indexes that hold them: otherwise the segments of a log would get ever smaller and more.
 */
export function groupSegments(
  segments: readonly LogSegment[],
  end: Offset,
  config: LogConfig,
): LogSegment[][] {
  const interval = Math.max(config.indexIntervalBytes, SMALLEST_INDEX_INTERVAL_BYTES);
  const indexedBytesMax = (config.maxIndexSize / BYTES_OF_INDEX_ENTRIES - 1) * interval;
  const bytesMax = Math.min(config.segmentBytes, indexedBytesMax);
  const groups: LogSegment[][] = [];
  let group: LogSegment[] = [];
  let bytes = 0;
  for (const [slot, segment] of segments.entries()) {
    const segmentEnd = segments[slot + 1]?.baseOffset ?? end;
    const first = group[0];
    const fits =
      first !== undefined &&
      group.length < GROUP_SEGMENTS_MAX &&
      bytes + segment.writtenBytes <= bytesMax &&
      diff64(segmentEnd, first.baseOffset) <= MAX_RELATIVE_OFFSET;
    if (fits) {
      group.push(segment);
      bytes += segment.writtenBytes;
    } else {
      group = [segment];
      bytes = segment.writtenBytes;
      groups.push(group);
    }
  }
  return groups;
}
