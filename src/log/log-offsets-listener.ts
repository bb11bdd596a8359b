import type { UnifiedLog } from './unified-log.ts';

/** Told where the offsets of a log move. Called synchronously; must not throw. */
export interface LogOffsetsListener {
  /**
   * Appends were written: `logEndOffset` moved up. Called once per write, before the callbacks of
   * `onWritten`.
   */
  onLogEndOffsetAdvanced?(log: UnifiedLog): void;
  /** The high watermark moved, up or down; and with it, or by itself, the last stable offset. */
  onHighWatermarkUpdated?(log: UnifiedLog): void;
  /** `logStartOffset` moved up. */
  onLogStartOffsetIncremented?(log: UnifiedLog): void;
}
