import { invariant } from '../base/assert.ts';
import { add64, type LeaderEpoch, type Offset } from '../base/int64.ts';
import { Errors } from '../protocol/errors.ts';
import type { ControlRecord } from './control-record.ts';
import { LeaderState } from './leader-state.ts';
import { type LogEntry, LogSummary } from './log-summary.ts';
import {
  type ElectionState,
  type EpochState,
  electedLeaderOf,
  VoteTally,
  votedKeyOf,
} from './quorum-state.ts';
import type { LeaderAndEpoch } from './raft-client.ts';
import type { FetchRequest, RaftMessage, RaftRequest, RaftResponse } from './raft-message.ts';
import type { QuorumStatus, RaftCoreInit, RaftCoreOptions, Ready, ReplicaStatus } from './ready.ts';
import { RequestManager } from './request-manager.ts';
import { type ReplicaKey, sameReplica, type VoterSet } from './voter-set.ts';

/** Messages as they are made: the core adds sender and correlation id. */
export type Outgoing<M> = M extends unknown ? Omit<M, 'from' | 'to' | 'correlationId'> : never;

export interface Output {
  truncateTo: Offset | undefined;
  appends: LogEntry[];
  snapshotChunk: Ready['snapshotChunk'];
  messages: RaftMessage[];
  refused: number | undefined;
}

/**
 * The state of a replica in the quorum and the ways it changes: see the table in `quorum-state.ts`. {@link
 * RaftReplication} brings the log from replica to replica; what leads to which change is {@link RaftCore}'s, which is
 * built on both.
 */
export abstract class RaftReplica {
  readonly log: LogSummary;
  protected readonly self: ReplicaKey;
  protected readonly options: RaftCoreOptions;
  protected readonly requests: RequestManager;
  protected currentEpoch: LeaderEpoch;
  protected state: EpochState;
  protected committed: Offset | undefined;
  protected persisted: ElectionState;
  protected reportedLeader: LeaderAndEpoch;
  protected reportedHighWatermark: Offset | undefined;
  protected now: number;
  protected out: Output = emptyOutput();

  /** Call {@link start} before anything else. */
  constructor(options: RaftCoreOptions, init: RaftCoreInit, nowMs: number) {
    this.options = options;
    this.self = options.self;
    this.log = new LogSummary(init.log);
    this.requests = new RequestManager(
      options.requestTimeoutMs,
      options.retryBackoffMs,
      options.firstCorrelationId ?? 0,
    );
    this.now = nowMs;
    this.persisted = init.election;
    this.currentEpoch = Math.max(init.election.epoch, this.log.lastEpoch);
    const snapshotOffset = init.log.latestSnapshotId?.offset ?? 0;
    if (snapshotOffset > 0) this.committed = snapshotOffset;
    this.state = this.initialState(init.election);
    this.reportedLeader = { leaderId: undefined, epoch: -1 };
  }

  get nodeId(): number {
    return this.self.id;
  }

  get epoch(): LeaderEpoch {
    return this.currentEpoch;
  }

  get stateName(): EpochState['name'] {
    return this.state.name;
  }

  get isLeader(): boolean {
    return this.state.name === 'leader';
  }

  /** Exclusive; `undefined` until it is known after a start. */
  get highWatermark(): Offset | undefined {
    return this.committed;
  }

  get leaderAndEpoch(): LeaderAndEpoch {
    const elected = electedLeaderOf(this.state, this.self.id);
    const leads = elected !== undefined && (elected !== this.self.id || this.isLeader);
    return { leaderId: leads ? elected : undefined, epoch: this.currentEpoch };
  }

  /** Where the leader's epoch begins, while this replica leads. */
  get epochStartOffset(): Offset | undefined {
    return this.state.name === 'leader' ? this.state.leader.epochStartOffset : undefined;
  }

  /** The newest in the log, committed or not. */
  get voters(): VoterSet {
    return this.log.voters.voters;
  }

  get isVoter(): boolean {
    return this.voters.has(this.self);
  }

  /** Whether this replica has nothing to tell the others any more: it has not resigned, or all voters know of it. */
  get hasHandedOver(): boolean {
    const { state } = this;
    if (state.name !== 'resigned') return true;
    return this.voters.ids.every(id => id === this.self.id || state.acknowledged.has(id));
  }

  status(): QuorumStatus {
    const { leaderId, epoch } = this.leaderAndEpoch;
    const base = {
      state: this.state.name,
      leaderId,
      epoch,
      highWatermark: this.committed,
      voters: this.voters,
    };
    if (this.state.name !== 'leader') return { ...base, replicas: [] };
    const replicas: ReplicaStatus[] = [
      {
        ...this.self,
        isVoter: this.isVoter,
        logEndOffset: this.log.endOffset,
        lastFetchMs: this.now,
        lastCaughtUpMs: this.now,
      },
    ];
    const { leader } = this.state;
    for (const voter of this.voters.voters) {
      if (voter.id === this.self.id || leader.voterProgress(voter.id, this.voters) !== undefined) continue;
      replicas.push({
        id: voter.id,
        directoryId: voter.directoryId,
        isVoter: true,
        logEndOffset: -1,
        lastFetchMs: -1,
        lastCaughtUpMs: -1,
      });
    }
    for (const replica of leader.allProgress()) {
      replicas.push({
        ...replica.key,
        isVoter: this.voters.has(replica.key),
        logEndOffset: replica.fetchOffset,
        lastFetchMs: replica.lastFetchMs,
        lastCaughtUpMs: replica.lastCaughtUpMs,
      });
    }
    return { ...base, replicas };
  }

  // Transitions. See the table in quorum-state.ts.

  protected initialState(election: ElectionState): EpochState {
    // A log that is ahead of the file: the file is old or missing, and who was voted for in that epoch is not
    // known.
    if (election.epoch < this.currentEpoch) return this.unattached(undefined, undefined);
    if (election.leaderId === this.self.id) {
      // Leadership does not survive a crash: what was appended in this epoch may be gone from our disk.
      return {
        name: 'resigned',
        electionDeadlineMs: this.electionDeadline(),
        preferredCandidates: [],
        acknowledged: new Set(this.voters.ids),
      };
    }
    if (election.votedKey !== undefined && sameReplica(election.votedKey, this.self) && this.isVoter) {
      const votes = new VoteTally();
      votes.record(this.self.id, true);
      return {
        name: 'candidate',
        votes,
        electionDeadlineMs: this.electionDeadline(),
        rejected: false,
        retries: 0,
      };
    }
    const { leaderId, votedKey } = election;
    if (leaderId === undefined) return this.unattached(undefined, votedKey);
    return this.following(leaderId, votedKey);
  }

  private following(leaderId: number, votedKey: ReplicaKey | undefined): EpochState {
    return {
      name: 'follower',
      leaderId,
      votedKey,
      fetchDeadlineMs: this.now + this.options.fetchTimeoutMs,
      hasFetched: false,
      snapshot: undefined,
    };
  }

  protected unattached(leaderId: number | undefined, votedKey: ReplicaKey | undefined): EpochState {
    return { name: 'unattached', leaderId, votedKey, electionDeadlineMs: this.electionDeadline() };
  }

  protected enter(epoch: LeaderEpoch, state: EpochState): void {
    const previous = this.state;
    if (previous.name === 'leader') {
      for (const { request } of previous.leader.parked.values()) {
        this.respond(request, { ...this.fetchError(Errors.NOT_LEADER_OR_FOLLOWER), leaderId: undefined });
      }
    }
    this.currentEpoch = epoch;
    this.state = state;
    this.requests.reset();
  }

  protected becomeUnattached(epoch: LeaderEpoch): void {
    this.enter(epoch, this.unattached(undefined, undefined));
  }

  protected becomeFollower(epoch: LeaderEpoch, leaderId: number): void {
    const votedKey = epoch === this.currentEpoch ? votedKeyOf(this.state, this.self) : undefined;
    this.enter(epoch, this.following(leaderId, votedKey));
  }

  protected becomeProspective(retries: number): void {
    if (this.voters.isOnly(this.self)) {
      this.becomeCandidate(0);
      return;
    }
    const votes = new VoteTally();
    votes.record(this.self.id, true);
    this.enter(this.currentEpoch, {
      name: 'prospective',
      leaderId: electedLeaderOf(this.state, this.self.id),
      votedKey: votedKeyOf(this.state, this.self),
      votes,
      electionDeadlineMs: this.electionDeadline(),
      retries,
    });
  }

  protected becomeCandidate(retries: number): void {
    invariant(this.isVoter, 'M9', 'an observer runs for leader');
    const votes = new VoteTally();
    votes.record(this.self.id, true);
    this.enter(this.currentEpoch + 1, {
      name: 'candidate',
      votes,
      electionDeadlineMs: this.electionDeadline(),
      rejected: false,
      retries,
    });
    if (votes.isWon(this.voters)) this.becomeLeader(votes);
  }

  protected becomeLeader(votes: VoteTally): void {
    const leader = new LeaderState(this.currentEpoch, this.log.endOffset, this.now);
    this.enter(this.currentEpoch, { name: 'leader', leader });
    const { offset, voters, kraftVersion } = this.log.voters;
    const controls: ControlRecord[] = [
      { type: 'leaderChange', leaderId: this.self.id, voters: voters.ids, grantingVoters: votes.grantedIds },
    ];
    // Voters that only the formatted snapshot names go into the log, from where the others learn them.
    if (offset === -1 && kraftVersion > 0) {
      controls.push({ type: 'kraftVersion', level: kraftVersion }, { type: 'voters', voters });
    }
    this.appendControls(controls);
  }

  protected becomeResigned(): void {
    invariant(this.state.name === 'leader', 'M1', 'only a leader resigns');
    const preferredCandidates = this.state.leader.successors(this.voters, this.self);
    this.enter(this.currentEpoch, {
      name: 'resigned',
      electionDeadlineMs: this.electionDeadline(),
      preferredCandidates,
      acknowledged: new Set(),
    });
  }

  /**
   * Someone says who leads in `epoch`. `direct`: the leader itself does. False if this replica knows that another one
   * leads: an epoch has one leader (M1), and whoever names a second one is wrong in what else it says too.
   */
  protected learn(leaderId: number | undefined, epoch: LeaderEpoch, direct: boolean): boolean {
    if (epoch < this.currentEpoch || leaderId === this.self.id) return true;
    if (epoch > this.currentEpoch) {
      if (leaderId === undefined) this.becomeUnattached(epoch);
      else this.becomeFollower(epoch, leaderId);
      return true;
    }
    if (leaderId === undefined) return true;
    const known = electedLeaderOf(this.state, this.self.id);
    if (known !== undefined && known !== leaderId) return false;
    if (this.state.name === 'follower') return true;
    // A prospective has given up on the leader it knows: only the leader itself brings it back.
    if (this.state.name === 'prospective' && known !== undefined && !direct) return true;
    this.becomeFollower(epoch, leaderId);
    return true;
  }

  // Timeouts.

  protected electionDeadline(): number {
    return this.now + this.options.electionTimeoutMs + this.options.random(this.options.electionTimeoutMs);
  }

  protected checkQuorumDeadline(leader: LeaderState): number {
    return leader.checkQuorumDeadlineMs(this.voters, this.self, this.options.fetchTimeoutMs * 1.5);
  }

  /** Grows with the elections lost in a row, and differs between those who lost. */
  protected electionBackoff(retries: number): number {
    const { retryBackoffMs, electionBackoffMaxMs, random } = this.options;
    const bound = Math.min(electionBackoffMaxMs, retryBackoffMs * 2 ** Math.min(retries + 1, 16));
    return 1 + random(Math.max(1, bound));
  }

  protected request(to: number, message: Outgoing<RaftRequest>): void {
    const correlationId = this.requests.send(to, this.now);
    this.out.messages.push({ ...message, from: this.self.id, to, correlationId } as RaftRequest);
  }

  protected respond(request: RaftRequest, message: Outgoing<RaftResponse>): void {
    const { correlationId, from } = request;
    this.out.messages.push({ ...message, from: this.self.id, to: from, correlationId } as RaftResponse);
  }

  protected answer(error: number): { error: number; leaderId: number | undefined; epoch: LeaderEpoch } {
    return { error, ...this.leaderAndEpoch };
  }

  // Replication, the leader's side.

  protected append(entry: LogEntry): void {
    this.log.append(entry);
    this.out.appends.push(entry);
  }

  protected appendControls(controls: readonly ControlRecord[]): void {
    const baseOffset = this.log.endOffset;
    const lastOffset = add64(baseOffset, controls.length - 1);
    this.append({ baseOffset, lastOffset, epoch: this.currentEpoch, controls });
    this.answerParkedFetches();
  }

  protected fetchError(error: number): Outgoing<Extract<RaftResponse, { type: 'fetchResponse' }>> {
    return {
      type: 'fetchResponse',
      ...this.answer(error),
      highWatermark: this.committed ?? -1,
      logStartOffset: this.log.startOffset,
    };
  }

  protected hasNews(request: FetchRequest): boolean {
    return request.fetchOffset < this.log.endOffset || (this.committed ?? -1) > request.highWatermark;
  }

  protected respondFetch(request: FetchRequest): void {
    const { fetchOffset, maxBytes } = request;
    this.respond(request, {
      ...this.fetchError(Errors.NONE),
      ...(fetchOffset < this.log.endOffset ? { readFrom: fetchOffset } : {}),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    });
  }

  protected answerParkedFetches(): void {
    if (this.state.name !== 'leader') return;
    for (const [id, { request }] of this.state.leader.parked) {
      if (!this.hasNews(request)) continue;
      this.state.leader.parked.delete(id);
      this.respondFetch(request);
    }
  }
}

export function emptyOutput(): Output {
  return { truncateTo: undefined, appends: [], snapshotChunk: undefined, messages: [], refused: undefined };
}
