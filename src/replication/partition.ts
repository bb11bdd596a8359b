import { invariant } from '../base/assert.ts';
import {
  add64,
  type BrokerEpoch,
  type LeaderEpoch,
  min64,
  type Offset,
  type ProducerId,
} from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogAppendInfo } from '../log/log-append-info.ts';
import type { LogOffsetsListener } from '../log/log-offsets-listener.ts';
import { type TopicPartition, topicPartitionKey } from '../log/topic-partition.ts';
import type { AppendOptions, UnifiedLog } from '../log/unified-log.ts';
import type { VerificationGuard } from '../log/verification-guard.ts';
import type { ClusterImage } from '../metadata/cluster-image.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';
import { Errors, errorName, KafkaError } from '../protocol/errors.ts';
import type { Clock } from '../runtime/runtime.ts';
import type { AlterPartitionManager, AlterPartitionResult } from './alter-partition-manager.ts';
import {
  type BrokerState,
  committedState,
  type PartitionState,
  pendingExpandState,
  pendingShrinkState,
} from './partition-state.ts';
import { type HighWatermarkCallback, PartitionWaits, type PartitionWatcher } from './partition-waits.ts';
import { type LowWatermarkCallback, LowWatermarkWaits } from './low-watermark-waits.ts';
import { type FollowerFetch, Replica } from './replica.ts';

/** What all partitions of a broker share. */
export interface PartitionContext {
  readonly localId: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alterPartitions: AlterPartitionManager;
  /** The brokers as the latest metadata has them. */
  cluster(): ClusterImage;
  localBrokerEpoch(): BrokerEpoch;
  /** `replica.lag.time.max.ms` */
  replicaLagTimeMaxMs(): number;
  /** Looks at the ISR of the partition again in a while. */
  checkIsrLater(partition: Partition): void;
}

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
  private state: PartitionState;
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
    this.state = committedState(registration.isr, registration.partitionEpoch);
  }

  // What it is.

  /** As the controller last told it, but for the ISR, which {@link partitionState} has. */
  get registration(): PartitionRegistration {
    return this.current;
  }

  get partitionState(): PartitionState {
    return this.state;
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
    return this.state.isr.length < this.effectiveMinIsr;
  }

  /** A leader whose followers are not all in its ISR. */
  get isUnderReplicated(): boolean {
    return this.isLeader && this.state.isr.length < this.current.replicas.length;
  }

  isInSync(brokerId: number): boolean {
    return this.state.isr.includes(brokerId);
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
    if (!isNewEpoch && partitionEpoch < this.state.partitionEpoch) return;
    const isSameState = !isNewEpoch && partitionEpoch === this.state.partitionEpoch;
    this.current = registration;
    this.attach(log);
    if (!isSameState) this.state = committedState(registration.isr, partitionEpoch);
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
    if (!isNewEpoch && partitionEpoch < this.state.partitionEpoch) return false;
    this.current = registration;
    this.state = committedState(registration.isr, partitionEpoch);
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
      throw new KafkaError(
        Errors.NOT_ENOUGH_REPLICAS,
        `${this.name} has ${this.state.isr.length} replicas in sync (${this.state.isr.join(', ')}), ` +
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
    if (this.state.maximalIsr.length >= this.effectiveMinIsr) return undefined;
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
    this.maybeExpandIsr(replica);
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
      if (this.state.maximalIsr.includes(replica.brokerId) || this.isJoining(replica, end)) {
        offset = replica.logEndOffset;
      }
    }
    if (offset > log.highWatermark) log.maybeIncrementHighWatermark(offset);
  }

  /** It would never get into the ISR if the high watermark ran away from it. */
  private isJoining(replica: Replica, leaderEndOffset: Offset): boolean {
    const { clock } = this.context;
    const lagMaxMs = this.context.replicaLagTimeMaxMs();
    return replica.isCaughtUp(leaderEndOffset, clock.monotonicMs(), lagMaxMs) && this.isEligible(replica);
  }

  // The ISR.

  /** Brokers have come, gone or been fenced: others may join the ISR, or are not waited for any more. */
  onBrokersChanged(): void {
    this.checkLowWatermark();
    if (!this.isUnderReplicated) return;
    this.maybeIncrementHighWatermark();
    this.maybeExpandIsrs();
  }

  /** Proposes again what could not be proposed when the follower last fetched. One that is gone does not come back. */
  maybeExpandIsrs(): void {
    if (!this.isUnderReplicated) return;
    const nowMs = this.context.clock.monotonicMs();
    const lagMaxMs = this.context.replicaLagTimeMaxMs();
    for (const replica of this.replicas.values()) {
      if (replica.isFetching(nowMs, lagMaxMs)) this.maybeExpandIsr(replica);
    }
  }

  /** A follower joins when it has all that is committed and all from before this leader's epoch (R6). */
  private maybeExpandIsr(replica: Replica): void {
    const { state } = this;
    if (state.kind !== 'committed' || state.isr.includes(replica.brokerId)) return;
    const log = this.localLog;
    if (log === undefined || this.epochStartOffset === undefined) return;
    const end = replica.logEndOffset;
    if (end < log.highWatermark || end < this.epochStartOffset || !this.isEligible(replica)) return;
    const pending = pendingExpandState(state, replica.brokerId);
    this.propose(pending, pending.maximalIsr);
  }

  /** Neither fenced nor shutting down, and alive in the life in which it fetched. */
  private isEligible(replica: Replica): boolean {
    const { brokerEpoch } = replica;
    const broker = this.context.cluster().broker(replica.brokerId);
    if (broker === undefined || broker.fenced || broker.inControlledShutdown) return false;
    return brokerEpoch !== undefined && (brokerEpoch === -1 || brokerEpoch === broker.epoch);
  }

  /** Proposes to drop the members that have not been caught up for `replica.lag.time.max.ms`. */
  maybeShrinkIsr(): void {
    const { state, localLog: log } = this;
    if (!this.isLeader || log === undefined || state.kind !== 'committed') return;
    const { clock, localId } = this.context;
    const nowMs = clock.monotonicMs();
    const lagMaxMs = this.context.replicaLagTimeMaxMs();
    const end = log.logEndOffset;
    const isLagging = (brokerId: number): boolean =>
      brokerId !== localId && this.replicas.get(brokerId)?.isCaughtUp(end, nowMs, lagMaxMs) !== true;
    const isr = state.isr.filter(brokerId => !isLagging(brokerId));
    if (isr.length === state.isr.length) return;
    this.propose(pendingShrinkState(state), isr);
  }

  private propose(pending: PartitionState, isr: readonly number[]): void {
    const { topicPartition, topicId } = this;
    const { leaderEpoch } = this.current;
    const isAccepted = this.context.alterPartitions.submit(
      {
        topicPartition,
        topicId,
        leaderEpoch,
        partitionEpoch: pending.partitionEpoch,
        isr: isr.map(brokerId => this.brokerState(brokerId)),
      },
      result => this.onAlterPartitionResult(pending, leaderEpoch, result),
    );
    if (!isAccepted) {
      // That of an earlier leader epoch is not answered yet.
      this.context.checkIsrLater(this);
      return;
    }
    this.state = pending;
    const { logger } = this.context;
    logger.info(pending.kind === 'pendingExpand' ? 'expanding an ISR' : 'shrinking an ISR', {
      partition: this.name,
      from: pending.isr,
      to: isr,
      highWatermark: this.localLog?.highWatermark,
      logEndOffset: this.localLog?.logEndOffset,
      partitionEpoch: pending.partitionEpoch,
    });
  }

  private brokerState(brokerId: number): BrokerState {
    const { localId } = this.context;
    const brokerEpoch =
      brokerId === localId
        ? this.context.localBrokerEpoch()
        : (this.replicas.get(brokerId)?.brokerEpoch ?? -1);
    return { brokerId, brokerEpoch };
  }

  /**
   * | answer                                               | state afterwards                                        |
   * |------------------------------------------------------|---------------------------------------------------------|
   * | NONE                                                 | committed, as the controller says                       |
   * | INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED          | committed as before, and proposed again in a while      |
   * | FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION, ...     | pending, until metadata tells what the controller knows |
   */
  private onAlterPartitionResult(
    pending: PartitionState,
    leaderEpoch: LeaderEpoch,
    result: AlterPartitionResult,
  ): void {
    if (!this.isLeader || leaderEpoch !== this.current.leaderEpoch) return;
    if ('isr' in result) {
      const isNewer = result.leaderEpoch === leaderEpoch && result.partitionEpoch > this.state.partitionEpoch;
      const isConfirmed = this.state === pending && result.partitionEpoch === pending.partitionEpoch;
      if (isNewer || isConfirmed) this.commit(committedState(result.isr, result.partitionEpoch));
      return;
    }
    if (this.state !== pending) return;
    const { errorCode } = result;
    if (errorCode === Errors.INELIGIBLE_REPLICA || errorCode === Errors.OPERATION_NOT_ATTEMPTED) {
      this.state = committedState(pending.isr, pending.partitionEpoch);
      // The controller may be ahead of us or behind. A follower of an idle partition does not name it again.
      this.context.checkIsrLater(this);
      return;
    }
    this.context.logger.debug('a proposed ISR waits for new metadata', {
      partition: this.name,
      error: errorName(errorCode),
    });
  }

  private commit(state: PartitionState): void {
    this.state = state;
    this.maybeIncrementHighWatermark();
    this.maybeExpandIsrs();
  }
}

/** The high watermark that covers all of an append. */
export function requiredOffset(info: LogAppendInfo): Offset {
  return add64(info.lastOffset, 1);
}
