import { invariant } from '../base/assert.ts';
import { add64, type LeaderEpoch, type Offset } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogAppendInfo } from '../log/log-append-info.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import { topicPartitionKey } from '../log/topic-partition.ts';
import type { AppendOptions, LogListener, UnifiedLog } from '../log/unified-log.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';

/** Somebody who waits for records of partitions: a fetch that did not find enough. */
export interface PartitionWatcher {
  /** More may be read of `partition`, or reading it now fails. Called from inside an append: it only takes note. */
  onPartitionProgress(partition: Partition): void;
}

type HighWatermarkCallback = (error: KafkaError | undefined) => void;

interface HighWatermarkWait {
  /** The high watermark that is enough. */
  readonly offset: Offset;
  readonly callback: HighWatermarkCallback;
}

/**
 * A replica of a partition on this broker: its role as the controller decided it, its log, and those who wait for its
 * high watermark.
 *
 * ```text
 *            makeLeader(epoch)                     makeFollower(epoch)
 *  offline ─────────────────────► leader ◄──────────────────────────────► follower
 *     ▲                             │
 *     └──── markOffline(error) ─────┘   waits end with NOT_LEADER_OR_FOLLOWER or KAFKA_STORAGE_ERROR
 * ```
 */
export class Partition implements LogListener {
  readonly topicPartition: TopicPartition;
  readonly topicId: Uuid;
  private readonly localId: number;
  private registration: PartitionRegistration;
  private localLog: UnifiedLog | undefined;
  private offlineError: KafkaError | undefined;
  /** In the order of their offsets, which only grow while the leader stays. */
  private highWatermarkWaits: HighWatermarkWait[] = [];
  private readonly watchers = new Set<PartitionWatcher>();
  private readonly highWatermarkListeners = new Set<(offset: Offset) => void>();

  constructor(
    topicPartition: TopicPartition,
    topicId: Uuid,
    localId: number,
    registration: PartitionRegistration,
  ) {
    this.topicPartition = topicPartition;
    this.topicId = topicId;
    this.localId = localId;
    this.registration = registration;
  }

  get leaderEpoch(): LeaderEpoch {
    return this.registration.leaderEpoch;
  }

  /** The broker id of the leader; -1 if there is none. */
  get leaderId(): number {
    return this.registration.leader;
  }

  get isLeader(): boolean {
    return this.registration.leader === this.localId && this.localLog !== undefined;
  }

  /** The log, if this replica has one that works. */
  get log(): UnifiedLog | undefined {
    return this.localLog;
  }

  /** The log of a leader. Throws NOT_LEADER_OR_FOLLOWER, or KAFKA_STORAGE_ERROR if its disk has failed. */
  leaderLog(): UnifiedLog {
    if (this.offlineError !== undefined) throw this.offlineError;
    const log = this.localLog;
    if (log === undefined || this.registration.leader !== this.localId) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `broker ${this.localId} does not lead ${this.name}: the leader is ${this.registration.leader}`,
      );
    }
    return log;
  }

  private get name(): string {
    return topicPartitionKey(this.topicPartition);
  }

  /** Takes the role of leader in the epoch of `registration`, with `log` as its log. */
  makeLeader(registration: PartitionRegistration, log: UnifiedLog): void {
    const isNewEpoch =
      this.localLog === undefined || registration.leaderEpoch !== this.registration.leaderEpoch;
    invariant(
      registration.leaderEpoch >= this.registration.leaderEpoch,
      'R2',
      () => `${this.name}: leader epoch ${registration.leaderEpoch} after ${this.registration.leaderEpoch}`,
    );
    this.registration = registration;
    this.localLog = log;
    this.offlineError = undefined;
    log.listener = this;
    if (isNewEpoch) {
      this.failWaits(this.movedError());
      log.assignEpochStartOffset(registration.leaderEpoch, log.logEndOffset);
    }
    this.maybeIncrementHighWatermark();
  }

  /** Stops leading: the leader is elsewhere, or there is none. */
  makeFollower(registration: PartitionRegistration, log: UnifiedLog | undefined): void {
    this.registration = registration;
    this.localLog = log;
    this.failWaits(this.movedError());
  }

  /** The log's disk has failed: nothing that is not yet acknowledged ever will be (S8). */
  markOffline(error: KafkaError): void {
    this.offlineError = error;
    this.failWaits(error);
  }

  /** The partition leaves this broker. */
  close(): void {
    this.failWaits(new KafkaError(Errors.UNKNOWN_TOPIC_OR_PARTITION, `${this.name} was deleted`));
    if (this.localLog !== undefined) this.localLog.listener = undefined;
    this.localLog = undefined;
  }

  private movedError(): KafkaError {
    return new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, `the leader of ${this.name} changed`);
  }

  /**
   * Checks the leader epoch that a client believes in; -1 for one that does not say. Throws FENCED_LEADER_EPOCH or
   * UNKNOWN_LEADER_EPOCH (R7).
   */
  checkLeaderEpoch(epoch: LeaderEpoch): void {
    if (epoch < 0 || epoch === this.registration.leaderEpoch) return;
    const older = epoch < this.registration.leaderEpoch;
    throw new KafkaError(
      older ? Errors.FENCED_LEADER_EPOCH : Errors.UNKNOWN_LEADER_EPOCH,
      `${this.name} is in leader epoch ${this.registration.leaderEpoch}, the request says ${epoch}`,
    );
  }

  /**
   * The synchronous half of an append. With `acks` = -1 the ISR must have `min.insync.replicas` members.
   * Throws the codes of `UnifiedLog.appendAsLeader`, NOT_LEADER_OR_FOLLOWER and NOT_ENOUGH_REPLICAS.
   */
  appendAsLeader(records: Buffer, acks: number, options: AppendOptions): LogAppendInfo {
    const log = this.leaderLog();
    if (acks === -1) {
      const { isr, replicas } = this.registration;
      const minIsr = Math.min(log.config.minInsyncReplicas, replicas.length);
      if (isr.length < minIsr) {
        throw new KafkaError(
          Errors.NOT_ENOUGH_REPLICAS,
          `${this.name} has ${isr.length} replicas in sync, min.insync.replicas asks for ${minIsr}`,
        );
      }
    }
    return log.appendAsLeader(records, this.registration.leaderEpoch, options);
  }

  /** Calls `callback` when the high watermark has come to `offset`, or when it never will under this leader. */
  awaitHighWatermark(offset: Offset, callback: HighWatermarkCallback): void {
    const log = this.localLog;
    if (this.offlineError !== undefined || log === undefined)
      callback(this.offlineError ?? this.movedError());
    else if (log.highWatermark >= offset) callback(undefined);
    else this.highWatermarkWaits.push({ offset, callback });
  }

  watch(watcher: PartitionWatcher): void {
    this.watchers.add(watcher);
  }

  unwatch(watcher: PartitionWatcher): void {
    this.watchers.delete(watcher);
  }

  /** Calls `listener` at each change of the high watermark, until it is removed. */
  addHighWatermarkListener(listener: (offset: Offset) => void): void {
    this.highWatermarkListeners.add(listener);
  }

  removeHighWatermarkListener(listener: (offset: Offset) => void): void {
    this.highWatermarkListeners.delete(listener);
  }

  onLogEndOffsetAdvanced(): void {
    this.maybeIncrementHighWatermark();
  }

  onHighWatermarkUpdated(log: UnifiedLog): void {
    const { highWatermark } = log;
    const waits = this.highWatermarkWaits;
    let done = 0;
    while (done < waits.length && waits[done]!.offset <= highWatermark) done++;
    if (done > 0) {
      this.highWatermarkWaits = waits.slice(done);
      for (let i = 0; i < done; i++) waits[i]!.callback(undefined);
    }
    for (const watcher of this.watchers) watcher.onPartitionProgress(this);
    for (const listener of this.highWatermarkListeners) listener(highWatermark);
  }

  /**
   * The high watermark is the smallest log end offset of the ISR (R3). A leader that is alone in its ISR moves it with
   * its own log; a member elsewhere holds it back until it has fetched.
   */
  private maybeIncrementHighWatermark(): void {
    const log = this.localLog;
    if (log === undefined || !this.isLeader) return;
    const { isr } = this.registration;
    if (isr.length === 1 && isr[0] === this.localId) log.maybeIncrementHighWatermark(log.logEndOffset);
  }

  private failWaits(error: KafkaError): void {
    const waits = this.highWatermarkWaits;
    this.highWatermarkWaits = [];
    for (const wait of waits) wait.callback(error);
    for (const watcher of this.watchers) watcher.onPartitionProgress(this);
  }
}

/** The high watermark that covers all of an append. */
export function requiredOffset(info: LogAppendInfo): Offset {
  return add64(info.lastOffset, 1);
}
