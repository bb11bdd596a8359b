import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryLogger, silentLogger } from '../../src/base/logger.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { LockedError } from '../../src/runtime/runtime.ts';
import { KafkaRaftServer } from '../../src/server/kafka-raft-server.ts';
import { TestBroker } from '../support/test-broker.ts';

let broker: TestBroker;

afterEach(async () => {
  await broker?.close();
});

function client(): Kafka {
  return new Kafka({ clientId: 'test', brokers: [broker.bootstrap], logLevel: logLevel.NOTHING });
}

describe('KafkaRaftServer', () => {
  test('starts on fresh storage, registers and is let in', async () => {
    const logger = new MemoryLogger();
    broker = await TestBroker.start({ logger });
    const registration = broker.services.metadata().cluster.broker(1);
    expect(registration?.fenced).toBe(false);
    expect(registration?.listeners.get('PLAINTEXT')?.port).toBe(broker.port);
    expect(broker.services.quorum.leaderAndEpoch().leaderId).toBe(1);
    expect(logger.messages('error')).toEqual([]);
    expect(logger.messages('warn')).toEqual([]);
  });

  test('serves kafkajs: topics, records, groups, and has all of it after a restart', async () => {
    const logger = new MemoryLogger();
    broker = await TestBroker.start({ logger });
    const admin = client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 2 }], waitForLeaders: true });
    const producer = client().producer({ idempotent: true });
    await producer.connect();
    const sent = Array.from({ length: 20 }, (_, i) => `value-${i}`);
    await producer.send({ topic: 'orders', messages: sent.map((value, i) => ({ value, partition: i % 2 })) });
    await producer.disconnect();
    expect(await consume('orders', 'group', sent.length)).toEqual([...sent].sort());
    const before = await admin.fetchTopicOffsets('orders');
    expect(before.map(each => each.high)).toEqual(['10', '10']);
    const committed = await admin.fetchOffsets({ groupId: 'group', topics: ['orders'] });
    expect(committed[0]!.partitions.map(each => each.offset)).toEqual(['10', '10']);
    await admin.disconnect();

    await broker.restart();
    const again = client().admin();
    await again.connect();
    expect(await again.fetchTopicOffsets('orders')).toEqual(before);
    expect(await again.fetchOffsets({ groupId: 'group', topics: ['orders'] })).toEqual(committed);
    await again.disconnect();
    expect(await consume('orders', 'other', sent.length)).toEqual([...sent].sort());
    expect(logger.messages('error')).toEqual([]);
  });

  test('creates a topic when somebody writes to it', async () => {
    broker = await TestBroker.start();
    const producer = client().producer({ allowAutoTopicCreation: true });
    await producer.connect();
    await producer.send({ topic: 'on-demand', messages: [{ value: 'a' }] });
    await producer.disconnect();
    expect(broker.services.metadata().topics.topic('on-demand')?.partitions).toHaveLength(1);
  });

  test('deletes topics, and their directories', async () => {
    broker = await TestBroker.start({ properties: { 'log.segment.delete.delay.ms': '0' } });
    const admin = client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'gone' }], waitForLeaders: true });
    expect(readdirSync(broker.directory)).toContain('gone-0');
    await admin.deleteTopics({ topics: ['gone'] });
    expect(await admin.listTopics()).toEqual([]);
    expect(readdirSync(broker.directory)).not.toContain('gone-0');
    await admin.disconnect();
  });

  test('a directory that another process holds is not started on', async () => {
    broker = await TestBroker.start();
    const second = new KafkaRaftServer(new NodeRuntime(), broker.config, silentLogger);
    await expect(second.start()).rejects.toThrow(LockedError);
    // The first one goes on.
    const admin = client().admin();
    await admin.connect();
    expect(await admin.listTopics()).toEqual([]);
    await admin.disconnect();
  });

  test('a stop with clients connected is quick and leaves no connection', async () => {
    broker = await TestBroker.start();
    const socket = connect(broker.port, broker.host);
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    await broker.stop();
    await closed;
  });
});

/** The values that a group reads, sorted. */
async function consume(topic: string, groupId: string, count: number): Promise<string[]> {
  const consumer = client().consumer({ groupId, sessionTimeout: 10_000, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(message.value!.toString());
          if (values.length === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.stop();
  await consumer.disconnect();
  return values.sort();
}
