import type { Timer, Timers } from '../runtime/runtime.ts';

/** A period above this is never: the default of some intervals is the largest number there is. */
const PERIOD_MAX_MS = 0x7fff_ffff;

/** Work that is due later; {@link shutdown} calls all of it off. */
export class Scheduler {
  private readonly timers: Timers;
  private readonly waiting = new Set<Timer>();
  private stopped = false;

  constructor(timers: Timers) {
    this.timers = timers;
  }

  after(delayMs: number, work: () => void): void {
    if (this.stopped) return;
    const timer = this.timers.after(delayMs, () => {
      this.waiting.delete(timer);
      work();
    });
    this.waiting.add(timer);
  }

  /** First when a period is over. `undefined`: never. */
  every(periodMs: number | undefined, work: () => void): void {
    if (periodMs === undefined || periodMs > PERIOD_MAX_MS) return;
    this.after(periodMs, () => {
      work();
      this.every(periodMs, work);
    });
  }

  shutdown(): void {
    this.stopped = true;
    for (const timer of this.waiting) timer.cancel();
    this.waiting.clear();
  }
}
