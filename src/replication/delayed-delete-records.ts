import type { Offset } from '../base/int64.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import { isInternalTopic } from '../metadata/topic-name.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { Timer, Timers } from '../runtime/runtime.ts';
import type { Partition } from './partition.ts';

/** The records of one partition that a DeleteRecords request wants gone. */
export interface DeleteRecordsEntry {
  readonly topicPartition: TopicPartition;
  /** The first offset that stays; -1 for the high watermark. */
  readonly offset: Offset;
}

/** What became of the records of one partition. */
export interface DeleteRecordsResult {
  errorCode: number;
  /** The smallest log start offset of the live replicas; -1 with an error, but for REQUEST_TIMED_OUT. */
  lowWatermark: Offset;
}

export type DeleteRecordsCallback = (results: readonly DeleteRecordsResult[]) => void;

/** What a {@link DelayedDeleteRecords} works on. */
export interface DeleteRecordsOptions {
  readonly timers: Timers;
  readonly timeoutMs: number;
  /** Throws UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER. */
  readonly partition: (topicPartition: TopicPartition) => Partition;
  /** Writes the log start offsets in these log directories, so that they outlive the process. */
  readonly persist: (logDirs: ReadonlySet<string>) => void;
}

/**
 * A DeleteRecords request (KIP-107). The log start offsets here move at once and are written to their checkpoints; then
 * it waits for every live replica to have moved its own as far. What has moved stays moved, also where the answer is
 * REQUEST_TIMED_OUT.
 */
export class DelayedDeleteRecords {
  private readonly options: DeleteRecordsOptions;
  private readonly results: DeleteRecordsResult[];
  private readonly onComplete: DeleteRecordsCallback;
  /** Of the waits that are not over, by the index of their entry. */
  private readonly cancels = new Map<number, () => void>();
  private timer: Timer | undefined;

  /** `onComplete` gets a result for each entry, in their order. */
  constructor(
    entries: readonly DeleteRecordsEntry[],
    options: DeleteRecordsOptions,
    onComplete: DeleteRecordsCallback,
  ) {
    this.options = options;
    this.onComplete = onComplete;
    this.results = entries.map(() => ({ errorCode: Errors.NONE, lowWatermark: -1 }));
    this.run(entries);
  }

  private run(entries: readonly DeleteRecordsEntry[]): void {
    const logDirs = new Set<string>();
    const deleted = new Map<number, { partition: Partition; offset: Offset }>();
    for (const [index, entry] of entries.entries()) {
      try {
        const partition = this.partitionOf(entry);
        deleted.set(index, { partition, offset: partition.deleteRecordsOnLeader(entry.offset) });
        logDirs.add(partition.leaderLog().logDirectory);
      } catch (error) {
        this.fail(index, error);
      }
    }
    // Before anybody is told: a process that is killed may not bring back what was said to be gone (S6).
    if (logDirs.size > 0) this.options.persist(logDirs);
    for (const [index, { partition, offset }] of deleted) this.wait(index, partition, offset);
    if (this.cancels.size === 0) this.onComplete(this.results);
    else this.timer = this.options.timers.after(Math.max(0, this.options.timeoutMs), () => this.expire());
  }

  private partitionOf({ topicPartition }: DeleteRecordsEntry): Partition {
    if (isInternalTopic(topicPartition.topic)) {
      throw new KafkaError(
        Errors.INVALID_TOPIC_EXCEPTION,
        'the records of an internal topic are not deleted by clients',
      );
    }
    return this.options.partition(topicPartition);
  }

  private wait(index: number, partition: Partition, offset: Offset): void {
    const result = this.results[index]!;
    try {
      result.lowWatermark = partition.lowWatermark;
      if (result.lowWatermark >= offset) return;
      const cancel = partition.awaitLowWatermark(offset, (error, lowWatermark) => {
        if (error === undefined) result.lowWatermark = lowWatermark;
        else this.fail(index, error);
        this.done(index);
      });
      this.cancels.set(index, cancel);
    } catch (error) {
      this.fail(index, error);
    }
  }

  private fail(index: number, error: unknown): void {
    this.results[index] = { errorCode: errorCodeOf(error), lowWatermark: -1 };
  }

  private done(index: number): void {
    this.cancels.delete(index);
    if (this.cancels.size > 0) return;
    this.timer?.cancel();
    this.onComplete(this.results);
  }

  private expire(): void {
    for (const [index, cancel] of this.cancels) {
      cancel();
      this.results[index]!.errorCode = Errors.REQUEST_TIMED_OUT;
    }
    this.cancels.clear();
    this.onComplete(this.results);
  }
}
