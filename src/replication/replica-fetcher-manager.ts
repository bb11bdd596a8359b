import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { TopicPartition } from '../log/topic-partition.ts';
import { NO_LEADER } from '../metadata/partition-registration.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { FetcherPartition } from './fetcher-partition.ts';
import type { LeaderEndPoint } from './leader-end-point.ts';
import type { Partition } from './partition.ts';
import { ReplicaFetcher } from './replica-fetcher.ts';
import type { ReplicationQuota } from './replication-quota.ts';

export interface ReplicaFetcherManagerOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => BrokerEpoch;
  readonly config: () => KafkaConfig;
  readonly leaderEndPoint: (leaderId: number, fetcherId: number) => LeaderEndPoint;
  /** Of the throttled replicas of this broker, over all its fetchers. */
  readonly quota: ReplicationQuota;
  /** Writes the log start offsets in these log directories, so that they outlive the process. */
  readonly persistLogStartOffsets: (logDirs: ReadonlySet<string>) => void;
}

interface Assignment {
  readonly state: FetcherPartition;
  readonly fetcher: ReplicaFetcher;
}

/** The fetchers of a broker: `num.replica.fetchers` for each leader that it follows, made and closed as needed. */
export class ReplicaFetcherManager {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: ReplicaFetcherManagerOptions;
  /** By leader id and fetcher id. */
  private readonly fetchers = new Map<string, ReplicaFetcher>();
  private readonly assignments = new Map<Partition, Assignment>();
  /** `num.replica.fetchers`, for each leader. */
  private fetcherCount: number;
  private isSweepScheduled = false;
  private stopped = false;

  constructor(runtime: Runtime, logger: Logger, options: ReplicaFetcherManagerOptions) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
    this.fetcherCount = options.config().int('num.replica.fetchers');
  }

  /** The count of fetchers that have partitions, or had until just now. */
  get size(): number {
    return this.fetchers.size;
  }

  /** Fetches `partition` from its leader from now on; from nobody if it has none. */
  follow(partition: Partition): void {
    const { leaderId, leaderEpoch, log } = partition;
    const present = this.assignments.get(partition)?.state;
    const isSame = present?.leaderId === leaderId && present.leaderEpoch === leaderEpoch;
    if (isSame && present.status !== 'removed') return;
    this.remove(partition);
    if (this.stopped || leaderId === NO_LEADER || log === undefined) return;
    const fetcher = this.fetcherFor(leaderId, partition.topicPartition);
    const state = new FetcherPartition(partition, log);
    this.assignments.set(partition, { state, fetcher });
    fetcher.add(state);
  }

  /** This broker leads the partition now, or has no replica of it that works. */
  remove(partition: Partition): void {
    const assignment = this.assignments.get(partition);
    if (assignment === undefined) return;
    this.assignments.delete(partition);
    assignment.fetcher.remove(assignment.state);
    this.sweepLater();
  }

  /** There may be more fetchers, or fewer: partitions go over to those that are theirs now. */
  onConfigChanged(): void {
    const count = this.options.config().int('num.replica.fetchers');
    if (count === this.fetcherCount) return;
    this.fetcherCount = count;
    for (const [partition, { fetcher }] of [...this.assignments]) {
      if (this.fetcherFor(partition.leaderId, partition.topicPartition) === fetcher) continue;
      this.remove(partition);
      this.follow(partition);
    }
    this.sweepLater();
  }

  /** Brokers may be reachable that were not. */
  onBrokersChanged(): void {
    for (const fetcher of this.fetchers.values()) fetcher.retryNow();
  }

  async shutdown(): Promise<void> {
    this.stopped = true;
    this.assignments.clear();
    for (const fetcher of this.fetchers.values()) fetcher.close();
    this.fetchers.clear();
  }

  private fetcherFor(leaderId: number, topicPartition: TopicPartition): ReplicaFetcher {
    const fetcherId = hashOf(topicPartition) % this.fetcherCount;
    const key = `${leaderId}-${fetcherId}`;
    let fetcher = this.fetchers.get(key);
    if (fetcher === undefined) {
      const endPoint = this.options.leaderEndPoint(leaderId, fetcherId);
      fetcher = new ReplicaFetcher(this.runtime, this.logger, endPoint, this.options);
      this.fetchers.set(key, fetcher);
    }
    return fetcher;
  }

  /** A delta of the metadata may take all partitions of a fetcher and give it others. */
  private sweepLater(): void {
    if (this.isSweepScheduled) return;
    this.isSweepScheduled = true;
    this.runtime.timers.soon(() => {
      this.isSweepScheduled = false;
      for (const [key, fetcher] of this.fetchers) {
        if (!fetcher.isEmpty) continue;
        fetcher.close();
        this.fetchers.delete(key);
      }
    });
  }
}

function hashOf({ topic, partition }: TopicPartition): number {
  let hash = 0;
  for (let i = 0; i < topic.length; i++) hash = (Math.imul(hash, 31) + topic.charCodeAt(i)) | 0;
  return (Math.imul(hash, 31) + partition) & 0x7fff_ffff;
}
