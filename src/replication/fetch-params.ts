import type { Int64, LeaderEpoch, Offset } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { AbortedTransaction, FetchDataInfo, FetchIsolation } from '../log/fetch-data-info.ts';

/** What a fetch asks for as a whole. */
export interface FetchParams {
  /** How long it may wait for `minBytes`, ms. */
  readonly maxWaitMs: number;
  readonly minBytes: number;
  /** Of all partitions together. The first batch of the first partition that has one is exceeded for. */
  readonly maxBytes: number;
  readonly isolation: FetchIsolation;
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
  readonly maxBytes: number;
}

export interface FetchPartitionResult {
  readonly errorCode: number;
  /** -1 where it is not known. */
  readonly highWatermark: Int64;
  readonly lastStableOffset: Int64;
  readonly logStartOffset: Int64;
  /** Undefined with an error or a divergence. */
  readonly data: FetchDataInfo | undefined;
  readonly abortedTransactions: readonly AbortedTransaction[] | undefined;
  /** Set where the fetcher's log has diverged: the largest epoch in common, and its end. */
  readonly divergingEpoch: { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | undefined;
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
  };
}
