import type { Offset } from '../base/int64.ts';
import type { KafkaError } from '../protocol/errors.ts';

/**
 * What has changed about a partition. `logEnd`: followers find more in the leader's log. `highWatermark`: consumers may
 * read more. `logStart`: the oldest records are gone. `role`: reading it as before fails, or gives other answers.
 */
export type PartitionProgress = 'logEnd' | 'highWatermark' | 'logStart' | 'role';

/** Somebody who waits for records of partitions: a fetch that did not find enough. */
export interface PartitionWatcher {
  /** Called from inside an append or a change of metadata: it only takes note. */
  onPartitionProgress(progress: PartitionProgress): void;
}

export type HighWatermarkCallback = (error: KafkaError | undefined) => void;

interface HighWatermarkWait {
  /** The high watermark that is enough. */
  readonly offset: Offset;
  readonly callback: HighWatermarkCallback;
}

/** All who wait for a partition: produce requests for its high watermark, fetches for more records. */
export class PartitionWaits {
  /** In the order of their offsets. */
  private highWatermarkWaits: HighWatermarkWait[] = [];
  private readonly followerWatchers = new Set<PartitionWatcher>();
  private readonly watchers = new Set<PartitionWatcher>();
  private readonly highWatermarkListeners = new Set<(offset: Offset) => void>();

  /** Calls `callback` once: when the high watermark has come to `offset`, or when it never will. */
  awaitHighWatermark(offset: Offset, callback: HighWatermarkCallback): void {
    // A batch sent twice waits for the offset of the first time, which may be below those of others.
    const waits = this.highWatermarkWaits;
    let at = waits.length;
    while (at > 0 && waits[at - 1]!.offset > offset) at--;
    if (at === waits.length) waits.push({ offset, callback });
    else waits.splice(at, 0, { offset, callback });
  }

  /** `isFollower`: it reads up to the end of the log, else up to the high watermark. */
  watch(watcher: PartitionWatcher, isFollower: boolean): void {
    (isFollower ? this.followerWatchers : this.watchers).add(watcher);
  }

  unwatch(watcher: PartitionWatcher): void {
    this.followerWatchers.delete(watcher);
    this.watchers.delete(watcher);
  }

  addHighWatermarkListener(listener: (offset: Offset) => void): void {
    this.highWatermarkListeners.add(listener);
  }

  removeHighWatermarkListener(listener: (offset: Offset) => void): void {
    this.highWatermarkListeners.delete(listener);
  }

  onLogEnd(): void {
    for (const watcher of this.followerWatchers) watcher.onPartitionProgress('logEnd');
  }

  /** `makeError`: what those are told who have waited for it, if it is not success. */
  onHighWatermark(highWatermark: Offset, makeError: () => KafkaError | undefined): void {
    const waits = this.highWatermarkWaits;
    let done = 0;
    while (done < waits.length && waits[done]!.offset <= highWatermark) done++;
    if (done > 0) {
      this.highWatermarkWaits = waits.slice(done);
      const error = makeError();
      for (let i = 0; i < done; i++) waits[i]!.callback(error);
    }
    this.tell('highWatermark');
    for (const listener of this.highWatermarkListeners) listener(highWatermark);
  }

  onLogStart(): void {
    this.tell('logStart');
  }

  /** The role has changed: nobody's high watermark comes any more, and reading gives other answers. */
  onRole(makeError: () => KafkaError): void {
    const waits = this.highWatermarkWaits;
    if (waits.length > 0) {
      this.highWatermarkWaits = [];
      const error = makeError();
      for (const wait of waits) wait.callback(error);
    }
    this.tell('role');
  }

  private tell(progress: PartitionProgress): void {
    for (const watcher of this.watchers) watcher.onPartitionProgress(progress);
    for (const watcher of this.followerWatchers) watcher.onPartitionProgress(progress);
  }
}
