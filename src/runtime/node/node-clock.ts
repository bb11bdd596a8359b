import type { Clock, Timer, Timers } from '../runtime.ts';

/** `setTimeout` takes a longer delay for 1 ms. */
const TIMEOUT_MAX_MS = 0x7fff_ffff;

export class NodeClock implements Clock {
  wallMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }
}

class NodeTimer implements Timer {
  private readonly dueMs: number;
  private readonly callback: () => void;
  private handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.dueMs = performance.now() + delayMs;
    this.callback = callback;
    this.handle = this.arm(delayMs);
  }

  private arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(this.fire, Math.min(Math.max(0, Math.ceil(delayMs)), TIMEOUT_MAX_MS));
  }

  // Node counts in whole milliseconds of its loop and may fire a little early: then the rest is waited for.
  private readonly fire = (): void => {
    const leftMs = this.dueMs - performance.now();
    if (leftMs > 0) this.handle = this.arm(leftMs);
    else this.callback();
  };

  cancel(): void {
    clearTimeout(this.handle);
  }
}

export class NodeTimers implements Timers {
  after(delayMs: number, callback: () => void): Timer {
    return new NodeTimer(delayMs, callback);
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }
}
