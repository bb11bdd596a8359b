import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import type { HostAndPort, NetworkClient } from '../../src/client/network-client.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import type { TransactionOperation } from '../../src/protocol/transaction-operation.ts';
import { AddPartitionsToTxnManager } from '../../src/server/add-partitions-to-txn-manager.ts';

interface Asked {
  /** The broker; 1 is this one. */
  readonly of: number;
  readonly body: {
    transactions: {
      transactionalId: string;
      producerId: number;
      producerEpoch: number;
      verifyOnly: boolean;
      topics: { name: string; partitions: number[] }[];
    }[];
  };
  readonly minVersion: number | undefined;
}

const PARTITIONS = [
  { topic: 'a', partition: 0 },
  { topic: 'b', partition: 2 },
  { topic: 'a', partition: 1 },
];

let asked: Asked[];
let coordinator: number;
let reply: () => unknown;
let manager: AddPartitionsToTxnManager;

/** An answer with a code for each partition by `topic-partition`; NONE for the others. */
function answer(codes: Record<string, number> = {}) {
  return {
    errorCode: Errors.NONE,
    resultsByTransaction: asked.at(-1)!.body.transactions.map(({ transactionalId, topics }) => ({
      transactionalId,
      topicResults: topics.map(({ name, partitions }) => ({
        name,
        resultsByPartition: partitions.map(partitionIndex => ({
          partitionIndex,
          partitionErrorCode: codes[`${name}-${partitionIndex}`] ?? Errors.NONE,
        })),
      })),
    })),
  };
}

const verify = (operation: TransactionOperation = 'genericErrorSupported') =>
  manager.verify({
    transactionalId: 'id',
    producerId: 5,
    producerEpoch: 2,
    operation,
    partitions: PARTITIONS,
  });

beforeEach(() => {
  asked = [];
  coordinator = 2;
  reply = answer;
  const client = {
    send: async (
      { port }: HostAndPort,
      _api: unknown,
      body: Asked['body'],
      options: { minVersion?: number },
    ) => {
      asked.push({ of: port, body, minVersion: options.minVersion });
      return reply();
    },
    close() {},
  } as unknown as NetworkClient;
  manager = new AddPartitionsToTxnManager(silentLogger, {
    nodeId: 1,
    coordinatorOf: () => coordinator,
    addressOf: id => (id === 2 ? { host: 'b2', port: 2 } : undefined),
    client,
    requestTimeoutMs: () => 30_000,
    askHere: async transactions => {
      asked.push({ of: 1, body: { transactions } as Asked['body'], minVersion: undefined });
      return reply() as never;
    },
  });
});

describe('AddPartitionsToTxnManager', () => {
  test.each([
    ['defaultError', true],
    ['genericErrorSupported', true],
    ['addPartition', false],
  ] as const)('asks the coordinator in the way of %s', async (operation, verifyOnly) => {
    expect(await verify(operation)).toEqual([0, 0, 0]);
    const topics = [
      { name: 'a', partitions: [0, 1] },
      { name: 'b', partitions: [2] },
    ];
    const transaction = { transactionalId: 'id', producerId: 5, producerEpoch: 2, verifyOnly, topics };
    expect(asked).toEqual([{ of: 2, body: { transactions: [transaction] }, minVersion: 4 }]);
  });

  test('asks the coordinator of this broker without a connection', async () => {
    coordinator = 1;
    expect(await verify()).toEqual([0, 0, 0]);
    expect(asked.map(({ of }) => of)).toEqual([1]);
  });

  test('gives each partition its own code', async () => {
    reply = () => answer({ 'b-2': Errors.INVALID_TXN_STATE, 'a-1': Errors.CONCURRENT_TRANSACTIONS });
    expect(await verify()).toEqual([Errors.NONE, Errors.INVALID_TXN_STATE, Errors.CONCURRENT_TRANSACTIONS]);
  });

  test.each([
    ['defaultError', Errors.TRANSACTION_ABORTABLE, Errors.INVALID_TXN_STATE],
    ['genericErrorSupported', Errors.TRANSACTION_ABORTABLE, Errors.TRANSACTION_ABORTABLE],
    ['addPartition', Errors.TRANSACTION_ABORTABLE, Errors.TRANSACTION_ABORTABLE],
    ['defaultError', Errors.PRODUCER_FENCED, Errors.INVALID_PRODUCER_EPOCH],
    ['addPartition', Errors.PRODUCER_FENCED, Errors.INVALID_PRODUCER_EPOCH],
  ] as const)('tells a producer of %s code %i as %i', async (operation, code, told) => {
    reply = () => answer({ 'a-0': code });
    expect(await verify(operation)).toEqual([told, Errors.NONE, Errors.NONE]);
  });

  test.each([3, -1])('says that there is no coordinator while broker %i leads its partition', async id => {
    coordinator = id;
    expect(await verify()).toEqual(Array(3).fill(Errors.COORDINATOR_NOT_AVAILABLE));
    expect(asked).toEqual([]);
  });

  test.each([
    [
      'the coordinator as a whole refuses',
      () => ({ errorCode: Errors.NOT_COORDINATOR }),
      Errors.NOT_COORDINATOR,
    ],
    [
      'it does not let this broker ask',
      () => ({ errorCode: Errors.CLUSTER_AUTHORIZATION_FAILED }),
      Errors.INVALID_TXN_STATE,
    ],
    [
      'it leaves the transaction out',
      () => ({ errorCode: 0, resultsByTransaction: [] }),
      Errors.UNKNOWN_SERVER_ERROR,
    ],
    ['the connection closes', failing(Errors.NETWORK_EXCEPTION), Errors.NETWORK_EXCEPTION],
    ['no answer comes', failing(Errors.REQUEST_TIMED_OUT), Errors.NETWORK_EXCEPTION],
    ['it is too old to be asked', failing(Errors.UNSUPPORTED_VERSION), Errors.NONE],
  ])('gives all partitions one code when %s', async (_what, how, code) => {
    reply = how;
    expect(await verify()).toEqual([code, code, code]);
  });

  test('adds nothing without a coordinator that can add it', async () => {
    reply = failing(Errors.UNSUPPORTED_VERSION);
    expect(await verify('addPartition')).toEqual(Array(3).fill(Errors.UNSUPPORTED_VERSION));
  });
});

function failing(code: number): () => never {
  return () => {
    throw new KafkaError(code);
  };
}
