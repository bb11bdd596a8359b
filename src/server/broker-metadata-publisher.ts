import type { Logger } from '../base/logger.ts';
import type { DynamicBrokerConfig } from '../config/dynamic-broker-config.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { TransactionCoordinator } from '../coordinator/transaction-coordinator.ts';
import type { LogManager } from '../log/log-manager.ts';
import { ConfigResourceType } from '../metadata/config-resource.ts';
import type { MetadataDelta } from '../metadata/metadata-delta.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import type { TopicsDelta } from '../metadata/topics-delta.ts';
import type { ReplicaManager } from '../replication/replica-manager.ts';
import { applyDynamicConfig } from './apply-dynamic-config.ts';

export interface BrokerMetadataTargets {
  readonly nodeId: number;
  readonly logManager: LogManager;
  readonly replicaManager: ReplicaManager;
  readonly groupCoordinator: GroupCoordinator;
  readonly transactionCoordinator: TransactionCoordinator;
}

/**
 * Turns new metadata into what this broker does: its configuration and that of its logs, the replicas it hosts, the
 * partitions whose groups and transactions it coordinates. In this order, because each needs the one before it.
 */
export class BrokerMetadataPublisher implements MetadataPublisher {
  readonly name = 'broker-metadata';
  private readonly logger: Logger;
  private readonly dynamicConfig: DynamicBrokerConfig;
  private readonly targets: BrokerMetadataTargets;
  private isFirst = true;

  constructor(logger: Logger, dynamicConfig: DynamicBrokerConfig, targets: BrokerMetadataTargets) {
    this.logger = logger;
    this.dynamicConfig = dynamicConfig;
    this.targets = targets;
  }

  onMetadataUpdate(delta: MetadataDelta, image: MetadataImage): void {
    if (this.isFirst) this.setStrayLogsAside(image);
    // Logs were loaded with an image from before this one.
    if (this.isFirst) this.updateAllConfigs(image);
    else this.updateConfigs(delta, image);
    this.isFirst = false;
    if (delta.topics !== undefined) {
      this.updateReplicas(delta.topics, image);
      this.updateCoordinators(delta.topics, image);
    }
    if (delta.cluster !== undefined) this.targets.replicaManager.onBrokersChanged();
  }

  /** Logs whose topic was deleted, or moved away, while this broker was down. They stay for somebody to look at. */
  private setStrayLogsAside({ topics }: MetadataImage): void {
    const { logManager, nodeId } = this.targets;
    logManager.setDuplicatesAside(name => topics.topic(name)?.id);
    for (const { topicPartition, topicId, isFuture } of [...logManager.allLogs, ...logManager.futures.all]) {
      const topic = topics.topic(topicPartition.topic);
      const isSame = topic !== undefined && (topicId === undefined || topicId === topic.id);
      const isHere = isSame && topic.partitions[topicPartition.partition]?.replicas.includes(nodeId) === true;
      if (!isHere) logManager.asyncDelete(topicPartition, { stray: true, isFuture });
    }
  }

  private updateConfigs({ configs }: MetadataDelta, image: MetadataImage): void {
    if (configs === undefined) return;
    const isBrokerChanged =
      configs.changed(ConfigResourceType.BROKER, '') !== undefined ||
      configs.changed(ConfigResourceType.BROKER, String(this.targets.nodeId)) !== undefined;
    if (isBrokerChanged) {
      this.updateAllConfigs(image);
      return;
    }
    for (const { resource } of configs.changes.values()) {
      const { type, name } = resource;
      const isTopic = type === ConfigResourceType.TOPIC && image.topics.topic(name) !== undefined;
      const config = this.dynamicConfig.logConfig(image.configs.topic(name));
      if (isTopic) this.targets.logManager.updateTopicConfig(name, config);
    }
  }

  /** The broker's own configuration, and with it the defaults of every topic. */
  private updateAllConfigs(image: MetadataImage): void {
    const { nodeId, logManager } = this.targets;
    applyDynamicConfig(this.logger, this.dynamicConfig, nodeId, image);
    logManager.updateAllConfigs();
  }

  private updateReplicas(delta: TopicsDelta, image: MetadataImage): void {
    const changed: TopicImage[] = [];
    for (const id of delta.changedTopics.keys()) {
      const topic = image.topics.topicById(id);
      if (topic !== undefined) changed.push(topic);
    }
    this.targets.replicaManager.applyTopics(changed, delta.deletedTopics.values());
  }

  private updateCoordinators(delta: TopicsDelta, image: MetadataImage): void {
    const { groupCoordinator, transactionCoordinator, nodeId } = this.targets;
    const coordinators = new Map<string, GroupCoordinator | TransactionCoordinator>([
      [InternalTopic.CONSUMER_OFFSETS, groupCoordinator],
      [InternalTopic.TRANSACTION_STATE, transactionCoordinator],
    ]);
    const { electedLeaders, followers, deletes } = delta.localChanges(nodeId);
    for (const { topic, topicId, partitionId, partition } of electedLeaders) {
      const coordinator = coordinators.get(topic);
      if (coordinator === undefined) continue;
      const { leaderEpoch } = partition;
      // One delta may hold several elections. Whoever led in between has written what memory here does not know (G5).
      const old = delta.image.partitionById(topicId, partitionId);
      const goesOn = old?.leader === nodeId && old.leaderEpoch + 1 === leaderEpoch;
      if (!goesOn) coordinator.onResignation(partitionId, leaderEpoch);
      void coordinator.onElection(partitionId, leaderEpoch);
    }
    for (const { topic, partitionId, partition } of followers) {
      coordinators.get(topic)?.onResignation(partitionId, partition.leaderEpoch);
    }
    for (const { topic, partitionId } of deletes) {
      coordinators.get(topic)?.onResignation(partitionId);
    }
    const gone = [...delta.deletedTopics.values()].filter(
      topic => image.topics.topicById(topic.id) === undefined,
    );
    if (gone.length > 0)
      groupCoordinator.onTopicsDeleted(gone.map(({ id, name }) => ({ topicId: id, name })));
  }
}
