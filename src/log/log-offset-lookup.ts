import { max64, type LeaderEpoch, type Offset, type Timestamp } from '../base/int64.ts';
import type { RecordBatch } from '../record/record-batch.ts';
import type { Disk } from '../runtime/runtime.ts';
import type { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';

/** The timestamps of ListOffsets that are none. */
export const ListOffsetsTimestamp = {
  LATEST: -1,
  EARLIEST: -2,
  MAX_TIMESTAMP: -3,
  EARLIEST_LOCAL: -4,
  LATEST_TIERED: -5,
} as const;

export interface TimestampAndOffset {
  /** -1 for the special targets that name a place rather than a record. */
  readonly timestamp: Timestamp;
  /** -1 where there is none, as for LATEST_TIERED without tiered storage. */
  readonly offset: Offset;
  /** -1 if unknown. */
  readonly leaderEpoch: LeaderEpoch;
}

/** A log, as far as these look-ups need it. */
interface OffsetLookupLog {
  readonly segments: LogSegments;
  readonly leaderEpochCache: LeaderEpochFileCache;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
}

/** See {@link UnifiedLog.fetchOffsetByTimestamp}. What the reader may see lies below `bound`. */
export function fetchOffsetByTimestamp(
  log: OffsetLookupLog,
  target: Timestamp,
  bound: Offset,
): TimestampAndOffset | undefined {
  const { leaderEpochCache, logStartOffset } = log;
  switch (target) {
    case ListOffsetsTimestamp.LATEST:
      return { timestamp: -1, offset: bound, leaderEpoch: leaderEpochCache.latestEpoch ?? -1 };
    case ListOffsetsTimestamp.EARLIEST:
    case ListOffsetsTimestamp.EARLIEST_LOCAL:
      return {
        timestamp: -1,
        offset: logStartOffset,
        leaderEpoch: leaderEpochCache.epochForOffset(logStartOffset) ?? -1,
      };
    case ListOffsetsTimestamp.LATEST_TIERED:
      return { timestamp: -1, offset: -1, leaderEpoch: -1 };
  }
  const found =
    target === ListOffsetsTimestamp.MAX_TIMESTAMP ? offsetOfMaxTimestamp(log) : firstFrom(log, target);
  return found !== undefined && found.offset < bound ? found : undefined;
}

/** The first record at or behind the log start offset whose timestamp is not below `target`. */
function firstFrom(log: OffsetLookupLog, target: Timestamp): TimestampAndOffset | undefined {
  for (const segment of log.segments.all) {
    if (segment.writtenBytes === 0 || segment.maxTimestampSoFar().timestamp < target) continue;
    const found = searchSegment(segment, target, log.logStartOffset);
    if (found !== undefined) return found;
  }
  return undefined;
}

function searchSegment(
  segment: LogSegment,
  target: Timestamp,
  startOffset: Offset,
): TimestampAndOffset | undefined {
  segment.ensureIndexes();
  // Up to that entry no record is as late as `target`, unless its timestamp is the target's own.
  const entry = segment.timeIndex.lookup(target);
  const from = entry.timestamp === target ? segment.baseOffset : max64(entry.offset, startOffset);
  let found: TimestampAndOffset | undefined;
  segment.scan(segment.floorPosition(from), segment.writtenBytes, batch => {
    if (batch.maxTimestamp < target || batch.lastOffset < startOffset) return true;
    found = firstRecord(batch, target, startOffset);
    return found === undefined;
  });
  return found;
}

function firstRecord(
  batch: RecordBatch,
  target: Timestamp,
  startOffset: Offset,
): TimestampAndOffset | undefined {
  for (const { offset, timestamp } of batch.records()) {
    if (timestamp >= target && offset >= startOffset)
      return { timestamp, offset, leaderEpoch: batch.partitionLeaderEpoch };
  }
  return undefined;
}

function offsetOfMaxTimestamp(log: OffsetLookupLog): TimestampAndOffset | undefined {
  let latest: LogSegment | undefined;
  for (const segment of log.segments.all) {
    if (segment.writtenBytes === 0) continue;
    if (latest === undefined || segment.maxTimestampSoFar().timestamp > latest.maxTimestampSoFar().timestamp)
      latest = segment;
  }
  if (latest === undefined) return undefined;
  const { timestamp, offset } = latest.maxTimestampSoFar();
  if (timestamp < 0) return undefined;
  let found: TimestampAndOffset | undefined;
  latest.scan(latest.floorPosition(offset), latest.writtenBytes, batch => {
    if (batch.maxTimestamp !== timestamp) return true;
    found = firstRecord(batch, timestamp, batch.baseOffset);
    return false;
  });
  return found;
}

/**
 * The answer of ListOffsets v0: the base offsets of the segments that were last changed at or before
 * `timestamp`, and the high watermark where that is now, newest first.
 */
export function legacyFetchOffsetsBefore(
  log: OffsetLookupLog,
  disk: Disk,
  timestamp: Timestamp,
  maxOffsets: number,
): Offset[] {
  const places: { offset: Offset; modifiedMs: number }[] = [];
  for (const segment of log.segments.all) {
    const modifiedMs = disk.statSync(segment.log.path)?.modifiedMs ?? segment.createdMs;
    places.push({ offset: max64(segment.baseOffset, log.logStartOffset), modifiedMs });
  }
  if (log.segments.active.writtenBytes > 0)
    places.push({ offset: log.highWatermark, modifiedMs: Number.POSITIVE_INFINITY });
  let last = places.length - 1;
  if (timestamp === ListOffsetsTimestamp.EARLIEST) last = 0;
  else if (timestamp !== ListOffsetsTimestamp.LATEST)
    while (last >= 0 && places[last]!.modifiedMs > timestamp) last--;
  const offsets: Offset[] = [];
  for (let slot = last; slot >= 0 && offsets.length < maxOffsets; slot--) {
    const { offset } = places[slot]!;
    if (offset <= log.highWatermark && offset !== offsets.at(-1)) offsets.push(offset);
  }
  return offsets;
}
