import { compare64, type LeaderEpoch, type Offset } from '../base/int64.ts';
import type { FetchRequest } from './raft-message.ts';
import type { ReplicaKey, VoterSet } from './voter-set.ts';

/** How far a replica is, from its fetches. */
export interface ReplicaProgress {
  readonly key: ReplicaKey;
  /** Durable at the replica; exclusive. -1 until its first valid fetch. */
  fetchOffset: Offset;
  lastFetchMs: number;
  /** When it last had everything the leader had. -1: never. */
  lastCaughtUpMs: number;
}

/** A fetch that waits for news. At most one for each replica. */
export interface ParkedFetch {
  readonly request: FetchRequest;
  readonly deadlineMs: number;
}

/** Replicas silent for longer are forgotten, unless they are voters. */
const OBSERVER_SESSION_MS = 5 * 60_000;

/** What a leader knows in its epoch: the others' progress, and which of them have heard that it leads. */
export class LeaderState {
  readonly epoch: LeaderEpoch;
  /** Of the LeaderChange record: nothing is committed by count before the high watermark is past it. */
  readonly epochStartOffset: Offset;
  readonly parked = new Map<number, ParkedFetch>();
  /** Voters that know of this epoch: by an answer to BeginQuorumEpoch, or by a fetch. */
  readonly acknowledged = new Set<number>();
  /** When BeginQuorumEpoch goes out again to those that do not. */
  beginDeadlineMs: number;
  private readonly startMs: number;
  private readonly replicas = new Map<number, ReplicaProgress>();

  constructor(epoch: LeaderEpoch, epochStartOffset: Offset, nowMs: number) {
    this.epoch = epoch;
    this.epochStartOffset = epochStartOffset;
    this.startMs = nowMs;
    this.beginDeadlineMs = nowMs;
  }

  /** Notes a valid fetch. `endOffset` is the leader's own. */
  recordFetch(key: ReplicaKey, fetchOffset: Offset, endOffset: Offset, nowMs: number): void {
    this.acknowledged.add(key.id);
    let replica = this.replicas.get(key.id);
    if (replica === undefined || replica.key.directoryId !== key.directoryId) {
      replica = { key, fetchOffset: -1, lastFetchMs: nowMs, lastCaughtUpMs: -1 };
      this.replicas.set(key.id, replica);
    }
    replica.lastFetchMs = nowMs;
    if (fetchOffset > replica.fetchOffset) replica.fetchOffset = fetchOffset;
    if (fetchOffset >= endOffset) replica.lastCaughtUpMs = nowMs;
  }

  progress(id: number): ReplicaProgress | undefined {
    return this.replicas.get(id);
  }

  allProgress(): Iterable<ReplicaProgress> {
    return this.replicas.values();
  }

  /** The highest offset below which a majority of `voters` has everything on disk; exclusive. */
  majorityOffset(voters: VoterSet, self: ReplicaKey, durableEndOffset: Offset): Offset {
    const offsets = voters.voters.map(voter => {
      if (voter.id === self.id && voters.has(self)) return durableEndOffset;
      return this.voterProgress(voter.id, voters)?.fetchOffset ?? -1;
    });
    offsets.sort((a, b) => compare64(b, a));
    return offsets[voters.majority - 1] ?? -1;
  }

  /**
   * When, without another fetch, the last majority of `voters` has been silent for `timeoutMs`. `Infinity`
   * for a leader that is a majority by itself.
   */
  checkQuorumDeadlineMs(voters: VoterSet, self: ReplicaKey, timeoutMs: number): number {
    const needed = voters.majority - (voters.has(self) ? 1 : 0);
    if (needed <= 0) return Number.POSITIVE_INFINITY;
    const lastFetches = voters.voters
      .filter(voter => voter.id !== self.id)
      .map(voter => Math.max(this.startMs, this.voterProgress(voter.id, voters)?.lastFetchMs ?? 0))
      .sort((a, b) => b - a);
    return (lastFetches[needed - 1] ?? this.startMs) + timeoutMs;
  }

  /** The other voters, the most caught up first. */
  successors(voters: VoterSet, self: ReplicaKey): ReplicaKey[] {
    return voters.voters
      .filter(voter => voter.id !== self.id)
      .sort((a, b) => compare64(this.offsetOf(b.id), this.offsetOf(a.id)) || a.id - b.id)
      .map(({ id, directoryId }) => ({ id, directoryId }));
  }

  forgetSilentObservers(voters: VoterSet, nowMs: number): void {
    for (const [id, replica] of this.replicas) {
      if (voters.get(id) === undefined && nowMs - replica.lastFetchMs > OBSERVER_SESSION_MS)
        this.replicas.delete(id);
    }
  }

  /** Of the voter itself: a node of its id with another disk is not it. */
  voterProgress(id: number, voters: VoterSet): ReplicaProgress | undefined {
    const replica = this.replicas.get(id);
    return replica !== undefined && voters.has(replica.key) ? replica : undefined;
  }

  private offsetOf(id: number): Offset {
    return this.replicas.get(id)?.fetchOffset ?? -1;
  }
}
