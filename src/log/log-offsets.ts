import { max64, min64, type Offset } from '../base/int64.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { FetchIsolation } from './fetch-data-info.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';

/** What is written of the log. */
interface WrittenLog {
  readonly logEndOffset: Offset;
}

/**
 * Which records of a log count for whom: where it starts for consumers, below what they are committed, and below what
 * no transaction is open.
 *
 *     logStartOffset <= highWatermark <= logEndOffset,  lastStableOffset <= highWatermark
 *
 * The producer state knows which transactions are open. Whoever changes it otherwise than by an append, which concerns
 * nothing below the high watermark, calls {@link updateFirstUnstableOffset} then.
 */
export class LogOffsets {
  private readonly log: WrittenLog;
  private readonly producerState: ProducerStateManager;
  private start: Offset;
  private committed: Offset;
  private firstUnstable: Offset | undefined;

  constructor(log: WrittenLog, producerState: ProducerStateManager, logStartOffset: Offset) {
    this.log = log;
    this.producerState = producerState;
    this.start = logStartOffset;
    this.committed = logStartOffset;
    this.updateFirstUnstableOffset();
  }

  get logStartOffset(): Offset {
    return this.start;
  }

  get highWatermark(): Offset {
    return this.committed;
  }

  get lastStableOffset(): Offset {
    const { firstUnstable, committed } = this;
    return firstUnstable !== undefined && firstUnstable < committed ? firstUnstable : committed;
  }

  /** What a reader may see lies below it. */
  upperBound(isolation: FetchIsolation): Offset {
    if (isolation === 'logEnd') return this.log.logEndOffset;
    return isolation === 'txnCommitted' ? this.lastStableOffset : this.committed;
  }

  /** Throws OFFSET_OUT_OF_RANGE below `logStartOffset` and above `logEndOffset`. */
  checkInRange(offset: Offset): void {
    const { start } = this;
    const { logEndOffset } = this.log;
    if (offset >= start && offset <= logEndOffset) return;
    throw new KafkaError(
      Errors.OFFSET_OUT_OF_RANGE,
      `offset ${offset} is not within ${start} to ${logEndOffset}`,
    );
  }

  /** Sets the high watermark, up or down, within `logStartOffset` and `logEndOffset` (S6). Whether it moved. */
  updateHighWatermark(offset: Offset): boolean {
    const clipped = offset < this.start ? this.start : min64(offset, this.log.logEndOffset);
    if (clipped === this.committed) return false;
    this.committed = clipped;
    this.producerState.onHighWatermarkUpdated(clipped);
    this.updateFirstUnstableOffset();
    return true;
  }

  /** The records below `offset`, which is not above the high watermark, count for nobody any more. */
  incrementLogStartOffset(offset: Offset): void {
    this.start = offset;
    this.producerState.onLogStartOffsetIncremented(offset);
    this.updateFirstUnstableOffset();
  }

  /** The log is cut at `offset`. The high watermark may be above it still. */
  lowerLogStartOffset(offset: Offset): void {
    this.start = min64(this.start, offset);
  }

  /** The log has no records, and starts at `logStartOffset`. The high watermark may be above its end still. */
  restartAt(logStartOffset: Offset): void {
    this.start = logStartOffset;
    this.committed = max64(this.committed, logStartOffset);
  }

  /** The producer state has changed. */
  updateFirstUnstableOffset(): void {
    const first = this.producerState.firstUnstableOffset;
    this.firstUnstable = first === undefined ? undefined : max64(first, this.start);
  }
}
