import { brokerKeyFallbacks } from './broker-keys.ts';
import { parseConfigValue } from './config-value.ts';
import type { KafkaConfig } from './kafka-config.ts';
import type { ConfigValue } from './key-definition.ts';
import type { LogCompressionType, LogConfig } from './log-config.ts';
import { TOPIC_KEYS, type TopicKeyDefinition } from './topic-keys.ts';

/**
 * What is wrong with setting `name` to `value`, as a sentence for the client (Kafka's code: INVALID_CONFIG), or
 * `undefined`. `null` removes the key, which is never wrong.
 */
export function validateTopicConfig(name: string, value: string | null): string | undefined {
  const key = TOPIC_KEYS.get(name);
  if (key === undefined) return `Unknown topic config name: ${name}`;
  if (value === null) return undefined;
  const parsed = parseConfigValue(key, value);
  if (!parsed.ok) return `Invalid value ${value} for configuration ${name}: it ${parsed.problem}`;
  if (key.status.kind === 'refused' && value.trim().toLowerCase() !== key.defaultText) {
    return `Invalid value ${value} for configuration ${name}: ${key.status.reason}`;
  }
  return undefined;
}

/**
 * What is wrong with the whole configuration of a topic: the first wrong value, or values that contradict each other
 * (with what the broker adds).
 */
export function validateTopicConfigs(
  configs: ReadonlyMap<string, string>,
  broker?: KafkaConfig,
): string | undefined {
  for (const [name, value] of configs) {
    const problem = validateTopicConfig(name, value);
    if (problem !== undefined) return problem;
  }
  const values = broker === undefined ? undefined : logConfigOf(broker, configs);
  const lag = (name: string): number => Number(configs.get(name) ?? TOPIC_KEYS.get(name)!.defaultText);
  const shortest = values?.minCompactionLagMs ?? lag('min.compaction.lag.ms');
  const longest = values?.maxCompactionLagMs ?? lag('max.compaction.lag.ms');
  if (shortest > longest) {
    return `min.compaction.lag.ms, ${shortest}, must not be more than max.compaction.lag.ms, ${longest}`;
  }
  return undefined;
}

/** The text of a topic's key when the topic has none of its own: in the units of the topic's key. */
export function topicDefaultText(broker: KafkaConfig, key: TopicKeyDefinition): string | null {
  if (key.brokerKey === undefined) return key.defaultText ?? null;
  const fallbacks = brokerKeyFallbacks(key.brokerKey);
  if (fallbacks.length === 1) return broker.text(key.brokerKey);
  for (const { key: name, factor } of fallbacks) {
    const text = broker.text(name);
    if (text === null) continue;
    const value = BigInt(text);
    return String(value < 0n ? value : value * BigInt(factor));
  }
  return key.defaultText ?? null;
}

/**
 * The configuration of a log: `overrides` are the topic's own values, the broker gives the rest. Values that do not
 * parse are passed over: they were checked when they were set.
 */
export function logConfigOf(broker: KafkaConfig, overrides: ReadonlyMap<string, string>): LogConfig {
  const value = (name: string): ConfigValue => {
    const key = TOPIC_KEYS.get(name)!;
    const given = overrides.get(name);
    if (given !== undefined) {
      const parsed = parseConfigValue(key, given);
      if (parsed.ok) return parsed.value;
    }
    const parsed = parseConfigValue(key, topicDefaultText(broker, key));
    // A broker's value may be outside the topic's limits (log.flush.interval.ms has none): it counts nevertheless.
    return parsed.ok ? parsed.value : Number(topicDefaultText(broker, key));
  };
  const number = (name: string): number => value(name) as number;
  return {
    segmentBytes: (value('internal.segment.bytes') as number | null) ?? number('segment.bytes'),
    segmentMs: number('segment.ms'),
    segmentJitterMs: number('segment.jitter.ms'),
    maxIndexSize: number('segment.index.bytes'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    retentionBytes: number('retention.bytes'),
    retentionMs: number('retention.ms'),
    localRetentionBytes: number('local.retention.bytes'),
    localRetentionMs: number('local.retention.ms'),
    remoteStorageEnable: value('remote.storage.enable') as boolean,
    maxMessageBytes: number('max.message.bytes'),
    indexIntervalBytes: number('index.interval.bytes'),
    fileDeleteDelayMs: number('file.delete.delay.ms'),
    deleteRetentionMs: number('delete.retention.ms'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    cleanupPolicy: new Set(value('cleanup.policy') as ('delete' | 'compact')[]),
    uncleanLeaderElection: value('unclean.leader.election.enable') as boolean,
    minInsyncReplicas: number('min.insync.replicas'),
    compressionType: value('compression.type') as LogCompressionType,
    compressionGzipLevel: number('compression.gzip.level'),
    compressionLz4Level: number('compression.lz4.level'),
    compressionZstdLevel: number('compression.zstd.level'),
    preallocate: value('preallocate') as boolean,
    messageTimestampType: value('message.timestamp.type') as 'CreateTime' | 'LogAppendTime',
    messageTimestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    messageTimestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    leaderReplicationThrottledReplicas: value('leader.replication.throttled.replicas') as readonly string[],
    followerReplicationThrottledReplicas: value(
      'follower.replication.throttled.replicas',
    ) as readonly string[],
    durability: broker.string('log.durability') as 'page-cache' | 'fsync',
  };
}

/** A log configuration of Kafka's defaults with some values changed, for parts that have no broker around them. */
export function defaultLogConfig(changes: Partial<LogConfig> = {}): LogConfig {
  return { ...DEFAULT_LOG_CONFIG, ...changes };
}

const LONG_MAX = 2 ** 63;

const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1073741824,
  segmentMs: 604800000,
  segmentJitterMs: 0,
  maxIndexSize: 10485760,
  flushMessages: LONG_MAX,
  flushMs: LONG_MAX,
  retentionBytes: -1,
  retentionMs: 604800000,
  localRetentionBytes: -2,
  localRetentionMs: -2,
  remoteStorageEnable: false,
  maxMessageBytes: 1048588,
  indexIntervalBytes: 4096,
  fileDeleteDelayMs: 60000,
  deleteRetentionMs: 86400000,
  minCompactionLagMs: 0,
  maxCompactionLagMs: LONG_MAX,
  minCleanableDirtyRatio: 0.5,
  cleanupPolicy: new Set(['delete']),
  uncleanLeaderElection: false,
  minInsyncReplicas: 1,
  compressionType: 'producer',
  compressionGzipLevel: -1,
  compressionLz4Level: 9,
  compressionZstdLevel: 3,
  preallocate: false,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: LONG_MAX,
  messageTimestampAfterMaxMs: 3600000,
  leaderReplicationThrottledReplicas: [],
  followerReplicationThrottledReplicas: [],
  durability: 'page-cache',
};
