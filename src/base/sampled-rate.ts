/** Over how much time a rate is taken: the last `samples` samples of `sampleMs` each. */
export interface RateWindow {
  /** At least 1. */
  readonly samples: number;
  readonly sampleMs: number;
}

/**
 * Which time a total is divided by while there are fewer samples than the window holds. `padded`: samples that there
 * were not count as idle ones, so that the first seconds may be busy (Kafka's `Rate`). `elapsed`: the time since the
 * oldest sample began, at least one sample (`SimpleRate`).
 */
export type RateKind = 'padded' | 'elapsed';

interface Sample {
  startMs: number;
  lastMs: number;
  total: number;
}

/**
 * A rate per second over a sliding window, as Kafka's quotas have it.
 *
 * ```text
 *      sample        sample          (nothing)       current
 *  ├── total ──┼──── total ────┤                ├──── total ───
 *  start                                        start         now
 *  └───────────────────── window ────────────────────────────┘    rate = sum of totals / window
 * ```
 *
 * A sample begins with the first value after the one before it is full. It counts until its last value is as old as
 * the whole window. Times are monotonic, ms.
 */
export class SampledRate {
  private readonly window: RateWindow;
  private readonly kind: RateKind;
  private readonly samples: Sample[] = [];
  private current = 0;

  constructor(window: RateWindow, kind: RateKind = 'padded') {
    this.window = window;
    this.kind = kind;
  }

  /** Adds `value`, which may be negative: what was recorded and did not come about. */
  record(value: number, nowMs: number): void {
    let sample = this.samples[this.current];
    if (sample === undefined || nowMs - sample.startMs >= this.window.sampleMs) sample = this.advance(nowMs);
    sample.total += value;
    sample.lastMs = nowMs;
  }

  /** Per second. */
  measure(nowMs: number): number {
    const windowMs = this.windowMs(nowMs);
    let total = 0;
    for (const sample of this.samples) total += sample.total;
    return (total * 1_000) / windowMs;
  }

  /** The time that {@link measure} divides by, ms; at least 1. */
  windowMs(nowMs: number): number {
    this.expire(nowMs);
    const { samples, sampleMs } = this.window;
    let oldestMs = nowMs;
    for (const { startMs } of this.samples) if (startMs < oldestMs) oldestMs = startMs;
    const elapsedMs = nowMs - oldestMs;
    if (this.kind === 'elapsed') return Math.max(elapsedMs, sampleMs);
    const missing = samples - 1 - Math.floor(elapsedMs / sampleMs);
    return Math.max(1, missing > 0 ? elapsedMs + missing * sampleMs : elapsedMs);
  }

  /**
   * For how long nothing may be recorded for the rate to come down to `bound`, ms, rounded; 0 if it is there: with a
   * rate of R over a window of W, `(R - bound) / bound * W`.
   */
  throttleMs(bound: number, nowMs: number): number {
    const observed = this.measure(nowMs);
    if (observed <= bound) return 0;
    return Math.round(((observed - bound) / bound) * this.windowMs(nowMs));
  }

  /** One more than the window holds: the oldest overlaps its beginning. */
  private advance(nowMs: number): Sample {
    if (this.samples.length > 0) this.current = (this.current + 1) % (this.window.samples + 1);
    let sample = this.samples[this.current];
    if (sample === undefined) this.samples.push((sample = { startMs: nowMs, lastMs: nowMs, total: 0 }));
    else reset(sample, nowMs);
    return sample;
  }

  private expire(nowMs: number): void {
    const ageMs = this.window.samples * this.window.sampleMs;
    for (const sample of this.samples) if (nowMs - sample.lastMs >= ageMs) reset(sample, nowMs);
  }
}

function reset(sample: Sample, nowMs: number): void {
  sample.startMs = nowMs;
  sample.lastMs = nowMs;
  sample.total = 0;
}
