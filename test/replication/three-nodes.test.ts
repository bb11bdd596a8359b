import { readFileSync } from 'node:fs';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { createTopicsWithLeaders } from '../support/kafkajs-topics.ts';
import { TestCluster, type TestNode, until } from '../support/test-cluster.ts';

const TOPIC = 'replicated';
const PARTITIONS = 3;

let cluster: TestCluster | undefined;

afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

function logsOf(node: TestNode) {
  const { replicaManager } = node.server.services!;
  return Array.from({ length: PARTITIONS }, (_, index) => replicaManager.partition(TOPIC, index)!.log!);
}

function contentOf(node: TestNode): Buffer[] {
  return logsOf(node).map(log =>
    Buffer.concat(
      log.segments.all.map(segment =>
        segment.writtenBytes === 0
          ? Buffer.alloc(0)
          : readFileSync(segment.log.path).subarray(0, segment.writtenBytes),
      ),
    ),
  );
}

async function createTopic(admin: Admin): Promise<void> {
  await createTopicsWithLeaders(admin, [
    {
      topic: TOPIC,
      numPartitions: PARTITIONS,
      replicationFactor: 3,
      configEntries: [{ name: 'min.insync.replicas', value: '2' }],
    },
  ]);
}

it('three nodes keep what kafkajs wrote with acks=all while each of them stops and comes back', async () => {
  cluster = await TestCluster.start({
    roles: ['broker,controller', 'broker,controller', 'broker,controller'],
    properties: { 'replica.lag.time.max.ms': '5000', 'replica.fetch.backoff.ms': '200' },
  });
  const { nodes } = cluster;
  const kafka = new Kafka({
    brokers: nodes.map(node => node.bootstrap),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 30 },
  });
  const admin = kafka.admin();
  await admin.connect();
  await createTopic(admin);

  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  const written: string[] = [];
  let isStopping = false;
  const producing = (async () => {
    for (let i = 0; !isStopping; i++) {
      const value = `record ${i}`;
      await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: String(i), value }] });
      written.push(value);
    }
  })();

  for (const node of nodes) {
    const before = written.length;
    await node.restart();
    await until('records are written after a restart', () => written.length > before + 20, 30_000);
  }
  isStopping = true;
  await producing;
  await producer.disconnect();
  await admin.disconnect();

  await until('the replicas are equally long', () =>
    nodes.every(node =>
      logsOf(node).every((log, i) => log.logEndOffset === logsOf(nodes[0]!)[i]!.logEndOffset),
    ),
  );
  const [first, ...others] = nodes.map(contentOf);
  for (const other of others) {
    for (let i = 0; i < PARTITIONS; i++) expect(other[i]!.equals(first![i]!)).toBe(true);
  }

  const consumer = kafka.consumer({ groupId: 'g' });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const seen = new Set<string>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.add(message.value!.toString());
    },
  });
  await until('all that was acknowledged is read', () => written.every(value => seen.has(value)));
  await consumer.disconnect();
  expect(written.length).toBeGreaterThan(60);
}, 120_000);
