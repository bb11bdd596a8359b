import type { Timer, Timers } from '../runtime/runtime.ts';
import type { FetchPartitionResult } from './fetch-params.ts';
import type { Partition, PartitionWatcher } from './partition.ts';

/** One read of everything that a fetch asks for. */
export interface FetchRead {
  readonly results: readonly FetchPartitionResult[];
  /** Of all partitions. */
  readonly sizeInBytes: number;
  /** There is an error or a divergence to tell: waiting would only delay it. */
  readonly mustAnswer: boolean;
}

/**
 * A fetch that found less than its `minBytes`. It costs nothing while nothing happens: partitions wake it when more can
 * be read of them. It looks again once a turn at most, since one turn writes to many partitions.
 */
export class DelayedFetch implements PartitionWatcher {
  private readonly timers: Timers;
  private readonly partitions: readonly Partition[];
  private readonly minBytes: number;
  private readonly read: () => FetchRead;
  private readonly onComplete: (read: FetchRead) => void;
  private readonly timer: Timer;
  private isScheduled = false;
  private isDone = false;

  constructor(
    timers: Timers,
    partitions: readonly Partition[],
    params: { readonly minBytes: number; readonly maxWaitMs: number },
    read: () => FetchRead,
    onComplete: (read: FetchRead) => void,
  ) {
    this.timers = timers;
    this.partitions = partitions;
    this.minBytes = params.minBytes;
    this.read = read;
    this.onComplete = onComplete;
    this.timer = timers.after(params.maxWaitMs, () => this.finish(this.read()));
    for (const partition of partitions) partition.watch(this);
  }

  onPartitionProgress(): void {
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
    this.isDone = true;
    this.timer.cancel();
    for (const partition of this.partitions) partition.unwatch(this);
  }

  private finish(read: FetchRead): void {
    if (this.isDone) return;
    this.cancel();
    this.onComplete(read);
  }
}
