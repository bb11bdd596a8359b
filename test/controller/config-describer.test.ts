import { describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { ConfigSourceCode, describeTopicConfigs } from '../../src/controller/config-describer.ts';
import { brokerConfig } from '../support/broker-config.ts';

describe("the synonyms of a topic's key", () => {
  const synonyms = (config: KafkaConfig, name: string): unknown[] =>
    describeTopicConfigs(config, new Map())
      .find(described => described.name === name)!
      .synonyms.map(synonym => [synonym.source, synonym.name, synonym.value]);

  test('are listed from the strongest to the weakest', () => {
    const config = brokerConfig('log.retention.hours=2\nlog.retention.minutes=5\n').withDynamic(
      new Map([['log.retention.ms', '7']]),
      new Map(),
    );
    expect(synonyms(config, 'retention.ms')).toEqual([
      [ConfigSourceCode.DYNAMIC_DEFAULT_BROKER_CONFIG, 'log.retention.ms', '7'],
      [ConfigSourceCode.STATIC_BROKER_CONFIG, 'log.retention.minutes', '5'],
      [ConfigSourceCode.STATIC_BROKER_CONFIG, 'log.retention.hours', '2'],
      [ConfigSourceCode.DEFAULT_CONFIG, 'log.retention.hours', '168'],
    ]);
    expect(synonyms(brokerConfig(), 'segment.bytes')).toEqual([
      [ConfigSourceCode.DEFAULT_CONFIG, 'log.segment.bytes', '1073741824'],
    ]);
  });

  test('are none for a key that no broker key stands behind', () => {
    expect(synonyms(brokerConfig(), 'remote.storage.enable')).toEqual([]);
  });
});
