import type { BrokerEpoch, Int64, LeaderEpoch, Offset } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { AbortedTransaction, FetchDataInfo, FetchIsolation } from '../log/fetch-data-info.ts';

/** The replica id of whoever is no replica. */
export const CONSUMER = -1;

/** What a fetch asks for as a whole. */
export interface FetchParams {
  /** The broker id of a follower, or {@link CONSUMER}. */
  readonly replicaId: number;
  /** Of the follower; -1 if it does not say. */
  readonly replicaEpoch: BrokerEpoch;
  /** How long it may wait for `minBytes`, ms. */
  readonly maxWaitMs: number;
  readonly minBytes: number;
  /** Of all partitions together. The first batch of the first partition that has one is exceeded for. */
  readonly maxBytes: number;
  /** Of a consumer; a follower reads up to the end of the log. */
  readonly isolation: FetchIsolation;
  /** A consumer that can be sent to another replica, and so may read from a follower (KIP-392); its rack, or ''. */
  readonly clientRack: string | undefined;
  /**
   * A higher high watermark alone is no reason to answer; it is told with what comes next. So it is for followers,
   * since an answer for each would double the requests of replication, unless consumers read from them.
   */
  readonly ignoresHighWatermark: boolean;
}

/** What a fetch asks of one partition. */
export interface FetchPartition {
  /** Undefined where a topic id names no topic of this cluster. */
  readonly topic: string | undefined;
  readonly topicId: Uuid;
  readonly partition: number;
  /** -1 if the client does not say. */
  readonly currentLeaderEpoch: LeaderEpoch;
  readonly fetchOffset: Offset;
  /** The epoch of the last record that the fetcher has; -1 if it does not say. */
  readonly lastFetchedEpoch: LeaderEpoch;
  /** Of a follower; -1 if it does not say. */
  readonly logStartOffset: Offset;
  readonly maxBytes: number;
}

export interface FetchPartitionResult {
  readonly errorCode: number;
  /** -1 where it is not known. */
  readonly highWatermark: Int64;
  readonly lastStableOffset: Int64;
  readonly logStartOffset: Int64;
  /** Undefined with an error, a divergence or a preferred replica. */
  readonly data: FetchDataInfo | undefined;
  readonly abortedTransactions: readonly AbortedTransaction[] | undefined;
  /** Set where the fetcher's log has diverged: the largest epoch in common, and its end. */
  readonly divergingEpoch: { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | undefined;
  /** The broker id of the replica that the consumer should read from; -1 for this one. */
  readonly preferredReadReplica: number;
  /** There is nothing behind the fetch offset that this fetcher may read. */
  readonly isAtEnd: boolean;
}

export function failedFetch(errorCode: number): FetchPartitionResult {
  return {
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    data: undefined,
    abortedTransactions: undefined,
    divergingEpoch: undefined,
    preferredReadReplica: -1,
    isAtEnd: false,
  };
}
