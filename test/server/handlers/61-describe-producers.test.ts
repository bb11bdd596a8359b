import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../../src/protocol/messages/27-write-txn-markers.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../../src/protocol/messages/61-describe-producers.ts';
import { batchOf } from '../../log/log-fixture.ts';
import { NOW_MS } from '../../support/manual-runtime.ts';
import { TestBroker } from '../../support/test-broker.ts';
import { RawClient } from '../raw-client.ts';

const WIDE = 2n ** 62n;

describe('DescribeProducers', () => {
  let broker: TestBroker;
  let client: RawClient;

  beforeAll(async () => {
    broker = await TestBroker.start();
    client = await RawClient.connect(broker.port);
    const topics = [{ name: 'orders', numPartitions: 2, replicationFactor: 1 }];
    await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5000 });
    await vi.waitFor(() => expect(partition(1)?.isLeader).toBe(true));
  });

  afterAll(async () => {
    client.close();
    await broker.close();
  });

  const partition = (index: number) => broker.services.replicaManager.partition('orders', index);

  const ask = (...topics: { name: string; partitionIndexes: number[] }[]) =>
    client.ask([DescribeProducersRequest, DescribeProducersResponse], 0, { topics });

  it('tells the producers of a partition, their open transactions and who ended the last one', async () => {
    const idempotent = { producerId: 4, producerEpoch: 2, baseSequence: 0, count: 3, timestamp: NOW_MS };
    const topicData = [{ name: 'orders', partitionData: [{ index: 0, records: batchOf(idempotent) }] }];
    const request = { transactionalId: null, acks: -1, timeoutMs: 5_000, topicData };
    await client.ask([ProduceRequest, ProduceResponse], 12, request);
    const leader = partition(0)!;
    const verificationGuard = leader.maybeStartTransactionVerification(WIDE, 7, 1, false);
    const open = { producerId: WIDE, producerEpoch: 1, baseSequence: 7, isTransactional: true };
    leader.appendAsLeader(batchOf({ ...open, timestamp: NOW_MS + 1 }), -1, { verificationGuard });
    const first = {
      producerId: 4,
      producerEpoch: 2,
      lastSequence: 2,
      lastTimestamp: NOW_MS,
      coordinatorEpoch: -1,
      currentTxnStartOffset: -1,
    };
    const second = {
      producerId: WIDE,
      producerEpoch: 1,
      lastSequence: 7,
      lastTimestamp: NOW_MS + 1,
      coordinatorEpoch: -1,
      currentTxnStartOffset: 3,
    };
    const answer = await ask({ name: 'orders', partitionIndexes: [0, 1, 0] });
    expect(answer!.topics).toEqual([
      {
        name: 'orders',
        partitions: [
          { partitionIndex: 0, errorCode: 0, errorMessage: null, activeProducers: [first, second] },
          { partitionIndex: 1, errorCode: 0, errorMessage: null, activeProducers: [] },
        ],
      },
    ]);
    const topics = [{ name: 'orders', partitionIndexes: [0] }];
    const marker = {
      producerId: WIDE,
      producerEpoch: 1,
      transactionResult: true,
      topics,
      coordinatorEpoch: 9,
    };
    await client.ask([WriteTxnMarkersRequest, WriteTxnMarkersResponse], 1, { markers: [marker] });
    const ended = (await ask({ name: 'orders', partitionIndexes: [0] }))!.topics[0]!.partitions[0]!;
    expect(ended.activeProducers[1]).toMatchObject({ coordinatorEpoch: 9, currentTxnStartOffset: -1 });
    expect(ended.activeProducers[1]!.lastSequence).toBe(7);
  });

  it('answers each partition that it cannot describe for itself', async () => {
    const answer = await ask(
      { name: 'orders', partitionIndexes: [0, 2] },
      { name: '__proto__', partitionIndexes: [0] },
      { name: 'no/topic', partitionIndexes: [0] },
    );
    const told = answer!.topics.map(({ name, partitions }) => [name, partitions.map(each => each.errorCode)]);
    expect(told).toEqual([
      ['orders', [Errors.NONE, Errors.UNKNOWN_TOPIC_OR_PARTITION]],
      ['__proto__', [Errors.UNKNOWN_TOPIC_OR_PARTITION]],
      ['no/topic', [Errors.INVALID_TOPIC_EXCEPTION]],
    ]);
    // A partition that is not there has no message in Apache Kafka either.
    expect(answer!.topics[0]!.partitions[1]!.errorMessage).toBeNull();
    expect(answer!.topics[1]!.partitions[0]!.errorMessage).toContain('__proto__');
    expect(answer!.topics[2]!.partitions[0]!.errorMessage).toContain('letters');
  });

  it('tells what it cannot read as such', async () => {
    const replica = partition(1)!;
    const { log } = replica;
    broker.services.replicaManager.onLogDirFailure(log!.logDirectory);
    const answer = await ask({ name: 'orders', partitionIndexes: [1] });
    expect(answer!.topics[0]!.partitions[0]!.errorCode).toBe(Errors.KAFKA_STORAGE_ERROR);
  });
});
