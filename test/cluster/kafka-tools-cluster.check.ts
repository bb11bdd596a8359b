import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, createCluster } from '../../src/cluster/create-cluster.ts';
import { runKafkaTool } from '../support/apache-kafka.ts';
import { temporaryFolder } from '../support/broker-target.ts';

/* The tools of Apache Kafka 4.3 that are about a cluster, against three of our brokers. */

const TOPIC = 'tools';
const folder = temporaryFolder('cluster-tools');
let cluster: Cluster;

beforeAll(async () => {
  cluster = await createCluster({ brokers: 3, racks: ['a', 'b', 'c'] });
});

afterAll(async () => {
  await cluster?.close();
  folder.remove();
});

async function run(
  mainClass: string,
  args: readonly string[],
  exitCodes: readonly number[] = [],
): Promise<string> {
  const withServer = ['--bootstrap-server', cluster.bootstrapServers, ...args];
  const { stdout } = await runKafkaTool(mainClass, withServer, {
    timeoutMs: 60_000,
    allowedExitCodes: [...exitCodes],
  });
  return stdout;
}

const tool = (name: string, ...args: string[]): Promise<string> =>
  run(`org.apache.kafka.tools.${name}`, args);

/** Leader, replicas and ISR of a partition, as kafka-topics prints them. */
async function described(partition: number): Promise<{ leader: number; replicas: number[]; isr: number[] }> {
  const text = await tool('TopicCommand', '--describe', '--topic', TOPIC);
  const line = text.split('\n').find(each => new RegExp(`Partition: ${partition}\\s`).test(each))!;
  const [, leader, replicas, isr] = /Leader: (-?\d+)\s+Replicas: ([\d,]+)\s+Isr: ([\d,]+)/.exec(line)!;
  const ids = (list: string): number[] => list.split(',').map(Number);
  return { leader: Number(leader), replicas: ids(replicas!), isr: ids(isr!) };
}

function writeJson(name: string, value: unknown): string {
  const path = join(folder.path, name);
  writeFileSync(path, JSON.stringify(value));
  return path;
}

describe('the cluster tools of Apache Kafka 4.3', () => {
  test('kafka-topics creates a topic with three replicas and describes it', async () => {
    const created = await tool(
      'TopicCommand',
      ...['--create', '--topic', TOPIC, '--partitions', '3', '--replication-factor', '3'],
    );
    expect(created).toContain(`Created topic ${TOPIC}.`);
    for (const partition of [0, 1, 2]) {
      const { replicas, isr } = await described(partition);
      expect(replicas.toSorted()).toEqual([1, 2, 3]);
      expect(isr.toSorted()).toEqual([1, 2, 3]);
    }
    expect((await tool('TopicCommand', '--describe', '--under-replicated-partitions')).trim()).toBe('');
  });

  test('kafka-cluster names the cluster and its nodes', async () => {
    expect(await clusterTool('cluster-id')).toContain(`Cluster ID: ${cluster.clusterId}`);
    const endpoints = await clusterTool('list-endpoints');
    for (const { id, port } of cluster.brokers)
      expect(endpoints).toMatch(new RegExp(`${id}\\s+127\\.0\\.0\\.1\\s+${port}`));
  });

  test('kafka-metadata-quorum describes the voters', async () => {
    const status = await run('org.apache.kafka.tools.MetadataQuorumCommand', ['describe', '--status']);
    const { id } = await cluster.activeController();
    expect(status).toMatch(new RegExp(`ClusterId:\\s+${cluster.clusterId}`));
    expect(status).toMatch(new RegExp(`LeaderId:\\s+${id}\\b`));
    const replication = await run('org.apache.kafka.tools.MetadataQuorumCommand', [
      'describe',
      '--replication',
    ]);
    expect(replication.match(/Follower/g)).toHaveLength(2);
    expect(replication.match(/Leader\b/g)?.length).toBeGreaterThanOrEqual(1);
  });

  test('kafka-features describes the levels', async () => {
    const features = await run('org.apache.kafka.tools.FeatureCommand', ['describe']);
    expect(features).toMatch(/Feature: metadata\.version\s.*FinalizedVersionLevel: 4\.\d-IV\d/);
    expect(features).toMatch(/Feature: kraft\.version\s/);
  });

  test('kafka-features downgrades and upgrades a feature', async () => {
    const change = (verb: string): Promise<string> =>
      run('org.apache.kafka.tools.FeatureCommand', [
        verb,
        '--feature',
        `group.version=${verb === 'upgrade' ? 1 : 0}`,
      ]);
    expect(await change('downgrade')).toContain('group.version was downgraded to 0.');
    expect(await change('upgrade')).toContain('group.version was upgraded to 1.');
  });

  test('kafka-log-dirs shows every replica on every broker', async () => {
    const text = await tool('LogDirsCommand', '--describe', '--topic-list', TOPIC);
    const { brokers } = JSON.parse(text.split('\n').find(line => line.startsWith('{'))!);
    expect(brokers.map(({ broker }: { broker: number }) => broker).toSorted()).toEqual([1, 2, 3]);
    for (const { logDirs } of brokers) {
      const partitions = logDirs.flatMap((dir: { partitions: { partition: string }[] }) =>
        dir.partitions.map(({ partition }) => partition),
      );
      expect(partitions.toSorted()).toEqual([`${TOPIC}-0`, `${TOPIC}-1`, `${TOPIC}-2`]);
    }
  });

  test('kafka-reassign-partitions moves replicas with a throttle, and says when it is done', async () => {
    await produce(500);
    const before = await described(0);
    const target = before.replicas.slice(0, 2).toReversed();
    const plan = { version: 1, partitions: [{ topic: TOPIC, partition: 0, replicas: target }] };
    const path = writeJson('reassignment.json', plan);
    const args = ['--reassignment-json-file', path];
    const started = await tool(
      'reassign.ReassignPartitionsCommand',
      ...args,
      '--execute',
      '--throttle',
      '50000000',
    );
    expect(started).toContain('Successfully started partition reassignment for tools-0');
    await until(async () => {
      const verified = await tool('reassign.ReassignPartitionsCommand', ...args, '--verify');
      return verified.includes('Reassignment of partition tools-0 is completed.');
    });
    expect((await described(0)).replicas).toEqual(target);
    expect(await tool('reassign.ReassignPartitionsCommand', '--list')).toContain(
      'No partition reassignments found.',
    );
    // And back to three, the new one from the throttled leader.
    const back = writeJson('back.json', {
      version: 1,
      partitions: [{ topic: TOPIC, partition: 0, replicas: before.replicas }],
    });
    const throttled = ['--reassignment-json-file', back, '--execute', '--throttle', '50000000'];
    await tool('reassign.ReassignPartitionsCommand', ...throttled);
    await until(async () => {
      const verify = ['--reassignment-json-file', back, '--verify'];
      return (await tool('reassign.ReassignPartitionsCommand', ...verify)).includes('tools-0 is completed.');
    });
    expect((await described(0)).isr.toSorted()).toEqual([1, 2, 3]);
  });

  test('kafka-leader-election elects the preferred leader after another one led', async () => {
    const { replicas } = await described(1);
    const preferred = cluster.brokers.find(({ id }) => id === replicas[0])!;
    await preferred.stop();
    await preferred.restart();
    await cluster.inSync();
    expect((await described(1)).leader).not.toBe(preferred.id);
    const elected = await run('org.apache.kafka.tools.LeaderElectionCommand', [
      ...['--election-type', 'preferred', '--topic', TOPIC, '--partition', '1'],
    ]);
    expect(elected).toContain('Successfully completed leader election (PREFERRED) for partitions tools-1');
    expect((await described(1)).leader).toBe(preferred.id);
  });

  test('kafka-replica-verification finds no lag between the replicas', async () => {
    await produce(200);
    // It reports again and again until it is ended.
    const lines: string[] = [];
    const args = [
      '--broker-list',
      cluster.bootstrapServers,
      '--topics-include',
      TOPIC,
      '--report-interval-ms',
      '1000',
    ];
    const ended = runKafkaTool('org.apache.kafka.tools.ReplicaVerificationTool', args, {
      timeoutMs: 15_000,
      onLine: line => lines.push(line),
    });
    await expect(ended).rejects.toThrow();
    const reports = lines.filter(line => line.includes('max lag is'));
    expect(reports.length).toBeGreaterThan(0);
    expect(reports.at(-1)).toContain('max lag is 0');
  });
});

/** kafka-cluster wants its verb first. */
async function clusterTool(verb: string): Promise<string> {
  const args = [verb, '--bootstrap-server', cluster.bootstrapServers];
  return (await runKafkaTool('org.apache.kafka.tools.ClusterTool', args, { timeoutMs: 60_000 })).stdout;
}

async function produce(count: number): Promise<void> {
  const kafka = new Kafka({ brokers: cluster.bootstrapServers.split(','), logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const messages = Array.from({ length: count }, (_, at) => ({
    partition: at % 3,
    value: `${at}-${'x'.repeat(500)}`,
  }));
  await producer.send({ topic: TOPIC, acks: -1, messages });
  await producer.disconnect();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if (await condition()) return;
    await new Promise(resolve => setTimeout(resolve, 500));
  }
  throw new Error('it did not happen in time');
}
