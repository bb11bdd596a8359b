import { readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import { TestBroker } from '../support/test-broker.ts';
import { RawClient } from './raw-client.ts';
import { sampleRecords } from './sample-request.ts';

let broker: TestBroker;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await broker.close();
});

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(broker.port);
  clients.push(client);
  return client;
}

async function createTopic(client: RawClient): Promise<string> {
  const topics = [
    {
      name: 'orders',
      numPartitions: 1,
      replicationFactor: 1,
      configs: [{ name: 'file.delete.delay.ms', value: '300' }],
    },
  ];
  const answer = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, {
    topics,
    timeoutMs: 5000,
  });
  expect(answer!.topics[0]!.errorCode).toBe(Errors.NONE);
  return answer!.topics[0]!.topicId;
}

async function produce(client: RawClient, topicId: string) {
  const topicData = [{ topicId, partitionData: [{ index: 0, records: sampleRecords() }] }];
  const answer = await client.ask([ProduceRequest, ProduceResponse], 13, {
    acks: -1,
    timeoutMs: 5000,
    topicData,
  });
  return answer!.responses[0]!.partitionResponses[0]!;
}

async function fetch(client: RawClient, topicId: string, fetchOffset: number, maxWaitMs: number) {
  const topics = [{ topicId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }];
  const body = { maxWaitMs, minBytes: 1, maxBytes: 1_000_000, topics };
  const answer = await client.ask([FetchRequest, FetchResponse], 17, body);
  return answer!.responses[0]!.partitions[0]!;
}

/** The directories of the topic's partitions. */
function directories(): string[] {
  return readdirSync(broker.directory).filter(name => name.startsWith('orders-'));
}

test('a topic deleted while it is read and written ends both, and one of its name at once has nothing of it', async () => {
  broker = await TestBroker.start();
  const [admin, producer, consumer] = [await connect(), await connect(), await connect()];
  const oldId = await createTopic(admin);
  expect(await produce(producer, oldId)).toMatchObject({ errorCode: Errors.NONE, baseOffset: 0 });
  const written = (await fetch(consumer, oldId, 0, 1_000)).highWatermark;
  const waiting = fetch(consumer, oldId, Number(written), 60_000);
  let stopped = false;
  const codes = new Set<number>();
  const writing = (async () => {
    while (!stopped) codes.add((await produce(producer, oldId)).errorCode);
  })();
  const deletion = { topics: [{ name: 'orders' }], timeoutMs: 5_000 };
  // The fetch that waits finds records of the producer first; it asks again until the topic is gone.
  const reading = (async () => {
    let answer = await waiting;
    while (answer.errorCode === Errors.NONE)
      answer = await fetch(consumer, oldId, Number(answer.highWatermark), 60_000);
    return answer.errorCode;
  })();
  const deleted = await admin.ask([DeleteTopicsRequest, DeleteTopicsResponse], 6, deletion);
  expect(deleted!.responses[0]!.errorCode).toBe(Errors.NONE);
  const newId = await createTopic(admin);
  expect(newId).not.toBe(oldId);
  expect([Errors.UNKNOWN_TOPIC_ID, Errors.UNKNOWN_TOPIC_OR_PARTITION]).toContain(await reading);
  stopped = true;
  await writing;
  expect((await produce(producer, oldId)).errorCode).toBe(Errors.UNKNOWN_TOPIC_ID);
  for (const code of codes)
    expect([Errors.NONE, Errors.UNKNOWN_TOPIC_ID, Errors.NOT_LEADER_OR_FOLLOWER]).toContain(code);

  const nothing = await fetch(consumer, newId, 0, 0);
  expect(nothing).toMatchObject({ errorCode: Errors.NONE, highWatermark: 0 });
  expect(nothing.records?.length ?? 0).toBe(0);
  expect(await produce(producer, newId)).toMatchObject({ errorCode: Errors.NONE, baseOffset: 0 });
  expect((await fetch(consumer, newId, 0, 1_000)).highWatermark).toBe(written);
  await expect.poll(directories, { timeout: 10_000 }).toEqual(['orders-0']);
});

test('the files of a deleted topic stay for file.delete.delay.ms under a name that ends in -delete', async () => {
  broker = await TestBroker.start({ properties: { 'log.segment.delete.delay.ms': '600000' } });
  const client = await connect();
  const topics = [{ name: 'orders', numPartitions: 1, replicationFactor: 1 }];
  await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5000 });
  const deletion = { topics: [{ name: 'orders' }], timeoutMs: 5_000 };
  await client.ask([DeleteTopicsRequest, DeleteTopicsResponse], 6, deletion);
  expect(directories()).toEqual([expect.stringMatching(/^orders-0\.[0-9a-f]{32}-delete$/)]);
});
