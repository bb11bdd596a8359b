import { randomBytes } from 'node:crypto';
import { type Admin, Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { type Cluster, type ClusterOptions, createCluster } from '../../src/cluster/create-cluster.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { AdminClient, type ConfigResource } from '../../src/tools/admin/admin-client.ts';
import { decommission } from '../../src/tools/admin/decommission.ts';
import { rebalance } from '../../src/tools/admin/rebalance.ts';
import { printStatus } from '../../src/tools/admin/status.ts';
import type { ToolContext } from '../../src/tools/tool-context.ts';
import { createTopicsWithLeaders } from '../support/kafkajs-topics.ts';

const runtime = new NodeRuntime();
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A cluster, Kafka's own kind of client to it, and our tools, whose output is in `printed`. */
async function start(options: ClusterOptions): Promise<{
  cluster: Cluster;
  kafka: Kafka;
  admin: Admin;
  tool: AdminClient;
  context: ToolContext;
  printed: string[];
}> {
  const cluster = await createCluster({ controllers: 1, ...options });
  open.push(() => cluster.close());
  const kafka = new Kafka({
    brokers: cluster.bootstrapServers.split(','),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 40 },
  });
  const admin = kafka.admin();
  open.push(() => admin.disconnect());
  await admin.connect();
  const bootstrap = cluster.brokers.map(({ host, port }) => ({ host, port }));
  const tool = new AdminClient(runtime, silentLogger, bootstrap);
  open.push(() => tool.close());
  const printed: string[] = [];
  const context: ToolContext = {
    runtime,
    workingDirectory: '/',
    hostName: 'localhost',
    terminal: false,
    print: line => printed.push(line),
    complain: line => printed.push(line),
  };
  return { cluster, kafka, admin, tool, context, printed };
}

/** A topic whose partitions are where `assignment` has them, with some records in each. */
async function fill(
  kafka: Kafka,
  admin: Admin,
  topic: string,
  assignment: readonly number[][],
): Promise<void> {
  const replicaAssignment = assignment.map((replicas, partition) => ({ partition, replicas }));
  await createTopicsWithLeaders(admin, [{ topic, replicaAssignment }]);
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const messages = assignment.flatMap((_, partition) =>
    Array.from({ length: 20 }, (_value, at) => ({
      partition,
      value: `${partition}-${at}-${'x'.repeat(1000)}`,
    })),
  );
  await producer.send({ topic, acks: -1, messages });
  await producer.disconnect();
}

async function endOffsets(admin: Admin, topic: string): Promise<string[]> {
  return (await admin.fetchTopicOffsets(topic)).map(({ offset }) => offset);
}

function counts(ids: readonly number[]): Record<number, number> {
  const found: Record<number, number> = {};
  for (const id of ids) found[id] = (found[id] ?? 0) + 1;
  return found;
}

const LIMITS = { throttle: 50_000_000, concurrency: 3, removeVoter: false };

describe('the tools of a cluster', { timeout: 60_000 }, () => {
  test('decommission moves everything off a broker and takes it out', async () => {
    const { kafka, admin, tool, context, printed } = await start({ brokers: 4 });
    await fill(kafka, admin, 'orders', [
      [4, 1, 2],
      [1, 4, 3],
      [2, 3, 4],
      [1, 2, 3],
      [4, 3, 2],
    ]);
    await decommission(context, tool, 4, LIMITS);
    const partitions = await tool.partitions();
    expect(partitions.flatMap(({ replicas }) => replicas)).not.toContain(4);
    for (const { leader, replicas, isr } of partitions) {
      expect(leader).toBe(replicas[0]);
      expect(isr.toSorted()).toEqual(replicas.toSorted());
    }
    expect((await tool.describeCluster()).brokers.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(await endOffsets(admin, 'orders')).toEqual(['20', '20', '20', '20', '20']);
    expect(printed[0]).toBe('Moving 4 partitions off broker 4');
    expect(printed.some(line => line.startsWith('Moved 4 of 4 partitions'))).toBe(true);
    expect(printed.at(-1)).toContain('Broker 4 holds nothing and is unregistered. Stop its process now');
    // Nothing of the throttle is left.
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        { type: 2, name: 'orders', configNames: ['leader.replication.throttled.replicas'] },
        { type: 4, name: '1', configNames: ['leader.replication.throttled.rate'] },
      ],
    });
    expect(
      resources.flatMap(({ configEntries }) => configEntries.map(({ configValue }) => configValue ?? '')),
    ).toEqual(expect.not.arrayContaining([expect.stringMatching(/./)]));
  });

  test('decommission goes on with what an earlier one has started', async () => {
    const { kafka, admin, tool, context, printed } = await start({ brokers: 3 });
    await fill(kafka, admin, 'orders', [
      [1, 2],
      [2, 3],
      [3, 1],
    ]);
    await tool.reassign([{ topic: 'orders', partition: 0, replicas: [2, 3] }]);
    await decommission(context, tool, 1, LIMITS);
    expect((await tool.partitions()).flatMap(({ replicas }) => replicas)).not.toContain(1);
    expect(printed.at(-1)).toContain('Broker 1 holds nothing');
  });

  test('decommission refuses what would lower a replication factor, and a broker that is not there', async () => {
    const { kafka, admin, tool, context } = await start({ brokers: 3 });
    await fill(kafka, admin, 'orders', [[1, 2, 3]]);
    await expect(decommission(context, tool, 3, LIMITS)).rejects.toThrow(
      'orders-0 has 3 replicas and 2 other brokers are running: without broker 3 its replication factor cannot be kept',
    );
    await expect(decommission(context, tool, 7, LIMITS)).rejects.toThrow(
      'there is no broker 7 in this cluster; its brokers are 1, 2, 3',
    );
    expect((await tool.partitions())[0]!.replicas).toEqual([1, 2, 3]);
  });

  test('decommission refuses a partition that is only on a broker that does not run, and says what to do', async () => {
    const { cluster, kafka, admin, tool, context } = await start({ brokers: 3 });
    await fill(kafka, admin, 'orders', [[3], [1]]);
    await cluster.brokers[2]!.kill();
    while ((await tool.partitions())[0]!.leader >= 0) await new Promise(resolve => setTimeout(resolve, 50));
    await expect(decommission(context, tool, 3, LIMITS)).rejects.toThrow(
      'orders-0 cannot be moved off broker 3: the only complete replica is on broker 3, which is not running. ' +
        'Start it, then run this again.',
    );
    await cluster.brokers[2]!.restart();
    while ((await tool.partitions())[0]!.leader < 0) await new Promise(resolve => setTimeout(resolve, 50));
    await decommission(context, tool, 3, LIMITS);
    expect(await endOffsets(admin, 'orders')).toEqual(['20', '20']);
  });

  test('decommission says how a voter of a fixed quorum is replaced, and cannot remove it', async () => {
    const { tool, context, printed } = await start({ brokers: 4, controllers: 'combined' });
    await expect(decommission(context, tool, 4, { ...LIMITS, removeVoter: true })).rejects.toThrow(
      '--remove-voter: node 4 is no voter of the metadata quorum',
    );
    await expect(decommission(context, tool, 3, { ...LIMITS, removeVoter: true })).rejects.toThrow(
      '--remove-voter: node 3 is a controller too and one of the 3 voters of the metadata quorum, which ' +
        'controller.quorum.voters of every node names: to replace it, start another controller with the id 3',
    );
    await decommission(context, tool, 3, LIMITS);
    expect(printed.at(-1)).toContain('to do without it, stop all nodes, take it out of that key');
  });

  test('a throttle slows a move to its rate, and an interrupted move leaves none behind when it is run again', async () => {
    const { kafka, admin, tool, context, printed, cluster } = await start({ brokers: 3 });
    await fill(kafka, admin, 'orders', [[1, 2]]);
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const messages = Array.from({ length: 10 }, () => ({ partition: 0, value: randomBytes(100_000) }));
    for (let round = 0; round < 6; round++) await producer.send({ topic: 'orders', acks: -1, messages });
    await producer.disconnect();
    const bytes = (await tool.replicaSizes((await tool.describeCluster()).brokers[0]!)).get('orders-0')!;
    const throttle = bytes / 4;
    const limits = { ...LIMITS, throttle: Math.round(throttle) };
    const startMs = performance.now();
    // As Ctrl-C: nobody watches over the move any more.
    const bootstrap = cluster.brokers.map(({ host, port }) => ({ host, port }));
    const interrupted = new AdminClient(runtime, silentLogger, bootstrap);
    const first = decommission(context, interrupted, 2, limits).catch(() => {});
    while ((await tool.reassignments()).length === 0) await new Promise(resolve => setTimeout(resolve, 20));
    interrupted.close();
    await first;
    const keys = ['leader.replication.throttled.replicas', 'follower.replication.throttled.replicas'];
    const rates = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'];
    const orders = { resource: 'topic' as const, name: 'orders' };
    // Whichever broker is asked: one hears of a change a moment later than the others.
    const untilSet = async (resource: ConfigResource, what: string[], count: number): Promise<void> => {
      for (const { id, host, port } of cluster.brokers) {
        if (resource.resource === 'broker' && resource.name !== String(id)) continue;
        await expect
          .poll(() => tool.configsThatAreSet([resource], what, { host, port }), { timeout: 20_000 })
          .toHaveLength(count);
      }
    };
    await untilSet(orders, keys, 2);

    await decommission(context, tool, 2, limits);
    const seconds = (performance.now() - startMs) / 1000;
    expect(printed).toContain('Waiting for 1 partitions that are being moved already');
    // Four seconds at the rate that was asked for.
    expect(seconds).toBeGreaterThan(2);
    await untilSet(orders, keys, 0);
    for (const name of ['1', '3']) await untilSet({ resource: 'broker', name }, rates, 0);
    // The move was over before anybody looked again: the throttle goes as well.
    await tool.alterConfigs([
      { resource: 'topic', name: 'orders', key: keys[0]!, value: '0:1' },
      { resource: 'broker', name: '1', key: rates[0]!, value: '1000' },
    ]);
    await untilSet(orders, keys, 1);
    await untilSet({ resource: 'broker', name: '1' }, rates, 1);
    await rebalance(context, tool, { execute: true, json: true, ...LIMITS });
    await untilSet(orders, keys, 0);
    await untilSet({ resource: 'broker', name: '1' }, rates, 0);
  });

  test('a cluster that does not answer is said to be one soon', async () => {
    const nobody = new AdminClient(runtime, silentLogger, [{ host: '127.0.0.1', port: 1 }]);
    open.push(() => nobody.close());
    await expect(nobody.describeCluster()).rejects.toThrow(
      'cannot describe the cluster: 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1',
    );
  });

  test('rebalance shows a plan, and moves only when it is told to', async () => {
    const { kafka, admin, tool, context, printed } = await start({ brokers: 4, racks: ['a', 'b'] });
    const crowded = Array.from({ length: 8 }, () => [1, 2]);
    await fill(kafka, admin, 'orders', crowded);
    await rebalance(context, tool, { execute: false, json: false, ...LIMITS });
    expect(printed[0]).toMatch(/^partition +replicas +will be +copied$/);
    expect(printed.join('\n')).toContain('Nothing has been moved');
    expect((await tool.partitions()).map(({ replicas }) => replicas)).toEqual(crowded);

    printed.length = 0;
    await rebalance(context, tool, { execute: true, json: false, ...LIMITS });
    expect(printed.at(-1)).toBe('Done: replicas and leaders are where the plan has them.');
    const partitions = await tool.partitions();
    expect(counts(partitions.flatMap(({ replicas }) => replicas))).toEqual({ 1: 4, 2: 4, 3: 4, 4: 4 });
    expect(counts(partitions.map(({ leader }) => leader))).toEqual({ 1: 2, 2: 2, 3: 2, 4: 2 });
    const rack = (id: number): string => (id % 2 === 1 ? 'a' : 'b');
    for (const { replicas } of partitions) expect(new Set(replicas.map(rack)).size).toBe(2);
    expect(await endOffsets(admin, 'orders')).toEqual(Array.from({ length: 8 }, () => '20'));

    printed.length = 0;
    await rebalance(context, tool, { execute: true, json: true, ...LIMITS });
    expect(JSON.parse(printed.join('\n'))).toEqual({ version: 1, partitions: [] });
  });

  test('status shows brokers, controllers and what is not in sync', async () => {
    const { cluster, kafka, admin, tool, context, printed } = await start({
      brokers: 3,
      racks: ['a', 'b', 'c'],
    });
    await fill(kafka, admin, 'orders', [[1, 2, 3]]);
    await printStatus(context, tool, false);
    expect(printed.join('\n')).toMatch(/1 +127\.0\.0\.1:\d+ +a +running +1 +1 +1 +/);
    expect(printed.join('\n')).toMatch(/101 +leader +running +0/);
    expect(printed.at(-1)).toBe(
      '1 partitions: 0 without a leader, 0 with replicas that are not in sync, 0 being moved',
    );
    await cluster.brokers[2]!.kill();
    while ((await tool.describeCluster()).brokers.every(({ fenced }) => !fenced)) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    printed.length = 0;
    await printStatus(context, tool, true);
    const status = JSON.parse(printed.join('\n'));
    expect(status.brokers.map(({ state }: { state: string }) => state)).toEqual([
      'running',
      'running',
      'not running',
    ]);
    expect(status.partitions.underReplicated).toMatchObject([{ topic: 'orders', partition: 0, isr: [1, 2] }]);
    printed.length = 0;
    await printStatus(context, tool, false);
    expect(printed.at(-1)).toBe('  orders-0: leader 1, not in sync: 3');
  });
});
