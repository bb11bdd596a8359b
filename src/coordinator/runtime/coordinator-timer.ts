import type { Runtime, Timer } from '../../runtime/runtime.ts';
import type { CoordinatorResult } from './coordinator-shard.ts';

export type TimerOperation<R> = () => CoordinatorResult<void, R>;

/** Timers of a shard, by key. Their operations run inside the shard, as write operations do. */
export interface CoordinatorTimer<R> {
  /** Runs `operation` once after `delayMs`, instead of the one that `key` has scheduled. */
  schedule(key: string, delayMs: number, operation: TimerOperation<R>): void;
  /**
   * Runs `operation` at once, instead of the one that `key` has scheduled: for what has come about outside of the shard.
   * Not to be called from inside an operation.
   */
  run(key: string, operation: TimerOperation<R>): void;
  cancel(key: string): void;
  isScheduled(key: string): boolean;
}

/** The longest that a timer of the event loop runs; a longer one is armed again. */
const TIMER_MAX_MS = 0x7fff_ffff;

interface Entry<R> {
  dueMs: number;
  operation: TimerOperation<R>;
  /** When `timer` fires, which may be before `dueMs`. */
  firesMs: number;
  timer: Timer;
}

/**
 * A {@link CoordinatorTimer} over the timers of a {@link Runtime}. Putting a timer off (every heartbeat does) only
 * moves its due time: the timer of the event loop stays, finds on firing that it is early, and goes on for the rest.
 */
export class ShardTimers<R> implements CoordinatorTimer<R> {
  private readonly runtime: Runtime;
  private readonly execute: (key: string, operation: TimerOperation<R>) => void;
  private readonly entries = new Map<string, Entry<R>>();

  /** `execute` runs a due operation. */
  constructor(runtime: Runtime, execute: (key: string, operation: TimerOperation<R>) => void) {
    this.runtime = runtime;
    this.execute = execute;
  }

  get size(): number {
    return this.entries.size;
  }

  schedule(key: string, delayMs: number, operation: TimerOperation<R>): void {
    const dueMs = this.runtime.clock.monotonicMs() + delayMs;
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.firesMs <= dueMs) {
      entry.dueMs = dueMs;
      entry.operation = operation;
      return;
    }
    entry?.timer.cancel();
    this.entries.set(key, { dueMs, operation, ...this.arm(key, delayMs) });
  }

  run(key: string, operation: TimerOperation<R>): void {
    this.cancel(key);
    this.execute(key, operation);
  }

  cancel(key: string): void {
    this.entries.get(key)?.timer.cancel();
    this.entries.delete(key);
  }

  isScheduled(key: string): boolean {
    return this.entries.has(key);
  }

  cancelAll(): void {
    for (const entry of this.entries.values()) entry.timer.cancel();
    this.entries.clear();
  }

  private arm(key: string, delayMs: number): { firesMs: number; timer: Timer } {
    const shortMs = Math.min(delayMs, TIMER_MAX_MS);
    const timer = this.runtime.timers.after(shortMs, () => this.fire(key));
    return { firesMs: this.runtime.clock.monotonicMs() + shortMs, timer };
  }

  private fire(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    const leftMs = entry.dueMs - this.runtime.clock.monotonicMs();
    if (leftMs > 0) {
      Object.assign(entry, this.arm(key, leftMs));
      return;
    }
    this.entries.delete(key);
    this.execute(key, entry.operation);
  }
}
