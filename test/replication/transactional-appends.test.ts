import { beforeEach, describe, expect, it } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import type { TransactionOperation } from '../../src/protocol/transaction-operation.ts';
import type { PartitionAppendResult } from '../../src/replication/delayed-produce.ts';
import type { TransactionalEntry } from '../../src/replication/replica-manager.ts';
import type { TransactionVerification } from '../../src/replication/transaction-verifier.ts';
import { markerOf } from '../log/log-fixture.ts';
import { batch, TestCluster, TOPIC } from './replication-fixture.ts';

const PRODUCER = 5;
const BACKOFF_MS = 20;

interface Asked extends TransactionVerification {
  /** One code for each partition, or the same for all. */
  answer(...codes: number[]): Promise<void>;
}

interface Records {
  readonly partition?: number;
  readonly sequence?: number;
  readonly producerId?: number;
  readonly epoch?: number;
  readonly count?: number;
}

describe('transactional appends', () => {
  let cluster: TestCluster;
  let asked: Asked[];

  beforeEach(async () => {
    cluster = new TestCluster([1]);
    asked = [];
    cluster.transactionVerifier = {
      verify: verification =>
        new Promise(resolve => {
          const answer = async (...codes: number[]) => {
            resolve(verification.partitions.map((_, at) => codes[at] ?? codes[0]!));
            await cluster.clock.settle();
          };
          asked.push({ ...verification, answer });
        }),
    };
    await cluster.start({}, {});
  });

  const broker = () => cluster.broker(1);
  const log = (partition = 0) => broker().partition(partition).log!;

  /** A Produce request; what it is answered with, once it is. */
  function send(
    operation: TransactionOperation,
    ...records: Records[]
  ): { results?: PartitionAppendResult[] } {
    const outcome: { results?: PartitionAppendResult[] } = {};
    const entries = records.map(each => {
      const { partition = 0, sequence = 0, producerId = PRODUCER, epoch = 0, count = 1 } = each;
      const header = { producerId, producerEpoch: epoch, baseSequence: sequence };
      const entry: TransactionalEntry = {
        topicPartition: { topic: TOPIC, partition },
        records: batch(count, 10, { ...header, isTransactional: true }),
        batch: header,
      };
      return entry;
    });
    const request = { transactionalId: 'pay', operation };
    broker().replicaManager.appendTransactional(entries, -1, 30_000, request, results => {
      outcome.results = [...results];
    });
    return outcome;
  }

  const codes = ({ results }: { results?: PartitionAppendResult[] }) => results?.map(each => each.errorCode);
  const offsets = ({ results }: { results?: PartitionAppendResult[] }) =>
    results?.map(each => each.baseOffset);

  const end = (epoch = 0, partition = 0) => {
    const options = { origin: 'coordinator' } as const;
    broker()
      .partition(partition)
      .appendAsLeader(markerOf(PRODUCER, epoch, false), 1, options);
  };

  it('ask about the partitions in which no transaction of the producer is open, and about no other', async () => {
    const first = send('defaultError', { partition: 1 });
    expect(asked.map(({ partitions }) => partitions)).toEqual([[{ topic: TOPIC, partition: 1 }]]);
    await asked[0]!.answer(Errors.NONE);
    expect(codes(first)).toEqual([Errors.NONE]);
    const second = send('defaultError', { partition: 1, sequence: 1 }, { partition: 0 });
    expect(asked[1]).toMatchObject({
      transactionalId: 'pay',
      producerId: PRODUCER,
      producerEpoch: 0,
      operation: 'defaultError',
      partitions: [{ topic: TOPIC, partition: 0 }],
    });
    // What waits for nothing is in the log at once; the answer is about the whole request.
    expect(log(1).stagedEndOffset).toBe(2);
    await cluster.clock.settle();
    expect(codes(second)).toBeUndefined();
    await asked[1]!.answer(Errors.NONE);
    expect(codes(second)).toEqual([Errors.NONE, Errors.NONE]);
    expect(asked).toHaveLength(2);
  });

  it('get into the log in the order in which they came, although the first of them waits', async () => {
    const requests = [0, 1, 2, 3, 4].map(at => send('addPartition', { sequence: at * 2, count: 2 }));
    await cluster.clock.settle();
    expect(log().stagedEndOffset).toBe(0);
    expect(asked).toHaveLength(1);
    await asked[0]!.answer(Errors.NONE);
    expect(requests.map(codes)).toEqual(Array(5).fill([Errors.NONE]));
    expect(requests.map(offsets)).toEqual([[0], [2], [4], [6], [8]]);
  });

  it('of other producers, and of this one in other partitions, do not wait with it', async () => {
    const held = send('defaultError', { partition: 0 });
    const other = send('defaultError', { partition: 0, producerId: 6 });
    const elsewhere = send('defaultError', { partition: 1 });
    await asked[1]!.answer(Errors.NONE);
    await asked[2]!.answer(Errors.NONE);
    expect([codes(held), offsets(other), offsets(elsewhere)]).toEqual([undefined, [0], [0]]);
    await asked[0]!.answer(Errors.NONE);
    expect(offsets(held)).toEqual([1]);
  });

  it('fail together with the first, and go on in their order when they are sent again', async () => {
    const send3 = () => [0, 1, 2].map(sequence => send('defaultError', { sequence }));
    const first = send3();
    await asked[0]!.answer(Errors.NOT_COORDINATOR);
    expect(first.map(codes)).toEqual(Array(3).fill([Errors.NOT_ENOUGH_REPLICAS]));
    expect(first[0]!.results![0]!.errorMessage).toContain('NOT_COORDINATOR');
    // A later one may not come before them.
    const later = send('defaultError', { sequence: 3 });
    await asked[1]!.answer(Errors.NONE);
    expect(codes(later)).toEqual([Errors.OUT_OF_ORDER_SEQUENCE_NUMBER]);
    const again = send3();
    await asked[2]!.answer(Errors.NONE);
    expect(again.map(offsets)).toEqual([[0], [1], [2]]);
  });

  it.each([
    [Errors.INVALID_TXN_STATE, Errors.INVALID_TXN_STATE],
    [Errors.TRANSACTION_ABORTABLE, Errors.TRANSACTION_ABORTABLE],
    [Errors.INVALID_PRODUCER_EPOCH, Errors.INVALID_PRODUCER_EPOCH],
    [Errors.INVALID_PRODUCER_ID_MAPPING, Errors.INVALID_PRODUCER_ID_MAPPING],
    [Errors.NETWORK_EXCEPTION, Errors.NOT_ENOUGH_REPLICAS],
    [Errors.COORDINATOR_LOAD_IN_PROGRESS, Errors.NOT_ENOUGH_REPLICAS],
    [Errors.COORDINATOR_NOT_AVAILABLE, Errors.NOT_ENOUGH_REPLICAS],
    [Errors.NOT_COORDINATOR, Errors.NOT_ENOUGH_REPLICAS],
    [Errors.CONCURRENT_TRANSACTIONS, Errors.NOT_ENOUGH_REPLICAS],
  ])('of a coordinator that says %i are answered with %i, and write nothing', async (said, told) => {
    const request = send('genericErrorSupported', { partition: 0 }, { partition: 1 });
    await asked[0]!.answer(Errors.NONE, said);
    expect(codes(request)).toEqual([Errors.NONE, told]);
    expect(request.results![1]!.logStartOffset).toBe(-1);
    expect(log(1).stagedEndOffset).toBe(0);
  });

  it('are tried for a while when the transaction before has not ended, by the guard that then counts', async () => {
    const first = send('addPartition', {});
    await asked[0]!.answer(Errors.NONE);
    const next = [0, 1].map(sequence => send('addPartition', { epoch: 1, sequence }));
    await asked[1]!.answer(Errors.CONCURRENT_TRANSACTIONS);
    expect(asked).toHaveLength(2);
    // It ends with an epoch that is not that of the next one: what was asked before does not count any more.
    end(0);
    await cluster.clock.pass(BACKOFF_MS);
    await asked[2]!.answer(Errors.CONCURRENT_TRANSACTIONS);
    await cluster.clock.pass(BACKOFF_MS);
    await asked[3]!.answer(Errors.NONE);
    expect([first, ...next].map(codes)).toEqual(Array(3).fill([Errors.NONE]));
    expect(next.map(offsets)).toEqual([[2], [3]]);
  });

  it('are given back when that takes longer than add.partitions.to.txn.retry.backoff.max.ms', async () => {
    const request = send('addPartition', {});
    for (let at = 0; codes(request) === undefined; at++) {
      await asked[at]!.answer(Errors.CONCURRENT_TRANSACTIONS);
      await cluster.clock.pass(BACKOFF_MS);
    }
    expect(codes(request)).toEqual([Errors.CONCURRENT_TRANSACTIONS]);
    // At 0, 20, 40, 60, 80 and 100 ms.
    expect(asked).toHaveLength(6);
  });

  it('are refused if the transaction has ended before the answer came', async () => {
    const request = send('defaultError', {});
    end();
    await asked[0]!.answer(Errors.NONE);
    expect(codes(request)).toEqual([Errors.INVALID_TXN_STATE]);
    expect(log().stagedEndOffset).toBe(1);
  });

  it('of another epoch are asked about for themselves, and wait for those before them', async () => {
    const old = send('addPartition', { epoch: 0 });
    const next = send('addPartition', { epoch: 1 });
    expect(asked.map(({ producerEpoch }) => producerEpoch)).toEqual([0, 1]);
    await asked[1]!.answer(Errors.NONE);
    expect([codes(old), codes(next)]).toEqual([undefined, undefined]);
    await asked[0]!.answer(Errors.INVALID_PRODUCER_EPOCH);
    expect([codes(old), codes(next)]).toEqual([[Errors.INVALID_PRODUCER_EPOCH], [Errors.NONE]]);
  });

  it('of an epoch that is over, or to a partition that is not led here, ask nobody', async () => {
    await Promise.all([send('defaultError', { epoch: 3 }), asked[0]!.answer(Errors.NONE)]);
    const stale = send('defaultError', { epoch: 2, sequence: 1 });
    expect(codes(stale)).toEqual([Errors.INVALID_PRODUCER_EPOCH]);
    const unknown = send('defaultError', { partition: 9 });
    expect(codes(unknown)).toEqual([Errors.UNKNOWN_TOPIC_OR_PARTITION]);
    expect(asked).toHaveLength(1);
  });

  it('end with the leadership that they were to be written under', async () => {
    cluster = new TestCluster([1, 2]);
    let answer = (_: readonly number[]): void => {};
    cluster.transactionVerifier = { verify: () => new Promise(resolve => (answer = resolve)) };
    await cluster.start({ replicas: [1, 2] });
    const request = send('defaultError', {});
    await cluster.elect(2);
    answer([Errors.NONE]);
    await cluster.clock.settle();
    expect(codes(request)).toEqual([Errors.NOT_LEADER_OR_FOLLOWER]);
  });

  it('time out for their replicas, each from when it was written', async () => {
    cluster = new TestCluster([1, 2]);
    const answers: ((codes: readonly number[]) => void)[] = [];
    cluster.transactionVerifier = { verify: () => new Promise(resolve => answers.push(resolve)) };
    await cluster.start({ replicas: [1, 2] }, { replicas: [1, 2] });
    cluster.isLinked = () => false;
    send('defaultError', { partition: 0 });
    answers[0]!([Errors.NONE]);
    await cluster.clock.settle();
    const request = send('defaultError', { partition: 0, sequence: 1 }, { partition: 1 });
    await cluster.clock.pass(30_000);
    expect(codes(request)).toBeUndefined();
    answers[1]!([Errors.NONE]);
    await cluster.clock.settle();
    await cluster.clock.pass(30_000);
    expect(codes(request)).toEqual([Errors.REQUEST_TIMED_OUT, Errors.REQUEST_TIMED_OUT]);
  });

  it('are written without a question where transactions are not verified', async () => {
    cluster.transactionVerifier = undefined;
    const request = send('defaultError', {});
    await cluster.clock.settle();
    expect(codes(request)).toEqual([Errors.NONE]);
    expect(asked).toEqual([]);
  });
});
