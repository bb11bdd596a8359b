import type { Offset } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { FetchDataInfo, FetchIsolation } from '../log/fetch-data-info.ts';
import { type TopicPartition, topicPartitionKey } from '../log/topic-partition.ts';
import type { UnifiedLog } from '../log/unified-log.ts';
import type { ClusterImage } from '../metadata/cluster-image.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { Clock } from '../runtime/runtime.ts';
import type { FetchRead } from './delayed-fetch.ts';
import {
  CONSUMER,
  type FetchParams,
  type FetchPartition,
  type FetchPartitionResult,
  failedFetch,
} from './fetch-params.ts';
import type { FetchContext } from './fetch-session.ts';
import type { FetchTarget, TargetRead } from './fetch-target.ts';
import type { Partition } from './partition.ts';
import type { FetchSource } from './replica.ts';
import { rackAwareReplica } from './replica-selector.ts';
import { isThrottledReplica, type ReplicationQuota } from './replication-quota.ts';

/** What a {@link FetchReader} reads from. */
export interface FetchReaderOptions {
  readonly brokerId: number;
  /** Throws UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER. */
  readonly partition: (topicPartition: TopicPartition) => Partition;
  readonly cluster: () => ClusterImage;
  /** Consumers are sent to replicas in their rack. */
  readonly selectsByRack: () => boolean;
  readonly leaderQuota: ReplicationQuota;
}

const NO_DATA: Pick<FetchPartitionResult, 'data' | 'abortedTransactions' | 'divergingEpoch'> = {
  data: undefined,
  abortedTransactions: undefined,
  divergingEpoch: undefined,
};

/**
 * Reads what fetches ask for. A follower's fetch also tells how far its replica is.
 *
 * | fetcher                        | reads from        | up to                                     |
 * |--------------------------------|-------------------|-------------------------------------------|
 * | follower                       | the leader        | the log end offset                        |
 * | consumer before Fetch v11      | the leader        | the high watermark or last stable offset  |
 * | consumer                       | any replica       | that replica's own (R12)                  |
 */
export class FetchReader {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly options: FetchReaderOptions;

  constructor(clock: Clock, logger: Logger, options: FetchReaderOptions) {
    this.clock = clock;
    this.logger = logger;
    this.options = options;
  }

  /** Reads the targets that are due, until `maxBytes` are full; those that have nothing to tell are settled. */
  readAll(params: FetchParams, context: FetchContext): FetchRead {
    const reads: TargetRead[] = [];
    let sizeInBytes = 0;
    let mustAnswer = false;
    for (const target of context.due()) {
      const left = params.maxBytes - sizeInBytes;
      if (left <= 0 && !context.isFull) break;
      const result = this.readOne(params, context.source, target, left, sizeInBytes === 0);
      if (result.isAtEnd && !context.isFull && !target.isNews(result)) {
        context.settle(target);
        continue;
      }
      reads.push({ target, result });
      sizeInBytes += result.data?.sizeInBytes ?? 0;
      mustAnswer ||=
        result.errorCode !== Errors.NONE ||
        result.divergingEpoch !== undefined ||
        result.preferredReadReplica >= 0 ||
        (params.replicaId !== CONSUMER && !params.ignoresHighWatermark && target.isNews(result)) ||
        // Somebody may wait for all replicas to have deleted records.
        (params.replicaId !== CONSUMER && target.isNewStart(result));
    }
    return { reads, sizeInBytes, mustAnswer };
  }

  private readOne(
    params: FetchParams,
    source: FetchSource | undefined,
    target: FetchTarget,
    bytesLeft: number,
    minOneMessage: boolean,
  ): FetchPartitionResult {
    const { wanted } = target;
    if (wanted.topic === undefined) return failedFetch(Errors.UNKNOWN_TOPIC_ID);
    const topicPartition = { topic: wanted.topic, partition: wanted.partition };
    try {
      const partition = this.options.partition(topicPartition);
      target.watch(partition);
      const maxBytes = Math.max(0, Math.min(wanted.maxBytes, bytesLeft));
      return params.replicaId === CONSUMER
        ? this.readForConsumer(params, partition, wanted, maxBytes, minOneMessage)
        : this.readForFollower(params, source, target, partition, maxBytes, minOneMessage);
    } catch (error) {
      if (!(error instanceof KafkaError)) {
        const stack = String((error as Error)?.stack ?? error);
        const fields = { partition: topicPartitionKey(topicPartition), error: stack };
        this.logger.error(
          "a fetch failed for a reason that is none of the protocol's: please report it",
          fields,
        );
      }
      return failedFetch(errorCodeOf(error));
    }
  }

  private readForConsumer(
    params: FetchParams,
    partition: Partition,
    wanted: FetchPartition,
    maxBytes: number,
    minOneMessage: boolean,
  ): FetchPartitionResult {
    const { clientRack, isolation } = params;
    const log = clientRack === undefined ? partition.leaderLog() : partition.anyLog();
    partition.checkLeaderEpoch(wanted.currentLeaderEpoch);
    const preferredReadReplica = this.preferredReadReplica(partition, clientRack, wanted);
    if (preferredReadReplica >= 0) return { ...positionsOf(log), ...NO_DATA, preferredReadReplica };
    // A replica that has nothing of a later epoch may only be behind: that its log ends first says nothing.
    const isJudge = partition.isLeader || (log.latestEpoch ?? -1) > wanted.lastFetchedEpoch;
    const divergingEpoch = isJudge ? divergence(log, wanted) : undefined;
    if (divergingEpoch !== undefined) return { ...positionsOf(log), ...NO_DATA, divergingEpoch };
    const data = log.read(wanted.fetchOffset, maxBytes, isolation, minOneMessage);
    return resultOf(log, data, wanted.fetchOffset >= endOf(log, isolation));
  }

  private preferredReadReplica(
    partition: Partition,
    clientRack: string | undefined,
    { fetchOffset }: FetchPartition,
  ): number {
    if (clientRack === undefined || !partition.isLeader || !this.options.selectsByRack()) return -1;
    const { brokerId, cluster } = this.options;
    const nowMs = this.clock.monotonicMs();
    return rackAwareReplica(partition, cluster(), brokerId, clientRack, fetchOffset, nowMs);
  }

  private readForFollower(
    params: FetchParams,
    source: FetchSource | undefined,
    target: FetchTarget,
    partition: Partition,
    maxBytes: number,
    minOneMessage: boolean,
  ): FetchPartitionResult {
    const { wanted, isNamed } = target;
    const { fetchOffset, logStartOffset } = wanted;
    target.isNamed = false;
    const log = partition.leaderLog();
    partition.checkLeaderEpoch(wanted.currentLeaderEpoch);
    const divergingEpoch = divergence(log, wanted);
    if (divergingEpoch !== undefined) return { ...positionsOf(log), ...NO_DATA, divergingEpoch };
    const isThrottled = this.isThrottled(partition, params.replicaId);
    const data = log.read(fetchOffset, isThrottled ? 0 : maxBytes, 'logEnd', minOneMessage && !isThrottled);
    if (isNamed) {
      partition.updateFollowerFetchState(params.replicaId, {
        fetchOffset,
        logStartOffset,
        brokerEpoch: params.replicaEpoch,
        nowMs: this.clock.monotonicMs(),
        leaderEndOffset: log.logEndOffset,
        source,
      });
    }
    return resultOf(log, data, fetchOffset >= log.logEndOffset);
  }

  /** A replica that catches up may not take the bandwidth of those that are in sync. */
  private isThrottled(partition: Partition, replicaId: number): boolean {
    const throttled = partition.leaderLog().config.leaderReplicationThrottledReplicas;
    if (throttled.length === 0 || partition.isInSync(replicaId)) return false;
    if (!isThrottledReplica(throttled, partition.topicPartition, this.options.brokerId)) return false;
    return this.options.leaderQuota.isExceeded();
  }

  /** Counts what is sent to throttled replicas. */
  recordSent(params: FetchParams, reads: readonly TargetRead[]): void {
    if (params.replicaId === CONSUMER) return;
    for (const { target, result } of reads) {
      const { partition } = target;
      const sizeInBytes = result.data?.sizeInBytes ?? 0;
      if (sizeInBytes === 0 || partition === undefined) continue;
      const throttled = partition.log?.config.leaderReplicationThrottledReplicas ?? [];
      if (throttled.length === 0 || partition.isInSync(params.replicaId)) continue;
      if (isThrottledReplica(throttled, partition.topicPartition, this.options.brokerId)) {
        this.options.leaderQuota.record(sizeInBytes);
      }
    }
  }
}

function endOf(log: UnifiedLog, isolation: FetchIsolation): Offset {
  if (isolation === 'logEnd') return log.logEndOffset;
  return isolation === 'txnCommitted' ? log.lastStableOffset : log.highWatermark;
}

function positionsOf(log: UnifiedLog) {
  return {
    errorCode: Errors.NONE,
    highWatermark: log.highWatermark,
    lastStableOffset: log.lastStableOffset,
    logStartOffset: log.logStartOffset,
    preferredReadReplica: -1,
    isAtEnd: false,
  };
}

function resultOf(log: UnifiedLog, data: FetchDataInfo, isAtEnd: boolean): FetchPartitionResult {
  const { abortedTransactions } = data;
  return { ...positionsOf(log), data, abortedTransactions, divergingEpoch: undefined, isAtEnd };
}

/** Where the fetcher's log parts from ours, if the epoch of its last record says that it does (KIP-595). */
function divergence(log: UnifiedLog, wanted: FetchPartition): FetchPartitionResult['divergingEpoch'] {
  const { lastFetchedEpoch, fetchOffset } = wanted;
  if (lastFetchedEpoch < 0) return undefined;
  const end = log.endOffsetForEpoch(lastFetchedEpoch);
  if (end === undefined) {
    throw new KafkaError(Errors.OFFSET_OUT_OF_RANGE, `no epoch up to ${lastFetchedEpoch} is in the log`);
  }
  if (fetchOffset < log.logStartOffset) {
    throw new KafkaError(
      Errors.OFFSET_OUT_OF_RANGE,
      `offset ${fetchOffset} is below the log start offset ${log.logStartOffset}`,
    );
  }
  const diverges = end.leaderEpoch < lastFetchedEpoch || end.offset < fetchOffset;
  return diverges ? { epoch: end.leaderEpoch, endOffset: end.offset } : undefined;
}
