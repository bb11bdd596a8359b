import type { Clock, Timers } from '../../runtime/runtime.ts';

const SLEEP_MAX_MS = 0x7fff_ffff;

/** Waits that can all be ended at once. */
export class Sleepers {
  private readonly timers: Timers;
  private readonly sleeping = new Set<() => void>();

  constructor(timers: Timers) {
    this.timers = timers;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        timer.cancel();
        this.sleeping.delete(wake);
        resolve();
      };
      const timer = this.timers.after(delayMs, wake);
      this.sleeping.add(wake);
    });
  }

  wakeAll(): void {
    for (const wake of [...this.sleeping]) wake();
  }
}

/** Holds back those who read and write, so that all together keep to a rate. */
export class CleanerThrottle {
  private readonly clock: Clock;
  private readonly sleepers: Sleepers;
  private readonly bytesPerSecond: () => number;
  /** When what was read and written so far would be done at the rate. Of the monotonic clock. */
  private dueMs = 0;

  constructor(clock: Clock, sleepers: Sleepers, bytesPerSecond: () => number) {
    this.clock = clock;
    this.sleepers = sleepers;
    this.bytesPerSecond = bytesPerSecond;
  }

  /** What was noted counted at another rate. */
  forget(): void {
    this.dueMs = 0;
  }

  /** Notes `bytes` that took from `startMs` until now, and waits for as long as they came too early. */
  async pass(bytes: number, startMs: number): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    this.dueMs = Math.max(this.dueMs, startMs) + (bytes / this.bytesPerSecond()) * 1000;
    // A rate of 0 holds back until there is another.
    if (this.dueMs > nowMs) await this.sleepers.sleep(Math.min(this.dueMs - nowMs, SLEEP_MAX_MS));
  }
}
