import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { parsePropertiesFile } from '../../src/config/properties-file.ts';

/** The configuration of a node that is broker and controller, with `lines` of a properties file added. */
export function brokerConfig(lines = ''): KafkaConfig {
  const text = `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://:9092,C://:9093
controller.listener.names=C
controller.quorum.voters=1@localhost:9093
${lines}`;
  const file = parsePropertiesFile('f', Buffer.from(text));
  return loadKafkaConfig({ file, overrides: [], workingDirectory: '/', hostName: 'h' }).config;
}
