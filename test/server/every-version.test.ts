import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import type { Input, Message } from '../../src/protocol/schema.ts';
import { brokerHandlers } from '../../src/server/handlers/index.ts';
import { TestBroker } from '../support/test-broker.ts';
import { RawClient } from './raw-client.ts';
import { sampleRecords, sampleRequest } from './sample-request.ts';

let broker: TestBroker;
let topicId: string;
const logger = new MemoryLogger();

beforeAll(async () => {
  broker = await TestBroker.start({ logger, properties: { 'group.initial.rebalance.delay.ms': '0' } });
  const client = await RawClient.connect(broker.port);
  const topics = [{ name: 'orders', numPartitions: 1, replicationFactor: 1 }];
  await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5000 });
  topicId = broker.services.metadata().topics.topic('orders')!.id;
  const topicData = [{ topicId, partitionData: [{ index: 0, records: sampleRecords() }] }];
  await client.ask([ProduceRequest, ProduceResponse], 13, { acks: -1, timeoutMs: 5000, topicData });
  client.close();
});

afterAll(async () => {
  await broker?.close();
});

describe('every API that is served', () => {
  // What is destructive comes last.
  const handlers = [...brokerHandlers].sort(
    (a, b) => Number(a.name.startsWith('Delete')) - Number(b.name.startsWith('Delete')),
  );
  test.each(handlers.map(handler => [handler.name, handler] as const))(
    '%s answers at each of its versions, and its answer is of that version',
    async (_name, handler) => {
      for (let version = handler.minVersion; version <= handler.maxVersion; version++) {
        const client = await RawClient.connect(broker.port);
        const body = sampleRequest(handler.request, version, topicId) as Input<Message>;
        const answer = await client.ask([handler.request, handler.response], version, body);
        expect(logger.entries.filter(entry => entry.level !== 'info' && entry.level !== 'debug')).toEqual([]);
        expect(answer, `version ${version}`).toBeDefined();
        client.close();
      }
    },
  );
});
