import { invariant } from '../base/assert.ts';
import { add64, type LeaderEpoch, max64, min64, type Offset } from '../base/int64.ts';
import { Errors } from '../protocol/errors.ts';
import type { LeaderState } from './leader-state.ts';
import { compareOffsetAndEpoch } from './log-summary.ts';
import type { FollowerState } from './quorum-state.ts';
import type { OffsetAndEpoch } from './raft-client.ts';
import type { FetchRequest, RaftRequest, RaftResponse } from './raft-message.ts';
import { RaftReplica } from './raft-replica.ts';
import type { RaftEvent } from './ready.ts';

type LogEvent = Extract<
  RaftEvent,
  {
    type:
      | 'append'
      | 'flushed'
      | 'snapshotCreated'
      | 'logStartAdvanced'
      | 'snapshotInstalled'
      | 'snapshotRefused';
  }
>;

const NO_BYTES = Buffer.alloc(0);

/**
 * How the log of the leader becomes that of the others, and what of it is committed.
 *
 * Followers pull. A fetch at an offset says that everything below it is on the follower's disk, and the high
 * watermark is the offset that a majority has on disk, once it is past the LeaderChange record of the
 * leader's own epoch (M5).
 */
export abstract class RaftReplication extends RaftReplica {
  /** What has become of the log: by the leader's own appends, by the disk, by snapshots. */
  protected handleLogEvent(event: LogEvent): void {
    switch (event.type) {
      case 'append':
        invariant(this.isLeader && event.epoch === this.currentEpoch, 'M1', 'an append without leadership');
        for (const { recordCount, payload } of event.batches) {
          const baseOffset = this.log.endOffset;
          this.append({
            baseOffset,
            lastOffset: add64(baseOffset, recordCount - 1),
            epoch: this.currentEpoch,
            controls: [],
            payload,
          });
        }
        this.answerParkedFetches();
        return;
      case 'flushed':
        this.log.flushed(event.endOffset, event.truncations);
        this.maybeAdvanceHighWatermark();
        return;
      case 'snapshotCreated':
        invariant(event.id.offset <= (this.committed ?? -1), 'M8', 'a snapshot above the high watermark');
        // The leader's, which was installed while this one was written, may be newer.
        if (event.id.offset > (this.log.latestSnapshotId?.offset ?? -1)) this.log.latestSnapshotId = event.id;
        return;
      case 'logStartAdvanced':
        invariant(
          event.startOffset <= (this.log.latestSnapshotId?.offset ?? -1),
          'M8',
          'no snapshot covers the prefix',
        );
        this.log.advanceStart(event.startOffset);
        return;
      case 'snapshotInstalled':
        this.log.replaceBySnapshot(event.id, event.voters ?? this.log.voters);
        this.raiseHighWatermark(event.id.offset);
        if (this.state.name === 'follower') this.state.snapshot = undefined;
        return;
      case 'snapshotRefused':
        if (this.state.name !== 'follower') return;
        this.state.snapshot = undefined;
        this.requests.pause(this.state.leaderId, this.now);
        return;
    }
  }

  // The follower's side.

  protected requestFetch(to: number, follower: FollowerState | undefined): void {
    if (follower?.snapshot !== undefined) {
      this.request(to, {
        type: 'fetchSnapshot',
        epoch: this.currentEpoch,
        replica: this.self,
        snapshotId: follower.snapshot.id,
        position: follower.snapshot.position,
      });
      return;
    }
    this.request(to, {
      type: 'fetch',
      epoch: this.currentEpoch,
      replica: this.self,
      fetchOffset: this.log.endOffset,
      lastFetchedEpoch: this.log.lastEpoch,
      highWatermark: this.committed ?? -1,
      // An answer that is held for longer would come too late.
      maxWaitMs: Math.min(this.options.fetchMaxWaitMs, Math.floor(this.options.fetchTimeoutMs / 2)),
    });
  }

  protected handleFetched(
    follower: FollowerState,
    response: Extract<RaftResponse, { type: 'fetchResponse' }>,
  ): void {
    const { snapshotId, divergingEpoch } = response;
    const isPlausible =
      divergingEpoch !== undefined
        ? divergingEpoch.epoch <= this.log.lastEpoch && divergingEpoch.offset >= 0
        : snapshotId === undefined || this.isAhead(snapshotId);
    if (!isPlausible) {
      // No leader could mean that. It is as good as no answer.
      this.requests.pause(response.from, this.now);
      return;
    }
    follower.fetchDeadlineMs = this.now + this.options.fetchTimeoutMs;
    follower.hasFetched = true;
    if (divergingEpoch !== undefined) {
      const { epoch, offset } = divergingEpoch;
      const own = this.log.endOffsetForEpoch(epoch);
      const truncateTo = own.epoch === epoch ? min64(own.offset, offset) : own.offset;
      const floor = max64(this.committed ?? 0, this.log.startOffset);
      invariant(
        truncateTo >= floor,
        'M4',
        () => `the leader's log parts from ours at ${truncateTo}, below ${floor}`,
      );
      if (truncateTo < this.log.endOffset) {
        this.log.truncateTo(truncateTo);
        this.out.truncateTo = truncateTo;
      } else {
        this.requests.pause(response.from, this.now);
      }
      return;
    }
    if (snapshotId !== undefined) {
      follower.snapshot = { id: snapshotId, position: 0, installing: false };
      return;
    }
    const { entries = [] } = response;
    const end = this.log.endOffset;
    for (const entry of entries) {
      if (entry.baseOffset !== this.log.endOffset || entry.epoch < this.log.lastEpoch) break;
      if (entry.epoch > this.currentEpoch) break;
      this.append(entry);
    }
    if (entries.length > 0 && this.log.endOffset === end) this.requests.pause(response.from, this.now);
    this.raiseHighWatermark(min64(response.highWatermark, this.log.endOffset));
  }

  /** Whether a snapshot takes the log on, without going back behind what is committed. */
  private isAhead({ offset, epoch }: OffsetAndEpoch): boolean {
    const { log } = this;
    if (offset <= max64(this.committed ?? 0, log.startOffset)) return false;
    return epoch > log.lastEpoch || offset > log.endOffset;
  }

  protected handleSnapshotFetched(
    follower: FollowerState,
    response: Extract<RaftResponse, { type: 'fetchSnapshotResponse' }>,
  ): void {
    const { snapshot } = follower;
    if (snapshot === undefined) return;
    const { bytes = NO_BYTES, size = -1, position } = response;
    const isNext =
      position === snapshot.position && compareOffsetAndEpoch(response.snapshotId, snapshot.id) === 0;
    if (!isNext || bytes.length === 0 || position + bytes.length > size) {
      // It begins anew, with what the leader has by then. Until something of use comes, the leader counts as silent.
      follower.snapshot = undefined;
      this.requests.pause(response.from, this.now);
      return;
    }
    follower.fetchDeadlineMs = this.now + this.options.fetchTimeoutMs;
    snapshot.position += bytes.length;
    const last = snapshot.position === size;
    snapshot.installing = last;
    this.out.snapshotChunk = { id: snapshot.id, position: response.position, bytes, last };
  }

  // The leader's side.

  /** Why a request to the leader cannot be served; NONE if it can. */
  private leaderError(epoch: LeaderEpoch): number {
    if (epoch < this.currentEpoch) return Errors.FENCED_LEADER_EPOCH;
    if (epoch > this.currentEpoch) return Errors.UNKNOWN_LEADER_EPOCH;
    return this.isLeader ? Errors.NONE : Errors.NOT_LEADER_OR_FOLLOWER;
  }

  protected handleFetch(request: FetchRequest): void {
    const error = this.leaderError(request.epoch);
    const { state, log } = this;
    if (error !== Errors.NONE || state.name !== 'leader') {
      this.respond(request, this.fetchError(error));
      return;
    }
    const { fetchOffset, lastFetchedEpoch } = request;
    const fresh = fetchOffset === 0 && lastFetchedEpoch === 0 && log.startOffset === 0;
    if (!fresh) {
      const snapshot = log.latestSnapshotId;
      if (snapshot !== undefined && log.isBehindStart(fetchOffset, lastFetchedEpoch)) {
        this.respond(request, { ...this.fetchError(Errors.NONE), snapshotId: snapshot });
        return;
      }
      const known = log.endOffsetForEpoch(lastFetchedEpoch);
      if (known.epoch !== lastFetchedEpoch || known.offset < fetchOffset) {
        this.respond(request, { ...this.fetchError(Errors.NONE), divergingEpoch: known });
        return;
      }
    }
    if (request.replica.id >= 0) {
      state.leader.recordFetch(request.replica, fetchOffset, log.endOffset, this.now);
    }
    const parkedAs = parkingPlace(request);
    const forgotten = state.leader.parked.get(parkedAs);
    if (forgotten !== undefined) {
      state.leader.parked.delete(parkedAs);
      this.respondFetch(forgotten.request);
    }
    this.maybeAdvanceHighWatermark();
    if (this.state !== state) {
      this.respond(request, this.fetchError(Errors.NOT_LEADER_OR_FOLLOWER));
      return;
    }
    if (this.hasNews(request) || request.maxWaitMs <= 0) this.respondFetch(request);
    else {
      state.leader.parked.set(parkedAs, { request, deadlineMs: this.now + request.maxWaitMs });
    }
  }

  protected expireParkedFetches(leader: LeaderState): void {
    for (const [id, { request, deadlineMs }] of leader.parked) {
      if (deadlineMs > this.now) continue;
      leader.parked.delete(id);
      this.respondFetch(request);
    }
  }

  protected handleFetchSnapshot(request: Extract<RaftRequest, { type: 'fetchSnapshot' }>): void {
    const { snapshotId, position } = request;
    const latest = this.log.latestSnapshotId;
    let error = this.leaderError(request.epoch);
    // One that is not the newest may be there too: whoever reads it for the answer will see.
    if (error === Errors.NONE && (latest === undefined || compareOffsetAndEpoch(latest, snapshotId) < 0)) {
      error = Errors.SNAPSHOT_NOT_FOUND;
    }
    if (error === Errors.NONE && this.state.name === 'leader') {
      // It counts as a sign of life for the quorum check, and as no progress.
      if (request.replica.id >= 0) {
        this.state.leader.recordFetch(request.replica, -1, this.log.endOffset, this.now);
      }
    }
    this.respond(request, {
      type: 'fetchSnapshotResponse',
      ...this.answer(error),
      snapshotId,
      position,
      ...(request.maxBytes === undefined ? {} : { maxBytes: request.maxBytes }),
    });
  }

  // The high watermark.

  protected maybeAdvanceHighWatermark(): void {
    if (this.state.name !== 'leader') return;
    const { leader } = this.state;
    const majority = leader.majorityOffset(this.voters, this.self, this.log.durableEndOffset);
    if (!this.mayCommit(majority, leader)) return;
    if (this.raiseHighWatermark(majority)) {
      this.answerParkedFetches();
      const { offset } = this.log.voters;
      // Removed by a record that is now committed: the others have a leader to elect.
      if (!this.isVoter && offset < majority) this.becomeResigned();
    }
  }

  /**
   * M5: what earlier epochs wrote is committed only along with a record of this one. A seam for mutants in
   * tests.
   */
  protected mayCommit(offset: Offset, leader: LeaderState): boolean {
    return offset > leader.epochStartOffset;
  }

  protected raiseHighWatermark(offset: Offset): boolean {
    if (this.committed !== undefined && offset <= this.committed) return false;
    if (offset < 0) return false;
    this.committed = this.committed === undefined ? offset : max64(this.committed, offset);
    return true;
  }
}

/** A replica has one fetch at a time; readers that are no replicas have no number in common. */
function parkingPlace({ replica, correlationId }: FetchRequest): number {
  return replica.id >= 0 ? replica.id : -1 - correlationId;
}
