import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runKafkaTool } from '../support/apache-kafka.ts';
import { type StartedTarget, startTarget, targetName, temporaryFolder } from '../support/broker-target.ts';
import type { CommandOptions } from '../support/run-command.ts';

const TOPIC = 'tools';
const folder = temporaryFolder('tools');

let target: StartedTarget;

beforeAll(async () => {
  target = await startTarget('kafka-tools');
});

afterAll(async () => {
  await target?.dispose();
  folder.remove();
});

/** Runs a tool of Apache Kafka 4.3 with `--bootstrap-server`. Returns its standard output. */
async function tool(mainClass: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const withServer = ['--bootstrap-server', target.broker.bootstrap, ...args];
  return (await runKafkaTool(`org.apache.kafka.tools.${mainClass}`, withServer, options)).stdout;
}

/** Of each partition of the topic, in their order. `time` as ListOffsets has it. */
async function offsetsOf(topic: string, time: string): Promise<number[]> {
  const lines = (await tool('GetOffsetShell', ['--topic', topic, '--time', time])).trim().split('\n');
  return lines.map(line => Number(line.split(':')[2]));
}

async function configTool(args: string[]): Promise<string> {
  const withServer = ['--bootstrap-server', target.broker.bootstrap, ...args];
  return (await runKafkaTool('kafka.admin.ConfigCommand', withServer)).stdout;
}

describe('the command-line tools of Apache Kafka 4.3', () => {
  test('TopicCommand creates, lists, describes, grows and deletes', async () => {
    const topics = (...args: string[]) => tool('TopicCommand', args);
    const created = await topics(
      '--create',
      '--topic',
      TOPIC,
      '--partitions',
      '2',
      '--replication-factor',
      '1',
      '--config',
      'retention.ms=123456',
    );
    expect(created).toContain(`Created topic ${TOPIC}.`);
    await topics('--create', '--topic', 'short-lived');
    expect((await topics('--list')).split('\n')).toEqual(expect.arrayContaining(['short-lived', TOPIC]));
    await topics('--alter', '--topic', TOPIC, '--partitions', '3');
    const described = await topics('--describe', '--topic', TOPIC);
    expect(described).toMatch(/PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention\.ms=123456/);
    for (const partition of [0, 1, 2]) {
      expect(described).toMatch(new RegExp(`Partition: ${partition}\\s+Leader: 1\\s+Replicas: 1\\s+Isr: 1`));
    }
    expect((await topics('--describe', '--unavailable-partitions')).trim()).toBe('');
    await topics('--delete', '--topic', 'short-lived');
    expect((await topics('--list')).split('\n')).not.toContain('short-lived');
  });

  test('ConfigCommand alters and describes topic and broker configurations', async () => {
    const entity = ['--entity-type', 'topics', '--entity-name', TOPIC];
    await configTool(['--alter', ...entity, '--add-config', 'retention.ms=777,max.message.bytes=2000000']);
    await configTool(['--alter', ...entity, '--delete-config', 'max.message.bytes']);
    const described = await configTool(['--describe', ...entity]);
    expect(described).toMatch(
      /retention\.ms=777 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention\.ms=777/,
    );
    expect(described).not.toContain('max.message.bytes');
    const all = await configTool(['--describe', '--all', '--entity-type', 'brokers', '--entity-name', '1']);
    expect(all).toContain('num.partitions=1');
  });

  test('ConsoleProducer and ConsoleConsumer pass keys and values through', async () => {
    const property = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:'];
    await tool('ConsoleProducer', ['--topic', TOPIC, ...property], { input: 'a:one\nb:two\nc:three\n' });
    const printKeys = ['--formatter-property', 'print.key=true', '--formatter-property', 'key.separator=:'];
    const limits = ['--max-messages', '3', '--timeout-ms', '30000'];
    const group = ['--group', 'console', '--from-beginning'];
    const args = ['--topic', TOPIC, ...group, ...printKeys, ...limits];
    const read = await tool('consumer.ConsoleConsumer', args);
    expect(read.trim().split('\n').sort()).toEqual(['a:one', 'b:two', 'c:three']);
  });

  test('ConsumerGroupCommand lists, describes, resets and deletes', async () => {
    const groups = (...args: string[]) => tool('consumer.group.ConsumerGroupCommand', args);
    expect((await groups('--list')).split('\n')).toContain('console');
    const described = await groups('--describe', '--group', 'console');
    const rows = described.split('\n').filter(line => line.startsWith('console'));
    // The last columns are LAG, CONSUMER-ID, HOST and CLIENT-ID.
    const lags = rows.map(row => row.trim().split(/\s+/)).map(columns => columns.at(-4));
    expect(rows.length).toBeGreaterThan(0);
    expect(lags.every(lag => lag === '0')).toBe(true);
    expect(await groups('--describe', '--group', 'console', '--state')).toMatch(/Empty/);
    const reset = ['--reset-offsets', '--group', 'console', '--topic', TOPIC, '--to-earliest', '--execute'];
    expect(await groups(...reset)).toMatch(/console\s+tools\s+0\s+0/);
    expect(await groups('--delete', '--group', 'console')).toContain('was successful');
    expect((await groups('--list')).split('\n')).not.toContain('console');
  });

  test('GetOffsetShell prints earliest, latest and greatest-timestamp offsets', async () => {
    expect((await offsetsOf(TOPIC, '-1')).reduce((a, b) => a + b)).toBe(3);
    expect(await offsetsOf(TOPIC, '-2')).toEqual([0, 0, 0]);
    expect((await offsetsOf(TOPIC, '-3')).length).toBeGreaterThan(0);
  });

  test('DeleteRecordsCommand deletes up to an offset and up to the high watermark, and names what it cannot', async () => {
    await tool('TopicCommand', ['--create', '--topic', 'shrinking', '--partitions', '2']);
    await tool('ConsoleProducer', ['--topic', 'shrinking'], { input: 'a\nb\nc\nd\n' });
    const sizes = await offsetsOf('shrinking', '-1');
    const full = sizes.indexOf(Math.max(...sizes));
    const remove = async (...offsets: [partition: number, offset: number][]) => {
      const file = join(folder.path, 'offsets.json');
      const partitions = offsets.map(([partition, offset]) => ({ topic: 'shrinking', partition, offset }));
      writeFileSync(file, JSON.stringify({ partitions, version: 1 }));
      return await tool('DeleteRecordsCommand', ['--offset-json-file', file]);
    };
    expect(await remove([full, 1])).toContain(`partition: shrinking-${full}\tlow_watermark: 1`);
    expect((await offsetsOf('shrinking', '-2'))[full]).toBe(1);
    expect(await remove([0, -1], [1, -1])).toContain('partition: shrinking-1\tlow_watermark:');
    expect(await offsetsOf('shrinking', '-2')).toEqual(sizes);
    const refused = await remove([0, 1000]);
    expect(refused).toContain('partition: shrinking-0\terror:');
    expect(refused).toContain('OffsetOutOfRangeException');
  });

  test('VerifiableProducer and VerifiableConsumer agree on every record', async () => {
    await tool('TopicCommand', ['--create', '--topic', 'verified', '--partitions', '3']);
    const produced = await tool('VerifiableProducer', [
      '--topic',
      'verified',
      '--max-messages',
      '2000',
      '--acks',
      '-1',
    ]);
    const sends = jsonLines(produced).filter(({ name }) => name === 'producer_send_success');
    expect(sends).toHaveLength(2000);
    const consumed = await tool('VerifiableConsumer', [
      '--topic',
      'verified',
      '--group-id',
      'verified-group',
      '--max-messages',
      '2000',
      '--reset-policy',
      'earliest',
      '--verbose',
    ]);
    const lines = jsonLines(consumed);
    const values = lines.filter(({ name }) => name === 'record_data').map(({ value }) => Number(value));
    expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    expect(lines.filter(({ name, success }) => name === 'offsets_committed' && success === false)).toEqual(
      [],
    );
  });

  test('ProducerPerformance and ConsumerPerformance run to their end', async () => {
    await tool('TopicCommand', ['--create', '--topic', 'perf', '--partitions', '6']);
    const count = targetName() === 'odradek' ? 200_000 : 50_000;
    const shape = ['--record-size', '100', '--throughput', '-1', '--num-records', `${count}`];
    const produced = await tool('ProducerPerformance', ['--topic', 'perf', ...shape]);
    expect(produced).toContain(`${count} records sent`);
    const configFile = join(folder.path, 'consumer.properties');
    writeFileSync(configFile, 'auto.offset.reset=earliest\n');
    const args = [
      '--topic',
      'perf',
      '--num-records',
      `${count}`,
      '--command-config',
      configFile,
      '--timeout',
      '30000',
    ];
    const consumed = await tool('ConsumerPerformance', args);
    expect(Number(consumed.trim().split('\n').at(-1)?.split(',')[4])).toBe(count);
  });
});

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown>);
}
