import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, type Consumer, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import {
  type Cluster,
  type ClusterOptions,
  createCluster,
  type Node,
} from '../../src/cluster/create-cluster.ts';
import { ConfigResourceType } from '../../src/metadata/config-resource.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import { RawClient } from '../server/raw-client.ts';
import { createTopicsWithLeaders } from '../support/kafkajs-topics.ts';

/** What a test leaves open, closed in reverse. */
const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await createCluster(options);
  open.push(() => cluster.close());
  return cluster;
}

function kafka(cluster: Cluster, brokers: readonly Node[] = cluster.brokers): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: brokers.map(({ address }) => address),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1000,
    requestTimeout: 5000,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 },
  });
}

async function connectAdmin(cluster: Cluster): Promise<Admin> {
  const admin = kafka(cluster).admin();
  open.push(() => admin.disconnect());
  await admin.connect();
  return admin;
}

async function connectProducer(cluster: Cluster, brokers?: readonly Node[]): Promise<Producer> {
  const producer = kafka(cluster, brokers).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    // What was sent again is there once.
    idempotent: true,
    maxInFlightRequests: 1,
  });
  open.push(() => producer.disconnect());
  await producer.connect();
  return producer;
}

async function createTopic(cluster: Cluster, topic: string, numPartitions = 1): Promise<void> {
  const admin = await connectAdmin(cluster);
  await createTopicsWithLeaders(admin, [{ topic, numPartitions, replicationFactor: 3 }]);
}

async function send(producer: Producer, topic: string, values: readonly string[]): Promise<void> {
  await producer.send({ topic, acks: -1, messages: values.map(value => ({ key: value, value })) });
}

/** A consumer of a group, and what it has got. */
async function consume(
  cluster: Cluster,
  topic: string,
  groupId = 'readers',
): Promise<{ consumer: Consumer; got: string[] }> {
  const consumer = kafka(cluster).consumer({
    groupId,
    sessionTimeout: 6000,
    heartbeatInterval: 200,
    maxWaitTimeInMs: 100,
    // It looks for its coordinator anew only when it has given up on the one that it had.
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 5, restartOnFailure: async () => true },
  });
  open.push(() => consumer.disconnect());
  const got: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 50,
    eachMessage: async ({ message }) => {
      got.push(message.value!.toString());
    },
  });
  return { consumer, got };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10));
}

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${name}-${at}`);

describe('a cluster in this process', { timeout: 60_000 }, () => {
  test('carries records from a producer with acks=all to a consumer of a group', async () => {
    const cluster = await start({ brokers: 3 });
    await createTopic(cluster, 'orders', 6);
    const values = numbered('order', 100);
    await send(await connectProducer(cluster), 'orders', values);
    const { got } = await consume(cluster, 'orders');
    await until(() => got.length >= values.length);
    expect(got.toSorted()).toEqual(values.toSorted());
    await cluster.inSync();
  });

  test('loses nothing that was acknowledged when the leader is killed, and takes it back in when it starts again', async () => {
    const cluster = await start();
    await createTopic(cluster, 'orders');
    const producer = await connectProducer(cluster);
    await send(producer, 'orders', numbered('before', 20));
    const leader = await cluster.leaderOf('orders');
    await leader.kill();
    expect(leader.state).toBe('killed');
    await send(producer, 'orders', numbered('after', 20));
    const successor = await cluster.leaderOf('orders');
    expect(successor.id).not.toBe(leader.id);
    await leader.restart();
    expect(leader.state).toBe('running');
    await cluster.inSync();
    const { got } = await consume(cluster, 'orders');
    await until(() => got.length >= 40);
    expect(got).toEqual([...numbered('before', 20), ...numbered('after', 20)]);
  });

  test('lets a group survive the death of its coordinator: commits stay, and members go on', async () => {
    const cluster = await start();
    await createTopic(cluster, 'orders');
    const producer = await connectProducer(cluster);
    await send(producer, 'orders', numbered('before', 10));
    const first = await consume(cluster, 'orders');
    const admin = await connectAdmin(cluster);
    const committed = async (): Promise<string> => {
      const [topic] = await admin.fetchOffsets({ groupId: 'readers', topics: ['orders'] });
      return topic!.partitions[0]!.offset;
    };
    await until(async () => (await committed()) === '10');
    const coordinator = await cluster.leaderOf('__consumer_offsets', groupPartition('readers', 4));
    await coordinator.kill();
    await send(producer, 'orders', numbered('after', 10));
    await until(() => first.got.includes('after-9'));
    expect(first.got.filter(value => value.startsWith('before'))).toEqual(numbered('before', 10));
    await until(async () => (await committed()) === '20');
  });

  test('goes on when the active controller is killed', async () => {
    const cluster = await start();
    const active = await cluster.activeController();
    await active.kill();
    const successor = await cluster.activeController();
    expect(successor.id).not.toBe(active.id);
    const admin = await connectAdmin(cluster);
    // Until it is fenced the dead node may be named as the one to ask.
    const topics = [{ topic: 'later', numPartitions: 1, replicationFactor: 2 }];
    await until(() => admin.createTopics({ topics }).catch(() => false));
    expect(await admin.listTopics()).toContain('later');
  });

  test('elects other leaders of quorum and partitions at once when a process has ended, whatever the timeouts', async () => {
    const cluster = await start({
      properties: {
        'broker.session.timeout.ms': '600000',
        'controller.quorum.fetch.timeout.ms': '600000',
        'controller.quorum.election.timeout.ms': '1000',
      },
    });
    await createTopic(cluster, 'orders', 3);
    const active = await cluster.activeController();
    await active.kill();
    expect((await cluster.activeController()).id).not.toBe(active.id);
    for (const partition of [0, 1, 2]) {
      expect((await cluster.leaderOf('orders', partition)).id).not.toBe(active.id);
    }
  });

  test('elects another leader when the leader is cut off from the other nodes, and heals', async () => {
    const cluster = await start();
    await createTopic(cluster, 'orders');
    const producer = await connectProducer(cluster);
    await send(producer, 'orders', ['before']);
    const leader = await cluster.leaderOf('orders');
    const others = cluster.brokers.filter(({ id }) => id !== leader.id);
    cluster.partition(leader, others);
    await until(async () => (await cluster.leaderOf('orders')).id !== leader.id);
    // A leader that was cut off does not know that it leads no more, and a client that asks it never learns of another:
    // who writes now is a client on the other side.
    const elsewhere = await connectProducer(cluster, others);
    await send(elsewhere, 'orders', ['during']);
    cluster.heal();
    await cluster.inSync();
    await send(producer, 'orders', ['after']);
    const { got } = await consume(cluster, 'orders');
    await until(() => got.length >= 3);
    expect(got).toEqual(['before', 'during', 'after']);
  });

  test('answers later when a delay is asked for', async () => {
    const cluster = await start({ brokers: 1 });
    const admin = await connectAdmin(cluster);
    await admin.listTopics();
    cluster.delay(120);
    const startMs = performance.now();
    await admin.listTopics();
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(119);
    cluster.delay(0);
    await admin.listTopics();
  });

  test('fails the next requests of an API as it is told, and only those', async () => {
    const cluster = await start();
    await createTopic(cluster, 'orders');
    const producer = kafka(cluster).producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 0 },
    });
    open.push(() => producer.disconnect());
    await producer.connect();
    await send(producer, 'orders', ['good']);
    cluster.failNext('Produce', 'MESSAGE_TOO_LARGE', { times: 2 });
    await expect(send(producer, 'orders', ['bad'])).rejects.toThrow('larger than the max message size');
    await expect(send(producer, 'orders', ['bad'])).rejects.toThrow('larger than the max message size');
    await send(producer, 'orders', ['good again']);
    const { got } = await consume(cluster, 'orders');
    await until(() => got.includes('good again'));
    expect(got).toEqual(['good', 'good again']);
    expect(() => cluster.failNext('Prodduce', 'MESSAGE_TOO_LARGE')).toThrow(RangeError);
    expect(() => cluster.failNext('Produce', 'NONE')).toThrow(RangeError);
  });

  test('keeps what it has when it stops as a whole and starts again', async () => {
    const cluster = await start();
    await createTopic(cluster, 'orders', 3);
    const values = numbered('order', 30);
    await send(await connectProducer(cluster), 'orders', values);
    await Promise.all(cluster.brokers.map(broker => broker.stop()));
    expect(cluster.brokers.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
    await Promise.all(cluster.brokers.map(broker => broker.restart()));
    const { got } = await consume(cluster, 'orders');
    await until(() => got.length >= values.length);
    expect(got.toSorted()).toEqual(values.toSorted());
  });

  test('goes on with the files of an earlier cluster in the same directory', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'odradek-kept-'));
    open.push(async () => rmSync(directory, { recursive: true }));
    const first = await createCluster({ directory });
    await createTopic(first, 'orders');
    const producer = kafka(first).producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await send(producer, 'orders', ['kept']);
    await producer.disconnect();
    await first.close();
    const second = await start({ directory });
    expect(second.clusterId).toBe(first.clusterId);
    const { got } = await consume(second, 'orders');
    await until(() => got.length > 0);
    expect(got).toEqual(['kept']);
  });

  test('runs controllers on nodes of their own, and spreads replicas over racks', async () => {
    const logger = new MemoryLogger();
    const cluster = await start({ brokers: 4, controllers: 1, racks: ['a', 'b'], logger });
    expect(cluster.controllers.map(({ id, isBroker }) => [id, isBroker])).toEqual([[101, false]]);
    expect(cluster.brokers.map(({ rack }) => rack)).toEqual(['a', 'b', 'a', 'b']);
    const admin = await connectAdmin(cluster);
    await admin.createTopics({ topics: [{ topic: 'spread', numPartitions: 8, replicationFactor: 2 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: ['spread'] });
    for (const { replicas } of topics[0]!.partitions) {
      expect(new Set(replicas.map(id => cluster.brokers.find(broker => broker.id === id)!.rack)).size).toBe(
        2,
      );
    }
    expect(new Set(logger.entries.map(({ fields }) => fields['node']))).toEqual(new Set([1, 2, 3, 4, 101]));
  });

  test('gives each broker log levels of its own, until it starts again', async () => {
    const logger = new MemoryLogger();
    const cluster = await start({ brokers: 2, logger });
    const [one, two] = cluster.brokers as [Node, Node];
    const rootLevel = async (node: Node): Promise<string> => {
      const resource = {
        type: ConfigResourceType.BROKER_LOGGER,
        name: String(node.id),
        configNames: ['root'],
      };
      const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
      return resources[0]!.configEntries[0]!.configValue;
    };
    const client = await RawClient.connect(one.port);
    const configs = [{ name: 'root', configOperation: 0, value: 'FATAL' }];
    const changed = await client.ask([IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse], 1, {
      resources: [{ resourceType: ConfigResourceType.BROKER_LOGGER, resourceName: String(one.id), configs }],
    });
    client.close();
    expect(changed?.responses[0]?.errorCode).toBe(0);
    const admin = await connectAdmin(cluster);
    // kafkajs does not know a broker again at once that was away.
    const expectLevel = (node: Node, level: string) =>
      expect.poll(() => rootLevel(node).catch(String), { timeout: 20_000 }).toBe(level);
    await expectLevel(one, 'FATAL');
    await expectLevel(two, 'DEBUG');
    logger.entries.length = 0;
    await two.restart();
    await one.restart();
    const stopped = logger.entries.filter(({ message }) => message === 'stopped');
    expect(stopped.map(({ fields }) => fields['node'])).toEqual([two.id]);
    await expectLevel(one, 'DEBUG');
  });

  test('says what is wrong with its options', async () => {
    await expect(createCluster({ brokers: 0 })).rejects.toThrow('between 1 and 100 brokers');
    await expect(createCluster({ controllers: 1.5 })).rejects.toThrow("'combined' or a number");
    await expect(createCluster({ properties: { listeners: 'PLAINTEXT://:9092' } })).rejects.toThrow(
      'listeners is chosen by createCluster',
    );
    await expect(createCluster({ brokers: 1, properties: { 'num.partitons': 3 } })).rejects.toThrow(
      'the nearest known one is num.partitions',
    );
  });

  test('leaves nothing behind when it is closed', async () => {
    const cluster = await createCluster();
    const directories = cluster.brokers.map(({ directory }) => directory);
    expect(directories.every(existsSync)).toBe(true);
    await cluster.close();
    expect(directories.some(existsSync)).toBe(false);
    await cluster.close();
    await expect(cluster.leaderOf('orders')).rejects.toThrow('the cluster is closed');
  });
});

/** Kafka's rule: the hash of the group's name over the partitions of `__consumer_offsets`. */
function groupPartition(groupId: string, partitions: number): number {
  let hash = 0;
  for (const character of groupId) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return (hash & 0x7fff_ffff) % partitions;
}
