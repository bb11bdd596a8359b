import { describe, expect, test } from 'vitest';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import {
  ConfigSourceCode,
  describeBrokerConfigs,
  describeTopicConfigs,
} from '../../src/controller/config-describer.ts';
import { brokerConfig } from '../support/broker-config.ts';

describe('the configuration of a broker', () => {
  test('has the keys that exist only while the cluster runs once they are set', () => {
    const name = 'leader.replication.throttled.rate';
    const find = (config: KafkaConfig) => describeBrokerConfigs(config).find(each => each.name === name);
    expect(find(brokerConfig())).toBeUndefined();
    const set = brokerConfig().withDynamic(new Map([[name, '5000']]), new Map([[name, '1000']]));
    expect(find(set)).toMatchObject({
      value: '1000',
      source: ConfigSourceCode.DYNAMIC_BROKER_CONFIG,
      readOnly: false,
      isSensitive: false,
      synonyms: [{ value: '1000' }, { value: '5000' }],
    });
  });
});

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
