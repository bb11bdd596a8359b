import { diff64, type Offset } from '../base/int64.ts';
import type { LogConfig } from '../config/log-config.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';

/** A log, as far as retention needs it. */
interface RetainedLog {
  readonly segments: LogSegments;
  readonly config: LogConfig;
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
  readonly stagedEndOffset: Offset;
  readonly sizeInBytes: number;
}

/**
 * The oldest segments that may go: those that are too old (retention.ms, by the latest timestamp in them),
 * those that the log does not need to be retention.bytes large, and those below the log start offset.
 * Segments that reach to the high watermark or above it stay (S9). Under `compact` alone only the log start
 * offset counts. `onFuture` is told of a segment that stays because its records are of a time to come.
 */
export function deletableSegments(
  log: RetainedLog,
  nowMs: number,
  onFuture: (segment: LogSegment) => void = () => {},
): LogSegment[] {
  const { config, segments } = log;
  const byPolicy = config.cleanupPolicy.has('delete');
  const deletable: LogSegment[] = [];
  const empty: LogSegment[] = [];
  let excessBytes = byPolicy && config.retentionBytes >= 0 ? log.sizeInBytes - config.retentionBytes : 0;
  const { all } = segments;
  for (const [slot, segment] of all.entries()) {
    const next = all[slot + 1];
    if (log.highWatermark < (next?.baseOffset ?? log.stagedEndOffset)) break;
    if (next === undefined && segment.stagedBytes === 0) break;
    const tooOld = byPolicy && isTooOld(segment, config.retentionMs, nowMs);
    const tooMuch = excessBytes >= segment.writtenBytes && excessBytes > 0;
    const belowStart = next !== undefined && next.baseOffset <= log.logStartOffset;
    if (!tooOld && !tooMuch && !belowStart) {
      if (byPolicy && config.retentionMs >= 0 && isOfTheFuture(segment, nowMs)) onFuture(segment);
      // Of some segments compaction leaves nothing: they go with what follows them.
      if (segment.stagedBytes > 0) break;
      empty.push(segment);
      continue;
    }
    excessBytes -= segment.writtenBytes;
    deletable.push(...empty.splice(0), segment);
  }
  return deletable;
}

function isOfTheFuture(segment: LogSegment, nowMs: number): boolean {
  return segment.stagedBytes > 0 && segment.maxTimestampSoFar().timestamp > nowMs;
}

function isTooOld(segment: LogSegment, retentionMs: number, nowMs: number): boolean {
  if (retentionMs < 0 || segment.stagedBytes === 0) return false;
  const { timestamp } = segment.maxTimestampSoFar();
  return diff64(nowMs, timestamp >= 0 ? timestamp : segment.createdMs) > retentionMs;
}
