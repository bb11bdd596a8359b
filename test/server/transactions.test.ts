import { Kafka, logLevel, type Producer } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestBroker } from '../support/test-broker.ts';

let broker: TestBroker;
let kafka: Kafka;
let producer: Producer;

beforeEach(async () => {
  broker = await TestBroker.start();
  kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
  producer = kafka.producer({ transactionalId: 'x', maxInFlightRequests: 1, idempotent: true });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 't', numPartitions: 3 }], waitForLeaders: true });
  await admin.disconnect();
});

afterEach(async () => {
  await producer.disconnect();
  await broker.close();
});

async function transact(value: string, how: 'commit' | 'abort'): Promise<void> {
  const transaction = await producer.transaction();
  const messages = [0, 1, 2].map(partition => ({ partition, value }));
  await transaction.send({ topic: 't', messages });
  await transaction[how]();
}

async function readCommitted(): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: `g-${Math.random()}`, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topic: 't', fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>(resolve => {
    void consumer.run({
      eachMessage: async ({ message, partition }) => {
        values.push(`${partition}:${message.value}`);
        if (message.value!.toString() === 'last' && values.filter(v => v.endsWith('last')).length === 3)
          resolve();
      },
    });
  });
  await consumer.disconnect();
  return values.sort();
}

describe('a transactional client', () => {
  test('has what it commits read, and not what it aborts', async () => {
    await producer.connect();
    await transact('a', 'commit');
    await transact('b', 'abort');
    await transact('last', 'commit');
    expect(await readCommitted()).toEqual(['0:a', '0:last', '1:a', '1:last', '2:a', '2:last']);
  }, 60_000);

  test('goes on after the broker has come back', async () => {
    await producer.connect();
    await transact('a', 'commit');
    await producer.disconnect();
    await broker.restart();
    kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
    producer = kafka.producer({ transactionalId: 'x', maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    await transact('last', 'commit');
    expect(await readCommitted()).toEqual(['0:a', '0:last', '1:a', '1:last', '2:a', '2:last']);
  }, 60_000);
});
