import { describe, expect, test } from 'vitest';
import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { parsePropertiesFile } from '../../src/config/properties-file.ts';
import { ConfigSourceCode, describeTopicConfigs } from '../../src/controller/config-describer.ts';

function broker(lines = ''): KafkaConfig {
  const text = `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://:9092,C://:9093
controller.listener.names=C
controller.quorum.voters=1@localhost:9093
${lines}`;
  const file = parsePropertiesFile('f', Buffer.from(text));
  return loadKafkaConfig({ file, overrides: [], workingDirectory: '/', hostName: 'h' }).config;
}

describe("the synonyms of a topic's key", () => {
  const synonyms = (config: KafkaConfig, name: string): unknown[] =>
    describeTopicConfigs(config, new Map())
      .find(described => described.name === name)!
      .synonyms.map(synonym => [synonym.source, synonym.name, synonym.value]);

  test('are listed from the strongest to the weakest', () => {
    const config = broker('log.retention.hours=2\nlog.retention.minutes=5\n').withDynamic(
      new Map([['log.retention.ms', '7']]),
      new Map(),
    );
    expect(synonyms(config, 'retention.ms')).toEqual([
      [ConfigSourceCode.DYNAMIC_DEFAULT_BROKER_CONFIG, 'log.retention.ms', '7'],
      [ConfigSourceCode.STATIC_BROKER_CONFIG, 'log.retention.minutes', '5'],
      [ConfigSourceCode.STATIC_BROKER_CONFIG, 'log.retention.hours', '2'],
      [ConfigSourceCode.DEFAULT_CONFIG, 'log.retention.hours', '168'],
    ]);
    expect(synonyms(broker(), 'segment.bytes')).toEqual([
      [ConfigSourceCode.DEFAULT_CONFIG, 'log.segment.bytes', '1073741824'],
    ]);
  });

  test('are none for a key that no broker key stands behind', () => {
    expect(synonyms(broker(), 'remote.storage.enable')).toEqual([]);
  });
});
