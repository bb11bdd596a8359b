import { CompressionTypes, Kafka, logLevel, type Message } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';

const TOPIC = 'compacted';
const KEYS = 800;
const ROUNDS = 4;
const BATCHES = 60;
const BATCH_RECORDS = 100;

let target: StartedTarget;
let kafka: Kafka;

beforeAll(async () => {
  target = await startTarget('compaction', {
    properties: { 'log.cleaner.backoff.ms': '100', 'log.cleaner.io.buffer.size': '1048576' },
  });
  kafka = new Kafka({ brokers: [target.broker.bootstrap], clientId: 'check', logLevel: logLevel.NOTHING });
});

afterAll(async () => {
  await target?.dispose();
});

async function endOf(topic: string): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const [offsets] = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return Number(offsets!.high);
}

interface Found {
  readonly records: number;
  readonly last: Map<string, string>;
}

/** All records from the start of the topic on, which has one partition. */
async function readAll(topic: string): Promise<Found> {
  const end = await endOf(topic);
  const consumer = kafka.consumer({ groupId: `reader-${end}-${Math.random()}`, maxWaitTimeInMs: 300 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const last = new Map<string, string>();
  let records = 0;
  let before = -1;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`read up to ${before} of ${end}`)), 60_000);
    consumer
      .run({
        eachMessage: async ({ message }) => {
          const offset = Number(message.offset);
          if (offset <= before) reject(new Error(`offset ${offset} after ${before}`));
          before = offset;
          records++;
          const key = message.key!.toString();
          if (message.value === null) last.delete(key);
          else last.set(key, message.value.toString());
          if (offset < end - 1) return;
          clearTimeout(timer);
          resolve();
        },
      })
      .catch(reject);
  });
  await consumer.stop();
  await consumer.disconnect();
  return { records, last };
}

describe('a compacted topic', () => {
  test('refuses records without a key', async () => {
    const admin = kafka.admin();
    await admin.connect();
    const settings = {
      'cleanup.policy': 'compact',
      'segment.bytes': '1048576',
      'min.cleanable.dirty.ratio': '0.05',
      'file.delete.delay.ms': '100',
      'delete.retention.ms': '500',
    };
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1, configEntries }] });
    await admin.disconnect();
    const producer = kafka.producer({ retry: { retries: 0 } });
    await producer.connect();
    const refused = producer.send({ topic: TOPIC, messages: [{ value: 'no key' }] });
    await expect(refused).rejects.toThrow(/failed the validation/);
    await producer.disconnect();
  });

  test('has the last record of each key, through kill -9 in the middle of compactions', async () => {
    const expected = new Map<string, string>();
    let produced = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // Of an idempotent producer the last batch stays without records. A fetch that gives nothing else is one that kafkajs
      // does not get past, whichever broker gives it.
      const producer = kafka.producer();
      await producer.connect();
      for (let batch = 0; batch < BATCHES; batch++) {
        const messages: Message[] = [];
        for (let at = 0; at < BATCH_RECORDS; at++) {
          const number = produced++;
          const key = `key-${(number * 7919) % KEYS}`;
          const value = number % 11 === 0 ? null : `${number} `.padEnd(40 + (number % 400), 'x');
          messages.push({ key, value });
          if (value === null) expected.delete(key);
          else expected.set(key, value);
        }
        const compression = batch % 3 === 0 ? CompressionTypes.GZIP : CompressionTypes.None;
        await producer.send({ topic: TOPIC, messages, acks: -1, compression });
      }
      await producer.disconnect();
      await target.broker.kill();
      await target.broker.start();
      expect((await readAll(TOPIC)).last).toEqual(expected);
    }
    // The active segment holds up to 1 MiB that is not compacted.
    let found = await readAll(TOPIC);
    for (let tries = 0; tries < 30 && found.records > produced / 3; tries++) {
      await new Promise(resolve => setTimeout(resolve, 1_000));
      found = await readAll(TOPIC);
    }
    expect(found.records).toBeLessThanOrEqual(produced / 3);
    expect(found.last).toEqual(expected);
  });
});
