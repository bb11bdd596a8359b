import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ProducerId, sub64 } from '../../../src/base/int64.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../../src/protocol/messages/27-write-txn-markers.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { TransactionMarker } from '../../../src/record/transaction-marker.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { writeTxnMarkers } from '../../../src/server/handlers/27-write-txn-markers.ts';
import { TestBroker } from '../../support/test-broker.ts';
import { batchOf } from '../../log/log-fixture.ts';
import { RawClient } from '../raw-client.ts';
import { ask } from './handler-harness.ts';

const TYPES = [WriteTxnMarkersRequest, WriteTxnMarkersResponse] as const;
const LAST_VERSION = 2;

type Marker = NonNullable<Input<typeof WriteTxnMarkersRequest>['markers']>[number];

function marker(producerId: ProducerId, fields: Partial<Marker> = {}): Marker {
  return {
    producerId,
    producerEpoch: 0,
    transactionResult: true,
    topics: [{ name: 'orders', partitionIndexes: [0] }],
    coordinatorEpoch: 0,
    ...fields,
  };
}

/** `producer topic-partition: code` of each result, in order. */
function told(answer: WriteTxnMarkersResponse | undefined): string[] {
  return answer!.markers.flatMap(({ producerId, topics }) =>
    topics.flatMap(({ name, partitions }) =>
      partitions.map(each => `${producerId} ${name}-${each.partitionIndex}: ${each.errorCode}`),
    ),
  );
}

describe('WriteTxnMarkers', () => {
  let broker: TestBroker;
  let client: RawClient;

  beforeAll(async () => {
    broker = await TestBroker.start();
    client = await RawClient.connect(broker.port);
    const topics = ['orders', 'two', '__consumer_offsets'].map(name => ({
      name,
      numPartitions: 2,
      replicationFactor: 1,
    }));
    await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5000 });
    await vi.waitFor(() => {
      expect(broker.services.replicaManager.partition('__consumer_offsets', 1)?.isLeader).toBe(true);
    });
  });

  afterAll(async () => {
    client.close();
    await broker.close();
  });

  const partition = (topic = 'orders', index = 0) => broker.services.replicaManager.partition(topic, index)!;

  /** Begins a transaction, or goes on with it. */
  function produce(producerId: ProducerId, sequence = 0, epoch = 0, topic = 'orders', index = 0): void {
    const replica = partition(topic, index);
    const guard = replica.maybeStartTransactionVerification(producerId, sequence, epoch, false);
    const ids = { producerId, producerEpoch: epoch, baseSequence: sequence, isTransactional: true };
    replica.appendAsLeader(batchOf(ids), 1, { verificationGuard: guard });
  }

  const send = (version: number, ...markers: Marker[]) => client.ask(TYPES, version, { markers });

  const entry = (producerId: ProducerId, topic = 'orders', index = 0) =>
    partition(topic, index).log!.activeProducers.get(producerId)!;

  it.each([0, 1, 2])('version %i ends transactions in several partitions and topics', async version => {
    const producerId = 100 + version;
    produce(producerId);
    produce(producerId, 0, 0, 'two', 0);
    produce(producerId, 0, 0, 'two', 1);
    const log = partition('two', 1).log!;
    await vi.waitFor(() => expect(log.logEndOffset).toBe(log.stagedEndOffset));
    expect(log.lastStableOffset).toBe(sub64(log.logEndOffset, 1));
    const topics = [
      { name: 'orders', partitionIndexes: [0] },
      { name: 'two', partitionIndexes: [1, 0, 1] },
    ];
    const answer = await send(version, marker(producerId, { topics, coordinatorEpoch: 4 }));
    expect(told(answer)).toEqual([
      `${producerId} orders-0: 0`,
      `${producerId} two-1: 0`,
      `${producerId} two-0: 0`,
    ]);
    for (const [topic, index] of [
      ['orders', 0],
      ['two', 0],
      ['two', 1],
    ] as const) {
      expect(entry(producerId, topic, index).currentTxnFirstOffset).toBeUndefined();
      expect(entry(producerId, topic, index).coordinatorEpoch).toBe(4);
    }
    expect([log.lastStableOffset, log.highWatermark]).toEqual([log.logEndOffset, log.logEndOffset]);
  });

  it('keeps the producers of a request apart, and knows a producer id past 2^53', async () => {
    const wide = 2n ** 60n;
    produce(wide);
    produce(201);
    const answer = await send(2, marker(wide), marker(201, { transactionResult: false }));
    expect(told(answer)).toEqual([`${wide} orders-0: 0`, '201 orders-0: 0']);
    const log = partition().log!;
    const aborted = log.collectAbortedTxns(0, log.logEndOffset).map(({ producerId }) => producerId);
    expect(aborted).toContain(201);
    expect(aborted).not.toContain(wide);
  });

  it('is harmless when it is sent again, also after the next transaction has begun with a new epoch', async () => {
    produce(301);
    const end = marker(301, { producerEpoch: 1, transactionVersion: 2 });
    expect(told(await send(2, end))).toEqual(['301 orders-0: 0']);
    expect(told(await send(2, end))).toEqual(['301 orders-0: 0']);
    produce(301, 0, 1);
    expect(told(await send(2, end))).toEqual([`301 orders-0: ${Errors.INVALID_PRODUCER_EPOCH}`]);
    expect(entry(301).currentTxnFirstOffset).toBeDefined();
    await send(2, marker(301, { producerEpoch: 2, transactionVersion: 2 }));
    expect(entry(301).currentTxnFirstOffset).toBeUndefined();
  });

  it('takes the same epoch of a transaction of version 1, and none below it', async () => {
    produce(401, 0, 3);
    const stale = await send(2, marker(401, { producerEpoch: 2 }));
    expect(told(stale)).toEqual([`401 orders-0: ${Errors.INVALID_PRODUCER_EPOCH}`]);
    expect(entry(401).currentTxnFirstOffset).toBeDefined();
    expect(told(await send(1, marker(401, { producerEpoch: 3 })))).toEqual(['401 orders-0: 0']);
    expect(entry(401).currentTxnFirstOffset).toBeUndefined();
  });

  it('fences a coordinator that another one has taken over from', async () => {
    produce(501);
    await send(2, marker(501, { coordinatorEpoch: 7 }));
    produce(501, 1);
    const fenced = await send(2, marker(501, { coordinatorEpoch: 6 }));
    expect(told(fenced)).toEqual([`501 orders-0: ${Errors.TRANSACTION_COORDINATOR_FENCED}`]);
    expect(entry(501).currentTxnFirstOffset).toBeDefined();
    expect(told(await send(2, marker(501, { coordinatorEpoch: 7 })))).toEqual(['501 orders-0: 0']);
  });

  it('answers each partition for itself, and nothing to a marker for none', async () => {
    produce(601);
    const topics = [
      { name: 'nothing', partitionIndexes: [0] },
      { name: 'orders', partitionIndexes: [99, 0] },
      { name: '__proto__', partitionIndexes: [0] },
    ];
    const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION;
    expect(told(await send(2, marker(601, { topics }), marker(602, { topics: [] })))).toEqual([
      `601 nothing-0: ${unknown}`,
      `601 orders-99: ${unknown}`,
      '601 orders-0: 0',
      `601 __proto__-0: ${unknown}`,
    ]);
    expect(await send(2)).toEqual({ markers: [] });
    expect(told(await send(2, marker(-1)))).toEqual([`-1 orders-0: ${Errors.INVALID_RECORD}`]);
  });

  it('ends a verification that has not been answered', async () => {
    const replica = partition();
    const guard = replica.maybeStartTransactionVerification(701, 0, 0, false);
    expect(guard).toBeDefined();
    await send(2, marker(701, { transactionResult: false }));
    expect(replica.maybeStartTransactionVerification(701, 0, 0, false)).not.toBe(guard);
  });

  it('gives other requests their turn while it writes very many markers', async () => {
    const partitionIndexes = Array.from({ length: 1_200 }, (_, index) => index);
    const markers = Array.from({ length: 3 }, (_, at) => {
      const topics = [{ name: 'orders', partitionIndexes }];
      return marker(800 + at, { topics });
    });
    const before = partition().log!.logEndOffset;
    const { runtime } = broker.services;
    let turns = 0;
    const soon = (callback: () => void): void => {
      turns++;
      runtime.timers.soon(callback);
    };
    const timers = Object.create(runtime.timers, { soon: { value: soon } });
    const services = { ...broker.services, runtime: { ...runtime, timers } };
    const answer = await ask(writeTxnMarkers, services, TYPES, LAST_VERSION, { markers });
    expect(turns).toBe(7);
    expect(told(answer)).toHaveLength(3_600);
    expect(told(answer).filter(line => line.endsWith(': 0'))).toHaveLength(6);
    expect(partition().log!.logEndOffset).toBe(Number(before) + 3);
  });

  it('leaves the partitions of __consumer_offsets to the group coordinator', async () => {
    const asked: [number, TransactionMarker][] = [];
    const codes: number[] = [Errors.NONE, Errors.NOT_COORDINATOR, Errors.COORDINATOR_LOAD_IN_PROGRESS];
    codes.push(Errors.COORDINATOR_NOT_AVAILABLE, Errors.INVALID_PRODUCER_EPOCH);
    const completeTransaction = async (index: number, ended: TransactionMarker): Promise<void> => {
      asked.push([index, ended]);
      const code = codes[asked.length - 1]!;
      if (code !== Errors.NONE) throw new KafkaError(code, 'no');
    };
    const groupCoordinator = { completeTransaction } as unknown as BrokerServices['groupCoordinator'];
    const services: BrokerServices = { ...broker.services, groupCoordinator };
    const topics = [{ name: '__consumer_offsets', partitionIndexes: [1] }];
    const end = (producerEpoch: number) =>
      marker(9, { topics, producerEpoch, coordinatorEpoch: 3, transactionVersion: 2 });
    const codesTold: number[] = [];
    for (let at = 0; at < codes.length; at++) {
      const answer = await ask(writeTxnMarkers, services, TYPES, LAST_VERSION, { markers: [end(at)] });
      codesTold.push(answer!.markers[0]!.topics[0]!.partitions[0]!.errorCode);
    }
    const elsewhere = Errors.NOT_LEADER_OR_FOLLOWER;
    expect(codesTold).toEqual([0, elsewhere, elsewhere, elsewhere, Errors.INVALID_PRODUCER_EPOCH]);
    const expected = { producerId: 9, coordinatorEpoch: 3, isCommit: true, transactionVersion: 2 };
    expect(asked.map(([index, { producerEpoch: _, ...rest }]) => [index, rest])).toEqual(
      codes.map(() => [1, expected]),
    );
    expect(partition('__consumer_offsets', 1).log!.logEndOffset).toBe(0);
  });
});
