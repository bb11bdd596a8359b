import type { Runtime, Timer } from '../../src/runtime/runtime.ts';

interface FakeTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A {@link Runtime} whose time stands still until a test moves it, with timers in the order of their due times and
 * randomness from a seed. It has no disk, network or workers.
 */
export class FakeClock {
  /** Of the monotonic clock, ms. */
  private nowMs = 0;
  private readonly wallStartMs: number;
  private readonly timers = new Set<FakeTimer>();
  private soon: (() => void)[] = [];
  private order = 0;
  private seed: number;
  readonly runtime: Runtime;

  constructor(wallStartMs = 1_700_000_000_000, seed = 1) {
    this.wallStartMs = wallStartMs;
    this.seed = seed;
    const missing = (what: string) =>
      new Proxy(
        {},
        {
          get() {
            throw new Error(`a fake clock has no ${what}`);
          },
        },
      );
    this.runtime = {
      clock: { wallMs: () => Math.floor(this.wallStartMs + this.nowMs), monotonicMs: () => this.nowMs },
      timers: {
        after: (delayMs, callback) => this.after(delayMs, callback),
        soon: callback => {
          this.soon.push(callback);
        },
      },
      random: {
        bytes: size => Buffer.from(Array.from({ length: size }, () => this.below(256))),
        below: bound => this.below(bound),
      },
      disk: missing('disk') as Runtime['disk'],
      network: missing('network') as Runtime['network'],
      executor: missing('executor') as Runtime['executor'],
    };
  }

  get monotonicMs(): number {
    return this.nowMs;
  }

  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Runs what waits for the end of the turn, and what that makes wait, until there is nothing left. */
  turn(): void {
    while (this.soon.length > 0) {
      const callbacks = this.soon;
      this.soon = [];
      for (const callback of callbacks) callback();
    }
  }

  /** Moves time on by `ms`, running timers when they are due, each in a turn of its own. */
  advance(ms: number): void {
    this.turn();
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.nextTimer();
      if (next === undefined || next.dueMs > endMs) break;
      this.timers.delete(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.callback();
      this.turn();
    }
    this.nowMs = endMs;
  }

  /** Runs turns and promise callbacks until nothing is left to do without time passing. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.soon.length > 0) quiet = 0;
      this.turn();
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  /** {@link advance} and {@link settle}. */
  async pass(ms: number): Promise<void> {
    await this.settle();
    this.advance(ms);
    await this.settle();
  }

  private after(delayMs: number, callback: () => void): Timer {
    const timer: FakeTimer = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.order++, callback };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }

  private nextTimer(): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.timers) {
      if (
        next === undefined ||
        timer.dueMs < next.dueMs ||
        (timer.dueMs === next.dueMs && timer.order < next.order)
      ) {
        next = timer;
      }
    }
    return next;
  }

  private below(bound: number): number {
    // mulberry32
    this.seed = (this.seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  }
}
