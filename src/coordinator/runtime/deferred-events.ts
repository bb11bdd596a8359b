import type { Offset } from '../../base/int64.ts';

/** Called once: without a code when the records are committed, with Kafka's error code when they will not be known to be. */
export type Completion = (code?: number) => void;

interface DeferredEvent {
  readonly offset: Offset;
  /** Monotonic, ms. */
  readonly deadlineMs: number;
  complete: Completion | undefined;
}

/** Responses that wait until the log is committed up to an offset, in the order of their offsets. */
export class DeferredEvents {
  private events: DeferredEvent[] = [];
  private head = 0;

  get isEmpty(): boolean {
    return this.head === this.events.length;
  }

  /** `offset` is not below that of the event added before. */
  add(offset: Offset, deadlineMs: number, complete: Completion): void {
    this.events.push({ offset, deadlineMs, complete });
  }

  /** When the first event that still waits gives up; monotonic, ms. */
  get nextDeadlineMs(): number | undefined {
    for (let i = this.head; i < this.events.length; i++) {
      const event = this.events[i]!;
      if (event.complete !== undefined) return event.deadlineMs;
    }
    return undefined;
  }

  /** Completes all events up to and with `offset`. */
  completeUpTo(offset: Offset): void {
    while (this.head < this.events.length && this.events[this.head]!.offset <= offset) this.take()?.();
    this.compact();
  }

  /** Ends the wait of events whose deadline has come. Their records stay, and may yet be committed. */
  expire(nowMs: number, code: number): void {
    for (let i = this.head; i < this.events.length; i++) {
      const event = this.events[i]!;
      if (event.deadlineMs > nowMs) break;
      const { complete } = event;
      event.complete = undefined;
      complete?.(code);
    }
  }

  failAll(code: number): void {
    while (this.head < this.events.length) this.take()?.(code);
    this.compact();
  }

  private take(): Completion | undefined {
    const event = this.events[this.head++]!;
    const { complete } = event;
    event.complete = undefined;
    return complete;
  }

  private compact(): void {
    if (this.head === this.events.length) {
      this.events = [];
      this.head = 0;
    } else if (this.head > 1024) {
      this.events = this.events.slice(this.head);
      this.head = 0;
    }
  }
}
