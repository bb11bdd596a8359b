import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runKafkaTool } from '../support/apache-kafka.ts';
import { type StartedTarget, startTarget, temporaryFolder } from '../support/broker-target.ts';

const folder = temporaryFolder('log-dirs');
const DIRS = ['one', 'two'].map(name => join(folder.path, name));
const TOPIC = 'moving';

let target: StartedTarget;

beforeAll(async () => {
  for (const dir of DIRS) mkdirSync(dir);
  const properties = { 'log.dirs': DIRS.join(','), 'metadata.log.dir': DIRS[0]! };
  target = await startTarget('log-dirs', { properties });
});

afterAll(async () => {
  await target?.dispose();
  folder.remove();
});

async function tool(mainClass: string, args: string[], input?: string): Promise<string> {
  const withServer = ['--bootstrap-server', target.broker.bootstrap, ...args];
  return (await runKafkaTool(mainClass, withServer, input === undefined ? {} : { input })).stdout;
}

interface ShownReplica {
  readonly partition: string;
  readonly size: number;
  readonly isFuture: boolean;
}

/** What LogDirsCommand shows of the topic, by log directory. */
async function described(): Promise<Map<string, ShownReplica[]>> {
  const output = await tool('org.apache.kafka.tools.LogDirsCommand', ['--describe', '--topic-list', TOPIC]);
  const json = output.split('\n').find(line => line.startsWith('{'))!;
  const { brokers } = JSON.parse(json) as {
    brokers: { logDirs: { logDir: string; error: string | null; partitions: ShownReplica[] }[] }[];
  };
  return new Map(brokers[0]!.logDirs.map(({ logDir, partitions }) => [logDir, partitions]));
}

function directoryOf(shown: Map<string, ShownReplica[]>): string {
  const found = [...shown].filter(([, partitions]) => partitions.some(({ isFuture }) => !isFuture));
  expect(found.length).toBe(1);
  return found[0]![0];
}

async function produce(from: number, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) => `record-${from + i}`).join('\n');
  await tool('org.apache.kafka.tools.ConsoleProducer', ['--topic', TOPIC], `${lines}\n`);
}

/** Runs kafka-reassign-partitions with a plan that has the replica move to `logDir`. */
function mover(logDir: string): (...args: string[]) => Promise<string> {
  const file = join(folder.path, 'move.json');
  const partitions = [{ topic: TOPIC, partition: 0, replicas: [1], log_dirs: [logDir] }];
  writeFileSync(file, JSON.stringify({ version: 1, partitions }));
  const plan = ['--reassignment-json-file', file];
  return (...args) => tool('org.apache.kafka.tools.reassign.ReassignPartitionsCommand', [...plan, ...args]);
}

describe('kafka-reassign-partitions between the log directories of a broker', () => {
  test('moves a replica, verifies that it is there, and kafka-log-dirs shows it; no record is lost', async () => {
    const topic = ['--create', '--topic', TOPIC, '--config', 'file.delete.delay.ms=1000'];
    await tool('org.apache.kafka.tools.TopicCommand', topic);
    await produce(0, 500);
    const before = directoryOf(await described());
    const wanted = DIRS.find(dir => dir !== before)!;
    const reassign = mover(wanted);
    const [started] = await Promise.all([reassign('--execute'), produce(500, 500)]);
    expect(started).toContain(
      `Successfully started moving log directory to ${wanted} for replica ${TOPIC}-0`,
    );
    await expect
      .poll(() => reassign('--verify'), { timeout: 60_000 })
      .toMatch(new RegExp(`Reassignment of replica ${TOPIC}-0-1 completed successfully`));
    const shown = await described();
    expect(directoryOf(shown)).toBe(wanted);
    expect(shown.get(wanted)![0]!.size).toBeGreaterThan(1_000);
    const args = ['--topic', TOPIC, '--from-beginning', '--max-messages', '1000', '--timeout-ms', '30000'];
    const read = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', args);
    const records = read.trim().split('\n');
    expect(records.length).toBe(1000);
    expect(new Set(records).size).toBe(1000);
    await expect
      .poll(() => readdirSync(before).filter(name => name.startsWith(TOPIC)), { timeout: 90_000 })
      .toEqual([]);
    expect(readdirSync(wanted).filter(name => name.startsWith(TOPIC))).toEqual([`${TOPIC}-0`]);
  });

  test('a move that kill -9 breaks off goes on after the start', async () => {
    const from = directoryOf(await described());
    const wanted = DIRS.find(dir => dir !== from)!;
    const reassign = mover(wanted);
    await reassign('--execute', '--replica-alter-log-dirs-throttle', '500');
    const names = () => readdirSync(wanted).filter(name => name.startsWith(TOPIC));
    await expect.poll(names, { timeout: 10_000 }).toEqual([expect.stringMatching(/-future$/)]);
    await target.broker.kill();
    expect(names()).toEqual([expect.stringMatching(/-future$/)]);
    await target.broker.start();
    await expect.poll(names, { timeout: 120_000, interval: 500 }).toEqual([`${TOPIC}-0`]);
    await expect
      .poll(() => reassign('--verify'), { timeout: 60_000 })
      .toMatch(new RegExp(`Reassignment of replica ${TOPIC}-0-1 completed successfully`));
    expect(directoryOf(await described())).toBe(wanted);
    const args = ['--topic', TOPIC, '--from-beginning', '--max-messages', '1000', '--timeout-ms', '30000'];
    const read = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', args);
    expect(new Set(read.trim().split('\n')).size).toBe(1000);
  });

  test('names a directory that the broker does not have', async () => {
    const file = join(folder.path, 'nowhere.json');
    const partitions = [{ topic: TOPIC, partition: 0, replicas: [1], log_dirs: ['/nowhere'] }];
    writeFileSync(file, JSON.stringify({ version: 1, partitions }));
    const args = ['--reassignment-json-file', file, '--execute', '--timeout', '3000'];
    const failed = await tool('org.apache.kafka.tools.reassign.ReassignPartitionsCommand', args).catch(
      String,
    );
    expect(failed).toContain('LogDirNotFoundException');
  });
});
