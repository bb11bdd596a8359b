import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { projectRoot } from '../support/project.ts';
import { KafkaToolDriver } from './kafka-tool-driver.ts';

/* What somebody with the tools of Apache Kafka 4.3 reads when a policy of ours refuses. */

const POLICIES = join(projectRoot, 'test/tools/policies');

let target: StartedTarget;
let tools: KafkaToolDriver;

beforeAll(async () => {
  target = await startTarget(
    'policies',
    {
      properties: {
        'create.topic.policy': join(POLICIES, 'create-topic.mjs'),
        'alter.config.policy': join(POLICIES, 'alter-config.mjs'),
      },
    },
    'odradek',
  );
  tools = await KafkaToolDriver.start();
});

afterAll(async () => {
  await tools?.close();
  await target?.dispose();
});

/** Exit code and output of a tool. */
async function output(mainClass: string, ...args: string[]): Promise<string> {
  const all = ['--bootstrap-server', target.broker.bootstrap, ...args];
  const { exitCode, stdout, stderr } = await tools.run(mainClass, all);
  return `exit code ${exitCode}\n${stdout}\n${stderr}`;
}

test('kafka-topics and kafka-configs print the words of the policy', async () => {
  const topics = (...args: string[]) => output('org.apache.kafka.tools.TopicCommand', ...args);
  const configs = (...args: string[]) => output('kafka.admin.ConfigCommand', '--alter', ...args);
  const refused = await topics('--create', '--topic', 'many', '--partitions', '7');
  expect(refused).toMatch(/^exit code 1/);
  expect(refused).toContain('many: 6 partitions are enough, not 7');
  expect(await topics('--create', '--topic', 'few', '--partitions', '6')).toMatch(/^exit code 0/);
  // As in Apache Kafka, nobody asks about more partitions.
  expect(await topics('--alter', '--topic', 'few', '--partitions', '9')).toMatch(/^exit code 0/);

  const topic = ['--entity-type', 'topics', '--entity-name', 'few'];
  const forEver = await configs(...topic, '--add-config', 'retention.ms=-1');
  expect(forEver).toMatch(/^exit code 1/);
  expect(forEver).toContain('TOPIC few: nothing is kept for ever');
  expect(await configs(...topic, '--add-config', 'retention.ms=5000')).toMatch(/^exit code 0/);
  const brokers = ['--entity-type', 'brokers', '--entity-default'];
  expect(await configs(...brokers, '--add-config', 'log.retention.ms=-1')).toContain(
    'BROKER : nothing is kept for ever',
  );
  const created = await topics('--create', '--topic', 'kept', '--config', 'retention.ms=-1');
  expect(created).toContain('TOPIC kept: nothing is kept for ever');
});
