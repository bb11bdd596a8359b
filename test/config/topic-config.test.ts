import { describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import {
  defaultLogConfig,
  logConfigOf,
  topicDefaultText,
  validateTopicConfig,
  validateTopicConfigs,
} from '../../src/config/topic-config.ts';
import { TOPIC_KEYS } from '../../src/config/topic-keys.ts';
import { brokerConfig } from '../support/broker-config.ts';

describe('the configuration of a log', () => {
  test('is that of Kafka by default', () => {
    expect(logConfigOf(brokerConfig(), new Map())).toEqual(defaultLogConfig());
  });

  test('comes from the broker where the topic says nothing', () => {
    const config = brokerConfig(
      'log.retention.minutes=1\nlog.roll.hours=2\nlog.flush.scheduler.interval.ms=7\ncompression.type=lz4\n',
    );
    expect(logConfigOf(config, new Map([['compression.type', 'zstd']]))).toEqual(
      defaultLogConfig({ retentionMs: 60_000, segmentMs: 7_200_000, flushMs: 7, compressionType: 'zstd' }),
    );
  });

  test('takes all that a topic says', () => {
    const config = logConfigOf(
      brokerConfig('log.durability=fsync\n'),
      new Map([
        ['cleanup.policy', 'compact, delete'],
        ['segment.bytes', '1048576'],
        ['retention.ms', '-1'],
        ['min.insync.replicas', '2'],
        ['preallocate', 'TRUE'],
        ['message.timestamp.type', 'LogAppendTime'],
        ['min.cleanable.dirty.ratio', '0.25'],
        ['internal.segment.bytes', '4096'],
      ]),
    );
    expect(config).toEqual(
      defaultLogConfig({
        cleanupPolicy: new Set(['compact', 'delete']),
        segmentBytes: 4096,
        retentionMs: -1,
        minInsyncReplicas: 2,
        preallocate: true,
        messageTimestampType: 'LogAppendTime',
        minCleanableDirtyRatio: 0.25,
        durability: 'fsync',
      }),
    );
  });
});

describe('checking what a client sets on a topic', () => {
  test.each([
    ['retention.ms', '1000'],
    ['retention.ms', '-1'],
    ['cleanup.policy', 'compact'],
    ['cleanup.policy', ''],
    ['remote.storage.enable', 'false'],
    ['leader.replication.throttled.replicas', '*'],
    ['leader.replication.throttled.replicas', '0:1,1:2'],
    ['segment.bytes', null],
    ['flush.ms', '0'],
  ])('%s=%s is right', (name, value) => {
    expect(validateTopicConfig(name, value)).toBeUndefined();
  });

  test.each([
    ['retention.ms', '-2'],
    ['retention.ms', '1d'],
    ['retention.ms', ''],
    ['cleanup.policy', 'archive'],
    ['segment.bytes', '1000'],
    ['compression.type', 'none'],
    ['min.insync.replicas', '0'],
    ['remote.storage.enable', 'true'],
    ['leader.replication.throttled.replicas', '0:x'],
    ['preallocate', '1'],
    ['__proto__', '1'],
    ['log.retention.ms', '1'],
  ])('%s=%s is wrong', (name, value) => {
    expect(validateTopicConfig(name, value)).toContain(name);
  });

  test('finds values that contradict each other, with what the broker adds', () => {
    const configs = new Map([
      ['min.compaction.lag.ms', '10'],
      ['max.compaction.lag.ms', '5'],
    ]);
    expect(validateTopicConfigs(configs)).toContain('must not be more than max.compaction.lag.ms, 5');
    configs.delete('max.compaction.lag.ms');
    expect(validateTopicConfigs(configs)).toBeUndefined();
    expect(validateTopicConfigs(configs, brokerConfig('log.cleaner.max.compaction.lag.ms=7\n'))).toContain(
      ', 7',
    );
  });
});

describe('the value of a topic without one of its own', () => {
  test('is a default in the units of the topic', () => {
    const text = (config: KafkaConfig, name: string): string | null =>
      topicDefaultText(config, TOPIC_KEYS.get(name)!);
    expect(text(brokerConfig(), 'retention.ms')).toBe('604800000');
    expect(text(brokerConfig('log.retention.minutes=5\n'), 'retention.ms')).toBe('300000');
    expect(text(brokerConfig('log.retention.hours=-1\n'), 'retention.ms')).toBe('-1');
    expect(text(brokerConfig(), 'flush.ms')).toBe('9223372036854775807');
    expect(text(brokerConfig(), 'internal.segment.bytes')).toBeNull();
  });
});
