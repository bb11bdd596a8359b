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

/** As Apache Kafka 4.3 shows them. */
describe('the keys of a broker that stand for one thing', () => {
  const find = (config: KafkaConfig, name: string) => {
    const { value, synonyms } = describeBrokerConfigs(config).find(each => each.name === name)!;
    return [value, ...synonyms.map(synonym => `${synonym.source}:${synonym.name}=${synonym.value}`)];
  };

  test('are listed only behind a value of the key itself', () => {
    const config = brokerConfig('log.retention.hours=2\n');
    expect(find(config, 'log.retention.ms')).toEqual([null]);
    const set = config.withDynamic(new Map(), new Map([['log.retention.ms', '7']]));
    expect(find(set, 'log.retention.ms')).toEqual([
      '7',
      '2:log.retention.ms=7',
      '4:log.retention.hours=2',
      '5:log.retention.hours=168',
    ]);
  });

  test('have their default while another one is set in the running broker', () => {
    const config = brokerConfig('log.retention.hours=2\n');
    const layers = ['4:log.retention.hours=2', '5:log.retention.hours=168'];
    expect(find(config, 'log.retention.hours')).toEqual(['2', ...layers]);
    const set = config.withDynamic(new Map([['log.retention.ms', '7']]), new Map());
    expect(find(set, 'log.retention.hours')).toEqual(['168', ...layers]);
  });

  test('are that of a listener and that of all', () => {
    const name = 'listener.name.plaintext.max.connections';
    const set = brokerConfig().withDynamic(new Map([['max.connections', '9']]), new Map([[name, '5']]));
    expect(find(set, name)).toEqual([
      '5',
      `2:${name}=5`,
      '3:max.connections=9',
      '5:max.connections=2147483647',
    ]);
    expect(find(set, 'max.connections')).toEqual([
      '9',
      '3:max.connections=9',
      '5:max.connections=2147483647',
    ]);
  });

  test('are broker.id and node.id', () => {
    expect(find(brokerConfig(), 'broker.id')).toEqual(['1', '4:broker.id=1', '5:broker.id=-1']);
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
