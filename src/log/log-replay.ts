import { max64, type Offset } from '../base/int64.ts';
import type { RecordBatch } from '../record/record-batch.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';

/**
 * Shows a batch of `segment` to the state. Where it ends an aborted transaction, the segment's transaction index says
 * so from now on.
 */
export function updateProducerState(
  state: ProducerStateManager,
  batch: RecordBatch,
  segment: LogSegment,
): void {
  const completed = state.update(batch);
  if (completed === undefined) return;
  if (completed.isAborted) {
    segment.appendAbortedTxn({ ...completed, lastStableOffset: state.lastStableOffsetAfter(completed) });
  }
  state.completeTxn(completed);
}

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
