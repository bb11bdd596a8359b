import type { Timers } from '../runtime/runtime.ts';
import type { AppendQueue } from './append-queue.ts';

/**
 * `synchronous`: the write happens on the event loop, which is cheapest. `pooled`: off it, so that a slow
 * disk does not stall it.
 */
export type WriteMode = 'synchronous' | 'pooled';

/**
 * The second half of all appends of a broker: at the end of a turn of the event loop everything staged in
 * it is written, with one gathered write for each log.
 */
export class LogWriter {
  readonly mode: WriteMode;
  private readonly timers: Timers;
  private queues: AppendQueue[] = [];
  private scheduled = false;

  constructor(timers: Timers, mode: WriteMode = 'synchronous') {
    this.timers = timers;
    this.mode = mode;
  }

  /** Calls the queue's `write` at the end of this turn. */
  schedule(queue: AppendQueue): void {
    this.queues.push(queue);
    if (this.scheduled) return;
    this.scheduled = true;
    this.timers.soon(() => this.run());
  }

  private run(): void {
    const { queues } = this;
    this.queues = [];
    this.scheduled = false;
    let done = 0;
    try {
      while (done < queues.length) queues[done++]!.write();
    } finally {
      // A callback that throws may not take the appends of other logs with it.
      for (; done < queues.length; done++) this.schedule(queues[done]!);
    }
  }
}
