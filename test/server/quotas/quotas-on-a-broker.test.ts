import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../../src/base/logger.ts';
import type { ClientQuotaKey } from '../../../src/config/quota-keys.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../../src/protocol/messages/18-api-versions.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../../src/protocol/messages/49-alter-client-quotas.ts';
import { RecordBatchBuilder } from '../../../src/record/record-batch-builder.ts';
import { TestBroker } from '../../support/test-broker.ts';
import { RawClient } from '../raw-client.ts';

const PRODUCE = [ProduceRequest, ProduceResponse] as const;
const FETCH = [FetchRequest, FetchResponse] as const;
const VALUE_BYTES = 1_000;

let broker: TestBroker;
let admin: RawClient;
const logger = new MemoryLogger();

beforeAll(async () => {
  broker = await TestBroker.start({ logger });
  admin = await RawClient.connect(broker.port);
  const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }];
  await admin.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5_000 });
  expect((await produce(admin, 'setup', 3))!.responses[0]!.partitionResponses[0]!.errorCode).toBe(0);
});

afterAll(async () => {
  admin?.close();
  await broker?.close();
});

/** A quota of a client id: no test meets that of another. Null removes it. */
async function limit(clientId: string, key: ClientQuotaKey, value: number | null): Promise<void> {
  const answer = await admin.ask([AlterClientQuotasRequest, AlterClientQuotasResponse], 1, {
    entries: [
      {
        entity: [{ entityType: 'client-id', entityName: clientId }],
        ops: [{ key, value: value ?? 0, remove: value === null }],
      },
    ],
    validateOnly: false,
  });
  expect(answer!.entries[0]!.errorCode).toBe(0);
}

function produce(client: RawClient, clientId: string, version = 8, acks = -1) {
  const records = new RecordBatchBuilder({})
    .append({ timestamp: 1, key: null, value: Buffer.alloc(VALUE_BYTES) })
    .build();
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
  return client.ask(PRODUCE, version, { acks, timeoutMs: 5_000, topicData }, clientId);
}

function fetch(client: RawClient, clientId: string, version: number, session: { id: number; epoch: number }) {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const body = {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1_000_000,
    // The session knows what is wanted.
    topics: session.epoch > 0 ? [] : [{ topic: 't', partitions }],
    ...(version >= 7 ? { sessionId: session.id, sessionEpoch: session.epoch } : {}),
  };
  return client.ask(FETCH, version, body, clientId);
}

const NEW_SESSION = { id: 0, epoch: 0 };

describe('quotas on a broker', () => {
  it('tell a producer its throttle time with an answer that comes at once', async () => {
    const client = await RawClient.connect(broker.port);
    expect((await produce(client, 'p'))!.throttleTimeMs).toBe(0);
    await limit('p', 'producer_byte_rate', 10);
    expect((await produce(client, 'other'))!.throttleTimeMs).toBe(0);
    // The records are taken: some 1100 bytes are 110 a second over the 10 s of the window, 100 too many.
    const answer = await produce(client, 'p');
    expect(answer!.responses[0]!.partitionResponses[0]!.errorCode).toBe(0);
    expect(answer!.throttleTimeMs).toBeGreaterThan(90_000);
    expect(answer!.throttleTimeMs).toBeLessThan(120_000);
    // Muted: what it sends is not answered, while others are.
    let isAnswered = false;
    void produce(client, 'p').then(() => {
      isAnswered = true;
    });
    const other = await RawClient.connect(broker.port);
    expect((await produce(other, 'other'))!.throttleTimeMs).toBe(0);
    expect(isAnswered).toBe(false);
    const throttled = [...broker.services.quotas.throttled()];
    expect(throttled).toMatchObject([{ quota: 'producer_byte_rate', clientId: 'p', bound: 10 }]);
    const lines = logger.entries.filter(({ message }) => message === 'a client is held back by its quota');
    expect(lines).toMatchObject([{ name: 'quotas', fields: { quota: 'producer_byte_rate', clientId: 'p' } }]);
    client.close();
    other.close();
  });

  it('answer a producer whose version knows no throttle time, and mute it too', async () => {
    const client = await RawClient.connect(broker.port);
    await limit('old', 'producer_byte_rate', 10);
    const answer = await produce(client, 'old', 3);
    expect(answer!.throttleTimeMs).toBeGreaterThan(90_000);
    client.close();
  });

  it('keep records back from a consumer with an empty answer, at every version', async () => {
    await limit('c', 'consumer_byte_rate', 100);
    for (let version = 1; version <= 12; version++) {
      const client = await RawClient.connect(broker.port);
      const answer = await fetch(client, 'c', version, NEW_SESSION);
      expect(answer!.throttleTimeMs).toBeGreaterThan(0);
      expect(answer!.responses).toEqual([]);
      expect(answer!.sessionId).toBe(0);
      client.close();
    }
    // What was not given was not counted either: one answer fits into the window of 10 s, twelve would not.
    await limit('c', 'consumer_byte_rate', 1_000);
    const client = await RawClient.connect(broker.port);
    const answer = await fetch(client, 'c', 12, NEW_SESSION);
    expect(answer!.throttleTimeMs).toBe(0);
    expect(answer!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(VALUE_BYTES);
    client.close();
  });

  it('leave an incremental session as it is: what was kept back comes with the next fetch', async () => {
    const first = await RawClient.connect(broker.port);
    const begun = await fetch(first, 's', 12, NEW_SESSION);
    expect(begun!.sessionId).toBeGreaterThan(0);
    await limit('s', 'consumer_byte_rate', 1);
    const id = begun!.sessionId;
    const refused = await fetch(first, 's', 12, { id, epoch: 1 });
    expect(refused).toMatchObject({ errorCode: 0, sessionId: id, responses: [] });
    expect(refused!.throttleTimeMs).toBeGreaterThan(0);
    await limit('s', 'consumer_byte_rate', null);
    // The first connection stays muted for as long as it was told.
    const second = await RawClient.connect(broker.port);
    const given = await fetch(second, 's', 12, { id, epoch: 2 });
    expect(given).toMatchObject({ errorCode: 0, throttleTimeMs: 0, sessionId: id });
    expect(given!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(VALUE_BYTES);
    first.close();
    second.close();
  });

  it('do not touch requests that carry no records', async () => {
    await limit('v', 'producer_byte_rate', 1);
    await limit('v', 'consumer_byte_rate', 1);
    const client = await RawClient.connect(broker.port);
    const answer = await client.ask([ApiVersionsRequest, ApiVersionsResponse], 2, {}, 'v');
    expect(answer!.throttleTimeMs).toBe(0);
    client.close();
  });

  it('of request time hold back who takes too much of it', async () => {
    await limit('busy', 'request_percentage', 0.000_001);
    const client = await RawClient.connect(broker.port);
    const answer = await client.ask([ApiVersionsRequest, ApiVersionsResponse], 2, {}, 'busy');
    expect(answer!.throttleTimeMs).toBeGreaterThan(0);
    expect(answer!.throttleTimeMs).toBeLessThanOrEqual(1_000);
    client.close();
  });

  it('of changes to partitions reach the client through the controller', async () => {
    await limit('m', 'controller_mutation_rate', 0.01);
    const client = await RawClient.connect(broker.port);
    const create = (name: string) => {
      const topics = [{ name, numPartitions: 1, replicationFactor: 1 }];
      return client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5_000 }, 'm');
    };
    expect(await create('first')).toMatchObject({ throttleTimeMs: 0, topics: [{ errorCode: 0 }] });
    const refused = await create('second');
    expect(refused!.topics).toMatchObject([{ errorCode: Errors.THROTTLING_QUOTA_EXCEEDED }]);
    expect(refused!.throttleTimeMs).toBeGreaterThan(50_000);
    let isAnswered = false;
    void create('third').then(() => {
      isAnswered = true;
    });
    const other = await RawClient.connect(broker.port);
    expect((await produce(other, 'other'))!.throttleTimeMs).toBe(0);
    expect(isAnswered).toBe(false);
    client.close();
    other.close();
  });

  it('are there again after a restart', async () => {
    await limit('r', 'producer_byte_rate', 10);
    admin.close();
    await broker.restart();
    admin = await RawClient.connect(broker.port);
    const client = await RawClient.connect(broker.port);
    expect((await produce(client, 'r'))!.throttleTimeMs).toBeGreaterThan(0);
    client.close();
  });

  // The last: after it this host may not connect for a while.
  it('of new connections close those of an address that makes too many', async () => {
    const connection = [{ entityType: 'ip', entityName: '127.0.0.1' }];
    const ops = [{ key: 'connection_creation_rate', value: 1, remove: false }];
    const messages = [AlterClientQuotasRequest, AlterClientQuotasResponse] as const;
    const altered = await admin.ask(messages, 1, {
      entries: [{ entity: connection, ops }],
      validateOnly: false,
    });
    expect(altered!.entries[0]!.errorCode).toBe(0);
    // 10 fit into the window. A connection that is let in stays open, one that is not is closed before long.
    const clients: RawClient[] = [];
    for (let i = 0; i < 12; i++) clients.push(await RawClient.connect(broker.port));
    await clients[11]!.expectClosed();
    expect(clients[0]!.closed).toBe(false);
    expect([...broker.services.quotas.usages()].filter(({ ip }) => ip === '127.0.0.1')).toMatchObject([
      { quota: 'connection_creation_rate', bound: 1 },
    ]);
    for (const client of clients) client.close();
  });
});
