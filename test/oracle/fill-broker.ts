import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import type { BrokerProcess } from '../support/broker-process.ts';

export const FILLED_TOPIC = 'orders';
export const FILLED_PARTITIONS = 3;
export const FILLED_GROUP = 'billing';
export const COMMITTED_OFFSET = 40;

/** What a filled broker holds, as a client sees it. */
export interface BrokerContents {
  readonly topics: string[];
  /** End offset of each partition of the filled topic. */
  readonly ends: number[];
  /** Values by partition, in offset order. */
  readonly values: string[][];
  readonly committed: number[];
  readonly retentionMs: string;
}

/** A kafkajs client that keeps quiet; the checks look at results. */
export function clientOf(broker: BrokerProcess): Kafka {
  const retry = { retries: 20, initialRetryTime: 50, maxRetryTime: 500 };
  return new Kafka({ brokers: [broker.bootstrap], clientId: 'oracle', logLevel: logLevel.NOTHING, retry });
}

/** Creates topics, writes records in several batches, commits offsets and deletes a topic again. */
export async function fillBroker(broker: BrokerProcess, label: string, batches: number): Promise<void> {
  const kafka = clientOf(broker);
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [
    { name: 'retention.ms', value: '86400000' },
    { name: 'segment.bytes', value: '1048576' },
  ];
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      { topic: FILLED_TOPIC, numPartitions: FILLED_PARTITIONS, configEntries },
      { topic: `passing-${label}`, numPartitions: 2 },
    ],
  });
  await produceBatches(kafka, label, batches);
  const partitions = Array.from({ length: FILLED_PARTITIONS }, (_, partition) => partition);
  await commit(kafka);
  await admin.setOffsets({
    groupId: FILLED_GROUP,
    topic: FILLED_TOPIC,
    partitions: partitions.map(partition => ({ partition, offset: `${COMMITTED_OFFSET}` })),
  });
  await admin.deleteTopics({ topics: [`passing-${label}`] });
  await admin.disconnect();
}

/** Ten records a batch and partition, gzip and plain in turn, idempotent and not. */
export async function produceBatches(kafka: Kafka, label: string, batches: number): Promise<void> {
  const plain = kafka.producer();
  const idempotent = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await plain.connect();
  await idempotent.connect();
  for (let batch = 0; batch < batches; batch++) {
    const messages = Array.from({ length: 10 * FILLED_PARTITIONS }, (_, i) => ({
      key: `k${i}`,
      value: `${label}-${batch}-${i}-${'.'.repeat(i * 10)}`,
      partition: i % FILLED_PARTITIONS,
      headers: { batch: `${batch}` },
    }));
    const compression = batch % 2 === 0 ? CompressionTypes.None : CompressionTypes.GZIP;
    const producer = batch % 3 === 0 ? idempotent : plain;
    await producer.send({ topic: FILLED_TOPIC, messages, compression, acks: -1 });
  }
  await plain.disconnect();
  await idempotent.disconnect();
}

/** A member that joins, commits and leaves, so that the group has records of its own in the offsets topic. */
async function commit(kafka: Kafka): Promise<void> {
  const consumer = kafka.consumer({ groupId: FILLED_GROUP, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topics: [FILLED_TOPIC], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer.run({ eachBatch: async () => resolve() }).catch(reject);
  });
  await consumer.disconnect();
}

/** Reads everything back with clients. */
export async function readContents(broker: BrokerProcess): Promise<BrokerContents> {
  const kafka = clientOf(broker);
  const admin = kafka.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter(name => !name.startsWith('__')).sort();
  const offsets = await patiently(() => admin.fetchTopicOffsets(FILLED_TOPIC));
  const ends = offsets.sort((a, b) => a.partition - b.partition).map(({ high }) => Number(high));
  const committed = await committedOffsets(admin);
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: 2, name: FILLED_TOPIC, configNames: ['retention.ms'] }],
  });
  const values = await readValues(kafka, ends);
  await admin.disconnect();
  const retentionMs = described.resources[0]?.configEntries[0]?.configValue ?? '';
  return { topics, ends, values, committed, retentionMs };
}

async function committedOffsets(admin: ReturnType<Kafka['admin']>): Promise<number[]> {
  const request = { groupId: FILLED_GROUP, topics: [FILLED_TOPIC] };
  const [topic] = await patiently(() => admin.fetchOffsets(request));
  const partitions = topic?.partitions ?? [];
  return partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
}

/**
 * kafkajs waits neither for a coordinator that is still loading its partition, nor for a leader that Apache Kafka names
 * in its metadata a moment before it leads.
 */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
}

async function readValues(kafka: Kafka, ends: readonly number[]): Promise<string[][]> {
  const groupId = `reader-${Math.floor(performance.now())}-${process.pid}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 });
  const values: string[][] = ends.map(() => []);
  const total = ends.reduce((sum, end) => sum + end, 0);
  await consumer.connect();
  await consumer.subscribe({ topics: [FILLED_TOPIC], fromBeginning: true });
  let read = 0;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`read ${read} of ${total} records`)), 60_000);
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          const list = values[partition] ?? [];
          if (Number(message.offset) !== list.length) {
            reject(
              new Error(`partition ${partition}: offset ${message.offset} where ${list.length} was due`),
            );
          }
          list.push(message.value?.toString() ?? '');
          read++;
          if (read < total) return;
          clearTimeout(timer);
          resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  const admin = kafka.admin();
  await admin.connect();
  await admin.deleteGroups([groupId]);
  await admin.disconnect();
  return values;
}
