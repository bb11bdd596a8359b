import type { RateWindow } from './sampled-rate.ts';

/**
 * Tokens that come at a steady rate and are kept for as long as the window: what is not used now may be used at once
 * later. More than there are may be taken; what follows waits until the debt is paid (Kafka's `TokenBucket`, KIP-599).
 * Times are monotonic, ms.
 */
export class TokenBucket {
  private readonly window: RateWindow;
  /** Below 0 is a debt. A new bucket is full. */
  private tokens = Number.POSITIVE_INFINITY;
  private updatedMs = Number.NEGATIVE_INFINITY;

  constructor(window: RateWindow) {
    this.window = window;
  }

  /** Takes `value` tokens where `bound` of them come in a second. */
  record(value: number, nowMs: number, bound: number): void {
    this.refill(nowMs, bound);
    this.tokens = Math.min(this.capacity(bound), this.tokens - value);
  }

  /** Until there is no debt any more, ms, rounded. */
  throttleMs(bound: number, nowMs: number): number {
    this.refill(nowMs, bound);
    return this.tokens < 0 ? Math.round((-this.tokens / bound) * 1_000) : 0;
  }

  private refill(nowMs: number, bound: number): void {
    const passedMs = nowMs - this.updatedMs;
    this.updatedMs = nowMs;
    this.tokens = Math.min(this.capacity(bound), this.tokens + (bound * passedMs) / 1_000);
  }

  private capacity(bound: number): number {
    const { samples, sampleMs } = this.window;
    return (samples * sampleMs * bound) / 1_000;
  }
}
