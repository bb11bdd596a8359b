import { errorCodeOf, Errors, KafkaError } from '../../protocol/errors.ts';
import type { JoinGroupRequest } from '../../protocol/messages/11-join-group.ts';
import type { HeartbeatRequest, HeartbeatResponse } from '../../protocol/messages/12-heartbeat.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import type { SyncGroupRequest } from '../../protocol/messages/14-sync-group.ts';
import type { Input } from '../../protocol/schema.ts';
import {
  type CoordinatorResult,
  type CoordinatorShardContext,
  emptyResult,
} from '../runtime/coordinator-shard.ts';
import type { ClassicGroup } from './classic-group.ts';
import {
  ClassicGroupMember,
  EMPTY_BYTES,
  type JoinGroupAnswer,
  type Respond,
  type SyncGroupAnswer,
} from './classic-group-member.ts';
import { ClassicRebalancer, generationAnswer } from './classic-rebalancer.ts';
import type { GroupCoordinatorConfig } from './group-coordinator-config.ts';
import type { GroupManager } from './group-manager.ts';
import type { GroupRecord } from './group-records.ts';
import { randomUuidString } from './member-id.ts';

type Result<T = void> = CoordinatorResult<T, GroupRecord>;
export type LeaveGroupAnswer = Input<typeof LeaveGroupResponse>;
export type HeartbeatAnswer = Input<typeof HeartbeatResponse>;

/** What the coordinator knows of who sent a request. */
export interface GroupRequestContext {
  readonly apiVersion: number;
  readonly clientId: string;
  /** As Kafka writes it into group records: `/` and the IP address. */
  readonly clientHost: string;
}

/** Since JoinGroup v4 a new dynamic member first gets its id, and joins with it in a second request. */
const KNOWN_MEMBER_ID_MIN_VERSION = 4;
/** Since JoinGroup v9 the answer to a leader that comes back can say that the assignment stands. */
const SKIP_ASSIGNMENT_MIN_VERSION = 9;

/**
 * The classic group protocol: JoinGroup, SyncGroup, Heartbeat and LeaveGroup of members, static or not. Answers to
 * JoinGroup and SyncGroup go out through `respond`, at once or when the rebalance has come that far; the result of the
 * operation says what to write.
 */
export class ClassicGroupManager {
  private readonly context: CoordinatorShardContext<GroupRecord>;
  private readonly config: GroupCoordinatorConfig;
  private readonly groups: GroupManager;
  private readonly rebalancer: ClassicRebalancer;

  constructor(
    context: CoordinatorShardContext<GroupRecord>,
    config: GroupCoordinatorConfig,
    groups: GroupManager,
  ) {
    this.context = context;
    this.config = config;
    this.groups = groups;
    this.rebalancer = new ClassicRebalancer(context, config, groups);
  }

  /** The members of all groups get a full session timeout: the former coordinator's timers are lost. */
  onLoaded(): void {
    for (const group of this.groups.all()) {
      for (const member of group.members) this.rebalancer.rescheduleHeartbeat(group, member);
      if (group.size > this.config.groupMaxSize) this.rebalancer.prepareRebalance(group);
    }
  }

  /** A commit shows that the member is alive. */
  rescheduleHeartbeat(group: ClassicGroup, memberId: string): void {
    const member = group.member(memberId);
    if (member !== undefined && group.isInState('Stable', 'PreparingRebalance')) {
      this.rebalancer.rescheduleHeartbeat(group, member);
    }
  }

  // JoinGroup

  join(context: GroupRequestContext, request: JoinGroupRequest, respond: Respond<JoinGroupAnswer>): Result {
    const isUnknownMember = request.memberId === '';
    const existing = this.groups.find(request.groupId);
    if (existing === undefined && !isUnknownMember) {
      respond({ memberId: request.memberId, errorCode: Errors.UNKNOWN_MEMBER_ID });
      return emptyResult();
    }
    const group = existing ?? this.groups.create(request.groupId);
    if (!this.acceptsMember(group, request.memberId)) {
      group.remove(request.memberId);
      respond({ memberId: '', errorCode: Errors.GROUP_MAX_SIZE_REACHED });
      return emptyResult();
    }
    const result = isUnknownMember
      ? this.joinNewMember(context, request, group, respond)
      : this.joinExistingMember(context, request, group, respond);
    if (existing !== undefined || result.records.length > 0) return result;
    // A new group is written down empty, so that everybody hears of it in the order of the log.
    return {
      records: [group.toEmptyRecord()],
      response: undefined,
      replay: false,
      onCompleted: code => {
        if (code === undefined) return;
        // The group is gone with the append: so are all who have joined it since.
        respond({ memberId: request.memberId, errorCode: code });
        group.completeAllJoins(code);
      },
    };
  }

  private acceptsMember(group: ClassicGroup, memberId: string): boolean {
    const { groupMaxSize } = this.config;
    switch (group.state) {
      case 'Empty':
      case 'Dead':
        return true;
      case 'PreparingRebalance':
        // Those who have not come back may never do so: only those who wait now take places.
        return group.member(memberId)?.awaitingJoin !== undefined || group.numAwaitingJoin < groupMaxSize;
      case 'CompletingRebalance':
      case 'Stable':
        return group.hasMember(memberId) || group.size < groupMaxSize;
    }
  }

  private joinNewMember(
    context: GroupRequestContext,
    request: JoinGroupRequest,
    group: ClassicGroup,
    respond: Respond<JoinGroupAnswer>,
  ): Result {
    const refusal = this.refuseJoin(group, request);
    if (refusal !== undefined) {
      respond({ memberId: '', errorCode: refusal });
      return emptyResult();
    }
    const { groupInstanceId } = request;
    const newMemberId = `${groupInstanceId ?? context.clientId}-${randomUuidString(this.context.runtime)}`;
    if (groupInstanceId !== null) {
      const oldMemberId = group.staticMemberId(groupInstanceId);
      return oldMemberId === undefined
        ? this.addMember(context, request, group, newMemberId, respond)
        : this.rejoinStaticMember(context, request, group, oldMemberId, newMemberId, respond);
    }
    if (context.apiVersion < KNOWN_MEMBER_ID_MIN_VERSION) {
      return this.addMember(context, request, group, newMemberId, respond);
    }
    group.addPendingMember(newMemberId);
    this.rebalancer.scheduleHeartbeat(group, newMemberId, request.sessionTimeoutMs);
    respond({ memberId: newMemberId, errorCode: Errors.MEMBER_ID_REQUIRED });
    return emptyResult();
  }

  private joinExistingMember(
    context: GroupRequestContext,
    request: JoinGroupRequest,
    group: ClassicGroup,
    respond: Respond<JoinGroupAnswer>,
  ): Result {
    const { memberId, groupInstanceId } = request;
    const refuse = (errorCode: number): Result => {
      respond({ memberId, errorCode });
      return emptyResult();
    };
    const refusal = this.refuseJoin(group, request);
    if (refusal !== undefined) return refuse(refusal);
    if (group.isPendingMember(memberId) && groupInstanceId === null) {
      return this.addMember(context, request, group, memberId, respond);
    }
    try {
      group.validateMember(memberId, groupInstanceId);
    } catch (error) {
      return refuse(errorCodeOf(error));
    }
    const member = group.member(memberId)!;
    const unchanged = member.matches(request.protocols);
    const isLeader = group.isLeader(memberId);
    // A member that repeats itself has not got its answer. In a stable group a leader that joins wants a rebalance:
    // something that it assigns has changed, though no member has.
    if (group.isInState('CompletingRebalance') && unchanged) {
      respond(generationAnswer(group, memberId, isLeader));
      return emptyResult();
    }
    if (group.isInState('Stable') && unchanged && !isLeader) {
      respond(generationAnswer(group, memberId, false));
      return emptyResult();
    }
    if (!group.isInState('PreparingRebalance', 'CompletingRebalance', 'Stable'))
      return refuse(Errors.UNKNOWN_MEMBER_ID);
    group.updateMember(member, request, respond);
    return this.rebalancer.maybePrepareRebalanceOrCompleteJoin(group);
  }

  private refuseJoin(group: ClassicGroup, request: JoinGroupRequest): number | undefined {
    if (group.isInState('Dead')) return Errors.COORDINATOR_NOT_AVAILABLE;
    if (!group.supportsProtocols(request.protocolType, request.protocols))
      return Errors.INCONSISTENT_GROUP_PROTOCOL;
    return undefined;
  }

  private addMember(
    context: GroupRequestContext,
    request: JoinGroupRequest,
    group: ClassicGroup,
    memberId: string,
    respond: Respond<JoinGroupAnswer>,
  ): Result {
    const member = new ClassicGroupMember({ ...request, ...context, memberId });
    member.isNew = true;
    if (group.isInState('PreparingRebalance') && group.previousState === 'Empty') group.newMemberAdded = true;
    group.add(member, respond);
    // It cannot send heartbeats before it knows its id. If it is gone, its join must not wait for ever all the same.
    this.rebalancer.scheduleHeartbeat(group, memberId, this.config.newMemberJoinTimeoutMs);
    return this.rebalancer.maybePrepareRebalanceOrCompleteJoin(group);
  }

  private rejoinStaticMember(
    context: GroupRequestContext,
    request: JoinGroupRequest,
    group: ClassicGroup,
    oldMemberId: string,
    newMemberId: string,
    respond: Respond<JoinGroupAnswer>,
  ): Result {
    const groupInstanceId = request.groupInstanceId!;
    const formerLeader = group.leaderId;
    const member = group.replaceStaticMember(groupInstanceId, oldMemberId, newMemberId);
    this.rebalancer.cancelHeartbeat(group, oldMemberId);
    this.rebalancer.rescheduleHeartbeat(group, member);
    const { protocols, rebalanceTimeoutMs, sessionTimeoutMs } = member;
    group.updateMember(member, request, respond);
    if (group.isInState('CompletingRebalance')) {
      // The leader may be assigning to the old member id at this moment.
      return this.rebalancer.prepareRebalance(group);
    }
    if (!group.isInState('Stable')) return this.rebalancer.maybeCompleteJoinPhase(group);
    if (group.protocolName !== group.selectProtocol()) {
      return this.rebalancer.maybePrepareRebalanceOrCompleteJoin(group);
    }
    // It takes up what its former self had: no rebalance, only the new member id is written down.
    return {
      records: [group.toRecord()],
      response: undefined,
      replay: false,
      onCompleted: code => {
        if (group.member(newMemberId) !== member) return;
        if (code === undefined) {
          const skips = context.apiVersion >= SKIP_ASSIGNMENT_MIN_VERSION;
          const leads = skips && group.isLeader(newMemberId);
          group.completeJoin(member, {
            ...generationAnswer(group, newMemberId, leads),
            // An older client that sees itself as the leader would assign: it is told of its former self.
            leader: (skips ? group.leaderId : formerLeader) ?? '',
            skipAssignment: leads,
          });
          return;
        }
        group.completeJoin(member, { memberId: '', errorCode: code });
        group.updateMember(member, { protocols, rebalanceTimeoutMs, sessionTimeoutMs }, undefined);
        const old = group.replaceStaticMember(groupInstanceId, newMemberId, oldMemberId);
        this.rebalancer.cancelHeartbeat(group, newMemberId);
        this.rebalancer.rescheduleHeartbeat(group, old);
      },
    };
  }

  // SyncGroup

  sync(request: SyncGroupRequest, respond: Respond<SyncGroupAnswer>): Result {
    const { memberId } = request;
    const refuse = (errorCode: number): Result => {
      respond({ errorCode });
      return emptyResult();
    };
    const group = this.groups.find(request.groupId);
    if (group === undefined) return refuse(Errors.UNKNOWN_MEMBER_ID);
    try {
      validateSync(group, request);
    } catch (error) {
      return refuse(errorCodeOf(error));
    }
    const member = group.member(memberId)!;
    switch (group.state) {
      case 'PreparingRebalance':
        return refuse(Errors.REBALANCE_IN_PROGRESS);
      case 'Stable':
        this.rebalancer.removePendingSync(group, memberId);
        respond(assignmentAnswer(group, member.assignment));
        return emptyResult();
      case 'CompletingRebalance':
        group.setAwaitingSync(member, respond);
        this.rebalancer.removePendingSync(group, memberId);
        return group.isLeader(memberId) ? this.assign(group, request) : emptyResult();
      default:
        return refuse(Errors.UNKNOWN_MEMBER_ID);
    }
  }

  /** Writes down the leader's assignment; when that is committed, all members get theirs. */
  private assign(group: ClassicGroup, request: SyncGroupRequest): Result {
    const given = new Map(request.assignments.map(({ memberId, assignment }) => [memberId, assignment]));
    const assignments = new Map<string, Buffer>();
    for (const { memberId } of group.members) {
      assignments.set(memberId, Buffer.from(given.get(memberId) ?? EMPTY_BYTES));
    }
    const { generationId } = group;
    return {
      records: [group.toRecord(assignments)],
      response: undefined,
      replay: false,
      onCompleted: code => {
        // Members may have joined or left since: then there is another rebalance, and this assignment is void (G2).
        if (!group.isInState('CompletingRebalance') || group.generationId !== generationId) return;
        if (code !== undefined) {
          for (const member of group.members) member.assignment = EMPTY_BYTES;
          this.answerSyncs(group, code);
          this.rebalancer.maybePrepareRebalanceOrCompleteJoin(group);
          return;
        }
        for (const member of group.members)
          member.assignment = assignments.get(member.memberId) ?? EMPTY_BYTES;
        this.answerSyncs(group, Errors.NONE);
        group.transitionTo('Stable');
      },
    };
  }

  private answerSyncs(group: ClassicGroup, errorCode: number): void {
    for (const member of group.members) {
      const answer = errorCode === Errors.NONE ? assignmentAnswer(group, member.assignment) : { errorCode };
      // While it waited nobody watched its heartbeats.
      if (group.completeSync(member, answer)) this.rebalancer.rescheduleHeartbeat(group, member);
    }
  }

  // Heartbeat

  /** Throws `KafkaError` for what the member must do. */
  heartbeat(request: HeartbeatRequest): Result<HeartbeatAnswer> {
    const group = this.groups.find(request.groupId);
    if (group === undefined) throw new KafkaError(Errors.UNKNOWN_MEMBER_ID);
    if (group.isInState('Dead')) throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE);
    group.validateMember(request.memberId, request.groupInstanceId);
    if (request.generationId !== group.generationId) throw new KafkaError(Errors.ILLEGAL_GENERATION);
    this.rebalancer.rescheduleHeartbeat(group, group.member(request.memberId)!);
    const errorCode = group.isInState('PreparingRebalance') ? Errors.REBALANCE_IN_PROGRESS : Errors.NONE;
    return { records: [], response: { errorCode } };
  }

  // LeaveGroup

  /** Throws `UNKNOWN_MEMBER_ID` if there is no such group. */
  leave(request: LeaveGroupRequest): Result<LeaveGroupAnswer> {
    const group = this.groups.find(request.groupId);
    if (group === undefined) throw new KafkaError(Errors.UNKNOWN_MEMBER_ID);
    if (group.isInState('Dead'))
      return { records: [], response: { errorCode: Errors.COORDINATOR_NOT_AVAILABLE } };
    const members = request.members.map(({ memberId, groupInstanceId, reason }) => {
      const errorCode = this.removeLeaving(group, memberId, groupInstanceId);
      this.context.logger.debug('a member leaves its group', {
        groupId: group.groupId,
        memberId,
        errorCode,
        reason,
      });
      return { memberId, groupInstanceId, errorCode };
    });
    let result: Result = emptyResult();
    if (members.some(member => member.errorCode === Errors.NONE)) {
      if (group.isInState('Stable', 'CompletingRebalance')) {
        result = this.rebalancer.maybePrepareRebalanceOrCompleteJoin(group);
      } else if (group.isInState('PreparingRebalance')) {
        result = this.rebalancer.maybeCompleteJoinPhase(group);
      }
    }
    return { ...result, response: { members } };
  }

  private removeLeaving(group: ClassicGroup, memberId: string, groupInstanceId: string | null): number {
    let leaving = memberId;
    if (memberId === '') {
      // An administrator removes a static member by the name he knows it by.
      const current = groupInstanceId === null ? undefined : group.staticMemberId(groupInstanceId);
      if (current === undefined) return Errors.UNKNOWN_MEMBER_ID;
      leaving = current;
    } else if (!group.isPendingMember(memberId)) {
      try {
        group.validateMember(memberId, groupInstanceId);
      } catch (error) {
        return errorCodeOf(error);
      }
    }
    this.rebalancer.cancelHeartbeat(group, leaving);
    group.remove(leaving);
    return Errors.NONE;
  }
}

function assignmentAnswer(group: ClassicGroup, assignment: Buffer): SyncGroupAnswer {
  return {
    errorCode: Errors.NONE,
    protocolType: group.protocolType ?? null,
    protocolName: group.protocolName ?? null,
    assignment,
  };
}

function validateSync(group: ClassicGroup, request: SyncGroupRequest): void {
  if (group.isInState('Dead')) throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE);
  group.validateMember(request.memberId, request.groupInstanceId);
  if (request.generationId !== group.generationId) throw new KafkaError(Errors.ILLEGAL_GENERATION);
  const { protocolType, protocolName } = request;
  const typeDiffers = protocolType !== null && protocolType !== group.protocolType;
  const nameDiffers = protocolName !== null && protocolName !== group.protocolName;
  if (typeDiffers || nameDiffers) throw new KafkaError(Errors.INCONSISTENT_GROUP_PROTOCOL);
}
