import type { LeaderEpoch } from '../base/int64.ts';
import type { OffsetAndEpoch } from './raft-client.ts';
import type { LeaderState } from './leader-state.ts';
import { type ReplicaKey, sameReplica, type VoterSet } from './voter-set.ts';

/**
 * What a replica is in its epoch. The epoch only grows; within one epoch a replica votes once and follows one
 * leader.
 *
 * | from        | on                                                            | to                      |
 * |-------------|---------------------------------------------------------------|-------------------------|
 * | any         | a higher epoch, leader unknown                                | Unattached              |
 * | any         | a higher epoch, leader known                                  | Follower                |
 * | Unattached  | grants a vote                                                 | Unattached (Voted)      |
 * | Unattached  | learns the leader of its epoch                                | Follower                |
 * | Unattached  | election timeout, as a voter                                  | Prospective             |
 * | Prospective | grants a vote, if it has not voted and knows no leader        | Prospective (Voted)     |
 * | Prospective | a majority grants its pre-vote                                | Candidate, epoch + 1    |
 * | Prospective | a majority refuses, or election timeout; leader known         | Follower                |
 * | Prospective | a majority refuses, or election timeout; leader unknown       | Unattached              |
 * | Prospective | learns the leader of its epoch                                | Follower                |
 * | Candidate   | a majority grants its vote                                    | Leader                  |
 * | Candidate   | a majority refuses (after a backoff), or election timeout     | Prospective             |
 * | Candidate   | learns the leader of its epoch                                | Follower                |
 * | Leader      | no majority has fetched for 1.5 fetch timeouts, or is told to | Resigned                |
 * | Follower    | fetch timeout, or nobody listens for its leader; as a voter   | Prospective             |
 * | Follower    | fetch timeout, as an observer                                 | Unattached              |
 * | Follower    | EndQuorumEpoch from its leader                                | Unattached, soon to run |
 * | Resigned    | election timeout, as a voter                                  | Prospective             |
 *
 * Voted is Unattached or Prospective with `votedKey`. An Observer is a replica that is not in the newest
 * voter set of its log: it is Unattached or Follower only, fetches like a follower, and never runs. A sole
 * voter skips the pre-vote and goes from any of these to Leader in one step.
 */
export type EpochState =
  | UnattachedState
  | ProspectiveState
  | CandidateState
  | { readonly name: 'leader'; readonly leader: LeaderState }
  | FollowerState
  | ResignedState;

export interface UnattachedState {
  readonly name: 'unattached';
  readonly leaderId: number | undefined;
  readonly votedKey: ReplicaKey | undefined;
  readonly electionDeadlineMs: number;
}

export interface ProspectiveState {
  readonly name: 'prospective';
  readonly leaderId: number | undefined;
  readonly votedKey: ReplicaKey | undefined;
  readonly votes: VoteTally;
  readonly electionDeadlineMs: number;
  /** Elections lost in a row: the backoff after the next one grows with it. */
  readonly retries: number;
}

export interface CandidateState {
  readonly name: 'candidate';
  readonly votes: VoteTally;
  /** Comes closer when a majority has refused. */
  electionDeadlineMs: number;
  rejected: boolean;
  readonly retries: number;
}

export interface FollowerState {
  readonly name: 'follower';
  readonly leaderId: number;
  readonly votedKey: ReplicaKey | undefined;
  fetchDeadlineMs: number;
  /** A fetch from this leader has succeeded: pre-votes against it are refused. */
  hasFetched: boolean;
  /** The snapshot being fetched. */
  snapshot: { readonly id: OffsetAndEpoch; position: number; installing: boolean } | undefined;
}

export interface ResignedState {
  readonly name: 'resigned';
  readonly electionDeadlineMs: number;
  readonly preferredCandidates: readonly ReplicaKey[];
  readonly acknowledged: Set<number>;
}

/** What of it is in the `quorum-state` file: durable before anything that follows from it is said. */
export interface ElectionState {
  readonly epoch: LeaderEpoch;
  readonly leaderId: number | undefined;
  readonly votedKey: ReplicaKey | undefined;
}

export const NO_ELECTION: ElectionState = { epoch: 0, leaderId: undefined, votedKey: undefined };

export function sameElection(a: ElectionState, b: ElectionState): boolean {
  return (
    a.epoch === b.epoch &&
    a.leaderId === b.leaderId &&
    a.votedKey?.id === b.votedKey?.id &&
    a.votedKey?.directoryId === b.votedKey?.directoryId
  );
}

/**
 * Who was elected in the epoch, if it is known. A leader that has resigned stays the one that was elected: it
 * may not vote for another in that epoch, not after a restart either.
 */
export function electedLeaderOf(state: EpochState, nodeId: number): number | undefined {
  switch (state.name) {
    case 'leader':
    case 'resigned':
      return nodeId;
    case 'follower':
    case 'unattached':
    case 'prospective':
      return state.leaderId;
    case 'candidate':
      return undefined;
  }
}

/** The key that a replica has voted for in its epoch. */
export function votedKeyOf(state: EpochState, self: ReplicaKey): ReplicaKey | undefined {
  switch (state.name) {
    case 'candidate':
      return self;
    case 'unattached':
    case 'prospective':
    case 'follower':
      return state.votedKey;
    default:
      return undefined;
  }
}

/** Whether a vote of this epoch may go to `candidate`, whose log is at least as far as ours or not. */
export function canGrantVote(
  state: EpochState,
  candidate: ReplicaKey,
  logUpToDate: boolean,
  preVote: boolean,
): boolean {
  switch (state.name) {
    case 'unattached':
    case 'prospective':
      if (preVote) return logUpToDate;
      if (state.votedKey !== undefined) return sameReplica(state.votedKey, candidate);
      return state.leaderId === undefined && logUpToDate;
    case 'candidate':
    case 'resigned':
      return preVote && logUpToDate;
    case 'follower':
      return preVote && logUpToDate && !state.hasFetched;
    case 'leader':
      return false;
  }
}

/** Who has answered an election, and how. */
export class VoteTally {
  private readonly granted = new Set<number>();
  private readonly rejected = new Set<number>();

  record(id: number, granted: boolean): void {
    if (this.granted.has(id) || this.rejected.has(id)) return;
    (granted ? this.granted : this.rejected).add(id);
  }

  hasAnswered(id: number): boolean {
    return this.granted.has(id) || this.rejected.has(id);
  }

  isWon(voters: VoterSet): boolean {
    return this.count(this.granted, voters) >= voters.majority;
  }

  isLost(voters: VoterSet): boolean {
    return voters.size - this.count(this.rejected, voters) < voters.majority;
  }

  /** By ascending id. */
  get grantedIds(): number[] {
    return [...this.granted].sort((a, b) => a - b);
  }

  private count(ids: ReadonlySet<number>, voters: VoterSet): number {
    let count = 0;
    for (const id of ids) if (voters.get(id) !== undefined) count++;
    return count;
  }
}
