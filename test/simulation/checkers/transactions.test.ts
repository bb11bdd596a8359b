import { describe, expect, it } from 'vitest';
import type { CheckOptions } from './checker.ts';
import type { BatchAtRest, FinalState, ReplicaAtRest } from './final-state.ts';
import type { TransactionOutcome, TransactionPollEvent } from './history.ts';
import { batchAtRest, EMPTY, HistoryBuilder, PARTITION, replicaAtRest, STRICT } from './history-builder.ts';
import { checkTransactions, transactionStates } from './transactions.ts';

const { partition } = PARTITION;
const SECOND = 'topic:1';

function data(offset: number, value: string, producerEpoch = 0, producerId = 7): BatchAtRest {
  return batchAtRest(offset, [value], { producerId, producerEpoch, isTransactional: true });
}

function marker(
  offset: number,
  kind: 'commit' | 'abort',
  more: { producerEpoch?: number; producerId?: number; coordinatorEpoch?: number } = {},
): BatchAtRest {
  const { producerEpoch = 0, producerId = 7, coordinatorEpoch = 0 } = more;
  return batchAtRest(offset, [], {
    lastOffset: offset,
    producerId,
    producerEpoch,
    isTransactional: true,
    isControl: true,
    marker: { isCommit: kind === 'commit', coordinatorEpoch },
  });
}

function log(node: number, ...batches: BatchAtRest[]): ReplicaAtRest {
  return { ...replicaAtRest(node, batches), name: 'transactional-0' };
}

/** The log of the second partition. */
function otherLog(node: number, ...batches: BatchAtRest[]): ReplicaAtRest {
  return { ...replicaAtRest(node, batches), name: 'transactional-1', partition: SECOND };
}

/** A run of one producer. */
class Run {
  readonly builder = new HistoryBuilder();
  private txns = 0;

  /** Each value is sent to the first partition, unless a colon and a 1 say otherwise. */
  transaction(
    outcome: TransactionOutcome,
    values: readonly string[],
    more: {
      offset?: number;
      version?: 1 | 2;
      id?: string;
      producerId?: number;
      producerEpoch?: number;
      isExposed?: boolean;
    } = {},
  ): this {
    const { history } = this.builder;
    const txn = ++this.txns;
    const { offset, version = 1, id = 'id', producerId = 7, producerEpoch = 0, isExposed = false } = more;
    history.record('p', {
      kind: 'txnBegin',
      txn,
      transactionalId: id,
      producerId,
      producerEpoch,
      transactionVersion: version,
      isExposed,
    });
    for (const value of values) {
      const to = value.endsWith(':1') ? SECOND : partition;
      history.record('p', { kind: 'txnSend', txn, op: history.newOp(), partition: to, values: [value] });
    }
    if (offset !== undefined) history.record('p', { kind: 'txnOffset', txn, group: 'g', offset });
    history.record('p', { kind: 'txnEnd', txn, outcome });
    return this;
  }

  offsetRead(offset: number, isLast: boolean): this {
    this.builder.history.record('p', { kind: 'txnOffsetRead', group: 'g', offset, isLast });
    return this;
  }

  poll(
    values: readonly (readonly [offset: number, value: string])[],
    more: Partial<TransactionPollEvent> = {},
  ): this {
    const position = (values.at(-1)?.[0] ?? -1) + 1;
    this.builder.history.record('reader', {
      kind: 'txnPoll',
      partition,
      leaderEpoch: 0,
      records: values.map(([offset, value]) => ({ offset, value })),
      position,
      lastStableOffset: 9,
      highWatermark: 9,
      isLast: false,
      ...more,
    });
    return this;
  }

  found(replicas: readonly ReplicaAtRest[], options: CheckOptions = STRICT): string[] {
    const state: FinalState = {
      ...EMPTY,
      replicas,
      partitions: [PARTITION, { ...PARTITION, partition: SECOND, name: 'transactional-1' }],
      up: [1, 2, 3],
    };
    return this.builder.check(checkTransactions, state, options);
  }
}

describe('transactions at rest', () => {
  it('T4: what was committed is there, what was aborted is not', () => {
    const committed = () => new Run().transaction('committed', ['a']);
    expect(committed().found([log(1, data(0, 'a'), marker(1, 'commit'))])).toEqual([]);
    expect(committed().found([log(1, data(0, 'a'), marker(1, 'abort'))])).toEqual(['T4']);
    expect(committed().found([log(1)])).toEqual(['T4']);
    const aborted = () => new Run().transaction('aborted', ['a']);
    expect(aborted().found([log(1, data(0, 'a'), marker(1, 'abort'))])).toEqual([]);
    expect(aborted().found([log(1)])).toEqual([]);
    expect(aborted().found([log(1, data(0, 'a'), marker(1, 'commit'))])).toEqual(['T4']);
  });

  it('T4: of a transaction whose end nobody knows all is there or nothing, in all partitions', () => {
    const unknown = () => new Run().transaction('unknown', ['a', 'b:1']);
    const first = log(1, data(0, 'a'), marker(1, 'commit'));
    expect(unknown().found([first, otherLog(1, data(0, 'b:1'), marker(1, 'commit'))])).toEqual([]);
    expect(unknown().found([log(1), otherLog(1, data(0, 'b:1'), marker(1, 'abort'))])).toEqual([]);
    expect(unknown().found([first, otherLog(1, data(0, 'b:1'), marker(1, 'abort'))])).toEqual(['T4']);
    expect(unknown().found([first, otherLog(1)])).toEqual(['T4']);
  });

  it('T4 holds on each replica; a marker ends what its own producer has open, and nothing else', () => {
    const run = () => new Run().transaction('committed', ['a']);
    const whole = [data(0, 'a'), marker(1, 'abort', { producerId: 8 }), marker(2, 'commit')];
    expect(run().found([log(1, ...whole), log(2, ...whole)])).toEqual([]);
    expect(run().found([log(1, ...whole), log(2, data(0, 'a'), marker(1, 'abort'))])).toEqual(['T4']);
  });

  it('T6: a transaction is open', () => {
    expect(new Run().transaction('aborted', ['a']).found([log(1, data(0, 'a'))])).toEqual(['T6']);
    const after = [data(0, 'a'), marker(1, 'abort'), data(2, 'b')];
    expect(new Run().transaction('aborted', ['a', 'b']).found([log(1, ...after)])).toEqual(['T6']);
  });

  it('T1: a value stands there twice', () => {
    const log1 = log(1, data(0, 'a'), data(1, 'a'), marker(2, 'commit'));
    expect(new Run().transaction('committed', ['a']).found([log1])).toEqual(['T1']);
  });

  it('T3: an epoch falls, of the producer or of the coordinator', () => {
    const later = marker(0, 'abort', { producerEpoch: 1, coordinatorEpoch: 4 });
    expect(
      new Run().found([
        log(1, later, data(1, 'a'), marker(2, 'abort', { producerEpoch: 1, coordinatorEpoch: 4 })),
      ]),
    ).toEqual(['T3']);
    expect(
      new Run().found([log(1, later, marker(1, 'abort', { producerEpoch: 1, coordinatorEpoch: 3 }))]),
    ).toEqual(['T3']);
    expect(
      new Run().found([log(1, later, marker(1, 'abort', { producerEpoch: 2, coordinatorEpoch: 4 }))]),
    ).toEqual([]);
  });

  it('T7: the offset of the group is that of the last transaction that was committed', () => {
    const run = () =>
      new Run()
        .transaction('committed', [], { offset: 10 })
        .transaction('committed', [], { offset: 11 })
        .transaction('aborted', [], { offset: 12 });
    expect(run().offsetRead(11, true).found([])).toEqual([]);
    expect(run().offsetRead(10, true).found([])).toEqual(['T7']);
    expect(run().offsetRead(12, true).found([])).toEqual(['T7']);
    expect(run().offsetRead(-1, true).found([])).toEqual(['T7']);
    // Before the end a coordinator may not know the newest one; what was taken back none may know.
    expect(run().offsetRead(10, false).found([])).toEqual([]);
    expect(run().offsetRead(12, false).found([])).toEqual(['T7']);
  });

  it('T7: where the end of a transaction is not known, its records say whether the offset counts', () => {
    const run = (values: readonly string[]) =>
      new Run().transaction('committed', [], { offset: 10 }).transaction('unknown', values, { offset: 11 });
    const committed = log(1, data(0, 'a'), marker(1, 'commit'));
    const aborted = log(1, data(0, 'a'), marker(1, 'abort'));
    expect(run(['a']).offsetRead(11, true).found([committed])).toEqual([]);
    expect(run(['a']).offsetRead(10, true).found([committed])).toEqual(['T7']);
    expect(run(['a']).offsetRead(10, true).found([aborted])).toEqual([]);
    expect(run(['a']).offsetRead(11, true).found([aborted])).toEqual(['T7']);
    for (const offset of [10, 11]) expect(run([]).offsetRead(offset, true).found([])).toEqual([]);
  });

  it('T8, T10: two transactions of version 2 in one epoch, one producer id for two transactional ids', () => {
    const twice = (version: 1 | 2) =>
      new Run().transaction('aborted', [], { version }).transaction('aborted', [], { version });
    expect(twice(1).found([])).toEqual([]);
    expect(twice(2).found([])).toEqual(['T8']);
    const shared = new Run()
      .transaction('aborted', [], { id: 'one' })
      .transaction('aborted', [], { id: 'two', producerEpoch: 1 });
    expect(shared.found([])).toEqual(['T10']);
  });

  it('T8: a transaction of version 2 is ended by one marker, of a later epoch, and nothing else is', () => {
    const version = 2;
    const two = () =>
      new Run().transaction('aborted', ['a', 'b'], { version }).transaction('aborted', ['c'], {
        version,
        producerEpoch: 1,
      });
    const end = (offset: number, producerEpoch: number) => marker(offset, 'abort', { producerEpoch });
    const whole = [data(0, 'a'), data(1, 'b'), end(2, 1), data(3, 'c', 1), end(4, 2)];
    expect(two().found([log(1, ...whole)])).toEqual([]);
    expect(two().found([log(1, data(0, 'a'), data(1, 'c', 1), end(2, 2))])).toEqual(['T8', 'T8']);
    expect(two().found([log(1, data(0, 'a'), end(1, 0))])).toEqual(['T8']);
    expect(two().found([log(1, data(0, 'a'), end(1, 1), data(2, 'b', 1), end(3, 2))])).toEqual(['T8']);
    const old = new Run().transaction('aborted', ['a']).transaction('aborted', ['c']);
    expect(old.found([log(1, data(0, 'a'), data(1, 'c'), end(2, 0))])).toEqual([]);
  });

  it('T4 and T7 say nothing of a transaction that a late request of the old protocol may have touched', () => {
    const run = (isExposed: boolean) => new Run().transaction('aborted', ['a'], { offset: 10, isExposed });
    const committed = log(1, data(0, 'a'), marker(1, 'commit'));
    expect(run(false).offsetRead(10, true).found([committed])).toEqual(['T4', 'T7']);
    expect(run(true).offsetRead(10, true).found([committed])).toEqual([]);
  });

  it('T3 holds for the offsets of groups too', () => {
    const groups = (...batches: BatchAtRest[]) => ({
      ...replicaAtRest(1, batches),
      name: '__consumer_offsets-0',
      partition: 'groups:0',
    });
    expect(new Run().found([groups(marker(0, 'abort', { producerEpoch: 1 }), data(1, 'x'))])).toEqual(['T3']);
    expect(new Run().found([groups(data(0, 'x'), marker(1, 'abort', { producerEpoch: 1 }))])).toEqual([]);
  });

  it('T5: who reads what is committed reads all of it, once, and nothing else', () => {
    const end = [
      log(1, data(0, 'a'), marker(1, 'commit'), data(2, 'b', 1), marker(3, 'abort', { producerEpoch: 1 })),
    ];
    const run = () => new Run().transaction('committed', ['a']).transaction('aborted', ['b']);
    expect(
      run()
        .poll([[0, 'a']])
        .poll([], { isLast: true })
        .found(end),
    ).toEqual([]);
    expect(
      run()
        .poll([
          [0, 'a'],
          [2, 'b'],
        ])
        .found(end),
    ).toEqual(['T5']);
    expect(run().poll([], { isLast: true }).found(end)).toEqual(['T5']);
    expect(
      run()
        .poll([[0, 'a']])
        .poll([[0, 'a']])
        .found(end),
    ).toEqual(['T5']);
  });

  it('T5: the last stable offset falls within an epoch, or passes the high watermark or what was read', () => {
    const offsets = (lastStableOffset: number, leaderEpoch = 0) => ({
      lastStableOffset,
      highWatermark: 9,
      leaderEpoch,
    });
    expect(new Run().poll([], offsets(5)).poll([], offsets(4)).found([])).toEqual(['T5']);
    expect(new Run().poll([], offsets(5)).poll([], offsets(4, 1)).found([])).toEqual([]);
    expect(new Run().poll([], offsets(10)).found([])).toEqual(['T5']);
    expect(new Run().poll([[6, 'a']], offsets(5)).found([])).toEqual(['T5']);
  });

  it('where records may be lost, logs agree with themselves still', () => {
    const options = { ...STRICT, lossAllowed: true };
    const open = new Run().transaction('committed', ['a', 'b']);
    expect(open.found([log(1, data(0, 'a'))], options)).toEqual([]);
    const twice = new Run().transaction('committed', ['a']);
    expect(twice.found([log(1, data(0, 'a'), data(1, 'a'))], options)).toEqual(['T1']);
  });
});

describe('the states that runs are to reach', () => {
  /** A record of `__transaction_state`: what is before the state means nothing here. */
  const decision = (offset: number, state: number, leaderEpoch: number) =>
    batchAtRest(offset, [`${'.'.repeat(16)}${String.fromCharCode(state)}`], { keys: ['id'], leaderEpoch });
  const states = (name: string, ...batches: BatchAtRest[]) =>
    transactionStates({ ...EMPTY, replicas: [{ ...replicaAtRest(1, batches), name }] });

  it('are a decision that another coordinator has completed, and a marker that comes twice', () => {
    const [prepared, complete] = [2, 4];
    const moved = ['a coordinator moved with a prepared transaction'];
    expect(states('__transaction_state-0', decision(0, prepared, 1), decision(1, complete, 2))).toEqual(
      moved,
    );
    expect(states('__transaction_state-0', decision(0, prepared, 1), decision(1, complete, 1))).toEqual([]);
    const again = ['a marker was sent again'];
    expect(states('transactional-0', data(0, 'a'), marker(1, 'commit'), marker(2, 'commit'))).toEqual(again);
    expect(states('transactional-0', marker(1, 'commit'), data(2, 'a'), marker(3, 'commit'))).toEqual([]);
  });
});
