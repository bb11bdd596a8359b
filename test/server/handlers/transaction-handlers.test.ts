import { describe, expect, it } from 'vitest';
import { Errors, errorName } from '../../../src/protocol/errors.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../../src/protocol/messages/26-end-txn.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../../src/protocol/messages/65-describe-transactions.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../../src/protocol/messages/66-list-transactions.ts';
import type { Infer, Input, Message } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import type { Handler } from '../../../src/server/handler.ts';
import { findCoordinator } from '../../../src/server/handlers/10-find-coordinator.ts';
import { initProducerIdHandler } from '../../../src/server/handlers/22-init-producer-id.ts';
import { addPartitionsToTxn } from '../../../src/server/handlers/24-add-partitions-to-txn.ts';
import { addOffsetsToTxn } from '../../../src/server/handlers/25-add-offsets-to-txn.ts';
import { endTxn } from '../../../src/server/handlers/26-end-txn.ts';
import { describeTransactions } from '../../../src/server/handlers/65-describe-transactions.ts';
import { listTransactions } from '../../../src/server/handlers/66-list-transactions.ts';
import { producer, TransactionHarness } from '../../coordinator/transaction-harness.ts';
import { broker, ORDERS_ID, partition, topic } from './cluster-image.ts';
import { ask, imageOf } from './handler-harness.ts';

const STATE_ID = 'c3RhdGVzdGF0ZXN0YXRlcw';
const T_ID = 'dHR0dHR0dHR0dHR0dHR0dA';
const IMAGE = imageOf(
  broker(1),
  broker(2),
  topic('t', T_ID),
  ...[0, 1, 2].map(id => partition(T_ID, id)),
  topic('orders', ORDERS_ID),
  partition(ORDERS_ID, 0),
);

class Server {
  readonly harness: TransactionHarness;
  readonly created: string[] = [];
  image = IMAGE;

  constructor(harness: TransactionHarness) {
    this.harness = harness;
  }

  static async start(): Promise<Server> {
    return new Server(await TransactionHarness.started());
  }

  async ask<Q extends Message, A extends Message>(
    handler: Handler<BrokerServices>,
    api: readonly [Q, A],
    version: number,
    body: Input<Q>,
  ): Promise<Infer<A>> {
    const services = {
      transactionCoordinator: this.harness.coordinator,
      groupCoordinator: { partitionFor: (groupId: string) => groupId.length },
      metadata: () => this.image,
      autoCreateTopics: (names: readonly string[]) => void this.created.push(...names),
    } as unknown as BrokerServices;
    const [answer] = await Promise.all([
      ask(handler, services, api, version, body),
      this.harness.clock.settle(),
    ]);
    return answer!;
  }

  async init(version: number, body: Partial<Input<typeof InitProducerIdRequest>> = {}): Promise<string> {
    const answer = await this.ask(
      initProducerIdHandler,
      [InitProducerIdRequest, InitProducerIdResponse],
      version,
      {
        transactionalId: 'x',
        transactionTimeoutMs: 60_000,
        ...body,
      },
    );
    return answer.errorCode === 0
      ? `${answer.producerId}/${answer.producerEpoch}`
      : errorName(answer.errorCode);
  }

  /** The topics of an answer. */
  async addTopics(
    version: number,
    topics: { name: string; partitions: number[] }[],
    { producerEpoch = 0, verifyOnly = false, id = 'x' } = {},
  ) {
    const who = { transactionalId: id, producerId: 1000, producerEpoch };
    const body =
      version < 4
        ? {
            v3AndBelowTransactionalId: id,
            v3AndBelowProducerId: 1000,
            v3AndBelowProducerEpoch: producerEpoch,
            v3AndBelowTopics: topics,
          }
        : { transactions: [{ ...who, verifyOnly, topics }] };
    const answer = await this.ask(
      addPartitionsToTxn,
      [AddPartitionsToTxnRequest, AddPartitionsToTxnResponse],
      version,
      body,
    );
    expect(answer.errorCode).toBe(0);
    return version < 4 ? answer.resultsByTopicV3AndBelow : answer.resultsByTransaction[0]!.topicResults;
  }

  /** An answer's codes by `topic-partition`. */
  async add(...request: Parameters<Server['addTopics']>): Promise<Record<string, string>> {
    const results = await this.addTopics(...request);
    return Object.fromEntries(
      results.flatMap(({ name, resultsByPartition }) =>
        resultsByPartition.map(each => [
          `${name}-${each.partitionIndex}`,
          errorName(each.partitionErrorCode),
        ]),
      ),
    );
  }
}

describe('FindCoordinator for transactional ids', () => {
  const API = [FindCoordinatorRequest, FindCoordinatorResponse] as const;

  it('has the topic made when it is first asked, and then finds the leader', async () => {
    const server = await Server.start();
    for (const version of [1, 3, 4, 6]) {
      const body = version < 4 ? { key: 'x', keyType: 1 } : { coordinatorKeys: ['x'], keyType: 1 };
      server.image = IMAGE;
      const before = await server.ask(findCoordinator, API, version, body);
      expect(server.created).toContain('__transaction_state');
      expect((version < 4 ? before : before.coordinators[0]!).errorCode).toBe(
        Errors.COORDINATOR_NOT_AVAILABLE,
      );
      server.image = imageOf(
        broker(1),
        broker(2),
        topic('__transaction_state', STATE_ID),
        partition(STATE_ID, 0, { replicas: [2, 1] }),
      );
      const after = await server.ask(findCoordinator, API, version, body);
      expect(version < 4 ? after : after.coordinators[0]).toMatchObject({ errorCode: 0, nodeId: 2 });
    }
  });
});

describe('InitProducerId', () => {
  it('gives ids in every version', async () => {
    for (let version = 0; version <= 5; version++) {
      const server = await Server.start();
      expect(await server.init(version)).toBe('1000/0');
      expect(await server.init(version)).toBe('1000/1');
      expect(await server.init(version, { transactionalId: null })).toBe('1001/0');
      expect(await server.init(version, { transactionalId: '' })).toBe('INVALID_REQUEST');
      expect(await server.init(version, { transactionTimeoutMs: 900_001 })).toBe(
        'INVALID_TRANSACTION_TIMEOUT',
      );
    }
  });

  it('takes an id and epoch from v3 on, both or neither', async () => {
    const server = await Server.start();
    await server.init(3);
    expect(await server.init(3, producer(1000, 0))).toBe('1000/1');
    expect(await server.init(3, { producerId: 1000 })).toBe('INVALID_REQUEST');
    expect(await server.init(3, { producerEpoch: 1 })).toBe('INVALID_REQUEST');
    expect(await server.init(3, { transactionalId: null, producerId: 1000 })).toBe('INVALID_REQUEST');
    expect(await server.init(3, producer(1000, 9))).toBe('INVALID_PRODUCER_EPOCH');
    expect(await server.init(4, producer(1000, 9))).toBe('PRODUCER_FENCED');
  });
});

describe('AddPartitionsToTxn', () => {
  it('of a client adds its partitions in v0 to v3', async () => {
    for (let version = 0; version <= 3; version++) {
      const server = await Server.start();
      await server.init(1);
      expect(await server.add(version, [{ name: 't', partitions: [0, 2, 0] }])).toEqual({
        't-0': 'NONE',
        't-2': 'NONE',
      });
      expect(server.harness.storedText()).toBe('Ongoing 1000/0 t-0 t-2');
      expect(server.harness.stored()!.clientTransactionVersion).toBe(0);
      const fenced = version < 2 ? 'INVALID_PRODUCER_EPOCH' : 'PRODUCER_FENCED';
      const topics = [{ name: 't', partitions: [1] }];
      expect(await server.add(version, topics, { producerEpoch: 1 })).toEqual({ 't-1': fenced });
      expect(await server.add(version, topics, { id: '' })).toEqual({ 't-1': 'INVALID_REQUEST' });
    }
  });

  it('adds none if one is not there', async () => {
    const server = await Server.start();
    await server.init(1);
    const topics = [
      { name: 't', partitions: [0, 3, -1] },
      { name: '__proto__', partitions: [0] },
      { name: 'orders', partitions: [0] },
    ];
    for (const version of [0, 3, 4, 5]) {
      expect(await server.add(version, topics)).toEqual({
        't-0': 'OPERATION_NOT_ATTEMPTED',
        't-3': 'UNKNOWN_TOPIC_OR_PARTITION',
        't--1': 'UNKNOWN_TOPIC_OR_PARTITION',
        ['__proto__-0']: 'UNKNOWN_TOPIC_OR_PARTITION',
        'orders-0': 'OPERATION_NOT_ATTEMPTED',
      });
    }
    expect(server.harness.storedText()).toBe('Empty 1000/0');
  });

  it('names the topics without partitions too, where it answers for the whole', async () => {
    const server = await Server.start();
    await server.init(1);
    const empty = { name: 'orders', partitions: [] };
    const ask = async (
      version: number,
      verifyOnly: boolean,
      ...others: Parameters<typeof server.addTopics>[1]
    ) => {
      const results = await server.addTopics(version, [empty, ...others, empty], { verifyOnly });
      return results.map(({ name, resultsByPartition }) => [name, resultsByPartition.length]);
    };
    for (const version of [0, 3, 4, 5]) {
      const there = { name: 't', partitions: [0, 1] };
      const missing = { name: 't', partitions: [0, 7] };
      expect(await ask(version, false)).toEqual([['orders', 0]]);
      expect((await ask(version, false, there)).sort()).toEqual([
        ['orders', 0],
        ['t', 2],
      ]);
      expect(await ask(version, false, missing)).toEqual([['t', 2]]);
      if (version >= 4) expect(await ask(version, true, there)).toEqual([['t', 2]]);
    }
  });

  it('of a broker verifies, and adds for producers of version 2 in v5', async () => {
    const server = await Server.start();
    await server.init(1);
    const topics = [{ name: 't', partitions: [0, 1] }];
    const only = [{ name: 't', partitions: [1] }];
    expect(await server.add(5, only)).toEqual({ 't-1': 'NONE' });
    expect(server.harness.stored()!.clientTransactionVersion).toBe(2);
    for (const version of [4, 5]) {
      expect(await server.add(version, topics, { verifyOnly: true })).toEqual({
        't-0': 'TRANSACTION_ABORTABLE',
        't-1': 'NONE',
      });
      expect(await server.add(version, only, { verifyOnly: true, producerEpoch: 3 })).toEqual({
        't-1': 'PRODUCER_FENCED',
      });
    }
    expect(server.harness.storedText()).toBe('Ongoing 1000/0 t-1');
  });

  it('of a broker has an answer for each transaction', async () => {
    const server = await Server.start();
    await server.init(1);
    await server.init(1, { transactionalId: 'y' });
    const transaction = (transactionalId: string, producerId: number) => ({
      transactionalId,
      producerId,
      producerEpoch: 0,
      verifyOnly: false,
      topics: [{ name: 't', partitions: [0] }],
    });
    const answer = await server.ask(
      addPartitionsToTxn,
      [AddPartitionsToTxnRequest, AddPartitionsToTxnResponse],
      5,
      {
        transactions: [transaction('x', 1000), transaction('y', 1), transaction('nobody', 3)],
      },
    );
    expect(
      answer.resultsByTransaction.map(each => [
        each.transactionalId,
        errorName(each.topicResults[0]!.resultsByPartition[0]!.partitionErrorCode),
      ]),
    ).toEqual([
      ['x', 'NONE'],
      ['y', 'INVALID_PRODUCER_ID_MAPPING'],
      ['nobody', 'INVALID_PRODUCER_ID_MAPPING'],
    ]);
  });
});

describe('AddOffsetsToTxn', () => {
  it("takes the group's partition of __consumer_offsets into the transaction", async () => {
    for (let version = 0; version <= 4; version++) {
      const server = await Server.start();
      await server.init(1);
      const add = async (producerEpoch: number, transactionalId = 'x') => {
        const answer = await server.ask(
          addOffsetsToTxn,
          [AddOffsetsToTxnRequest, AddOffsetsToTxnResponse],
          version,
          {
            transactionalId,
            producerId: 1000,
            producerEpoch,
            groupId: 'four',
          },
        );
        return errorName(answer.errorCode);
      };
      expect(await add(0)).toBe('NONE');
      expect(server.harness.storedText()).toBe('Ongoing 1000/0 __consumer_offsets-4');
      expect(await add(1)).toBe(version < 2 ? 'INVALID_PRODUCER_EPOCH' : 'PRODUCER_FENCED');
      expect(await add(0, 'nobody')).toBe('INVALID_PRODUCER_ID_MAPPING');
    }
  });
});

describe('EndTxn', () => {
  it('ends by the protocol of its version', async () => {
    for (let version = 0; version <= 5; version++) {
      for (const committed of [true, false]) {
        const server = await Server.start();
        await server.init(1);
        await server.add(version < 5 ? 3 : 5, [{ name: 't', partitions: [0] }]);
        const end = (producerEpoch: number) =>
          server.ask(endTxn, [EndTxnRequest, EndTxnResponse], version, {
            transactionalId: 'x',
            producerId: 1000,
            producerEpoch,
            committed,
          });
        const wrong = await end(7);
        expect(errorName(wrong.errorCode)).toBe(version < 2 ? 'INVALID_PRODUCER_EPOCH' : 'PRODUCER_FENCED');
        expect(await end(0)).toMatchObject(
          version < 5
            ? { errorCode: 0, producerId: -1, producerEpoch: -1 }
            : { errorCode: 0, producerId: 1000, producerEpoch: 1 },
        );
        const state = committed ? 'CompleteCommit' : 'CompleteAbort';
        expect(server.harness.storedText()).toBe(`${state} 1000/${version < 5 ? 0 : 1}`);
      }
    }
  });
});

describe('DescribeTransactions and ListTransactions', () => {
  it('tell of the ids of this broker', async () => {
    const server = await Server.start();
    await server.init(1);
    await server.add(3, [{ name: 't', partitions: [0, 2] }]);
    const described = await server.ask(
      describeTransactions,
      [DescribeTransactionsRequest, DescribeTransactionsResponse],
      0,
      { transactionalIds: ['x', 'nobody', ''] },
    );
    expect(described.transactionStates).toMatchObject([
      { transactionalId: 'x', transactionState: 'Ongoing', topics: [{ topic: 't', partitions: [0, 2] }] },
      { transactionalId: 'nobody', errorCode: Errors.TRANSACTIONAL_ID_NOT_FOUND, producerId: 0 },
      { transactionalId: '', errorCode: Errors.INVALID_REQUEST },
    ]);
    for (let version = 0; version <= 2; version++) {
      const list = async (body: Input<typeof ListTransactionsRequest>) => {
        const api = [ListTransactionsRequest, ListTransactionsResponse] as const;
        const answer = await server.ask(listTransactions, api, version, body);
        return answer.errorCode === 0 ? answer.transactionStates.length : errorName(answer.errorCode);
      };
      expect(await list({ stateFilters: ['Ongoing'] })).toBe(1);
      expect(await list({ producerIdFilters: [1] })).toBe(0);
      if (version >= 1) expect(await list({ durationFilter: 1_000_000 })).toBe(0);
      if (version >= 2) {
        expect(await list({ transactionalIdPattern: 'y' })).toBe(0);
        expect(await list({ transactionalIdPattern: '[' })).toBe('INVALID_REGULAR_EXPRESSION');
      }
    }
  });
});
