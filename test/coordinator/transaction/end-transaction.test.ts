import { describe, expect, it } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import { newTransactionMetadata } from '../../../src/coordinator/transaction/transaction-metadata.ts';
import { TransactionState } from '../../../src/coordinator/transaction/transaction-state.ts';
import { Pending } from '../pending.ts';
import { producer, TransactionHarness, text } from '../transaction-harness.ts';

const p = producer(1000, 0);

/** One whose id `x` is in a state, at producer id 1000 and epoch 0; markers do not arrive by themselves. */
const START: Record<string, (version: number) => Promise<TransactionHarness>> = {
  Empty: async () => {
    const h = await TransactionHarness.started();
    await h.init();
    return h;
  },
  Ongoing: async version => {
    const h = await START['Empty']!(version);
    await h.add(p, [0], { version });
    h.markers.outcome = undefined;
    return h;
  },
  PrepareCommit: async version => {
    const h = await START['Ongoing']!(version);
    await h.end(p, 'commit', { version });
    return h;
  },
  PrepareAbort: async version => {
    const h = await START['Ongoing']!(version);
    await h.end(p, 'abort', { version });
    return h;
  },
  CompleteCommit: async version => {
    const h = await START['PrepareCommit']!(version);
    h.markers.release();
    await h.clock.settle();
    return h;
  },
  CompleteAbort: async version => {
    const h = await START['PrepareAbort']!(version);
    h.markers.release();
    await h.clock.settle();
    return h;
  },
};

describe('AddPartitionsToTxn', () => {
  it('begins a transaction, adds to it, and takes what is there already without a write', async () => {
    const h = await START['Empty']!(2);
    expect(await h.add(p, [0, 1])).toBe('NONE');
    expect(h.storedText()).toBe('Ongoing 1000/0 t-0 t-1');
    const began = h.stored()!.startTimestamp;
    await h.clock.pass(5);
    expect(await h.add(p, [2, 1])).toBe('NONE');
    expect(h.storedText()).toBe('Ongoing 1000/0 t-0 t-1 t-2');
    expect(h.stored()!.startTimestamp).toBe(began);
    const count = h.partitions.records().length;
    expect(await h.add(p, [2, 0])).toBe('NONE');
    expect(h.partitions.records().length).toBe(count);
  });

  it('begins the next one when the last is complete, with the time of then', async () => {
    const h = await START['CompleteCommit']!(0);
    await h.clock.pass(5);
    expect(await h.add(p, [3], { version: 0 })).toBe('NONE');
    expect(h.storedText()).toBe('Ongoing 1000/0 t-3');
    expect(h.stored()!.startTimestamp).toBe(h.clock.clock.wallMs());
  });

  it('remembers by which protocol the client speaks', async () => {
    const h = await START['Empty']!(2);
    await h.add(p, [0], { version: 0 });
    expect(h.stored()!.clientTransactionVersion).toBe(0);
    await h.add(p, [1], { version: 2 });
    expect(h.stored()!.clientTransactionVersion).toBe(2);
  });

  it('refuses whom it does not know, and whom it has fenced', async () => {
    const h = await START['Empty']!(2);
    expect(await h.add(p, [0], { id: 'nobody' })).toBe('INVALID_PRODUCER_ID_MAPPING');
    expect(await h.add(p, [0], { id: '' })).toBe('INVALID_REQUEST');
    expect(await h.add(producer(1, 0))).toBe('INVALID_PRODUCER_ID_MAPPING');
    expect(await h.add(producer(1000, 1))).toBe('PRODUCER_FENCED');
    expect(await h.add(producer(1000, -1))).toBe('PRODUCER_FENCED');
    expect(h.storedText()).toBe('Empty 1000/0');
  });

  it('waits for the end of the last transaction, whoever asks', async () => {
    for (const state of ['PrepareCommit', 'PrepareAbort']) {
      const h = await START[state]!(2);
      expect(await h.add(p)).toBe('CONCURRENT_TRANSACTIONS');
      expect(await h.add(producer(1000, 1))).toBe('CONCURRENT_TRANSACTIONS');
      expect(await h.add(producer(2, 0))).toBe('CONCURRENT_TRANSACTIONS');
    }
  });

  it('goes back where it was when the append fails', async () => {
    const h = await START['Empty']!(2);
    h.partitions.failWith = Errors.NOT_LEADER_OR_FOLLOWER;
    expect(await h.add(p, [0])).toBe('NOT_COORDINATOR');
    h.partitions.failWith = undefined;
    expect(await h.verify(p, [0])).toEqual(['TRANSACTION_ABORTABLE']);
    expect(await h.add(p, [1])).toBe('NONE');
    expect(h.storedText()).toBe('Ongoing 1000/0 t-1');
  });
});

describe('verification of partitions', () => {
  it('tells for each whether it is in the open transaction', async () => {
    const h = await START['Ongoing']!(0);
    expect(await h.verify(p, [0, 1])).toEqual(['NONE', 'TRANSACTION_ABORTABLE']);
    expect(await h.verify(producer(1000, 1), [0, 1])).toEqual(['PRODUCER_FENCED', 'PRODUCER_FENCED']);
    expect(await h.verify(producer(1, 0), [0])).toEqual(['INVALID_PRODUCER_ID_MAPPING']);
    expect(await h.verify(p, [0], 'nobody')).toEqual(['INVALID_PRODUCER_ID_MAPPING']);
    expect(await h.verify(p, [0], '')).toEqual(['INVALID_REQUEST']);
    expect(await h.verify(p, [])).toEqual([]);
    expect(h.storedText()).toBe('Ongoing 1000/0 t-0');
  });

  it('finds nothing in a transaction that is decided or complete', async () => {
    expect(await (await START['PrepareCommit']!(0)).verify(p, [0])).toEqual(['CONCURRENT_TRANSACTIONS']);
    expect(await (await START['CompleteCommit']!(0)).verify(p, [0])).toEqual(['TRANSACTION_ABORTABLE']);
    expect(await (await START['CompleteCommit']!(2)).verify(p, [0])).toEqual(['PRODUCER_FENCED']);
  });
});

describe('EndTxn of an older client', () => {
  /** State, what is asked, the answer, the state afterwards. */
  const TABLE = [
    ['Empty', 'commit', 'INVALID_TXN_STATE', 'Empty 1000/0'],
    ['Empty', 'abort', 'INVALID_TXN_STATE', 'Empty 1000/0'],
    ['Ongoing', 'commit', '-1/-1', 'PrepareCommit 1000/0 t-0'],
    ['Ongoing', 'abort', '-1/-1', 'PrepareAbort 1000/0 t-0'],
    ['PrepareCommit', 'commit', 'CONCURRENT_TRANSACTIONS', 'PrepareCommit 1000/0 t-0'],
    ['PrepareCommit', 'abort', 'CONCURRENT_TRANSACTIONS', 'PrepareCommit 1000/0 t-0'],
    ['PrepareAbort', 'commit', 'CONCURRENT_TRANSACTIONS', 'PrepareAbort 1000/0 t-0'],
    ['PrepareAbort', 'abort', 'CONCURRENT_TRANSACTIONS', 'PrepareAbort 1000/0 t-0'],
    ['CompleteCommit', 'commit', '-1/-1', 'CompleteCommit 1000/0'],
    ['CompleteCommit', 'abort', 'INVALID_TXN_STATE', 'CompleteCommit 1000/0'],
    ['CompleteAbort', 'commit', 'INVALID_TXN_STATE', 'CompleteAbort 1000/0'],
    ['CompleteAbort', 'abort', '-1/-1', 'CompleteAbort 1000/0'],
  ] as const;

  for (const [state, what, answer, after] of TABLE) {
    it(`${what} in ${state} is answered ${answer}`, async () => {
      const h = await START[state]!(0);
      expect(await h.end(p, what, { version: 0 })).toBe(answer);
      expect(h.storedText()).toBe(after);
    });
  }

  it('is refused to others than the present producer, in every state', async () => {
    for (const make of Object.values(START)) {
      const h = await make(0);
      const before = h.storedText();
      for (const what of ['commit', 'abort'] as const) {
        expect(await h.end(producer(1, 0), what, { version: 0 })).toBe('INVALID_PRODUCER_ID_MAPPING');
        expect(await h.end(producer(1000, 1), what, { version: 0 })).toBe('PRODUCER_FENCED');
        expect(await h.end(producer(1000, -1), what, { version: 0 })).toBe('PRODUCER_FENCED');
        expect(await h.end(p, what, { version: 0, id: 'nobody' })).toBe('INVALID_PRODUCER_ID_MAPPING');
        expect(await h.end(p, what, { version: 0, id: '' })).toBe('INVALID_REQUEST');
      }
      expect(h.storedText()).toBe(before);
    }
  });
});

describe('EndTxn of a client of version 2', () => {
  const same = producer(1000, 0);
  const next = producer(1000, 1);
  const TABLE = [
    ['Empty', same, 'commit', 'INVALID_TXN_STATE', 'Empty 1000/0'],
    ['Empty', same, 'abort', '1000/1', 'CompleteAbort 1000/1'],
    ['Empty', next, 'abort', 'PRODUCER_FENCED', 'Empty 1000/0'],
    ['Ongoing', same, 'commit', '1000/1', 'PrepareCommit 1000/1 t-0'],
    ['Ongoing', same, 'abort', '1000/1', 'PrepareAbort 1000/1 t-0'],
    ['Ongoing', next, 'abort', 'PRODUCER_FENCED', 'Ongoing 1000/0 t-0'],
    ['PrepareCommit', same, 'commit', 'CONCURRENT_TRANSACTIONS', 'PrepareCommit 1000/1 t-0'],
    ['PrepareCommit', same, 'abort', 'CONCURRENT_TRANSACTIONS', 'PrepareCommit 1000/1 t-0'],
    ['PrepareCommit', next, 'commit', 'CONCURRENT_TRANSACTIONS', 'PrepareCommit 1000/1 t-0'],
    ['PrepareAbort', same, 'commit', 'CONCURRENT_TRANSACTIONS', 'PrepareAbort 1000/1 t-0'],
    ['PrepareAbort', same, 'abort', 'CONCURRENT_TRANSACTIONS', 'PrepareAbort 1000/1 t-0'],
    // The request again.
    ['CompleteCommit', same, 'commit', '1000/1', 'CompleteCommit 1000/1'],
    ['CompleteCommit', same, 'abort', 'INVALID_TXN_STATE', 'CompleteCommit 1000/1'],
    ['CompleteAbort', same, 'abort', '1000/1', 'CompleteAbort 1000/1'],
    ['CompleteAbort', same, 'commit', 'INVALID_TXN_STATE', 'CompleteAbort 1000/1'],
    // The end of the next transaction, in which nothing was written.
    ['CompleteCommit', next, 'commit', 'INVALID_TXN_STATE', 'CompleteCommit 1000/1'],
    ['CompleteCommit', next, 'abort', '1000/2', 'CompleteAbort 1000/2'],
    ['CompleteAbort', next, 'commit', 'INVALID_TXN_STATE', 'CompleteAbort 1000/1'],
    ['CompleteAbort', next, 'abort', '1000/2', 'CompleteAbort 1000/2'],
    ['CompleteCommit', producer(1000, 2), 'commit', 'PRODUCER_FENCED', 'CompleteCommit 1000/1'],
    ['CompleteAbort', producer(1000, -1), 'abort', 'PRODUCER_FENCED', 'CompleteAbort 1000/1'],
  ] as const;

  for (const [state, who, what, answer, after] of TABLE) {
    it(`${what} of epoch ${who.producerEpoch} in ${state} is answered ${answer}`, async () => {
      const h = await START[state]!(2);
      expect(await h.end(who, what)).toBe(answer);
      expect(h.storedText()).toBe(after);
    });
  }

  it('is refused where an older client has the epoch that follows, and has ended its transaction (T8)', async () => {
    const h = await START['CompleteAbort']!(2);
    expect(await h.init()).toBe('1000/2');
    h.markers.outcome = 'written';
    for (const what of ['commit', 'abort'] as const) {
      await h.add(producer(1000, 2), [0], { version: 0 });
      expect(await h.end(producer(1000, 2), what, { version: 0 })).toBe('-1/-1');
      expect(await h.end(next, what)).toBe('PRODUCER_FENCED');
    }
  });

  it('is refused to other producers, and for ids that are not there', async () => {
    for (const [state, make] of Object.entries(START)) {
      const h = await make(2);
      const refusal = state.startsWith('Prepare') ? 'CONCURRENT_TRANSACTIONS' : 'INVALID_PRODUCER_ID_MAPPING';
      expect(await h.end(producer(1, 0), 'abort')).toBe(refusal);
      expect(await h.end(p, 'abort', { id: 'nobody' })).toBe('INVALID_PRODUCER_ID_MAPPING');
      expect(await h.end(p, 'abort', { id: '' })).toBe('INVALID_REQUEST');
    }
  });

  it('that was held back cannot touch the next transaction (T8)', async () => {
    const h = await START['CompleteCommit']!(2);
    await h.add(next, [5]);
    for (const what of ['commit', 'abort'] as const) expect(await h.end(same, what)).toBe('PRODUCER_FENCED');
    expect(await h.add(same, [6])).toBe('PRODUCER_FENCED');
    expect(h.storedText()).toBe('Ongoing 1000/1 t-5');
  });

  it('tells its producer who it is next where its epochs are used up', async () => {
    const h = new TransactionHarness();
    h.markers.outcome = undefined;
    const metadata = newTransactionMetadata(7, 60_000, 1);
    h.store('x', {
      ...metadata,
      producerEpoch: 32_766,
      state: TransactionState.ONGOING,
      partitions: new Map([['t', new Set([0])]]),
      startTimestamp: h.clock.clock.wallMs(),
    });
    await h.elect();
    const last = producer(7, 32_766);
    const ending = h.endLater(last, 'commit');
    await h.clock.settle();
    expect(text(await ending)).toBe('1000/0');
    expect(h.storedText()).toBe('PrepareCommit 7/32767 t-0');
    expect(h.stored()!.nextProducerId).toBe(1000);
    expect(h.markers.written).toMatchObject([
      { producerId: 7, producerEpoch: 32_767, transactionVersion: 2 },
    ]);
    // Under its new name at once, while the old one's transaction ends.
    expect(await h.add(producer(1000, 0))).toBe('CONCURRENT_TRANSACTIONS');
    expect(await h.end(last, 'commit')).toBe('CONCURRENT_TRANSACTIONS');
    h.markers.release();
    await h.clock.settle();
    expect(h.storedText()).toBe('CompleteCommit 1000/0');
    expect(h.stored()).toMatchObject({ previousProducerId: 7, nextProducerId: -1 });
    // The request again, here and at the next coordinator.
    expect(await h.end(last, 'commit')).toBe('1000/0');
    expect(await h.end(last, 'abort')).toBe('INVALID_TXN_STATE');
    await h.failOver();
    expect(await h.end(last, 'commit')).toBe('1000/0');
    expect(await h.end(producer(7, 32_765), 'commit')).toBe('INVALID_PRODUCER_ID_MAPPING');
    expect(await h.add(producer(1000, 0))).toBe('NONE');
    expect(await h.end(last, 'commit')).toBe('PRODUCER_FENCED');
  });

  it('waits until what it has seen is committed, when it comes again', async () => {
    const h = await START['PrepareCommit']!(2);
    h.partitions.autoCommit = false;
    h.markers.release();
    await h.clock.settle();
    const answer = new Pending(h.endLater(p, 'commit').then(text));
    await h.clock.settle();
    expect(answer.value).toBeUndefined();
    h.partitions.commit();
    await h.clock.settle();
    expect(answer.value).toBe('1000/1');
  });
});
