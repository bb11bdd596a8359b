import type { LeaderEpoch, Offset } from '../base/int64.ts';
import type { LogEntry, LogSummaryInit, VoterSetAtOffset } from './log-summary.ts';
import type { ElectionState } from './quorum-state.ts';
import type { LeaderAndEpoch, OffsetAndEpoch } from './raft-client.ts';
import type { RaftMessage } from './raft-message.ts';
import type { ReplicaKey, VoterNode, VoterSet } from './voter-set.ts';

export interface RaftCoreOptions {
  readonly self: ReplicaKey;
  /**
   * Whom to ask for the leader beside the voters. Negative ids stand for addresses whose node is not known; a voter
   * asks those too.
   */
  readonly bootstrapIds?: readonly number[];
  /** Elections time out after one to two of these. */
  readonly electionTimeoutMs: number;
  readonly electionBackoffMaxMs: number;
  readonly fetchTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly retryBackoffMs: number;
  /** How long a leader holds a fetch that it has nothing for. */
  readonly fetchMaxWaitMs: number;
  /** An integer in [0, bound). The only source of chance. */
  readonly random: (bound: number) => number;
  /** Of the first request. Distinct between incarnations, where the transport may mix up their responses. */
  readonly firstCorrelationId?: number;
}

/** Kafka's defaults for all but the identity and the source of chance. */
export const DEFAULT_TIMEOUTS = {
  electionTimeoutMs: 1000,
  electionBackoffMaxMs: 1000,
  fetchTimeoutMs: 2000,
  requestTimeoutMs: 2000,
  retryBackoffMs: 20,
  fetchMaxWaitMs: 500,
} as const;

/** What a replica comes back with after a restart. */
export interface RaftCoreInit {
  readonly election: ElectionState;
  readonly log: LogSummaryInit;
}

/**
 * What an append is: control records are the core's own business, so a client's batch is data of some
 * records.
 */
export interface AppendBatch {
  readonly recordCount: number;
  readonly payload: unknown;
}

export type RaftEvent =
  /** Time has passed. */
  | { readonly type: 'tick' }
  | { readonly type: 'receive'; readonly message: RaftMessage }
  /** A request to `peer` could not be sent, or its answer is not coming. `refused`: nobody listens where it was. */
  | {
      readonly type: 'requestFailed';
      readonly peer: number;
      readonly correlationId: number;
      readonly refused: boolean;
    }
  /** Only while leading in `epoch`. */
  | { readonly type: 'append'; readonly epoch: LeaderEpoch; readonly batches: readonly AppendBatch[] }
  /** Everything below `endOffset` is on disk. `truncations` is that of the log when the flush began. */
  | { readonly type: 'flushed'; readonly endOffset: Offset; readonly truncations: number }
  /** A snapshot of the committed prefix is on disk. */
  | { readonly type: 'snapshotCreated'; readonly id: OffsetAndEpoch }
  /** The prefix of the log was deleted behind a snapshot. */
  | { readonly type: 'logStartAdvanced'; readonly startOffset: Offset }
  /** The snapshot that was fetched is on disk and has replaced the log. */
  | {
      readonly type: 'snapshotInstalled';
      readonly id: OffsetAndEpoch;
      readonly voters: VoterSetAtOffset | undefined;
    }
  /** What was fetched is no snapshot. */
  | { readonly type: 'snapshotRefused' }
  | { readonly type: 'resign'; readonly epoch: LeaderEpoch }
  | { readonly type: 'addVoter'; readonly voter: VoterNode }
  | { readonly type: 'removeVoter'; readonly voter: ReplicaKey }
  /** Replaces endpoints and versions of a voter. */
  | { readonly type: 'updateVoter'; readonly voter: VoterNode }
  /** Raises `kraft.version`: the same voters, as records from now on. */
  | { readonly type: 'upgradeVoters'; readonly voters: VoterSet; readonly kraftVersion: number };

/**
 * What to do after a step, in this order: `persist`, `truncateTo`, `appends` and `snapshotChunk` first;
 * `messages` only after `persist` is durable and the appends can be read back. A flush of the appends may
 * take its time: the core itself holds back what depends on it until it sees `flushed`.
 */
export interface Ready {
  readonly persist: ElectionState | undefined;
  /** Exclusive: records at and above it go. */
  readonly truncateTo: Offset | undefined;
  readonly appends: readonly LogEntry[];
  readonly snapshotChunk:
    | {
        readonly id: OffsetAndEpoch;
        readonly position: number;
        readonly bytes: Buffer;
        readonly last: boolean;
      }
    | undefined;
  readonly messages: readonly RaftMessage[];
  /** If it has moved. */
  readonly highWatermark: Offset | undefined;
  /** If it has changed. */
  readonly leaderAndEpoch: LeaderAndEpoch | undefined;
  /** Kafka's error code of a change of the voters that was refused. */
  readonly refused: number | undefined;
  /** When the next `tick` is due, on the clock of `nowMs`; `Infinity` for never. */
  readonly nextDeadlineMs: number;
}

/** A view for DescribeQuorum and metrics. */
export interface QuorumStatus {
  readonly state: string;
  readonly leaderId: number | undefined;
  readonly epoch: LeaderEpoch;
  readonly highWatermark: Offset | undefined;
  readonly voters: VoterSet;
  readonly replicas: readonly ReplicaStatus[];
}

export interface ReplicaStatus extends ReplicaKey {
  readonly isVoter: boolean;
  readonly logEndOffset: Offset;
  /** On the clock of `nowMs`; -1 for never. The leader itself: now. */
  readonly lastFetchMs: number;
  readonly lastCaughtUpMs: number;
}
