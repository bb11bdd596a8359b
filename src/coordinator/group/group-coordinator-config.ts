import type { CompressionType } from '../../compression/compression-type.ts';

/** What the group coordinator takes from the broker's configuration, by the keys given. Times in ms, sizes in bytes. */
export interface GroupCoordinatorConfig {
  /** `offsets.topic.num.partitions`: of `__consumer_offsets` when it is created. */
  readonly offsetsTopicPartitions: number;
  /** `offsets.topic.compression.codec`: of the batches in `__consumer_offsets`. */
  readonly offsetsTopicCompression: CompressionType;
  /** `offset.metadata.max.bytes`. */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, as ms. */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms`. */
  readonly offsetsRetentionCheckIntervalMs: number;
  /** `offsets.commit.timeout.ms`: of every write of the coordinator. */
  readonly offsetCommitTimeoutMs: number;
  /** `group.coordinator.append.linger.ms`. */
  readonly appendLingerMs: number;
  /** `group.initial.rebalance.delay.ms`. */
  readonly initialRebalanceDelayMs: number;
  /** `group.min.session.timeout.ms`. */
  readonly minSessionTimeoutMs: number;
  /** `group.max.session.timeout.ms`. */
  readonly maxSessionTimeoutMs: number;
  /** `group.max.size`: members. */
  readonly groupMaxSize: number;
  /** How long a member that has not finished its first join may wait in it. */
  readonly newMemberJoinTimeoutMs: number;
}

/** Kafka's defaults. */
export const DEFAULT_GROUP_COORDINATOR_CONFIG: GroupCoordinatorConfig = {
  offsetsTopicPartitions: 50,
  offsetsTopicCompression: 0,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 7 * 24 * 60 * 60 * 1000,
  offsetsRetentionCheckIntervalMs: 10 * 60 * 1000,
  offsetCommitTimeoutMs: 5000,
  appendLingerMs: -1,
  initialRebalanceDelayMs: 3000,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 30 * 60 * 1000,
  groupMaxSize: 0x7fff_ffff,
  newMemberJoinTimeoutMs: 5 * 60 * 1000,
};

/** The part of `KafkaConfig` that is read here. */
export interface ConfigValues {
  int(key: string): number;
  long(key: string): number | bigint;
}

/** The coordinator's part of a broker configuration. */
export function groupCoordinatorConfigOf(config: ConfigValues): GroupCoordinatorConfig {
  return {
    offsetsTopicPartitions: config.int('offsets.topic.num.partitions'),
    offsetsTopicCompression: config.int('offsets.topic.compression.codec') as CompressionType,
    offsetMetadataMaxBytes: config.int('offset.metadata.max.bytes'),
    offsetsRetentionMs: config.int('offsets.retention.minutes') * 60_000,
    offsetsRetentionCheckIntervalMs: Number(config.long('offsets.retention.check.interval.ms')),
    offsetCommitTimeoutMs: config.int('offsets.commit.timeout.ms'),
    appendLingerMs: config.int('group.coordinator.append.linger.ms'),
    initialRebalanceDelayMs: config.int('group.initial.rebalance.delay.ms'),
    minSessionTimeoutMs: config.int('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: config.int('group.max.session.timeout.ms'),
    groupMaxSize: config.int('group.max.size'),
    newMemberJoinTimeoutMs: DEFAULT_GROUP_COORDINATOR_CONFIG.newMemberJoinTimeoutMs,
  };
}
