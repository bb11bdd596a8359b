import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { expectContiguous, type PrintedRecord } from './records.ts';

const TOPIC = 'kafkajs';
const PARTITIONS = 3;
const RECORDS = 300;

let target: StartedTarget;
let kafka: Kafka;

beforeAll(async () => {
  target = await startTarget('kafkajs');
  kafka = new Kafka({ brokers: [target.broker.bootstrap], clientId: 'check', logLevel: logLevel.NOTHING });
});

afterAll(async () => {
  await target?.dispose();
});

/** Reads in a group until `count` records are there, commits what was read and leaves. */
async function consume(topic: string, groupId: string, count: number): Promise<PrintedRecord[]> {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10_000, maxWaitTimeInMs: 300 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const records: PrintedRecord[] = [];
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`read ${records.length} of ${count} records`)), 60_000);
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          const [key, value] = [message.key, message.value].map(bytes => bytes?.toString() ?? '');
          records.push({ partition, offset: Number(message.offset), key: key ?? '', value: value ?? '' });
          if (records.length < count) return;
          clearTimeout(timer);
          resolve();
        },
      })
      .catch(reject);
  });
  await consumer.stop();
  await consumer.disconnect();
  return records;
}

/** Calls again while the coordinator is still loading: kafkajs leaves that to its caller. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
}

async function produce(topic: string, first: number, count: number, options = {}): Promise<void> {
  const producer = kafka.producer(options);
  await producer.connect();
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  const messages = numbers.map(n => ({ key: `k${n}`, value: `v${n}`, partition: n % PARTITIONS }));
  await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.GZIP });
  await producer.disconnect();
}

describe('kafkajs', () => {
  test('creates, describes and alters a topic', async () => {
    const admin = kafka.admin();
    await admin.connect();
    expect(await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2 }] })).toBe(true);
    expect(await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2 }] })).toBe(false);
    await admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: PARTITIONS }] });
    expect(await admin.listTopics()).toContain(TOPIC);
    const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
    expect(topics[0]?.partitions.map(({ leader }) => leader)).toEqual([1, 1, 1]);
    const cluster = await admin.describeCluster();
    expect(cluster.brokers).toEqual([{ nodeId: 1, host: '127.0.0.1', port: target.broker.port }]);
    expect(cluster.clusterId).toBe('b2RyYWRlay10ZXN0LWNsdQ');
    const resource = { type: 2, name: TOPIC };
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '98765' }] }],
    });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ ...resource, configNames: ['retention.ms'] }],
    });
    expect(resources[0]?.configEntries[0]).toMatchObject({
      configName: 'retention.ms',
      configValue: '98765',
    });
    await admin.disconnect();
  });

  test('produces, and consumes in a group what it produced', async () => {
    await produce(TOPIC, 0, RECORDS);
    const records = await consume(TOPIC, 'kafkajs-group', RECORDS);
    expect(records).toHaveLength(RECORDS);
    expectContiguous(records);
    expect(new Set(records.map(record => record.value)).size).toBe(RECORDS);
  });

  test('produces idempotently', async () => {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'idempotent', numPartitions: PARTITIONS }] });
    await admin.disconnect();
    await produce('idempotent', 0, RECORDS, { idempotent: true });
    expect(await consume('idempotent', 'idempotent-group', RECORDS)).toHaveLength(RECORDS);
  });

  test('shares the partitions of a topic among the members of a group', async () => {
    const members = [0, 1, 2].map(() =>
      kafka.consumer({ groupId: 'shared', heartbeatInterval: 300, maxWaitTimeInMs: 300 }),
    );
    const assigned = new Map<number, number[]>();
    for (const [index, member] of members.entries()) {
      member.on('consumer.group_join', ({ payload }) => {
        assigned.set(index, payload.memberAssignment[TOPIC] ?? []);
      });
      await member.connect();
      await member.subscribe({ topics: [TOPIC], fromBeginning: true });
      await member.run({ eachMessage: async () => {} });
    }
    const deadline = Date.now() + 60_000;
    const onePartitionEach = () =>
      new Set([...assigned.values()].filter(list => list.length === 1).flat()).size === PARTITIONS;
    while (!onePartitionEach() && Date.now() < deadline)
      await new Promise(resolve => setTimeout(resolve, 100));
    expect([...assigned.values()].flat().sort()).toEqual([0, 1, 2]);
    const admin = kafka.admin();
    await admin.connect();
    const { groups } = await admin.describeGroups(['shared']);
    expect(groups[0]?.members).toHaveLength(3);
    for (const member of members) await member.disconnect();
    await admin.deleteGroups(['shared']);
    expect((await admin.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain('shared');
    await admin.disconnect();
  });

  test('finds topics, records and committed offsets again after kill -9', async () => {
    await target.broker.kill();
    await target.broker.start();
    const admin = kafka.admin();
    await admin.connect();
    expect(await admin.listTopics()).toContain(TOPIC);
    const committed = await patiently(() =>
      admin.fetchOffsets({ groupId: 'kafkajs-group', topics: [TOPIC] }),
    );
    const offsets = committed[0]?.partitions.map(({ offset }) => Number(offset)).sort();
    expect(offsets).toEqual([RECORDS / 3, RECORDS / 3, RECORDS / 3]);
    const ends = await admin.fetchTopicOffsets(TOPIC);
    expect(ends.map(({ high }) => Number(high))).toEqual([RECORDS / 3, RECORDS / 3, RECORDS / 3]);
    await admin.disconnect();
    await produce(TOPIC, RECORDS, RECORDS);
    const fresh = await consume(TOPIC, 'kafkajs-group', RECORDS);
    expectContiguous(fresh, RECORDS / 3);
    expectContiguous(await consume(TOPIC, 'from-the-start', 2 * RECORDS));
  });

  test('deletes records of a group and topics', async () => {
    const admin = kafka.admin();
    await admin.connect();
    await admin.setOffsets({
      groupId: 'kafkajs-group',
      topic: TOPIC,
      partitions: [{ partition: 0, offset: '5' }],
    });
    const [committed] = await admin.fetchOffsets({ groupId: 'kafkajs-group', topics: [TOPIC] });
    expect(committed?.partitions.find(({ partition }) => partition === 0)?.offset).toBe('5');
    await admin.deleteTopics({ topics: [TOPIC, 'idempotent'] });
    const left = await admin.listTopics();
    expect(left).not.toContain(TOPIC);
    await admin.disconnect();
  });
});
