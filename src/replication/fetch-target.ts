import type { Int64 } from '../base/int64.ts';
import { Errors } from '../protocol/errors.ts';
import type { FetchPartition, FetchPartitionResult } from './fetch-params.ts';
import type { Partition } from './partition.ts';
import type { PartitionProgress, PartitionWatcher } from './partition-waits.ts';

/** Who wants to know that a target may have more to read. */
export interface FetchTargetOwner {
  readonly isFollower: boolean;
  onTargetProgress(target: FetchTarget, progress: PartitionProgress): void;
}

/**
 * A partition that somebody fetches: what is asked of it, what was told, and the replica here that it is read from.
 * In a session it lives as long as the session names it.
 */
export class FetchTarget implements PartitionWatcher {
  wanted: FetchPartition;
  owner: FetchTargetOwner;
  /** The request at hand names it, and its follower's state has not been updated yet. */
  isNamed = true;
  private highWatermark: Int64 = -1;
  private logStartOffset: Int64 = -1;
  private watched: Partition | undefined;

  constructor(wanted: FetchPartition, owner: FetchTargetOwner) {
    this.wanted = wanted;
    this.owner = owner;
  }

  /** The replica here, once it has been read. */
  get partition(): Partition | undefined {
    return this.watched;
  }

  /** Tells the owner of progress of `partition` from now on, or no more. */
  watch(partition: Partition | undefined): void {
    if (partition === this.watched) return;
    this.watched?.unwatch(this);
    this.watched = partition;
    partition?.watch(this, this.owner.isFollower);
  }

  onPartitionProgress(progress: PartitionProgress): void {
    this.owner.onTargetProgress(this, progress);
  }

  /** Whether `result` says something that was not told before. */
  isNews(result: FetchPartitionResult): boolean {
    return (
      (result.data?.sizeInBytes ?? 0) > 0 ||
      result.errorCode !== Errors.NONE ||
      result.divergingEpoch !== undefined ||
      result.preferredReadReplica >= 0 ||
      result.highWatermark !== this.highWatermark ||
      result.logStartOffset !== this.logStartOffset
    );
  }

  /** Whether the log starts elsewhere now than was told before. */
  isNewStart(result: FetchPartitionResult): boolean {
    return this.logStartOffset >= 0 && result.logStartOffset > this.logStartOffset;
  }

  /** `result` is in an answer. */
  told(result: FetchPartitionResult): void {
    // After an error what follows it is told too, whatever it is: the client has dropped what it knew.
    this.highWatermark = result.errorCode === Errors.NONE ? result.highWatermark : -1;
    this.logStartOffset = result.logStartOffset;
  }
}

/** What was read of a target. */
export interface TargetRead {
  readonly target: FetchTarget;
  readonly result: FetchPartitionResult;
}
