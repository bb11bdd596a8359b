import type { LeaderEpoch, Offset } from '../base/int64.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';
import { Errors, errorName } from '../protocol/errors.ts';
import type { AlterPartitionResult } from './alter-partition-manager.ts';
import type { Partition } from './partition.ts';
import type { PartitionContext } from './partition-context.ts';
import {
  type BrokerState,
  committedState,
  type PartitionState,
  pendingExpandState,
  pendingShrinkState,
} from './partition-state.ts';
import type { Replica } from './replica.ts';

/**
 * The ISR of a partition, as the controller has decided it; and on the leader the proposals to change it, one at a
 * time. See {@link PartitionState} for what holds meanwhile.
 */
export class PartitionIsr {
  private readonly partition: Partition;
  private readonly context: PartitionContext;
  private current: PartitionState;

  constructor(partition: Partition, context: PartitionContext, registration: PartitionRegistration) {
    this.partition = partition;
    this.context = context;
    this.current = committedState(registration.isr, registration.partitionEpoch);
  }

  get state(): PartitionState {
    return this.current;
  }

  /** The metadata say what the ISR is: what was proposed before is decided. */
  adopt({ isr, partitionEpoch }: PartitionRegistration): void {
    this.current = committedState(isr, partitionEpoch);
  }

  /** It would never get into the ISR if the high watermark ran away from it. */
  isJoining(replica: Replica, leaderEndOffset: Offset): boolean {
    const { clock } = this.context;
    const lagMaxMs = this.context.replicaLagTimeMaxMs();
    return replica.isCaughtUp(leaderEndOffset, clock.monotonicMs(), lagMaxMs) && this.isEligible(replica);
  }

  /** Neither fenced nor shutting down, and alive in the life in which it fetched. */
  private isEligible(replica: Replica): boolean {
    const { brokerEpoch } = replica;
    const broker = this.context.cluster().broker(replica.brokerId);
    if (broker === undefined || broker.fenced || broker.inControlledShutdown) return false;
    return brokerEpoch !== undefined && (brokerEpoch === -1 || brokerEpoch === broker.epoch);
  }

  /** Proposes again what could not be proposed when the follower last fetched. One that is gone does not come back. */
  maybeExpandIsrs(): void {
    if (!this.partition.isUnderReplicated) return;
    const nowMs = this.context.clock.monotonicMs();
    const lagMaxMs = this.context.replicaLagTimeMaxMs();
    for (const replica of this.partition.remoteReplicas) {
      if (replica.isFetching(nowMs, lagMaxMs)) this.maybeExpandIsr(replica);
    }
  }

  /** A follower joins when it has all that is committed and all from before this leader's epoch (R6). */
  maybeExpandIsr(replica: Replica): void {
    const { state } = this;
    if (state.kind !== 'committed' || state.isr.includes(replica.brokerId)) return;
    const { log, leaderEpochStartOffset } = this.partition;
    if (log === undefined || leaderEpochStartOffset === undefined) return;
    const end = replica.logEndOffset;
    if (end < log.highWatermark || end < leaderEpochStartOffset || !this.isEligible(replica)) return;
    const pending = pendingExpandState(state, replica.brokerId);
    this.propose(pending, pending.maximalIsr);
  }

  /** Proposes to drop the members that have not been caught up for `replica.lag.time.max.ms`. */
  maybeShrinkIsr(): void {
    const { state } = this;
    const { isLeader, log } = this.partition;
    if (!isLeader || log === undefined || state.kind !== 'committed') return;
    const { clock, localId } = this.context;
    const nowMs = clock.monotonicMs();
    const lagMaxMs = this.context.replicaLagTimeMaxMs();
    const end = log.logEndOffset;
    const isLagging = (brokerId: number): boolean =>
      brokerId !== localId && this.partition.replica(brokerId)?.isCaughtUp(end, nowMs, lagMaxMs) !== true;
    const isr = state.isr.filter(brokerId => !isLagging(brokerId));
    if (isr.length === state.isr.length) return;
    this.propose(pendingShrinkState(state), isr);
  }

  private propose(pending: PartitionState, isr: readonly number[]): void {
    const { topicPartition, topicId, leaderEpoch, log, name } = this.partition;
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
      this.context.checkIsrLater(this.partition);
      return;
    }
    this.current = pending;
    const { logger } = this.context;
    logger.info(pending.kind === 'pendingExpand' ? 'expanding an ISR' : 'shrinking an ISR', {
      partition: name,
      from: pending.isr,
      to: isr,
      highWatermark: log?.highWatermark,
      logEndOffset: log?.logEndOffset,
      partitionEpoch: pending.partitionEpoch,
    });
  }

  private brokerState(brokerId: number): BrokerState {
    const { localId } = this.context;
    const brokerEpoch =
      brokerId === localId
        ? this.context.localBrokerEpoch()
        : (this.partition.replica(brokerId)?.brokerEpoch ?? -1);
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
    if (!this.partition.isLeader || leaderEpoch !== this.partition.leaderEpoch) return;
    if ('isr' in result) {
      const isNewer = result.leaderEpoch === leaderEpoch && result.partitionEpoch > this.state.partitionEpoch;
      const isConfirmed = this.state === pending && result.partitionEpoch === pending.partitionEpoch;
      if (!isNewer && !isConfirmed) return;
      this.current = committedState(result.isr, result.partitionEpoch);
      this.partition.onIsrCommitted();
      return;
    }
    if (this.state !== pending) return;
    const { errorCode } = result;
    if (errorCode === Errors.INELIGIBLE_REPLICA || errorCode === Errors.OPERATION_NOT_ATTEMPTED) {
      this.current = committedState(pending.isr, pending.partitionEpoch);
      // The controller may be ahead of us or behind. A follower of an idle partition does not name it again.
      this.context.checkIsrLater(this.partition);
      return;
    }
    this.context.logger.debug('a proposed ISR waits for new metadata', {
      partition: this.partition.name,
      error: errorName(errorCode),
    });
  }
}
