import type { Timer, Timers } from '../runtime/runtime.ts';
import type { FetchParams } from './fetch-params.ts';
import type { FetchContext } from './fetch-session.ts';
import type { TargetRead } from './fetch-target.ts';

/** One read of everything that a fetch asks for and that is due. */
export interface FetchRead {
  readonly reads: readonly TargetRead[];
  /** Of all partitions. */
  readonly sizeInBytes: number;
  /** There is something to tell that waiting would only delay: an error, a divergence. */
  readonly mustAnswer: boolean;
}

/**
 * A fetch that found less than its `minBytes`. It costs nothing while nothing happens: partitions wake it when more can
 * be read of them. It looks again once a turn at most, since one turn writes to many partitions.
 */
export class DelayedFetch {
  private readonly timers: Timers;
  private readonly context: FetchContext;
  private readonly minBytes: number;
  private readonly read: () => FetchRead;
  private readonly onComplete: (read: FetchRead) => void;
  private readonly timer: Timer;
  private isScheduled = false;
  private isDone = false;

  constructor(
    timers: Timers,
    context: FetchContext,
    params: Pick<FetchParams, 'minBytes' | 'maxWaitMs' | 'ignoresHighWatermark'>,
    read: () => FetchRead,
    onComplete: (read: FetchRead) => void,
  ) {
    this.timers = timers;
    this.context = context;
    this.minBytes = params.minBytes;
    this.read = read;
    this.onComplete = onComplete;
    this.timer = timers.after(params.maxWaitMs, () => this.finish(this.read()));
    const { ignoresHighWatermark } = params;
    context.listen(progress => {
      if (progress !== 'highWatermark' || !ignoresHighWatermark) this.lookSoon();
    });
  }

  private lookSoon(): void {
    if (this.isScheduled || this.isDone) return;
    this.isScheduled = true;
    this.timers.soon(() => {
      this.isScheduled = false;
      if (this.isDone) return;
      const read = this.read();
      if (read.mustAnswer || read.sizeInBytes >= this.minBytes) this.finish(read);
    });
  }

  /** Ends the wait without an answer: the client is gone. */
  cancel(): void {
    if (this.isDone) return;
    this.end();
    this.context.abandon();
  }

  private end(): void {
    this.isDone = true;
    this.timer.cancel();
    this.context.listen(undefined);
  }

  private finish(read: FetchRead): void {
    if (this.isDone) return;
    this.end();
    this.onComplete(read);
  }
}
