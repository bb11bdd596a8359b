import { invariant } from '../base/assert.ts';
import { add64, type LeaderEpoch, min64, type Offset, type ProducerId } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogAppendInfo } from '../log/log-append-info.ts';
import type { LogOffsetsListener } from '../log/log-offsets-listener.ts';
import { type TopicPartition, topicPartitionKey } from '../log/topic-partition.ts';
import type { AppendOptions, UnifiedLog } from '../log/unified-log.ts';
import type { VerificationGuard } from '../log/verification-guard.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { PartitionContext } from './partition-context.ts';
import { PartitionIsr } from './partition-isr.ts';
import type { PartitionState } from './partition-state.ts';
import { type HighWatermarkCallback, PartitionWaits, type PartitionWatcher } from './partition-waits.ts';
import { type LowWatermarkCallback, LowWatermarkWaits } from './low-watermark-waits.ts';
import { type FollowerFetch, Replica } from './replica.ts';

/**
 * A replica of a partition on this broker: its role as the controller decided it, its log, what a leader knows of its
 * followers, and those who wait for its high watermark.
 *
 * ```text
 *            makeLeader(epoch)                     makeFollower(epoch)
 *  offline ─────────────────────► leader ◄──────────────────────────────► follower
 *     ▲                             │                                        │
 *     └──── markOffline(error) ─────┴────────────────────────────────────────┘
 *                   waits end with NOT_LEADER_OR_FOLLOWER or KAFKA_STORAGE_ERROR
 * ```
 */
export class Partition implements LogOffsetsListener {
  readonly topicPartition: TopicPartition;
  readonly topicId: Uuid;
  private readonly context: PartitionContext;
  private current: PartitionRegistration;
  private readonly isr: PartitionIsr;
  private localLog: UnifiedLog | undefined;
  private offlineError: KafkaError | undefined;
  private readonly replicas = new Map<number, Replica>();
  /** The log end offset when this leader epoch began; undefined where this broker does not lead. */
  private epochStartOffset: Offset | undefined;
  /** The log end offset that followers have been measured against. */
  private knownEndOffset: Offset = 0;
  private readonly waits = new PartitionWaits();
  private readonly lowWatermarkWaits = new LowWatermarkWaits();

  constructor(
    topicPartition: TopicPartition,
    topicId: Uuid,
    context: PartitionContext,
    registration: PartitionRegistration,
  ) {
    this.topicPartition = topicPartition;
    this.topicId = topicId;
    this.context = context;
    this.current = registration;
    this.isr = new PartitionIsr(this, context, registration);
  }

  // What it is.

  /** As the controller last told it, but for the ISR, which {@link partitionState} has. */
  get registration(): PartitionRegistration {
    return this.current;
  }

  get partitionState(): PartitionState {
    return this.isr.state;
  }

  get leaderEpoch(): LeaderEpoch {
    return this.current.leaderEpoch;
  }

  /** The broker id of the leader; -1 if there is none. */
  get leaderId(): number {
    return this.current.leader;
  }

  get isLeader(): boolean {
    return this.epochStartOffset !== undefined;
  }

  get isOffline(): boolean {
    return this.offlineError !== undefined;
  }

  /** Where this leader epoch began; undefined where this broker does not lead. */
  get leaderEpochStartOffset(): Offset | undefined {
    return this.epochStartOffset;
  }

  /** The log, if this replica has one that works. */
  get log(): UnifiedLog | undefined {
    return this.localLog;
  }

  /** Those on other brokers, where this one leads. */
  get remoteReplicas(): Iterable<Replica> {
    return this.replicas.values();
  }

  replica(brokerId: number): Replica | undefined {
    return this.replicas.get(brokerId);
  }

  get name(): string {
    return topicPartitionKey(this.topicPartition);
  }

  /** `min.insync.replicas`, or all replicas where there are fewer. */
  get effectiveMinIsr(): number {
    return Math.min(this.localLog?.config.minInsyncReplicas ?? 1, this.current.replicas.length);
  }

  get isUnderMinIsr(): boolean {
    return this.isr.state.isr.length < this.effectiveMinIsr;
  }

  /** A leader whose followers are not all in its ISR. */
  get isUnderReplicated(): boolean {
    return this.isLeader && this.isr.state.isr.length < this.current.replicas.length;
  }

  isInSync(brokerId: number): boolean {
    return this.isr.state.isr.includes(brokerId);
  }

  /**
   * The smallest log start offset of the replicas on live brokers; -1 while one of them is not known. One that comes
   * back later moves its own before it is in sync. Throws what {@link leaderLog} throws.
   */
  get lowWatermark(): Offset {
    let low = this.leaderLog().logStartOffset;
    for (const replica of this.replicas.values()) {
      if (this.context.cluster().broker(replica.brokerId)?.fenced === false) {
        low = min64(low, replica.logStartOffset);
      }
    }
    return low;
  }

  /** The log of a leader. Throws NOT_LEADER_OR_FOLLOWER, or KAFKA_STORAGE_ERROR if its disk has failed. */
  leaderLog(): UnifiedLog {
    const log = this.anyLog();
    if (!this.isLeader) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `broker ${this.context.localId} does not lead ${this.name}: the leader is ${this.current.leader}`,
      );
    }
    return log;
  }

  /** The log, whatever the role. Throws NOT_LEADER_OR_FOLLOWER, or KAFKA_STORAGE_ERROR if its disk has failed. */
  anyLog(): UnifiedLog {
    if (this.offlineError !== undefined) throw this.offlineError;
    if (this.localLog !== undefined) return this.localLog;
    throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, `${this.name} has no log here yet`);
  }

  // Roles.

  /**
   * Takes the role of leader in the epoch of `registration`, with `log` as its log. Metadata that is older than what
   * the controller has answered to this leader itself changes nothing.
   */
  makeLeader(registration: PartitionRegistration, log: UnifiedLog): void {
    const { leaderEpoch, partitionEpoch } = registration;
    this.checkEpoch(leaderEpoch);
    const isNewLeader = !this.isLeader;
    const isNewEpoch = isNewLeader || leaderEpoch !== this.current.leaderEpoch;
    if (!isNewEpoch && partitionEpoch < this.isr.state.partitionEpoch) return;
    const isSameState = !isNewEpoch && partitionEpoch === this.isr.state.partitionEpoch;
    this.current = registration;
    this.attach(log);
    if (!isSameState) this.isr.adopt(registration);
    this.updateReplicas(registration);
    if (isNewEpoch) {
      // Who waits for the low watermark goes on: what the followers have deleted is known across epochs.
      this.waits.onRole(() => this.movedError());
      log.assignEpochStartOffset(leaderEpoch, log.stagedEndOffset);
      this.epochStartOffset = log.stagedEndOffset;
      this.knownEndOffset = log.logEndOffset;
      const nowMs = this.context.clock.monotonicMs();
      for (const replica of this.replicas.values()) {
        replica.reset(nowMs, isNewLeader, registration.isr.includes(replica.brokerId), log.logEndOffset);
      }
    }
    this.maybeIncrementHighWatermark();
    this.checkLowWatermark();
  }

  /**
   * Follows the leader of `registration`, or nobody if there is none. Whether the leader epoch is new: the log may have
   * to be cut, and is fetched from the leader anew.
   */
  makeFollower(registration: PartitionRegistration, log: UnifiedLog): boolean {
    const { leaderEpoch, partitionEpoch } = registration;
    this.checkEpoch(leaderEpoch);
    const isNewEpoch =
      this.isLeader || this.localLog === undefined || leaderEpoch !== this.current.leaderEpoch;
    if (!isNewEpoch && partitionEpoch < this.isr.state.partitionEpoch) return false;
    this.current = registration;
    this.isr.adopt(registration);
    this.epochStartOffset = undefined;
    this.replicas.clear();
    this.attach(log);
    if (isNewEpoch) this.failWaits(() => this.movedError());
    return isNewEpoch;
  }

  private checkEpoch(leaderEpoch: LeaderEpoch): void {
    invariant(
      leaderEpoch >= this.current.leaderEpoch,
      'R2',
      () => `${this.name}: leader epoch ${leaderEpoch} after ${this.current.leaderEpoch}`,
    );
  }

  private attach(log: UnifiedLog): void {
    this.localLog = log;
    this.offlineError = undefined;
    log.listener = this;
  }

  /** The replica is in another log directory now: `log` holds the same records as the one before it. */
  replaceLog(log: UnifiedLog): void {
    if (this.localLog !== undefined) this.localLog.listener = undefined;
    this.localLog = log;
    log.listener = this;
  }

  private updateReplicas({ replicas }: PartitionRegistration): void {
    for (const brokerId of this.replicas.keys())
      if (!replicas.includes(brokerId)) this.replicas.delete(brokerId);
    for (const brokerId of replicas) {
      if (brokerId !== this.context.localId && !this.replicas.has(brokerId)) {
        this.replicas.set(brokerId, new Replica(brokerId));
      }
    }
  }

  /** The log's disk has failed: nothing that is not yet acknowledged ever will be (S8). */
  markOffline(error: KafkaError): void {
    this.offlineError = error;
    this.epochStartOffset = undefined;
    this.failWaits(() => error);
  }

  /** The partition leaves this broker. */
  close(): void {
    this.epochStartOffset = undefined;
    this.offlineError = undefined;
    if (this.localLog !== undefined) this.localLog.listener = undefined;
    this.localLog = undefined;
    this.failWaits(() => new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, `${this.name} has left this broker`));
  }

  private movedError(): KafkaError {
    return new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, `the leader of ${this.name} changed`);
  }

  /**
   * Checks the leader epoch that a client believes in; -1 for one that does not say. Throws FENCED_LEADER_EPOCH or
   * UNKNOWN_LEADER_EPOCH (R7).
   */
  checkLeaderEpoch(epoch: LeaderEpoch): void {
    const { leaderEpoch } = this.current;
    if (epoch < 0 || epoch === leaderEpoch) return;
    throw new KafkaError(
      epoch < leaderEpoch ? Errors.FENCED_LEADER_EPOCH : Errors.UNKNOWN_LEADER_EPOCH,
      `${this.name} is in leader epoch ${leaderEpoch}, the request says ${epoch}`,
    );
  }

  // Appending.

  /** See {@link UnifiedLog.maybeStartTransactionVerification}. Throws what {@link leaderLog} throws, too. */
  maybeStartTransactionVerification(
    producerId: ProducerId,
    sequence: number,
    producerEpoch: number,
    supportsEpochBump: boolean,
  ): VerificationGuard | undefined {
    const log = this.leaderLog();
    return log.maybeStartTransactionVerification(producerId, sequence, producerEpoch, supportsEpochBump);
  }

  /**
   * The synchronous half of an append. With `acks` = -1 the ISR must have `min.insync.replicas` members.
   * Throws the codes of `UnifiedLog.appendAsLeader`, NOT_LEADER_OR_FOLLOWER and NOT_ENOUGH_REPLICAS; and for records of
   * a client KAFKA_STORAGE_ERROR where the log directory is short of space.
   */
  appendAsLeader(records: Buffer, acks: number, options: AppendOptions): LogAppendInfo {
    const log = this.leaderLog();
    if (acks === -1 && this.isUnderMinIsr) {
      const { isr } = this.isr.state;
      throw new KafkaError(
        Errors.NOT_ENOUGH_REPLICAS,
        `${this.name} has ${isr.length} replicas in sync (${isr.join(', ')}), ` +
          `min.insync.replicas asks for ${this.effectiveMinIsr}`,
      );
    }
    // What coordinators write is little, and the work of groups rests on it.
    if ((options.origin ?? 'client') === 'client') log.checkSpace();
    return log.appendAsLeader(records, this.current.leaderEpoch, options);
  }

  /**
   * Calls `callback` when the high watermark has come to `offset`, with NOT_ENOUGH_REPLICAS_AFTER_APPEND if the ISR has
   * become too small by then; or with another error when it never will under the leader of `leaderEpoch` (R7).
   */
  awaitHighWatermark(offset: Offset, leaderEpoch: LeaderEpoch, callback: HighWatermarkCallback): void {
    const log = this.localLog;
    if (this.offlineError !== undefined) callback(this.offlineError);
    else if (log === undefined || !this.isLeader || leaderEpoch !== this.current.leaderEpoch) {
      callback(this.movedError());
    } else if (log.highWatermark >= offset) callback(this.tooFewReplicas());
    else this.waits.awaitHighWatermark(offset, callback);
  }

  private tooFewReplicas(): KafkaError | undefined {
    if (this.isr.state.maximalIsr.length >= this.effectiveMinIsr) return undefined;
    return new KafkaError(
      Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
      `${this.name} has fewer than ${this.effectiveMinIsr} replicas in sync since the records were appended`,
    );
  }

  // Deleting.

  /**
   * Moves the log start offset up to `offset`, -1 for the high watermark; returns which offset that was. Throws
   * POLICY_VIOLATION where `cleanup.policy` has no `delete`, OFFSET_OUT_OF_RANGE above the high watermark (S9) and
   * below 0, and what {@link leaderLog} throws.
   */
  deleteRecordsOnLeader(offset: Offset): Offset {
    const log = this.leaderLog();
    const { cleanupPolicy } = log.config;
    if (cleanupPolicy.has('compact') && !cleanupPolicy.has('delete')) {
      throw new KafkaError(
        Errors.POLICY_VIOLATION,
        `the cleanup.policy of ${this.name} does not delete records`,
      );
    }
    const start = offset === -1 ? log.highWatermark : offset;
    if (start < 0) throw new KafkaError(Errors.OFFSET_OUT_OF_RANGE, `${start} is no offset of ${this.name}`);
    log.maybeIncrementLogStartOffset(start, 'DeleteRecords');
    return start;
  }

  /**
   * Calls `callback` when the low watermark has come to `offset`, or with an error when this broker does not lead any
   * more. Returns a function that ends the wait.
   */
  awaitLowWatermark(offset: Offset, callback: LowWatermarkCallback): () => void {
    return this.lowWatermarkWaits.add(offset, callback);
  }

  onLogStartOffsetIncremented(): void {
    this.waits.onLogStart();
    this.checkLowWatermark();
  }

  private checkLowWatermark(): void {
    if (!this.isLeader || this.lowWatermarkWaits.isEmpty) return;
    this.lowWatermarkWaits.onLowWatermark(this.lowWatermark);
  }

  private failWaits(makeError: () => KafkaError): void {
    this.waits.onRole(makeError);
    this.lowWatermarkWaits.failAll(makeError);
  }

  // Watching.

  /** `isFollower`: it reads up to the end of the log, else up to the high watermark. */
  watch(watcher: PartitionWatcher, isFollower: boolean): void {
    this.waits.watch(watcher, isFollower);
  }

  unwatch(watcher: PartitionWatcher): void {
    this.waits.unwatch(watcher);
  }

  /** Calls `listener` at each change of the high watermark, until it is removed. */
  addHighWatermarkListener(listener: (offset: Offset) => void): void {
    this.waits.addHighWatermarkListener(listener);
  }

  removeHighWatermarkListener(listener: (offset: Offset) => void): void {
    this.waits.removeHighWatermarkListener(listener);
  }

  onLogEndOffsetAdvanced(log: UnifiedLog): void {
    if (!this.isLeader) return;
    for (const replica of this.replicas.values()) replica.onLeaderAppend(this.knownEndOffset);
    this.knownEndOffset = log.logEndOffset;
    this.maybeIncrementHighWatermark();
    this.waits.onLogEnd();
  }

  onHighWatermarkUpdated({ highWatermark }: UnifiedLog): void {
    this.waits.onHighWatermark(highWatermark, () => this.tooFewReplicas());
  }

  // Followers.

  /**
   * A follower has fetched, and so has all below its fetch offset. It may join the ISR by that, and the high watermark
   * may move. Throws NOT_LEADER_OR_FOLLOWER for an earlier life of the broker (R10), UNKNOWN_LEADER_EPOCH for one that
   * is no replica as far as is known here: its metadata may be newer.
   */
  updateFollowerFetchState(brokerId: number, fetch: FollowerFetch): void {
    const replica = this.replicas.get(brokerId);
    if (replica === undefined) {
      throw new KafkaError(
        Errors.UNKNOWN_LEADER_EPOCH,
        `broker ${brokerId} is no replica of ${this.name} in leader epoch ${this.current.leaderEpoch}`,
      );
    }
    const registered = this.context.cluster().broker(brokerId)?.epoch;
    if (fetch.brokerEpoch !== -1 && registered !== undefined && fetch.brokerEpoch < registered) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `broker ${brokerId} fetches with broker epoch ${fetch.brokerEpoch}, it is registered with ${registered}`,
      );
    }
    const hasMoved = replica.logEndOffset !== fetch.fetchOffset;
    const hasDeleted = replica.logStartOffset !== fetch.logStartOffset;
    replica.update(fetch);
    this.isr.maybeExpandIsr(replica);
    if (hasMoved) this.maybeIncrementHighWatermark();
    if (hasDeleted) this.checkLowWatermark();
  }

  /**
   * The high watermark is the smallest log end offset of the maximal ISR (R3), and of the replicas that are about to
   * join it. It stands still while the ISR is smaller than `min.insync.replicas`: what fewer replicas hold is not
   * committed (KIP-966).
   */
  private maybeIncrementHighWatermark(): void {
    const log = this.localLog;
    if (log === undefined || !this.isLeader || this.isUnderMinIsr) return;
    const end = log.logEndOffset;
    let offset = end;
    for (const replica of this.replicas.values()) {
      if (replica.logEndOffset >= offset) continue;
      if (this.isr.state.maximalIsr.includes(replica.brokerId) || this.isr.isJoining(replica, end)) {
        offset = replica.logEndOffset;
      }
    }
    if (offset > log.highWatermark) log.maybeIncrementHighWatermark(offset);
  }

  // The ISR.

  /** Brokers have come, gone or been fenced: others may join the ISR, or are not waited for any more. */
  onBrokersChanged(): void {
    this.checkLowWatermark();
    if (!this.isUnderReplicated) return;
    this.maybeIncrementHighWatermark();
    this.maybeExpandIsrs();
  }

  /** See {@link PartitionIsr.maybeExpandIsrs}. */
  maybeExpandIsrs(): void {
    this.isr.maybeExpandIsrs();
  }

  /** See {@link PartitionIsr.maybeShrinkIsr}. */
  maybeShrinkIsr(): void {
    this.isr.maybeShrinkIsr();
  }

  /** For {@link PartitionIsr}: fewer may be waited for now, and others may join. */
  onIsrCommitted(): void {
    this.maybeIncrementHighWatermark();
    this.maybeExpandIsrs();
  }
}

/** The high watermark that covers all of an append. */
export function requiredOffset(info: LogAppendInfo): Offset {
  return add64(info.lastOffset, 1);
}
