import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { ConfigResourceType } from '../../src/metadata/config-resource.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../src/protocol/messages/32-describe-configs.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { TestBroker } from '../support/test-broker.ts';
import { RawClient } from './raw-client.ts';

/** A broker whose configuration is changed while it runs, over the wire. */
const logger = new MemoryLogger();
let broker: TestBroker;
let client: RawClient;

beforeAll(async () => {
  broker = await TestBroker.start({ logger, properties: { 'log.retention.hours': '2' } });
  client = await RawClient.connect(broker.port);
  await createTopic('plain', {});
  await createTopic('own', { 'retention.ms': '77', 'flush.messages': '3' });
});

afterAll(async () => {
  client?.close();
  await broker?.close();
});

async function createTopic(name: string, configs: Record<string, string>): Promise<void> {
  const pairs = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
  const answer = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 5, {
    topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: pairs }],
    timeoutMs: 5000,
  });
  expect(answer?.topics[0]?.errorCode).toBe(Errors.NONE);
}

/** Sets keys of a broker, or with the name '' of all; null deletes. Returns the error's code. */
async function alter(resourceName: string, values: Record<string, string | null>): Promise<number> {
  const configs = Object.entries(values).map(([name, value]) => ({
    name,
    configOperation: value === null ? 1 : 0,
    value,
  }));
  const answer = await client.ask([IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse], 1, {
    resources: [{ resourceType: ConfigResourceType.BROKER, resourceName, configs }],
  });
  return answer!.responses[0]!.errorCode;
}

function logOf(topic: string) {
  return broker.services.logManager.getLog({ topic, partition: 0 })!;
}

async function produce(topic: string, bytes: number): Promise<number> {
  const builder = new RecordBatchBuilder({});
  builder.append({ timestamp: 1_700_000_000_000, key: null, value: Buffer.alloc(bytes), headers: [] });
  const answer = await client.ask([ProduceRequest, ProduceResponse], 9, {
    acks: 1,
    timeoutMs: 5000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records: builder.build() }] }],
  });
  return answer!.responses[0]!.partitionResponses[0]!.errorCode;
}

/** Whether a new connection is answered. */
async function isLetIn(): Promise<boolean> {
  const other = await RawClient.connect(broker.port);
  const answer = await other.ask([ApiVersionsRequest, ApiVersionsResponse], 0, {});
  other.close();
  return answer !== undefined;
}

/** The connections of the attempts before are closed, and the broker hears of it a little later. */
async function expectLetIn(): Promise<void> {
  await vi.waitFor(async () => expect(await isLetIn()).toBe(true));
}

test('a default of topics changes the topics without a value of their own, at once, and goes back', async () => {
  const retention = (): number[] => ['plain', 'own'].map(topic => logOf(topic).config.retentionMs);
  expect(retention()).toEqual([7_200_000, 77]);
  expect(await alter('', { 'log.retention.ms': '5000' })).toBe(Errors.NONE);
  expect(retention()).toEqual([5000, 77]);
  expect(await alter('1', { 'log.retention.ms': '6000' })).toBe(Errors.NONE);
  expect(retention()).toEqual([6000, 77]);
  expect(await alter('', { 'log.retention.ms': null })).toBe(Errors.NONE);
  expect(retention()).toEqual([6000, 77]);
  expect(await alter('1', { 'log.retention.ms': null })).toBe(Errors.NONE);
  expect(retention()).toEqual([7_200_000, 77]);
});

test('the size of messages is limited anew for the next one', async () => {
  expect(await produce('plain', 2000)).toBe(Errors.NONE);
  expect(await alter('', { 'message.max.bytes': '1000' })).toBe(Errors.NONE);
  expect(await produce('plain', 2000)).toBe(Errors.MESSAGE_TOO_LARGE);
  expect(await alter('', { 'message.max.bytes': null })).toBe(Errors.NONE);
  expect(await produce('plain', 2000)).toBe(Errors.NONE);
});

test('connections are limited anew, by address, by listener and in all', async () => {
  await expectLetIn();
  for (const key of [
    'max.connections.per.ip',
    'listener.name.plaintext.max.connections',
    'max.connections',
  ]) {
    expect(await alter('1', { [key]: '1' })).toBe(Errors.NONE);
    expect(await isLetIn(), key).toBe(false);
    expect(await alter('1', { [key]: null })).toBe(Errors.NONE);
    await expectLetIn();
  }
  await alter('', { 'max.connections.per.ip': '1' });
  await alter('1', { 'max.connections.per.ip.overrides': '127.0.0.1:50' });
  await expectLetIn();
  await alter('1', { 'max.connections.per.ip.overrides': null });
  await alter('', { 'max.connections.per.ip': null });
});

test('what is set is shown with every place it could come from, the strongest first', async () => {
  await alter('', { 'log.retention.ms': '5000' });
  await alter('1', { 'log.retention.ms': '6000' });
  const answer = await client.ask([DescribeConfigsRequest, DescribeConfigsResponse], 4, {
    resources: [
      { resourceType: ConfigResourceType.BROKER, resourceName: '1', configurationKeys: ['log.retention.ms'] },
      { resourceType: ConfigResourceType.TOPIC, resourceName: 'own', configurationKeys: ['retention.ms'] },
    ],
    includeSynonyms: true,
  });
  const broken = [
    { name: 'log.retention.ms', value: '6000', source: 2 },
    { name: 'log.retention.ms', value: '5000', source: 3 },
    { name: 'log.retention.hours', value: '2', source: 4 },
    { name: 'log.retention.hours', value: '168', source: 5 },
  ];
  expect(answer!.results.map(result => result.configs[0]!.synonyms)).toEqual([
    broken,
    [{ name: 'retention.ms', value: '77', source: 1 }, ...broken],
  ]);
  await alter('', { 'log.retention.ms': null });
  await alter('1', { 'log.retention.ms': null });
});

test('a secret that was set is in no log line and no answer', async () => {
  const key = 'listener.name.plaintext.ssl.keystore.password';
  expect(await alter('1', { [key]: 'hunter2' })).toBe(Errors.NONE);
  expect(await alter('1', { 'sasl.jaas.config': 'hunter2', 'num.io.threads': 'x' })).toBe(
    Errors.INVALID_REQUEST,
  );
  const answer = await client.ask([DescribeConfigsRequest, DescribeConfigsResponse], 4, {
    resources: [{ resourceType: ConfigResourceType.BROKER, resourceName: '1', configurationKeys: [key] }],
    includeSynonyms: true,
  });
  expect(answer!.results[0]!.configs).toMatchObject([{ name: key, value: null, isSensitive: true }]);
  expect(JSON.stringify(answer)).not.toContain('hunter2');
  expect(JSON.stringify(logger.entries)).not.toContain('hunter2');
  expect(logger.entries).toContainEqual(
    expect.objectContaining({ fields: { key, from: null, to: null }, level: 'info' }),
  );
  await alter('1', { [key]: null });
});

test('a broker whose directories are all cordoned gets no new partitions, and gets them again', async () => {
  const created = async (name: string): Promise<number> => {
    const answer = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 5, {
      topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 5000,
    });
    return answer!.topics[0]!.errorCode;
  };
  const cordonedInImage = () => broker.services.metadata().cluster.broker(1)!.cordonedDirectories ?? [];
  expect(await alter('1', { 'cordoned.log.dirs': '*' })).toBe(Errors.NONE);
  await vi.waitFor(() => expect(cordonedInImage()).toHaveLength(1), 10_000);
  expect(await created('kept-out')).toBe(Errors.INVALID_REPLICATION_FACTOR);
  expect(await alter('1', { 'cordoned.log.dirs': '/elsewhere' })).toBe(Errors.INVALID_REQUEST);
  expect(await alter('1', { 'cordoned.log.dirs': null })).toBe(Errors.NONE);
  await vi.waitFor(() => expect(cordonedInImage()).toEqual([]), 10_000);
  expect(await created('let-in')).toBe(Errors.NONE);
});

test('a start loads each log with the configuration that its topic has in the metadata', async () => {
  await alter('', { 'log.retention.ms': '5000', 'producer.id.expiration.ms': '1234' });
  const loaded: [number, number][] = [];
  const { startup } = LogManager.prototype;
  const spy = vi.spyOn(LogManager.prototype, 'startup').mockImplementation(async function (this: LogManager) {
    await startup.call(this);
    for (const topic of ['plain', 'own']) {
      const { retentionMs, flushMessages } = this.getLog({ topic, partition: 0 })!.config;
      loaded.push([retentionMs, flushMessages]);
    }
    expect(this.environment.producerIdExpirationMs()).toBe(1234);
  });
  client.close();
  await broker.restart();
  client = await RawClient.connect(broker.port);
  spy.mockRestore();
  expect(loaded).toEqual([
    [5000, 2 ** 63],
    [77, 3],
  ]);
  expect(logOf('plain').config.retentionMs).toBe(5000);
});
