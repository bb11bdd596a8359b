import type { MetadataImage } from '../metadata/metadata-image.ts';
import { DirectoryId } from '../metadata/directory-id.ts';
import type { Uuid } from '../base/uuid.ts';
import { FeatureName } from '../metadata/features.ts';
import type { MetadataRecord } from '../metadata/metadata-record.ts';
import { NO_LEADER, type PartitionRegistration } from '../metadata/partition-registration.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import { PartitionChangeBuilder } from './partition-change-builder.ts';

/** What the election needs of a topic's configuration. */
export interface TopicElectionConfigs {
  /** `topic` is a name; the answer counts the defaults of the cluster. */
  minInsyncReplicas(image: MetadataImage, topic: string): number;
  uncleanLeaderElection(image: MetadataImage, topic: string): boolean;
}

/** What happened to brokers. */
export interface BrokerStateChange {
  /** Gone from every ISR: fenced, or about to stop. */
  readonly brokerToRemove?: number;
  /** May lead from now on, though the image does not say so yet. */
  readonly brokerToAdd?: number;
  /** It stopped without a flush. */
  readonly uncleanShutdown?: number;
  /** Replicas of `brokerToRemove` only in these directories. */
  readonly directories?: ReadonlySet<Uuid>;
}

/** Moves leaders and in-sync replicas when brokers come and go. All of it follows from the image it is given. */
export class ReplicationControlManager {
  private readonly configs: TopicElectionConfigs;

  constructor(configs: TopicElectionConfigs) {
    this.configs = configs;
  }

  /** Whether the broker leads any partition. */
  hasLeaderships(image: MetadataImage, brokerId: number): boolean {
    for (const topic of image.topics.topics()) {
      if (topic.partitions.some(partition => partition.leader === brokerId)) return true;
    }
    return false;
  }

  /**
   * One record for each partition that `change` concerns: those that `brokerToRemove` is in the ISR of, or was, and
   * those without a leader that `brokerToAdd` replicates.
   */
  leaderAndIsrUpdates(image: MetadataImage, change: BrokerStateChange): MetadataRecord[] {
    const records: MetadataRecord[] = [];
    for (const topic of image.topics.topics()) {
      let options: TopicOptions | undefined;
      topic.partitions.forEach((partition, id) => {
        if (!isConcerned(partition, change)) return;
        options ??= this.topicOptions(image, topic);
        const record = this.update(image, topic, id, partition, change, options);
        if (record !== undefined) records.push(record);
      });
    }
    return records;
  }

  private update(
    image: MetadataImage,
    topic: TopicImage,
    id: number,
    partition: PartitionRegistration,
    change: BrokerStateChange,
    options: TopicOptions,
  ): MetadataRecord | undefined {
    const { brokerToRemove, brokerToAdd, uncleanShutdown } = change;
    const isAcceptableLeader = (brokerId: number): boolean => {
      if (brokerId === brokerToRemove || brokerId === uncleanShutdown) return false;
      if (brokerId === brokerToAdd) return true;
      return image.cluster.isActive(brokerId) && directoryIsOnline(image, partition, brokerId);
    };
    const builder = new PartitionChangeBuilder(topic.id, id, partition, {
      metadataVersion: image.features.metadataVersion,
      ...options,
      isAcceptableLeader,
    });
    builder.removeFromIsr(brokerId => brokerId === brokerToRemove || brokerId === uncleanShutdown);
    if (uncleanShutdown !== undefined) builder.withUncleanShutdown([uncleanShutdown]);
    return builder.build();
  }

  private topicOptions(image: MetadataImage, topic: TopicImage): TopicOptions {
    return {
      eligibleLeaderReplicas: image.features.level(FeatureName.ELIGIBLE_LEADER_REPLICAS_VERSION) > 0,
      minInsyncReplicas: this.configs.minInsyncReplicas(image, topic.name),
      uncleanElection: this.configs.uncleanLeaderElection(image, topic.name),
    };
  }
}

interface TopicOptions {
  readonly eligibleLeaderReplicas: boolean;
  readonly minInsyncReplicas: number;
  readonly uncleanElection: boolean;
}

function isConcerned(partition: PartitionRegistration, change: BrokerStateChange): boolean {
  const { brokerToRemove, brokerToAdd, uncleanShutdown, directories } = change;
  if (
    brokerToAdd !== undefined &&
    partition.leader === NO_LEADER &&
    partition.replicas.includes(brokerToAdd)
  ) {
    return true;
  }
  if (uncleanShutdown !== undefined) {
    if (partition.isr.includes(uncleanShutdown) || partition.elr.includes(uncleanShutdown)) return true;
  }
  if (brokerToRemove === undefined) return false;
  if (partition.leader !== brokerToRemove && !partition.isr.includes(brokerToRemove)) return false;
  if (directories === undefined) return true;
  const directory = partition.directories[partition.replicas.indexOf(brokerToRemove)];
  return directory !== undefined && directories.has(directory);
}

function directoryIsOnline(
  image: MetadataImage,
  partition: PartitionRegistration,
  brokerId: number,
): boolean {
  const directory = partition.directories[partition.replicas.indexOf(brokerId)];
  if (
    directory === undefined ||
    directory === DirectoryId.MIGRATING ||
    directory === DirectoryId.UNASSIGNED
  ) {
    return true;
  }
  return image.cluster.broker(brokerId)?.directories.includes(directory) ?? false;
}
