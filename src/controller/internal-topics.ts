import type { KafkaConfig } from '../config/kafka-config.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import type { CreatableTopic } from './topic-control-manager.ts';

/** How Kafka's own topics are made; `undefined` for any other name. */
export function internalTopic(name: string, config: KafkaConfig): CreatableTopic | undefined {
  switch (name) {
    case InternalTopic.CONSUMER_OFFSETS:
      return topic(
        name,
        config.int('offsets.topic.num.partitions'),
        config.int('offsets.topic.replication.factor'),
        {
          'compression.type': 'producer',
          'cleanup.policy': 'compact',
          'segment.bytes': String(config.int('offsets.topic.segment.bytes')),
        },
      );
    case InternalTopic.TRANSACTION_STATE:
      return topic(
        name,
        config.int('transaction.state.log.num.partitions'),
        config.int('transaction.state.log.replication.factor'),
        {
          'unclean.leader.election.enable': 'false',
          'compression.type': 'uncompressed',
          'cleanup.policy': 'compact',
          'min.insync.replicas': String(config.int('transaction.state.log.min.isr')),
          'segment.bytes': String(config.int('transaction.state.log.segment.bytes')),
        },
      );
    case InternalTopic.SHARE_GROUP_STATE:
      return topic(
        name,
        config.int('share.coordinator.state.topic.num.partitions'),
        config.int('share.coordinator.state.topic.replication.factor'),
        {
          'cleanup.policy': 'delete',
          'compression.type': 'uncompressed',
          'segment.bytes': String(config.int('share.coordinator.state.topic.segment.bytes')),
          'min.insync.replicas': String(config.int('share.coordinator.state.topic.min.isr')),
          'retention.ms': '-1',
        },
      );
    default:
      return undefined;
  }
}

function topic(
  name: string,
  numPartitions: number,
  replicationFactor: number,
  configs: Readonly<Record<string, string>>,
): CreatableTopic {
  const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  return { name, numPartitions, replicationFactor, assignments: [], configs: entries };
}
