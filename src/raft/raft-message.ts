import type { LeaderEpoch, Offset } from '../base/int64.ts';
import type { LogEntry } from './log-summary.ts';
import type { OffsetAndEpoch } from './raft-client.ts';
import type { ReplicaKey } from './voter-set.ts';

/**
 * What replicas say to each other, as the core sees it: the fields of Kafka's Vote (0-2), BeginQuorumEpoch,
 * EndQuorumEpoch, Fetch and FetchSnapshot that bear on the quorum, without topics, cluster id and endpoints,
 * which the transport adds and checks. A response names its request by `correlationId`, unique among the
 * requests of one incarnation of the sender; one that matches no request in flight is ignored.
 */
export type RaftMessage = RaftRequest | RaftResponse;

interface Envelope {
  readonly from: number;
  readonly to: number;
  readonly correlationId: number;
}

export interface VoteRequest extends Envelope {
  readonly type: 'vote';
  /** The epoch the candidate is in; with `preVote` the one it would leave. */
  readonly epoch: LeaderEpoch;
  readonly candidate: ReplicaKey;
  /** Whom it is meant for: a replica with another directory id refuses it (M12). */
  readonly voter: ReplicaKey;
  readonly lastEpoch: LeaderEpoch;
  /** Log end offset of the candidate; exclusive. */
  readonly lastOffset: Offset;
  readonly preVote: boolean;
}

export interface BeginQuorumEpochRequest extends Envelope {
  readonly type: 'beginQuorumEpoch';
  readonly epoch: LeaderEpoch;
  readonly leaderId: number;
  readonly voter: ReplicaKey;
}

export interface EndQuorumEpochRequest extends Envelope {
  readonly type: 'endQuorumEpoch';
  readonly epoch: LeaderEpoch;
  readonly leaderId: number;
  /** The most caught up first. */
  readonly preferredCandidates: readonly ReplicaKey[];
}

export interface FetchRequest extends Envelope {
  readonly type: 'fetch';
  readonly epoch: LeaderEpoch;
  readonly replica: ReplicaKey;
  /** Everything below it is durable at the replica. */
  readonly fetchOffset: Offset;
  readonly lastFetchedEpoch: LeaderEpoch;
  /** The replica's own: a newer one is worth an answer without records. -1 if unknown. */
  readonly highWatermark: Offset;
  readonly maxWaitMs: number;
  /** Of records that it wants; the first batch comes whole. No limit of its own if left out. */
  readonly maxBytes?: number;
}

export interface FetchSnapshotRequest extends Envelope {
  readonly type: 'fetchSnapshot';
  readonly epoch: LeaderEpoch;
  readonly replica: ReplicaKey;
  readonly snapshotId: OffsetAndEpoch;
  /** Bytes. */
  readonly position: number;
  /** That it wants. No limit of its own if left out. */
  readonly maxBytes?: number;
}

export type RaftRequest =
  | VoteRequest
  | BeginQuorumEpochRequest
  | EndQuorumEpochRequest
  | FetchRequest
  | FetchSnapshotRequest;

interface ResponseEnvelope extends Envelope {
  /** Kafka's code. */
  readonly error: number;
  /** What the sender knows of the leader. */
  readonly leaderId: number | undefined;
  readonly epoch: LeaderEpoch;
}

export interface VoteResponse extends ResponseEnvelope {
  readonly type: 'voteResponse';
  readonly voteGranted: boolean;
}

export interface BeginQuorumEpochResponse extends ResponseEnvelope {
  readonly type: 'beginQuorumEpochResponse';
}

export interface EndQuorumEpochResponse extends ResponseEnvelope {
  readonly type: 'endQuorumEpochResponse';
}

export interface FetchResponse extends ResponseEnvelope {
  readonly type: 'fetchResponse';
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
  /** The logs part ways: what the leader has of the largest epoch not above the replica's. */
  readonly divergingEpoch?: OffsetAndEpoch;
  /** The log no longer holds what is asked for: this snapshot does. */
  readonly snapshotId?: OffsetAndEpoch;
  /** Going out: whoever sends it reads the log from here and fills `entries`. */
  readonly readFrom?: Offset;
  /** Going out: what the request gave. */
  readonly maxBytes?: number;
  /** Coming in. */
  readonly entries?: readonly LogEntry[];
}

export interface FetchSnapshotResponse extends ResponseEnvelope {
  readonly type: 'fetchSnapshotResponse';
  readonly snapshotId: OffsetAndEpoch;
  readonly position: number;
  /** Going out: what the request gave. */
  readonly maxBytes?: number;
  /** Size of the snapshot in bytes and a part of it: filled by whoever sends it. */
  readonly size?: number;
  readonly bytes?: Buffer;
}

export type RaftResponse =
  | VoteResponse
  | BeginQuorumEpochResponse
  | EndQuorumEpochResponse
  | FetchResponse
  | FetchSnapshotResponse;
