import { Errors } from '../../protocol/errors.ts';
import {
  type CoordinatorResult,
  type CoordinatorShardContext,
  emptyResult,
} from '../runtime/coordinator-shard.ts';
import type { ClassicGroup } from './classic-group.ts';
import { type ClassicGroupMember, EMPTY_BYTES, type JoinGroupAnswer } from './classic-group-member.ts';
import type { GroupCoordinatorConfig } from './group-coordinator-config.ts';
import type { GroupManager } from './group-manager.ts';
import type { GroupRecord } from './group-records.ts';

type Result = CoordinatorResult<void, GroupRecord>;

/**
 * The rebalance of classic groups, and all that time does to them. Timers of a group:
 *
 * | timer                 | runs                                            | then                              |
 * |-----------------------|-------------------------------------------------|-----------------------------------|
 * | heartbeat of a member | session timeout; for a first join 5 minutes     | the member is removed             |
 * | join                  | initial delay, again while members come; in     | the generation starts with those  |
 * |                       | other rebalances the rebalance timeout          | who have joined                   |
 * | sync                  | rebalance timeout from the generation's start   | those who did not sync are removed|
 */
export class ClassicRebalancer {
  private readonly context: CoordinatorShardContext<GroupRecord>;
  private readonly config: GroupCoordinatorConfig;
  private readonly groups: GroupManager;

  constructor(
    context: CoordinatorShardContext<GroupRecord>,
    config: GroupCoordinatorConfig,
    groups: GroupManager,
  ) {
    this.context = context;
    this.config = config;
    this.groups = groups;
  }

  // Heartbeats

  rescheduleHeartbeat(group: ClassicGroup, member: ClassicGroupMember): void {
    this.scheduleHeartbeat(group, member.memberId, member.sessionTimeoutMs);
  }

  scheduleHeartbeat(group: ClassicGroup, memberId: string, timeoutMs: number): void {
    const { groupId } = group;
    this.context.timer.schedule(heartbeatKey(groupId, memberId), timeoutMs, () =>
      this.expireMember(groupId, memberId),
    );
  }

  cancelHeartbeat(group: ClassicGroup, memberId: string): void {
    this.context.timer.cancel(heartbeatKey(group.groupId, memberId));
  }

  private expireMember(groupId: string, memberId: string): Result {
    const group = this.groups.find(groupId);
    if (group === undefined || group.isInState('Dead')) return emptyResult();
    if (group.isPendingMember(memberId)) {
      group.remove(memberId);
      return this.maybeCompleteJoinPhase(group);
    }
    const member = group.member(memberId);
    if (member === undefined || member.hasSatisfiedHeartbeat) return emptyResult();
    this.context.logger.info('a group member has not sent heartbeats and is removed', { groupId, memberId });
    group.remove(memberId);
    return group.isInState('Stable', 'CompletingRebalance')
      ? this.maybePrepareRebalanceOrCompleteJoin(group)
      : this.completeJoinIfAllJoined(group);
  }

  // Joining

  maybePrepareRebalanceOrCompleteJoin(group: ClassicGroup): Result {
    return group.canRebalance ? this.prepareRebalance(group) : this.maybeCompleteJoinPhase(group);
  }

  /** Awaits all members with JoinGroup. */
  prepareRebalance(group: ClassicGroup): Result {
    if (group.isInState('CompletingRebalance')) {
      for (const member of group.members) {
        member.assignment = EMPTY_BYTES;
        if (group.completeSync(member, { errorCode: Errors.REBALANCE_IN_PROGRESS })) {
          this.rescheduleHeartbeat(group, member);
        }
      }
    }
    this.context.timer.cancel(syncKey(group.groupId));
    const isInitial = group.isInState('Empty');
    group.transitionTo('PreparingRebalance');
    if (!isInitial) return this.completeJoinOrWait(group);
    // Others will come soon: a rebalance for each of them would be wasted.
    const delayMs = this.config.initialRebalanceDelayMs;
    this.scheduleInitialJoin(group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0));
    return emptyResult();
  }

  private scheduleInitialJoin(group: ClassicGroup, delayMs: number, remainingMs: number): void {
    const { groupId } = group;
    this.context.timer.schedule(joinKey(groupId), delayMs, () =>
      this.endInitialDelay(groupId, delayMs, remainingMs),
    );
  }

  private endInitialDelay(groupId: string, delayMs: number, remainingMs: number): Result {
    const group = this.groups.find(groupId);
    if (group === undefined || !group.isInState('PreparingRebalance')) return emptyResult();
    if (!group.newMemberAdded || remainingMs === 0) return this.completeJoin(group);
    group.newMemberAdded = false;
    const nextDelayMs = Math.min(this.config.initialRebalanceDelayMs, remainingMs);
    this.scheduleInitialJoin(group, nextDelayMs, Math.max(remainingMs - delayMs, 0));
    return emptyResult();
  }

  private completeJoinOrWait(group: ClassicGroup): Result {
    if (group.hasAllMembersJoined) return this.completeJoin(group);
    this.scheduleJoinTimeout(group);
    return emptyResult();
  }

  private scheduleJoinTimeout(group: ClassicGroup): void {
    const { groupId } = group;
    this.context.timer.schedule(joinKey(groupId), group.rebalanceTimeoutMs, () => {
      const late = this.groups.find(groupId);
      return late?.isInState('PreparingRebalance') === true ? this.completeJoin(late) : emptyResult();
    });
  }

  /** Ends the wait for members if there is nobody left to wait for; the initial delay runs its full time. */
  maybeCompleteJoinPhase(group: ClassicGroup): Result {
    return group.previousState === 'Empty' ? emptyResult() : this.completeJoinIfAllJoined(group);
  }

  private completeJoinIfAllJoined(group: ClassicGroup): Result {
    return group.isInState('PreparingRebalance') && group.hasAllMembersJoined
      ? this.completeJoin(group)
      : emptyResult();
  }

  /** Starts the next generation, of those who have joined and of static members, who keep their place. */
  private completeJoin(group: ClassicGroup): Result {
    const { timer, logger } = this.context;
    timer.cancel(joinKey(group.groupId));
    for (const member of group.notYetRejoinedMembers()) {
      if (member.isStatic) continue;
      this.cancelHeartbeat(group, member.memberId);
      group.remove(member.memberId);
    }
    if (!group.maybeElectNewJoinedLeader() && group.size > 0) {
      // Only static members that are away: they have until their sessions end.
      this.scheduleJoinTimeout(group);
      return emptyResult();
    }
    group.initNextGeneration();
    const { groupId, generationId } = group;
    logger.info('a group has a new generation', { groupId, generationId, members: group.size });
    if (group.isInState('Empty')) {
      return { records: [group.toRecord()], response: undefined, replay: false };
    }
    for (const member of group.members) {
      group.completeJoin(member, generationAnswer(group, member.memberId, group.isLeader(member.memberId)));
      this.rescheduleHeartbeat(group, member);
      member.isNew = false;
      group.addPendingSyncMember(member.memberId);
    }
    timer.schedule(syncKey(groupId), group.rebalanceTimeoutMs, () => this.expireSync(groupId, generationId));
    return emptyResult();
  }

  // Syncing

  removePendingSync(group: ClassicGroup, memberId: string): void {
    group.removePendingSyncMember(memberId);
    if (group.hasReceivedSyncFromAllMembers) this.context.timer.cancel(syncKey(group.groupId));
  }

  private expireSync(groupId: string, generationId: number): Result {
    const group = this.groups.find(groupId);
    if (group === undefined || group.generationId !== generationId) return emptyResult();
    if (!group.isInState('CompletingRebalance', 'Stable') || group.hasReceivedSyncFromAllMembers)
      return emptyResult();
    for (const memberId of group.pendingSyncMembers) {
      this.context.logger.info('a group member has not synced and is removed', { groupId, memberId });
      this.cancelHeartbeat(group, memberId);
      group.remove(memberId);
    }
    return this.prepareRebalance(group);
  }
}

/** The answer that brings a member into the present generation; the leader also gets all members. */
export function generationAnswer(
  group: ClassicGroup,
  memberId: string,
  withMembers: boolean,
): JoinGroupAnswer {
  return {
    errorCode: Errors.NONE,
    memberId,
    generationId: group.generationId,
    protocolType: group.protocolType ?? null,
    protocolName: group.protocolName ?? null,
    leader: group.leaderId ?? '',
    skipAssignment: false,
    members: withMembers
      ? Array.from(group.members, member => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          metadata: member.metadata(group.protocolName),
        }))
      : [],
  };
}

// The group id is the client's: its length in front keeps the keys of two groups apart.
function heartbeatKey(groupId: string, memberId: string): string {
  return `heartbeat-${groupId.length}-${groupId}-${memberId}`;
}

function joinKey(groupId: string): string {
  return `join-${groupId}`;
}

function syncKey(groupId: string): string {
  return `sync-${groupId}`;
}
