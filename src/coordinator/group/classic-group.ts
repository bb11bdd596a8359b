import { invariant } from '../../base/assert.ts';
import type { Timestamp } from '../../base/int64.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import type { GroupMetadataRecord } from './group-records.ts';
import {
  ClassicGroupMember,
  EMPTY_BYTES,
  type JoinGroupAnswer,
  type MemberProtocol,
  type Respond,
  type SyncGroupAnswer,
} from './classic-group-member.ts';
import { subscribedTopicsOf } from './consumer-protocol.ts';

/**
 * The states of a classic group.
 *
 * | from                | to                  | when                                                                |
 * |---------------------|---------------------|---------------------------------------------------------------------|
 * | Empty               | PreparingRebalance  | a member joins                                                      |
 * | PreparingRebalance  | CompletingRebalance | all members have joined, or the time is over for those who have not |
 * | PreparingRebalance  | Empty               | the last member is gone                                             |
 * | CompletingRebalance | Stable              | the leader's assignment is committed                                |
 * | CompletingRebalance | PreparingRebalance  | a member joins, leaves, expires, or does not sync in time           |
 * | Stable              | PreparingRebalance  | a member joins, changes, leaves, expires, or does not sync in time  |
 * | any                 | Dead                | the group is deleted, or its coordinator unloads                    |
 *
 * In PreparingRebalance members are awaited with JoinGroup, in CompletingRebalance with SyncGroup. The generation
 * rises when PreparingRebalance ends (G1).
 */
export type ClassicGroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

const FROM: { readonly [to in ClassicGroupState]: readonly ClassicGroupState[] } = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Stable', 'PreparingRebalance', 'CompletingRebalance', 'Empty', 'Dead'],
};

/** The protocol type of groups whose members are consumers of topics. */
const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** What a group starts from, when it is not new. */
export interface ClassicGroupFields {
  readonly generationId: number;
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  readonly leaderId: string | undefined;
  readonly currentStateTimestamp: Timestamp | undefined;
  readonly members: readonly ClassicGroupMember[];
}

/**
 * A group of the classic protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup): who belongs to it, which generation
 * it is in, who waits for what. It decides nothing about time and writes nothing: `ClassicGroupManager` does.
 */
export class ClassicGroup {
  readonly groupId: string;
  private readonly nowMs: () => number;
  private currentState: ClassicGroupState;
  private formerState: ClassicGroupState;
  /** When the group came into its state; wall clock, ms. `undefined` in records before Kafka 2.1. */
  private stateTimestamp: Timestamp | undefined;
  private generation = 0;
  private type: string | undefined;
  private protocol: string | undefined;
  private leader: string | undefined;
  private topics: ReadonlySet<string> | undefined;
  private readonly memberMap = new Map<string, ClassicGroupMember>();
  /** Group instance id -> member id. */
  private readonly staticMembers = new Map<string, string>();
  /** Member ids given out to clients that have not come back with them. */
  private readonly pendingJoin = new Set<string>();
  /** Members that have been told the generation but have not sent SyncGroup. */
  private readonly pendingSync = new Set<string>();
  /** Protocol name -> how many members support it. */
  private readonly supporters = new Map<string, number>();
  private awaitingJoinCount = 0;
  /** Somebody new came during the initial delay, which may be made longer. */
  newMemberAdded = false;

  constructor(groupId: string, nowMs: () => number, fields?: ClassicGroupFields) {
    this.groupId = groupId;
    this.nowMs = nowMs;
    this.currentState = fields === undefined || fields.members.length === 0 ? 'Empty' : 'Stable';
    this.formerState = 'Dead';
    this.stateTimestamp = fields === undefined ? nowMs() : fields.currentStateTimestamp;
    if (fields === undefined) return;
    this.generation = fields.generationId;
    for (const member of fields.members) this.add(member);
    this.type = fields.protocolType;
    this.protocol = fields.protocolName;
    this.leader = fields.leaderId;
    this.topics = this.computeSubscribedTopics();
  }

  get state(): ClassicGroupState {
    return this.currentState;
  }

  get previousState(): ClassicGroupState {
    return this.formerState;
  }

  get currentStateTimestamp(): Timestamp | undefined {
    return this.stateTimestamp;
  }

  get generationId(): number {
    return this.generation;
  }

  get protocolType(): string | undefined {
    return this.type;
  }

  get protocolName(): string | undefined {
    return this.protocol;
  }

  get leaderId(): string | undefined {
    return this.leader;
  }

  /** Of the generation; `undefined` if the members are not consumers, or their metadata cannot be read. */
  get subscribedTopics(): ReadonlySet<string> | undefined {
    return this.topics;
  }

  /** In the order in which they joined. */
  get members(): IterableIterator<ClassicGroupMember> {
    return this.memberMap.values();
  }

  get size(): number {
    return this.memberMap.size;
  }

  isInState(...states: readonly ClassicGroupState[]): boolean {
    return states.includes(this.currentState);
  }

  hasMember(memberId: string): boolean {
    return this.memberMap.has(memberId);
  }

  member(memberId: string): ClassicGroupMember | undefined {
    return this.memberMap.get(memberId);
  }

  isLeader(memberId: string): boolean {
    return this.leader === memberId;
  }

  staticMemberId(groupInstanceId: string): string | undefined {
    return this.staticMembers.get(groupInstanceId);
  }

  get usesConsumerProtocol(): boolean {
    return this.type === CONSUMER_PROTOCOL_TYPE;
  }

  transitionTo(state: ClassicGroupState): void {
    invariant(
      FROM[state].includes(this.currentState),
      'group-state',
      () => `group goes from ${this.currentState} to ${state}`,
    );
    this.formerState = this.currentState;
    this.currentState = state;
    this.stateTimestamp = this.nowMs();
  }

  get canRebalance(): boolean {
    return FROM.PreparingRebalance.includes(this.currentState);
  }

  // Members

  add(member: ClassicGroupMember, awaitingJoin?: Respond<JoinGroupAnswer>): void {
    const { memberId, groupInstanceId } = member;
    invariant(!this.memberMap.has(memberId), 'group-member-new', 'a member is added twice');
    if (groupInstanceId !== null) {
      invariant(!this.staticMembers.has(groupInstanceId), 'G3', 'a static member is added twice');
      this.staticMembers.set(groupInstanceId, memberId);
    }
    if (this.memberMap.size === 0) this.type = member.protocolType;
    this.leader ??= memberId;
    this.memberMap.set(memberId, member);
    this.count(member.protocols, 1);
    this.pendingJoin.delete(memberId);
    this.setAwaitingJoin(member, awaitingJoin);
  }

  /** Removes a member, or one that had only been given its id. Requests of it that wait are answered. */
  remove(memberId: string): void {
    const member = this.memberMap.get(memberId);
    this.pendingJoin.delete(memberId);
    this.pendingSync.delete(memberId);
    if (member === undefined) return;
    this.completeJoin(member, { memberId: '', errorCode: Errors.UNKNOWN_MEMBER_ID });
    this.completeSync(member, { errorCode: Errors.UNKNOWN_MEMBER_ID });
    this.memberMap.delete(memberId);
    this.count(member.protocols, -1);
    if (member.groupInstanceId !== null) this.staticMembers.delete(member.groupInstanceId);
    if (this.leader === memberId) this.leader = this.firstMemberId();
  }

  /**
   * A static member comes back: it goes on under `newMemberId`, with the assignment it has. Whoever still waits under
   * the old id is fenced.
   */
  replaceStaticMember(groupInstanceId: string, oldMemberId: string, newMemberId: string): ClassicGroupMember {
    const old = this.memberMap.get(oldMemberId);
    invariant(old !== undefined, 'G3', 'a static member is replaced that is not there');
    this.completeJoin(old, { memberId: oldMemberId, errorCode: Errors.FENCED_INSTANCE_ID });
    this.completeSync(old, { errorCode: Errors.FENCED_INSTANCE_ID });
    const member = new ClassicGroupMember({ ...old, memberId: newMemberId });
    this.memberMap.delete(oldMemberId);
    this.memberMap.set(newMemberId, member);
    this.pendingSync.delete(oldMemberId);
    if (this.leader === oldMemberId) this.leader = newMemberId;
    this.staticMembers.set(groupInstanceId, newMemberId);
    return member;
  }

  updateMember(
    member: ClassicGroupMember,
    update: { protocols: readonly MemberProtocol[]; rebalanceTimeoutMs: number; sessionTimeoutMs: number },
    awaitingJoin: Respond<JoinGroupAnswer> | undefined,
  ): void {
    this.count(member.protocols, -1);
    member.setProtocols(update.protocols);
    this.count(member.protocols, 1);
    member.rebalanceTimeoutMs = update.rebalanceTimeoutMs;
    member.sessionTimeoutMs = update.sessionTimeoutMs;
    // Its former request comes from a connection that is gone, or from one that does not wait for answers.
    this.completeJoin(member, { memberId: member.memberId, errorCode: Errors.REBALANCE_IN_PROGRESS });
    this.setAwaitingJoin(member, awaitingJoin);
  }

  /**
   * Throws `KafkaError`: `UNKNOWN_MEMBER_ID`, or `FENCED_INSTANCE_ID` if the static member goes on under another
   * member id (G3).
   */
  validateMember(memberId: string, groupInstanceId: string | null): void {
    if (groupInstanceId !== null) {
      const current = this.staticMembers.get(groupInstanceId);
      if (current === undefined) throw new KafkaError(Errors.UNKNOWN_MEMBER_ID);
      if (current !== memberId) throw new KafkaError(Errors.FENCED_INSTANCE_ID);
    }
    if (!this.memberMap.has(memberId)) throw new KafkaError(Errors.UNKNOWN_MEMBER_ID);
  }

  isPendingMember(memberId: string): boolean {
    return this.pendingJoin.has(memberId);
  }

  addPendingMember(memberId: string): void {
    invariant(!this.memberMap.has(memberId), 'group-member-new', 'a member is pending');
    this.pendingJoin.add(memberId);
  }

  // Joining

  get numAwaitingJoin(): number {
    return this.awaitingJoinCount;
  }

  get hasAllMembersJoined(): boolean {
    return this.memberMap.size === this.awaitingJoinCount && this.pendingJoin.size === 0;
  }

  notYetRejoinedMembers(): ClassicGroupMember[] {
    return [...this.memberMap.values()].filter(member => member.awaitingJoin === undefined);
  }

  /** The longest of its members'; ms. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.memberMap.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  /** Makes sure that the leader is a member that has joined. Returns false if there is none. */
  maybeElectNewJoinedLeader(): boolean {
    if (this.leader === undefined) return false;
    if (this.memberMap.get(this.leader)?.awaitingJoin !== undefined) return true;
    for (const member of this.memberMap.values()) {
      if (member.awaitingJoin === undefined) continue;
      this.leader = member.memberId;
      return true;
    }
    return false;
  }

  /** Answers a JoinGroup that waits. Returns whether there was one. */
  completeJoin(member: ClassicGroupMember, answer: JoinGroupAnswer): boolean {
    const respond = member.awaitingJoin;
    if (respond === undefined) return false;
    this.setAwaitingJoin(member, undefined);
    respond(answer);
    return true;
  }

  completeAllJoins(errorCode: number): void {
    for (const member of this.memberMap.values()) {
      this.completeJoin(member, { memberId: member.memberId, errorCode });
    }
  }

  private setAwaitingJoin(member: ClassicGroupMember, respond: Respond<JoinGroupAnswer> | undefined): void {
    if (member.awaitingJoin !== undefined) this.awaitingJoinCount--;
    if (respond !== undefined) this.awaitingJoinCount++;
    member.awaitingJoin = respond;
  }

  /** Starts the generation of those who have joined. */
  initNextGeneration(): void {
    invariant(this.generation < 0x7fff_ffff, 'G1', 'the generations of a group are used up');
    this.generation++;
    if (this.memberMap.size > 0) {
      this.protocol = this.selectProtocol();
      this.topics = this.computeSubscribedTopics();
      this.transitionTo('CompletingRebalance');
    } else {
      this.protocol = undefined;
      this.topics = this.computeSubscribedTopics();
      this.transitionTo('Empty');
    }
    this.pendingSync.clear();
  }

  // Syncing

  addPendingSyncMember(memberId: string): void {
    this.pendingSync.add(memberId);
  }

  removePendingSyncMember(memberId: string): void {
    this.pendingSync.delete(memberId);
  }

  get pendingSyncMembers(): string[] {
    return [...this.pendingSync];
  }

  get hasReceivedSyncFromAllMembers(): boolean {
    return this.pendingSync.size === 0;
  }

  setAwaitingSync(member: ClassicGroupMember, respond: Respond<SyncGroupAnswer>): void {
    this.completeSync(member, { errorCode: Errors.REBALANCE_IN_PROGRESS });
    member.awaitingSync = respond;
  }

  /** Answers a SyncGroup that waits. Returns whether there was one. */
  completeSync(member: ClassicGroupMember, answer: SyncGroupAnswer): boolean {
    const respond = member.awaitingSync;
    if (respond === undefined) return false;
    member.awaitingSync = undefined;
    respond(answer);
    return true;
  }

  completeAllSyncs(errorCode: number): void {
    for (const member of this.memberMap.values()) this.completeSync(member, { errorCode });
  }

  // Protocols

  /** Whether somebody with these protocols can be a member beside those who are. */
  supportsProtocols(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.currentState === 'Empty') return protocolType !== '' && protocols.length > 0;
    return (
      this.type === protocolType &&
      protocols.some(protocol => (this.supporters.get(protocol.name) ?? 0) === this.memberMap.size)
    );
  }

  /** The protocol that most members like best among those that all support; of equals the one named first. */
  selectProtocol(): string {
    const candidates = new Set<string>();
    for (const [name, count] of this.supporters) if (count === this.memberMap.size) candidates.add(name);
    const votes = new Map<string, number>();
    for (const member of this.memberMap.values()) {
      const vote = member.vote(candidates);
      invariant(vote !== undefined, 'group-protocol', 'the members of a group have no protocol in common');
      votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    let selected: string | undefined;
    let most = 0;
    for (const [name, count] of votes) {
      if (count <= most) continue;
      selected = name;
      most = count;
    }
    invariant(selected !== undefined, 'group-protocol', 'a group without members selects a protocol');
    return selected;
  }

  private count(protocols: readonly MemberProtocol[], change: 1 | -1): void {
    for (const name of new Set(protocols.map(protocol => protocol.name))) {
      const count = (this.supporters.get(name) ?? 0) + change;
      if (count === 0) this.supporters.delete(name);
      else this.supporters.set(name, count);
    }
  }

  /** Whether an offset of `topic` is in use: a member of the running generation reads it, or nobody can tell. */
  isSubscribedToTopic(topic: string): boolean {
    return this.topics === undefined ? this.usesConsumerProtocol : this.topics.has(topic);
  }

  private computeSubscribedTopics(): ReadonlySet<string> | undefined {
    if (this.type === undefined) return undefined;
    if (this.memberMap.size === 0) return new Set();
    const { protocol } = this;
    if (this.type !== CONSUMER_PROTOCOL_TYPE || protocol === undefined) return undefined;
    return subscribedTopicsOf([...this.memberMap.values()].map(member => member.metadata(protocol)));
  }

  // Offsets and deletion

  /**
   * Whether an offset may be committed in the name of `memberId`. Throws `KafkaError`: `UNKNOWN_MEMBER_ID`,
   * `FENCED_INSTANCE_ID`, `ILLEGAL_GENERATION` (G3), `REBALANCE_IN_PROGRESS`, `COORDINATOR_NOT_AVAILABLE`.
   *
   * In a transaction it may be committed without a member, too, and while members wait for their assignment: an old
   * producer (TxnOffsetCommit v0-v2) knows neither.
   */
  validateOffsetCommit(
    memberId: string,
    groupInstanceId: string | null,
    generationId: number,
    isTransactional = false,
  ): void {
    if (this.currentState === 'Dead') throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE);
    // An admin client, or a consumer that assigns partitions to itself.
    if (generationId < 0 && this.currentState === 'Empty') return;
    if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
      this.validateMember(memberId, groupInstanceId);
      if (generationId !== this.generation) throw new KafkaError(Errors.ILLEGAL_GENERATION);
    } else if (!isTransactional) {
      throw new KafkaError(Errors.UNKNOWN_MEMBER_ID);
    }
    // It has the generation but not its assignment: it must rejoin rather than commit what it no longer owns.
    if (!isTransactional && this.currentState === 'CompletingRebalance')
      throw new KafkaError(Errors.REBALANCE_IN_PROGRESS);
  }

  validateOffsetDelete(): void {
    if (this.currentState === 'Dead') throw new KafkaError(Errors.GROUP_ID_NOT_FOUND);
    if (this.currentState !== 'Empty' && !this.usesConsumerProtocol)
      throw new KafkaError(Errors.NON_EMPTY_GROUP);
  }

  validateDeleteGroup(): void {
    if (this.currentState === 'Dead') throw new KafkaError(Errors.GROUP_ID_NOT_FOUND);
    if (this.currentState !== 'Empty') throw new KafkaError(Errors.NON_EMPTY_GROUP);
  }

  // The record

  /** The group as a record, with `assignments` (by member id) in place of those the members have. */
  toRecord(assignments?: ReadonlyMap<string, Buffer>): GroupMetadataRecord {
    return {
      type: 'group-metadata',
      key: { group: this.groupId },
      value: {
        protocolType: this.type ?? '',
        generation: this.generation,
        protocol: this.protocol ?? null,
        leader: this.leader ?? null,
        currentStateTimestamp: this.stateTimestamp ?? -1,
        members: [...this.memberMap.values()].map(member => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          rebalanceTimeout: member.rebalanceTimeoutMs,
          sessionTimeout: member.sessionTimeoutMs,
          subscription: member.metadata(this.protocol),
          assignment:
            (assignments === undefined ? member.assignment : assignments.get(member.memberId)) ?? EMPTY_BYTES,
        })),
      },
    };
  }

  /** The group as one that has had no generation yet, whoever may be joining it. */
  toEmptyRecord(): GroupMetadataRecord {
    return {
      type: 'group-metadata',
      key: { group: this.groupId },
      value: {
        protocolType: '',
        generation: 0,
        protocol: null,
        leader: null,
        currentStateTimestamp: this.stateTimestamp ?? -1,
        members: [],
      },
    };
  }

  /** The opposite of {@link toRecord}. */
  static fromRecord(
    groupId: string,
    value: NonNullable<GroupMetadataRecord['value']>,
    nowMs: () => number,
  ): ClassicGroup {
    const protocolName = value.protocol ?? undefined;
    return new ClassicGroup(groupId, nowMs, {
      generationId: value.generation,
      protocolType: value.protocolType === '' ? undefined : value.protocolType,
      protocolName: value.members.length === 0 ? undefined : protocolName,
      leaderId: value.members.length === 0 ? undefined : (value.leader ?? undefined),
      currentStateTimestamp: value.currentStateTimestamp === -1 ? undefined : value.currentStateTimestamp,
      members: value.members.map(
        member =>
          new ClassicGroupMember({
            memberId: member.memberId,
            groupInstanceId: member.groupInstanceId,
            clientId: member.clientId,
            clientHost: member.clientHost,
            sessionTimeoutMs: member.sessionTimeout,
            rebalanceTimeoutMs:
              member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
            protocolType: value.protocolType,
            protocols: [{ name: protocolName ?? '', metadata: member.subscription }],
            assignment: member.assignment,
          }),
      ),
    });
  }

  private firstMemberId(): string | undefined {
    for (const memberId of this.memberMap.keys()) return memberId;
    return undefined;
  }
}
