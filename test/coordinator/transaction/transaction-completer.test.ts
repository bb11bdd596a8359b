import { describe, expect, it } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  newTransactionMetadata,
  type TransactionMetadata,
} from '../../../src/coordinator/transaction/transaction-metadata.ts';
import { TransactionState } from '../../../src/coordinator/transaction/transaction-state.ts';
import { Pending } from '../pending.ts';
import { producer, TransactionHarness, text } from '../transaction-harness.ts';

const p = producer(1000, 0);

async function open(version = 2): Promise<TransactionHarness> {
  const h = await TransactionHarness.started();
  h.markers.outcome = undefined;
  await h.init();
  await h.add(p, [0, 3], { version });
  return h;
}

function stored(state: TransactionState, changes: Partial<TransactionMetadata> = {}): TransactionMetadata {
  return {
    ...newTransactionMetadata(7, 60_000, 1),
    producerEpoch: 4,
    state,
    partitions: new Map([['t', new Set([0, 1])]]),
    startTimestamp: 1_700_000_000_000,
    ...changes,
  };
}

describe('a decision', () => {
  it('is in the log before a marker is sent or an answer leaves (T9)', async () => {
    for (const version of [0, 2]) {
      const h = await open(version);
      h.partitions.autoCommit = false;
      const answer = new Pending(h.endLater(p, 'commit', { version }).then(text));
      await h.clock.settle();
      expect(h.storedText()).toContain('PrepareCommit');
      expect(h.markers.written).toEqual([]);
      expect(answer.value).toBeUndefined();
      h.partitions.commit();
      await h.clock.settle();
      expect(h.markers.written).toHaveLength(1);
      expect(answer.value).toBe(version === 0 ? '-1/-1' : '1000/1');
    }
  });

  it('goes to all partitions, with the epoch of the leader', async () => {
    const h = await open();
    await h.failOver();
    expect(h.epoch).toBe(2);
    await h.end(p, 'abort');
    expect(h.markers.written).toEqual([
      {
        transactionalId: 'x',
        producerId: 1000,
        producerEpoch: 1,
        coordinatorEpoch: 2,
        isCommit: false,
        transactionVersion: 2,
        partitions: [
          { topic: 't', partition: 0 },
          { topic: 't', partition: 3 },
        ],
      },
    ]);
  });

  it('keeps the epoch of an older client', async () => {
    const h = await open(0);
    await h.end(p, 'commit', { version: 0 });
    expect(h.markers.written).toMatchObject([{ producerEpoch: 0, isCommit: true, transactionVersion: 0 }]);
  });

  it('is complete when all have their marker', async () => {
    const h = await open();
    await h.end(p, 'commit');
    expect(h.storedText()).toBe('PrepareCommit 1000/1 t-0 t-3');
    h.markers.release();
    await h.clock.settle();
    expect(h.storedText()).toBe('CompleteCommit 1000/1');
    expect(await h.add(producer(1000, 1), [9])).toBe('NONE');
  });

  it('needs no marker where nothing was written', async () => {
    const h = await TransactionHarness.started();
    await h.init();
    expect(await h.end(p, 'abort')).toBe('1000/1');
    expect(h.markers.written).toEqual([]);
    expect(h.storedText()).toBe('CompleteAbort 1000/1');
  });

  it('is taken back where it could not be appended, and may be decided otherwise then', async () => {
    for (const version of [0, 2]) {
      const h = await open(version);
      h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
      expect(await h.end(p, 'commit', { version })).toBe('COORDINATOR_NOT_AVAILABLE');
      await h.clock.pass(60_000);
      expect(h.markers.written).toEqual([]);
      h.partitions.failWith = undefined;
      expect(await h.add(p, [4], { version })).toBe('NONE');
      await h.end(p, 'abort', { version });
      expect(h.storedText()).toContain('PrepareAbort');
    }
  });

  it('that takes long to be committed is carried out then, though its client was told to ask again', async () => {
    const h = await open();
    h.partitions.autoCommit = false;
    const ending = h.endLater(p, 'commit');
    await h.clock.pass(h.config.writeTimeoutMs);
    expect(text(await ending)).toBe('COORDINATOR_NOT_AVAILABLE');
    await h.clock.pass(5 * h.config.writeTimeoutMs);
    expect(h.markers.written).toEqual([]);
    h.partitions.autoCommit = true;
    h.partitions.commit();
    await h.clock.pass(1000);
    expect(h.markers.written).toHaveLength(1);
    h.markers.release();
    await h.clock.settle();
    expect(await h.end(p, 'commit')).toBe('1000/1');
  });

  it('is written as complete again and again until that is committed', async () => {
    const h = await open();
    await h.end(p, 'commit');
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    h.markers.release();
    await h.clock.pass(10_000);
    expect(await h.end(p, 'commit')).toBe('CONCURRENT_TRANSACTIONS');
    h.partitions.failWith = undefined;
    await h.clock.pass(1000);
    expect(h.storedText()).toBe('CompleteCommit 1000/1');
    expect(h.markers.written).toHaveLength(1);
  });

  it('is sent anew, with the leader epoch of then, where a partition has seen a later coordinator', async () => {
    const h = await open();
    await h.end(p, 'commit');
    h.markers.release('fenced');
    await h.clock.settle();
    expect(h.markers.written).toHaveLength(1);
    await h.coordinator.onElection(0, 9);
    await h.clock.pass(1000);
    expect(h.markers.written[1]).toMatchObject({ coordinatorEpoch: 9, isCommit: true });
    h.markers.release();
    await h.clock.settle();
    expect(h.storedText()).toBe('CompleteCommit 1000/1');
  });

  it('does not hold up another id', async () => {
    const h = await open();
    await h.end(p, 'commit');
    await h.init({ id: 'y' });
    const other = producer(1001, 0);
    await h.add(other, [1], { id: 'y' });
    await h.end(other, 'abort', { id: 'y' });
    h.markers.waiting[1]!.end('written');
    await h.clock.settle();
    expect(h.storedText('y')).toBe('CompleteAbort 1001/1');
    expect(h.storedText('x')).toContain('PrepareCommit');
  });
});

describe('a coordinator that has moved', () => {
  it('wants its markers no more, and writes nothing when they arrive', async () => {
    const h = await open();
    await h.end(p, 'commit');
    const { isWanted, end } = h.markers.waiting[0]!;
    expect(isWanted()).toBe(true);
    h.coordinator.onResignation(0, 2);
    expect(isWanted()).toBe(false);
    const count = h.partitions.records().length;
    end('written');
    await h.clock.pass(10_000);
    expect(h.partitions.records().length).toBe(count);
  });

  it('is answered for by the next one, which goes on with what is decided', async () => {
    const h = await open();
    await h.end(p, 'commit');
    await h.failOver();
    expect(h.markers.written).toHaveLength(2);
    expect(h.markers.written[1]).toMatchObject({ coordinatorEpoch: 2, isCommit: true, producerEpoch: 1 });
    h.markers.waiting[0]!.end('written');
    await h.clock.settle();
    expect(h.storedText()).toBe('PrepareCommit 1000/1 t-0 t-3');
    h.markers.waiting[1]!.end('written');
    await h.clock.settle();
    expect(h.storedText()).toBe('CompleteCommit 1000/1');
  });
});

describe('a load', () => {
  const LOADED = [
    [TransactionState.EMPTY, 0, 'Empty 7/4'],
    [TransactionState.ONGOING, 0, 'Ongoing 7/4 t-0 t-1'],
    [TransactionState.PREPARE_COMMIT, 1, 'CompleteCommit 7/4'],
    [TransactionState.PREPARE_ABORT, 1, 'CompleteAbort 7/4'],
    [TransactionState.COMPLETE_COMMIT, 0, 'CompleteCommit 7/4'],
    [TransactionState.COMPLETE_ABORT, 0, 'CompleteAbort 7/4'],
  ] as const;

  for (const [state, markers, after] of LOADED) {
    it(`of an id in state ${state} ends in ${after}`, async () => {
      for (const level of [0, 2]) {
        const h = new TransactionHarness();
        h.level = level;
        const isOpen = state === TransactionState.ONGOING || markers > 0;
        h.store('x', stored(state, isOpen ? {} : { partitions: new Map() }));
        await h.elect();
        expect(h.markers.written).toHaveLength(markers);
        expect(h.storedText()).toBe(after);
      }
    });
  }

  it('carries on with the producer id that was to follow', async () => {
    const h = new TransactionHarness();
    const rotating = { producerEpoch: 32_767, nextProducerId: 9, clientTransactionVersion: 2 };
    h.store('x', stored(TransactionState.PREPARE_ABORT, rotating));
    await h.elect();
    expect(h.storedText()).toBe('CompleteAbort 9/0');
    expect(await h.end(producer(7, 32_766), 'abort')).toBe('9/0');
  });

  it('carries out nothing before the log is committed', async () => {
    const h = new TransactionHarness();
    h.partitions.autoCommit = false;
    h.store('x', stored(TransactionState.PREPARE_COMMIT));
    const load = h.coordinator.onElection(0, 1);
    await h.clock.settle();
    expect(h.markers.written).toEqual([]);
    expect(await h.init()).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    h.partitions.commit();
    await h.clock.settle();
    await load;
    expect(h.markers.written).toHaveLength(1);
  });

  it('forgets an id with its tombstone', async () => {
    const h = new TransactionHarness();
    h.store('x', stored(TransactionState.EMPTY));
    h.store('x', null);
    await h.elect();
    expect(await h.add(producer(7, 4))).toBe('INVALID_PRODUCER_ID_MAPPING');
  });
});
