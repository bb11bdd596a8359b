import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import type { TransactionVerification } from '../../src/replication/transaction-verifier.ts';
import { TransactionalAppends } from '../../src/replication/transactional-appends.ts';
import type { RecordBatchOptions } from '../../src/record/record-batch-builder.ts';
import { batchOf } from '../log/log-fixture.ts';
import { TestBroker } from '../support/test-broker.ts';
import { framed, requestFrame, responseBody } from './fake-network.ts';
import { RawClient } from './raw-client.ts';

const LAST_VERSION = 12;

describe('Produce of transactional records', () => {
  let broker: TestBroker;
  let client: RawClient;
  let asked: TransactionVerification[] = [];
  let answers: ((codes: readonly number[]) => void)[] = [];
  let producerId = 0;

  beforeAll(async () => {
    broker = await TestBroker.start();
    // The test is the coordinator.
    const { replicaManager, runtime } = broker.services;
    const verify = (verification: TransactionVerification) => {
      asked.push(verification);
      return new Promise<readonly number[]>(resolve => answers.push(resolve));
    };
    const retry = () => ({ backoffMs: 20, forMs: 100 });
    Reflect.set(replicaManager, 'transactionalAppends', new TransactionalAppends(runtime, { verify }, retry));
    const admin = await RawClient.connect(broker.port);
    const topics = [{ name: 'orders', numPartitions: 2, replicationFactor: 1 }];
    await admin.ask([CreateTopicsRequest, CreateTopicsResponse], 7, { topics, timeoutMs: 5000 });
    admin.close();
    await vi.waitFor(() => expect(replicaManager.partition('orders', 1)?.isLeader).toBe(true));
  });

  beforeEach(async () => {
    client = await RawClient.connect(broker.port);
    asked = [];
    answers = [];
    producerId++;
  });

  afterEach(() => client.close());

  afterAll(async () => {
    await broker.close();
  });

  const endOffset = (partition: number) =>
    Number(broker.services.replicaManager.partition('orders', partition)!.log!.stagedEndOffset);

  const batch = (options: RecordBatchOptions = {}) =>
    batchOf({ producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true, ...options });

  const body = (transactionalId: string | null, ...records: Buffer[]) => ({
    transactionalId,
    acks: -1,
    timeoutMs: 5_000,
    topicData: [{ name: 'orders', partitionData: records.map((each, index) => ({ index, records: each })) }],
  });

  const frame = (version: number, correlationId: number, sequence: number) =>
    requestFrame(ProduceRequest, version, body('pay', batch({ baseSequence: sequence })), correlationId);

  const told = (answer: ProduceResponse | undefined) =>
    answer!.responses.flatMap(({ partitionResponses }) => partitionResponses.map(each => each.errorCode));

  const ask = (version: number, request: ReturnType<typeof body>) =>
    client.ask([ProduceRequest, ProduceResponse], version, request);

  it('appends five requests in flight in the order of their arrival, although the first is verified', async () => {
    const before = endOffset(0);
    const other = await RawClient.connect(broker.port);
    client.send(...[0, 1, 2, 3, 4].map(at => frame(LAST_VERSION, 100 + at, at)));
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    const plain = batchOf({ text: 'of nobody' });
    const free = await other.ask([ProduceRequest, ProduceResponse], LAST_VERSION, body(null, plain));
    expect(told(free)).toEqual([Errors.NONE]);
    expect(endOffset(0)).toBe(before + 1);
    answers[0]!([Errors.NONE]);
    const offsets: unknown[] = [];
    for (let at = 0; at < 5; at++) {
      const response = responseBody(ProduceResponse, LAST_VERSION, framed((await client.receive())!));
      offsets.push(response.responses[0]!.partitionResponses[0]!.baseOffset);
    }
    expect(offsets).toEqual([1, 2, 3, 4, 5].map(at => before + at));
    expect(asked).toHaveLength(1);
    other.close();
  });

  it.each([
    [3, 'defaultError'],
    [8, 'defaultError'],
    [10, 'defaultError'],
    [11, 'genericErrorSupported'],
    [12, 'addPartition'],
  ])('version %i asks the coordinator as %s', async (version, operation) => {
    const answer = ask(version, body('pay', batch()));
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    expect(asked[0]).toEqual({
      transactionalId: 'pay',
      producerId,
      producerEpoch: 0,
      operation,
      partitions: [{ topic: 'orders', partition: 0 }],
    });
    answers[0]!([Errors.TRANSACTION_ABORTABLE]);
    expect(told(await answer)).toEqual([Errors.TRANSACTION_ABORTABLE]);
  });

  it('refuses a request whose transactional records have no transactional id, as a whole', async () => {
    const before = [endOffset(0), endOffset(1)];
    const answer = await ask(LAST_VERSION, body(null, batchOf(), batch()));
    const code = Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    expect(told(answer)).toEqual([code, code]);
    expect([endOffset(0), endOffset(1)]).toEqual(before);
  });

  it('refuses transactional records of two producers, or of two epochs, in one request', async () => {
    const code = Errors.INVALID_PRODUCER_ID_MAPPING;
    for (const other of [{ producerId: 1_000_000 }, { producerEpoch: 1 }]) {
      expect(told(await ask(LAST_VERSION, body('pay', batch(), batch(other))))).toEqual([code, code]);
    }
    expect(asked).toEqual([]);
  });

  it('writes records outside of a transaction at once, also of a client with a transactional id', async () => {
    const before = endOffset(0);
    expect(told(await ask(LAST_VERSION, body('pay', batchOf())))).toEqual([Errors.NONE]);
    expect(told(await ask(LAST_VERSION, body('pay', batchOf(), batch({ producerId: -1 }))))).toEqual([
      Errors.NONE,
      Errors.INVALID_RECORD,
    ]);
    expect(endOffset(0)).toBe(before + 2);
    expect(asked).toEqual([]);
  });

  it('closes the connection if records with acks=0 cannot be verified', async () => {
    const silent = await RawClient.connect(broker.port);
    silent.send(requestFrame(ProduceRequest, LAST_VERSION, { ...body('pay', batch()), acks: 0 }));
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    answers[0]!([Errors.INVALID_TXN_STATE]);
    expect(await silent.receive()).toBeUndefined();
    expect(silent.closed).toBe(true);
  });
});
