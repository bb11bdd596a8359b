import { invariant } from '../base/assert.ts';
import { Errors } from '../protocol/errors.ts';
import type { LeaderState } from './leader-state.ts';
import { compareOffsetAndEpoch } from './log-summary.ts';
import {
  canGrantVote,
  type ElectionState,
  electedLeaderOf,
  sameElection,
  votedKeyOf,
} from './quorum-state.ts';
import type { RaftMessage, RaftRequest, RaftResponse, VoteRequest } from './raft-message.ts';
import { emptyOutput } from './raft-replica.ts';
import { RaftReplication } from './raft-replication.ts';
import type { RaftEvent, Ready } from './ready.ts';
import { planVoterChange, type VoterChange } from './voter-changes.ts';
import { type ReplicaKey, sameReplica, type VoterNode } from './voter-set.ts';

/**
 * One replica of the metadata quorum (KRaft: KIP-595, 630, 853, 996) without effects: {@link step} takes an
 * event and the time, changes the state, and says what to do. See `quorum-state.ts` for the transitions and
 * `docs/RAFT.md` for the rest.
 */
export class RaftCore extends RaftReplication {
  /** The first step. A sole voter comes out of it as the leader of a new epoch. */
  start(nowMs: number): Ready {
    return this.run(nowMs, () => {});
  }

  step(event: RaftEvent, nowMs: number): Ready {
    return this.run(nowMs, () => this.handle(event));
  }

  // The frame of a step.

  private run(nowMs: number, action: () => void): Ready {
    this.now = Math.max(this.now, nowMs);
    this.out = emptyOutput();
    const epochBefore = this.currentEpoch;
    action();
    this.requests.expire(this.now);
    // Each timeout leads to a state whose deadline lies ahead, so this ends after a few rounds.
    for (let round = 0; this.handleTimeouts(); round++)
      invariant(round < 8, 'liveness', 'timeouts chase each other');
    this.sendRequests();
    invariant(this.currentEpoch >= epochBefore, 'M7', 'the epoch went back');
    return this.finish();
  }

  private finish(): Ready {
    const { out } = this;
    const election: ElectionState = {
      epoch: this.currentEpoch,
      leaderId: electedLeaderOf(this.state, this.self.id),
      votedKey: votedKeyOf(this.state, this.self),
    };
    const mustPersist = !sameElection(election, this.persisted);
    if (mustPersist) this.persisted = election;
    const leader = this.leaderAndEpoch;
    const leaderChanged =
      leader.leaderId !== this.reportedLeader.leaderId || leader.epoch !== this.reportedLeader.epoch;
    this.reportedLeader = leader;
    const highWatermarkMoved = this.committed !== this.reportedHighWatermark;
    this.reportedHighWatermark = this.committed;
    return {
      persist: mustPersist ? election : undefined,
      truncateTo: out.truncateTo,
      appends: out.appends,
      snapshotChunk: out.snapshotChunk,
      messages: out.messages,
      highWatermark: highWatermarkMoved ? this.committed : undefined,
      leaderAndEpoch: leaderChanged ? leader : undefined,
      refused: out.refused,
      nextDeadlineMs: this.nextDeadlineMs(),
    };
  }

  private handle(event: RaftEvent): void {
    switch (event.type) {
      case 'tick':
        return;
      case 'receive':
        if (event.message.to === this.self.id) this.receive(event.message);
        return;
      case 'requestFailed':
        if (this.requests.complete(event.peer, event.correlationId)) {
          this.requests.pause(event.peer, this.now);
          if (event.refused) this.onRefused(event.peer);
        }
        return;
      case 'resign':
        if (this.isLeader && event.epoch === this.currentEpoch) this.becomeResigned();
        return;
      case 'addVoter':
      case 'removeVoter':
      case 'updateVoter':
      case 'upgradeVoters':
        this.out.refused = this.changeVoters(event);
        return;
      default:
        this.handleLogEvent(event);
    }
  }

  /**
   * A leader that served this follower and that nobody listens for any more has ended: the rest of the fetch timeout
   * would be waited for in vain. Where only this node is told so, the others refuse their pre-votes.
   */
  private onRefused(peer: number): void {
    const { state } = this;
    if (state.name !== 'follower' || state.leaderId !== peer || !state.hasFetched) return;
    state.fetchDeadlineMs = Math.min(state.fetchDeadlineMs, this.now + this.electionBackoff(0));
  }

  private receive(message: RaftMessage): void {
    switch (message.type) {
      case 'vote':
        this.handleVote(message);
        return;
      case 'beginQuorumEpoch':
      case 'endQuorumEpoch':
        this.handleQuorumEpoch(message);
        return;
      case 'fetch':
        this.handleFetch(message);
        return;
      case 'fetchSnapshot':
        this.handleFetchSnapshot(message);
        return;
      default:
        if (this.requests.complete(message.from, message.correlationId)) this.handleResponse(message);
    }
  }

  /** One transition that time asks for. Whether there was one. */
  private handleTimeouts(): boolean {
    const { state, now } = this;
    switch (state.name) {
      case 'unattached':
      case 'resigned':
        if (now < state.electionDeadlineMs && !this.voters.isOnly(this.self)) return false;
        if (this.isVoter) this.becomeProspective(0);
        else if (state.name === 'resigned')
          this.enter(this.currentEpoch, this.unattached(this.self.id, undefined));
        else return false;
        return true;
      case 'prospective':
        if (!this.isVoter || now >= state.electionDeadlineMs || state.votes.isLost(this.voters)) {
          const { leaderId, votedKey } = state;
          if (leaderId === undefined || leaderId === this.self.id) {
            this.enter(this.currentEpoch, this.unattached(leaderId, votedKey));
          } else {
            this.becomeFollower(this.currentEpoch, leaderId);
          }
          return true;
        }
        if (state.votes.isWon(this.voters)) {
          this.becomeCandidate(state.retries);
          return true;
        }
        return false;
      case 'candidate':
        if (state.votes.isWon(this.voters)) {
          this.becomeLeader(state.votes);
          return true;
        }
        if (!state.rejected && state.votes.isLost(this.voters)) {
          state.rejected = true;
          state.electionDeadlineMs = Math.min(
            state.electionDeadlineMs,
            now + this.electionBackoff(state.retries),
          );
        }
        if (now < state.electionDeadlineMs) return false;
        if (this.isVoter) this.becomeProspective(state.retries + 1);
        else this.enter(this.currentEpoch, this.unattached(undefined, this.self));
        return true;
      case 'follower':
        // One that is left alone by a record it has just fetched gives its leader the time to see it
        // committed.
        if (now < state.fetchDeadlineMs && (state.hasFetched || !this.voters.isOnly(this.self))) return false;
        if (state.snapshot?.installing === true) return false;
        if (this.isVoter) this.becomeProspective(0);
        else this.enter(this.currentEpoch, this.unattached(state.leaderId, state.votedKey));
        return true;
      case 'leader':
        this.expireParkedFetches(state.leader);
        if (now < this.checkQuorumDeadline(state.leader)) return false;
        this.becomeResigned();
        return true;
    }
  }

  private nextDeadlineMs(): number {
    const { state } = this;
    let deadline = Number.POSITIVE_INFINITY;
    const consider = (atMs: number): void => {
      if (atMs < deadline) deadline = atMs;
    };
    const readyAtMs = this.peersToAsk().map(peer => Math.max(this.requests.readyAtMs(peer.id), this.now + 1));
    // A discovery asks one at a time.
    if (state.name !== 'unattached') readyAtMs.forEach(consider);
    else if (readyAtMs.length > 0) consider(Math.max(...readyAtMs));
    switch (state.name) {
      case 'unattached':
        if (this.isVoter) consider(state.electionDeadlineMs);
        break;
      case 'resigned':
      case 'prospective':
      case 'candidate':
        consider(state.electionDeadlineMs);
        break;
      case 'follower':
        if (state.snapshot?.installing !== true) consider(state.fetchDeadlineMs);
        break;
      case 'leader':
        consider(this.checkQuorumDeadline(state.leader));
        if (this.voters.ids.some(id => id !== this.self.id)) consider(state.leader.beginDeadlineMs);
        for (const { deadlineMs } of state.leader.parked.values()) consider(deadlineMs);
        break;
    }
    return deadline;
  }

  // Requests that the state calls for.

  /** Whom this state has something to ask, whether or not a request is in flight. */
  private peersToAsk(): readonly ReplicaKey[] {
    const { state } = this;
    const others = (): VoterNode[] => this.voters.voters.filter(voter => voter.id !== this.self.id);
    switch (state.name) {
      case 'prospective':
      case 'candidate':
        return others().filter(voter => !state.votes.hasAnswered(voter.id));
      case 'resigned':
        return others().filter(voter => !state.acknowledged.has(voter.id));
      case 'follower': {
        // A fetch claims that what lies below it is on disk: it waits until that is so.
        const busy = state.snapshot?.installing === true || this.log.durableEndOffset !== this.log.endOffset;
        return busy
          ? []
          : [{ id: state.leaderId, directoryId: this.voters.get(state.leaderId)?.directoryId ?? '' }];
      }
      case 'unattached':
        return this.discoveryTargets();
      case 'leader':
        return [];
    }
  }

  /**
   * An observer without a leader asks anyone who might know. A voter hears from its leader; it asks only the addresses
   * it was given, as the voters that its log names may all be gone.
   */
  private discoveryTargets(): readonly ReplicaKey[] {
    const bootstrapIds = this.options.bootstrapIds ?? [];
    const ids = new Set(
      this.isVoter ? bootstrapIds.filter(id => id < 0) : [...this.voters.ids, ...bootstrapIds],
    );
    ids.delete(this.self.id);
    return Array.from(ids, id => ({ id, directoryId: '' }));
  }

  private sendRequests(): void {
    const { state } = this;
    if (state.name === 'leader') {
      this.sendBeginQuorumEpoch(state.leader);
      return;
    }
    const asked = this.peersToAsk();
    let peers = asked.filter(peer => this.requests.isReady(peer.id, this.now));
    if (state.name === 'unattached' && peers.length > 0) {
      peers = peers.length < asked.length ? [] : [peers[this.options.random(peers.length)]!];
    }
    for (const peer of peers) {
      switch (state.name) {
        case 'prospective':
        case 'candidate':
          this.request(peer.id, {
            type: 'vote',
            epoch: this.currentEpoch,
            candidate: this.self,
            voter: { id: peer.id, directoryId: peer.directoryId },
            lastEpoch: this.log.lastEpoch,
            lastOffset: this.log.endOffset,
            preVote: state.name === 'prospective',
          });
          break;
        case 'resigned':
          this.request(peer.id, {
            type: 'endQuorumEpoch',
            epoch: this.currentEpoch,
            leaderId: this.self.id,
            preferredCandidates: state.preferredCandidates,
          });
          break;
        case 'unattached':
        case 'follower':
          this.requestFetch(peer.id, state.name === 'follower' ? state : undefined);
          break;
      }
    }
  }

  private sendBeginQuorumEpoch(leader: LeaderState): void {
    if (this.now < leader.beginDeadlineMs) return;
    const silentSinceMs = this.now - this.options.fetchTimeoutMs / 2;
    leader.beginDeadlineMs = this.now + this.options.fetchTimeoutMs / 2;
    leader.forgetSilentObservers(this.voters, this.now);
    for (const voter of this.voters.voters) {
      if (voter.id === this.self.id || !this.requests.isReady(voter.id, this.now)) continue;
      const lastFetchMs = leader.progress(voter.id)?.lastFetchMs ?? Number.NEGATIVE_INFINITY;
      if (leader.acknowledged.has(voter.id) && lastFetchMs >= silentSinceMs) continue;
      this.request(voter.id, {
        type: 'beginQuorumEpoch',
        epoch: this.currentEpoch,
        leaderId: this.self.id,
        voter: { id: voter.id, directoryId: voter.directoryId },
      });
    }
  }

  // Votes and quorum epochs.

  private handleVote(request: VoteRequest): void {
    const refuse = (error: number): void =>
      this.respond(request, { type: 'voteResponse', ...this.answer(error), voteGranted: false });
    if (request.epoch < this.currentEpoch) {
      refuse(Errors.FENCED_LEADER_EPOCH);
      return;
    }
    if (request.epoch > EPOCH_MAX || request.lastEpoch > request.epoch || request.lastOffset < 0) {
      refuse(Errors.INVALID_REQUEST);
      return;
    }
    if (request.epoch > this.currentEpoch) this.becomeUnattached(request.epoch);
    if (!sameReplica(request.voter, this.self)) {
      refuse(Errors.INVALID_VOTER_KEY);
      return;
    }
    const logUpToDate =
      compareOffsetAndEpoch({ offset: request.lastOffset, epoch: request.lastEpoch }, this.log.end) >= 0;
    const voteGranted = canGrantVote(this.state, request.candidate, logUpToDate, request.preVote);
    if (voteGranted && !request.preVote) {
      const { state } = this;
      if ((state.name === 'unattached' || state.name === 'prospective') && state.votedKey === undefined) {
        this.state = { ...state, votedKey: request.candidate, electionDeadlineMs: this.electionDeadline() };
      }
    }
    this.respond(request, { type: 'voteResponse', ...this.answer(Errors.NONE), voteGranted });
  }

  private handleQuorumEpoch(
    request: Extract<RaftRequest, { type: 'beginQuorumEpoch' | 'endQuorumEpoch' }>,
  ): void {
    const begins = request.type === 'beginQuorumEpoch';
    const type = begins ? 'beginQuorumEpochResponse' : 'endQuorumEpochResponse';
    if (request.epoch < this.currentEpoch) {
      this.respond(request, { type, ...this.answer(Errors.FENCED_LEADER_EPOCH) });
      return;
    }
    if (request.epoch > EPOCH_MAX || request.leaderId !== request.from) {
      this.respond(request, { type, ...this.answer(Errors.INVALID_REQUEST) });
      return;
    }
    // Who leads is true for everyone, so it is taken in even where the request was meant for another
    // incarnation.
    if (!this.learn(request.leaderId, request.epoch, begins)) {
      this.respond(request, { type, ...this.answer(Errors.INVALID_REQUEST) });
      return;
    }
    const meantForUs = !begins || sameReplica(request.voter, this.self);
    this.respond(request, { type, ...this.answer(meantForUs ? Errors.NONE : Errors.INVALID_VOTER_KEY) });
    if (begins || this.state.name !== 'follower' || this.state.leaderId !== request.leaderId) return;
    const { votedKey, leaderId } = this.state;
    const position = request.preferredCandidates.findIndex(candidate => sameReplica(candidate, this.self));
    // The most caught up runs at once; the others leave it time to win.
    const delayMs =
      position === 0 ? 0 : this.electionBackoff(position < 0 ? request.preferredCandidates.length : position);
    this.enter(this.currentEpoch, {
      name: 'unattached',
      leaderId,
      votedKey,
      electionDeadlineMs: this.now + delayMs,
    });
  }

  private handleResponse(response: RaftResponse): void {
    const epochBefore = this.currentEpoch;
    const stateBefore = this.state;
    if (response.epoch > EPOCH_MAX || !this.learn(response.leaderId, response.epoch, false)) {
      this.requests.pause(response.from, this.now);
      return;
    }
    if (this.currentEpoch !== epochBefore || this.state !== stateBefore) return;
    if (response.error !== Errors.NONE && response.type !== 'voteResponse') {
      if (response.error === Errors.SNAPSHOT_NOT_FOUND && this.state.name === 'follower') {
        this.state.snapshot = undefined;
      }
      this.requests.pause(response.from, this.now);
      return;
    }
    if (response.epoch !== this.currentEpoch && response.type !== 'voteResponse') return;
    const { state } = this;
    switch (response.type) {
      case 'voteResponse':
        if (state.name !== 'prospective' && state.name !== 'candidate') return;
        // A voter that does not know pre-votes does not stand in the way of an election.
        if (response.error === Errors.UNSUPPORTED_VERSION && state.name === 'prospective') {
          state.votes.record(response.from, true);
        } else if (response.error !== Errors.NONE && response.error !== Errors.INVALID_VOTER_KEY) {
          this.requests.pause(response.from, this.now);
        } else {
          state.votes.record(response.from, response.voteGranted && response.error === Errors.NONE);
        }
        return;
      case 'beginQuorumEpochResponse':
        if (state.name === 'leader') state.leader.acknowledged.add(response.from);
        return;
      case 'endQuorumEpochResponse':
        if (state.name === 'resigned') state.acknowledged.add(response.from);
        return;
      case 'fetchResponse':
        if (state.name === 'follower' && response.from === state.leaderId)
          this.handleFetched(state, response);
        else this.requests.pause(response.from, this.now);
        return;
      case 'fetchSnapshotResponse':
        if (state.name === 'follower' && response.from === state.leaderId) {
          this.handleSnapshotFetched(state, response);
          return;
        }
    }
  }

  /** Kafka's error if the change cannot be made now. */
  private changeVoters(change: VoterChange): number | undefined {
    const { self, state, committed, log } = this;
    const planned = planVoterChange(change, {
      self,
      leader: state.name === 'leader' ? state.leader : undefined,
      highWatermark: committed,
      current: log.voters,
    });
    if (typeof planned === 'number') return planned;
    this.appendControls(planned);
    return undefined;
  }
}

/**
 * An epoch above it is not believed: no quorum comes so far by its elections, and at the largest that fits into a
 * request there could be none any more.
 */
const EPOCH_MAX = 0x7fff_0000;
