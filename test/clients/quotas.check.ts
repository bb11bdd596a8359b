import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { KafkaToolDriver } from './kafka-tool-driver.ts';

/* Quotas as operators set them, with kafka-configs, and as clients feel them. */

const TOPIC = 'quotas';
const MB = 1_000_000;
const RECORD_BYTES = 100_000;

let target: StartedTarget;
let tools: KafkaToolDriver;

beforeAll(async () => {
  // A window of 2 s, so that what may be sent at once in the beginning does not hide the rate.
  target = await startTarget('quotas', { properties: { 'quota.window.num': '2' } });
  tools = await KafkaToolDriver.start();
  const admin = clientOf('setup').admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] });
  await admin.disconnect();
});

afterAll(async () => {
  await tools?.close();
  await target?.dispose();
});

function clientOf(clientId: string): Kafka {
  const brokers = [target.broker.bootstrap];
  return new Kafka({ brokers, clientId, logLevel: logLevel.NOTHING, requestTimeout: 60_000 });
}

async function configs(...args: string[]): Promise<string> {
  const withServer = ['--bootstrap-server', target.broker.bootstrap, ...args];
  const { exitCode, stdout, stderr } = await tools.run('kafka.admin.ConfigCommand', withServer);
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

/** Produces `count` records one after the other. Gives the time, ms. */
async function produceFor(clientId: string, count: number): Promise<number> {
  const producer = clientOf(clientId).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const begun = performance.now();
  for (let i = 0; i < count; i++) {
    await producer.send({ topic: TOPIC, messages: [{ value: Buffer.alloc(RECORD_BYTES, i) }] });
  }
  const tookMs = performance.now() - begun;
  await producer.disconnect();
  return tookMs;
}

/** Reads `count` records. Gives the time from the first to the last, ms. */
async function consumeFor(clientId: string, count: number): Promise<number> {
  const consumer = clientOf(clientId).consumer({ groupId: clientId, maxBytesPerPartition: 300_000 });
  await consumer.connect();
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
  let begun = 0;
  let seen = 0;
  const tookMs = await new Promise<number>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async () => {
          if (seen++ === 0) begun = performance.now();
          if (seen === count) resolve(performance.now() - begun);
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return tookMs;
}

describe('quotas of clients', () => {
  test('are set, shown and removed by kafka-configs, for users, client ids, both, addresses and defaults', async () => {
    const entities = [
      ['--entity-type', 'users', '--entity-name', 'alice'],
      ['--entity-type', 'clients', '--entity-name', 'batch'],
      [
        '--entity-type',
        'users',
        '--entity-name',
        'alice',
        '--entity-type',
        'clients',
        '--entity-name',
        'batch',
      ],
      ['--entity-type', 'users', '--entity-default', '--entity-type', 'clients', '--entity-default'],
    ];
    for (const entity of entities) {
      const values = [
        'producer_byte_rate=1000000000',
        'request_percentage=5000.5',
        'controller_mutation_rate=1000',
      ];
      await configs('--alter', ...entity, '--add-config', values.join(','));
      const described = await configs('--describe', ...entity);
      expect(described).toContain('producer_byte_rate=1.0E9');
      expect(described).toContain('request_percentage=5000.5');
      const names = values.map(value => value.split('=')[0]).join(',');
      await configs('--alter', ...entity, '--delete-config', names);
      expect(await configs('--describe', ...entity)).not.toContain('producer_byte_rate');
    }
    for (const name of [['--entity-name', '10.1.2.3'], ['--entity-default']]) {
      const entity = ['--entity-type', 'ips', ...name];
      await configs('--alter', ...entity, '--add-config', 'connection_creation_rate=100000');
      expect(await configs('--describe', ...entity)).toContain('connection_creation_rate=100000');
      await configs('--alter', ...entity, '--delete-config', 'connection_creation_rate');
      expect(await configs('--describe', ...entity)).not.toContain('connection_creation_rate');
    }
  });

  test('hold a producer and a consumer to about what they may use, and nobody else', async () => {
    const entity = ['--entity-type', 'clients', '--entity-name', 'slow'];
    await configs(
      '--alter',
      ...entity,
      '--add-config',
      'producer_byte_rate=1000000,consumer_byte_rate=1000000',
    );
    const bytes = 60 * RECORD_BYTES;
    const slowMs = await produceFor('slow', 60);
    const rate = (bytes / slowMs) * 1_000;
    expect(rate, `bytes/s of the producer`).toBeGreaterThan(0.4 * MB);
    expect(rate).toBeLessThan(2 * MB);
    const readMs = await consumeFor('slow', 60);
    const readRate = (bytes / readMs) * 1_000;
    expect(readRate, 'bytes/s of the consumer').toBeGreaterThan(0.2 * MB);
    expect(readRate).toBeLessThan(2.5 * MB);
    expect(await produceFor('quick', 60)).toBeLessThan(slowMs / 2);
  });
});
