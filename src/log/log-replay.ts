import { max64, type Offset } from '../base/int64.ts';
import type { LogEnvironment } from './log-environment.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';
import { ProducerStateManager } from './producer-state-manager.ts';

/** Shows the batches from where the state ends up to `endOffset` to it. */
export function replayProducerState(
  state: ProducerStateManager,
  segments: LogSegments,
  endOffset: Offset,
): void {
  const from = state.mapEndOffset;
  if (from < endOffset) {
    for (const segment of segments.overlapping(from, endOffset)) {
      if (segment.writtenBytes === 0) continue;
      segment.scan(
        segment.baseOffset >= from ? 0 : segment.floorPosition(from),
        segment.writtenBytes,
        batch => {
          if (batch.baseOffset >= endOffset) return false;
          if (batch.lastOffset < from) return true;
          const completed = state.update(batch);
          if (completed !== undefined) state.completeTxn(completed);
          return true;
        },
      );
    }
  }
  state.updateMapEndOffset(max64(from, endOffset));
}

/** A log, as far as a replay needs it. */
export interface ReplayableLog {
  readonly directory: string;
  readonly logStartOffset: Offset;
  readonly segments: LogSegments;
  readonly producerState: ProducerStateManager;
}

/**
 * Makes the transaction index of `segment` anew from the producer state where it starts and from its
 * batches.
 */
export function rebuildTransactionIndex(
  environment: LogEnvironment,
  log: ReplayableLog,
  segment: LogSegment,
): void {
  const { disk, logger, runtime } = environment;
  const { baseOffset } = segment;
  const snapshots = log.producerState.snapshotOffsets.filter(
    offset => offset > log.logStartOffset && offset <= baseOffset,
  );
  const state = new ProducerStateManager(disk, logger, log.directory, snapshots, Number.POSITIVE_INFINITY);
  state.truncateAndReload(log.logStartOffset, baseOffset, runtime.clock.wallMs());
  replayProducerState(state, log.segments, baseOffset);
  segment.transactionIndex.index.reset();
  segment.scan(0, segment.writtenBytes, batch => {
    const completed = state.update(batch);
    if (completed === undefined) return true;
    if (completed.isAborted) {
      segment.transactionIndex.append({
        ...completed,
        lastStableOffset: state.lastStableOffsetAfter(completed),
      });
    }
    state.completeTxn(completed);
    return true;
  });
  segment.transactionIndexLost = false;
  segment.persistIndexes();
}
