import { invariant } from '../base/assert.ts';
import type { Offset } from '../base/int64.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { LocalLog } from './local-log.ts';
import type { LogEnvironment } from './log-environment.ts';
import type { LogOffsets } from './log-offsets.ts';
import { replayProducerState } from './log-replay.ts';
import { deletableSegments } from './log-retention.ts';
import type { LogRoller } from './log-roller.ts';
import type { LogSegment, SegmentFiles } from './log-segment.ts';
import type { UnifiedLog } from './unified-log.ts';

/**
 * Takes records from one log, at its end and at its start, and puts compacted segments in the place of others. What the
 * producer state, the leader epochs and the checkpoint of the cleaner say of the records goes with them.
 */
export class LogCutter {
  private readonly environment: LogEnvironment;
  private readonly log: UnifiedLog;
  private readonly local: LocalLog;
  private readonly offsets: LogOffsets;
  private readonly roller: LogRoller;

  constructor(
    environment: LogEnvironment,
    log: UnifiedLog,
    local: LocalLog,
    offsets: LogOffsets,
    roller: LogRoller,
  ) {
    this.environment = environment;
    this.log = log;
    this.local = local;
    this.offsets = offsets;
    this.roller = roller;
  }

  // At the end.

  /** See {@link UnifiedLog.truncateTo}. */
  truncateTo(offset: Offset): boolean {
    const { local, log } = this;
    const { leaderEpochCache } = log;
    local.prepareToTruncate();
    if (offset >= local.stagedEndOffset) {
      // A leader that wrote nothing in its epoch has noted where it began: no record stands for that.
      leaderEpochCache.truncateFromEnd(local.stagedEndOffset);
      return false;
    }
    if (offset < local.segments.first!.baseOffset) {
      this.truncateFullyAndStartAt(offset, offset);
      return true;
    }
    local.dir.onDisk(() => {
      this.lowerCleanerCheckpoint(offset);
      this.lowerRecoveryPoint(offset);
      local.truncateTo(offset);
      this.offsets.lowerLogStartOffset(offset);
      if (log.highWatermark > offset) log.updateHighWatermark(offset);
      leaderEpochCache.truncateFromEnd(offset);
      // Not later: what stood there before would contradict the batches that come now.
      leaderEpochCache.persist();
      log.producerState.clearVerifications();
      this.rebuildProducerState(offset);
    });
    return true;
  }

  /** See {@link UnifiedLog.truncateFullyAndStartAt}. */
  truncateFullyAndStartAt(offset: Offset, logStartOffset: Offset): void {
    const { local, log, offsets } = this;
    const { leaderEpochCache } = log;
    local.prepareToTruncate();
    local.dir.onDisk(() => {
      this.lowerCleanerCheckpoint(offset);
      this.lowerRecoveryPoint(offset);
      local.truncateFullyAndStartAt(offset);
      offsets.restartAt(logStartOffset);
      if (log.highWatermark > offset) log.updateHighWatermark(offset);
      leaderEpochCache.clear();
      leaderEpochCache.persist();
      log.producerState.truncateFullyAndStartAt(offset);
      offsets.updateFirstUnstableOffset();
    });
  }

  /** What was staged at and behind `offset` has not been written and is gone. */
  forgetFrom(offset: Offset): void {
    this.log.leaderEpochCache.truncateFromEnd(offset);
    this.rebuildProducerState(offset);
  }

  /**
   * What comes at `offset` is not compacted. This must be on disk first: a tombstone there would seem to have done its
   * work, and would go before the records that it deletes.
   */
  private lowerCleanerCheckpoint(offset: Offset): void {
    const { log } = this;
    if (log.cleanerCheckpoint === undefined || log.cleanerCheckpoint <= offset) return;
    log.cleanerCheckpoint = offset;
    this.environment.writeCleanerCheckpoint?.(log.logDirectory);
  }

  /**
   * This must be on disk first, too: a power failure may bring segments back that were removed, and a start that
   * believes that all below a higher offset was synced does not see the hole before them.
   */
  private lowerRecoveryPoint(offset: Offset): void {
    const { log } = this;
    if (log.checkpointedRecoveryPoint <= offset) return;
    this.local.lowerRecoveryPoint(offset);
    this.environment.writeRecoveryPoints?.(log.logDirectory);
  }

  private rebuildProducerState(endOffset: Offset): void {
    const { offsets } = this;
    const { producerState, segments } = this.log;
    const before = new Map(producerState.activeProducers);
    const nowMs = this.environment.runtime.clock.wallMs();
    producerState.truncateAndReload(offsets.logStartOffset, endOffset, nowMs);
    replayProducerState(producerState, segments, endOffset);
    for (const [producerId, entry] of producerState.activeProducers) {
      const known = before.get(producerId);
      if (known !== undefined && known !== entry) entry.recall(known, endOffset);
    }
    // What was read again does not say that its markers are replicated: the last stable offset would go back (T5).
    producerState.onHighWatermarkUpdated(offsets.highWatermark);
    offsets.updateFirstUnstableOffset();
  }

  // At the start.

  /** See {@link UnifiedLog.maybeIncrementLogStartOffset}. */
  maybeIncrementLogStartOffset(offset: Offset, reason: string): boolean {
    const { log, offsets } = this;
    this.local.checkOnline();
    if (offset > offsets.highWatermark) {
      throw new KafkaError(
        Errors.OFFSET_OUT_OF_RANGE,
        `the log start offset cannot become ${offset}, which is above the high watermark ${offsets.highWatermark}`,
      );
    }
    if (offset <= offsets.logStartOffset) return false;
    log.leaderEpochCache.truncateFromStart(offset);
    offsets.incrementLogStartOffset(offset);
    this.environment.logger.debug('log start offset moved', { log: log.directory, offset, reason });
    log.listener?.onLogStartOffsetIncremented?.(log);
    return true;
  }

  /** See {@link UnifiedLog.deleteOldSegments}. */
  deleteOldSegments(): number {
    const { local, log } = this;
    const { segments } = local;
    local.checkOnline();
    const nowMs = this.environment.runtime.clock.wallMs();
    return local.dir.onDisk(() => {
      const deletable = deletableSegments(log, nowMs, segment =>
        this.environment.logger.warn(
          'records have timestamps in the future: retention.ms cannot delete them before their time has come',
          { log: log.directory, segment: segment.baseOffset, nowMs, ...segment.maxTimestampSoFar() },
        ),
      );
      if (deletable.length === 0) return 0;
      if (deletable.length === segments.size) this.roller.roll();
      for (const segment of deletable) segments.remove(segment);
      this.maybeIncrementLogStartOffset(segments.first!.baseOffset, 'segment deletion');
      local.deleteSegmentFiles(deletable);
      for (const segment of deletable) log.producerState.removeSnapshot(segment.baseOffset);
      return deletable.length;
    });
  }

  // In the middle.

  /** See {@link UnifiedLog.replaceSegments}. */
  replaceSegments(old: readonly LogSegment[], baseOffset: Offset, files: SegmentFiles): boolean {
    const { local, log } = this;
    local.checkOnline();
    const { all, active } = local.segments;
    const slot = all.indexOf(old[0]!);
    if (slot < 0 || old.some((segment, at) => all[slot + at] !== segment)) return false;
    invariant(!old.includes(active), 'S10', 'the active segment is not compacted');
    local.dir.onDisk(() => {
      local.replaceSegments(old, baseOffset, files);
      for (const segment of old) {
        if (segment.baseOffset !== baseOffset) log.producerState.removeSnapshot(segment.baseOffset);
      }
    });
    return true;
  }
}
