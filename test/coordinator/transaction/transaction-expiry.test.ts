import { describe, expect, it } from 'vitest';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { newTransactionMetadata } from '../../../src/coordinator/transaction/transaction-metadata.ts';
import { TransactionState } from '../../../src/coordinator/transaction/transaction-state.ts';
import { producer, TransactionHarness } from '../transaction-harness.ts';

const p = producer(1000, 0);
const INTERVAL = 10_000;
const DAY = 24 * 60 * 60 * 1000;

describe('a transaction past its timeout', () => {
  for (const level of [0, 1, 2]) {
    it(`is aborted with an epoch that fences its producer, at level ${level}`, async () => {
      const h = await TransactionHarness.started({ level });
      await h.init({ timeoutMs: 15_000 });
      const version = level === 2 ? 2 : 0;
      await h.add(p, [0], { version });
      await h.clock.pass(15_000);
      expect(h.storedText()).toBe('Ongoing 1000/0 t-0');
      await h.clock.pass(INTERVAL);
      expect(h.storedText()).toBe('CompleteAbort 1000/1');
      expect(h.markers.written).toMatchObject([
        { isCommit: false, producerEpoch: 1, transactionVersion: version },
      ]);
      expect(await h.add(p, [1], { version })).toBe('PRODUCER_FENCED');
      // A client of version 2 that asks to commit has the abort for what it says it did not do.
      expect(await h.end(p, 'commit', { version })).toBe(
        level === 2 ? 'INVALID_TXN_STATE' : 'PRODUCER_FENCED',
      );
      // The producer itself goes on with what it has (KIP-360).
      expect(await h.init({ producer: p })).toBe(level === 2 ? '1000/1' : 'PRODUCER_FENCED');
      expect(await h.init()).toBe('1000/2');
    });
  }

  it('ends within its timeout and one interval after a load', async () => {
    const h = await TransactionHarness.started();
    await h.init({ timeoutMs: 15_000 });
    await h.add(p);
    await h.clock.pass(9_000);
    await h.failOver();
    await h.clock.pass(15_000 - 9_000 + INTERVAL);
    expect(h.storedText()).toBe('CompleteAbort 1000/1');
  });

  it('is not one that is decided', async () => {
    const h = await TransactionHarness.started();
    h.markers.outcome = undefined;
    await h.init({ timeoutMs: 1000 });
    await h.add(p);
    await h.end(p, 'commit');
    await h.clock.pass(10 * INTERVAL);
    expect(h.storedText()).toBe('PrepareCommit 1000/1 t-0');
    h.markers.release();
    await h.clock.settle();
    expect(h.storedText()).toBe('CompleteCommit 1000/1');
  });

  it('counts from its first partition, not from its last', async () => {
    const h = await TransactionHarness.started();
    await h.init({ timeoutMs: 15_000 });
    await h.add(p, [0]);
    await h.clock.pass(14_000);
    await h.add(p, [1]);
    await h.clock.pass(7_000);
    expect(h.storedText()).toBe('CompleteAbort 1000/1');
  });

  it('is never one of a two-phase commit', async () => {
    const h = await TransactionHarness.started({ twoPhaseCommitEnabled: true });
    await h.init({ enable2Pc: true });
    await h.add(p);
    await h.clock.pass(100 * DAY);
    expect(h.storedText()).toBe('Ongoing 1000/0 t-0');
  });

  it('is aborted later if the log cannot be written', async () => {
    const h = await TransactionHarness.started();
    await h.init({ timeoutMs: 1000 });
    await h.add(p);
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    await h.clock.pass(5 * INTERVAL);
    h.partitions.failWith = undefined;
    await h.clock.pass(INTERVAL);
    expect(h.storedText()).toBe('CompleteAbort 1000/1');
  });

  it('is given another producer id where its epochs are used up, when there is one', async () => {
    const h = new TransactionHarness();
    h.store('x', {
      ...newTransactionMetadata(7, 1000, 1),
      producerEpoch: 32_766,
      state: TransactionState.ONGOING,
      partitions: new Map([['t', new Set([0])]]),
      startTimestamp: h.clock.clock.wallMs(),
    });
    await h.elect();
    h.producerIdError = new KafkaError(Errors.COORDINATOR_LOAD_IN_PROGRESS);
    await h.clock.pass(3 * INTERVAL);
    expect(h.storedText()).toBe('Ongoing 7/32766 t-0');
    h.producerIdError = undefined;
    await h.clock.pass(INTERVAL);
    expect(h.storedText()).toBe('CompleteAbort 1000/0');
  });

  it('does not hold up others, however many there are', async () => {
    const h = await TransactionHarness.started();
    const open = {
      producerEpoch: 0,
      state: TransactionState.ONGOING,
      partitions: new Map([['t', new Set([0])]]),
      startTimestamp: h.clock.clock.wallMs(),
    };
    h.storeAll(
      Array.from({ length: 1200 }, (_, i) => [`id-${i}`, { ...newTransactionMetadata(i, 1000, 1), ...open }]),
    );
    await h.failOver();
    await h.clock.pass(INTERVAL + 10);
    expect(h.markers.written).toHaveLength(1200);
    expect(h.storedText('id-0')).toBe('CompleteAbort 0/1');
    expect(h.storedText('id-1199')).toBe('CompleteAbort 1199/1');
  });
});

describe('a transactional id that nobody uses', () => {
  it('is forgotten, and its tombstone is in the log', async () => {
    const h = await TransactionHarness.started();
    await h.init();
    await h.init({ id: 'used' });
    await h.clock.pass(4 * DAY);
    await h.init({ id: 'used' });
    await h.clock.pass(3 * DAY + 60 * 60 * 1000);
    expect(h.storedText('x')).toBe('tombstone');
    expect(h.storedText('used')).toBe('Empty 1001/1');
    expect(await h.add(p)).toBe('INVALID_PRODUCER_ID_MAPPING');
    expect(await h.init()).toBe('1002/0');
  });

  it('is kept while its transaction is open or ends', async () => {
    const h = await TransactionHarness.started({ maxTimeoutMs: 0x7fff_fffe });
    h.markers.outcome = undefined;
    await h.init({ timeoutMs: 20 * DAY });
    await h.add(p);
    await h.clock.pass(8 * DAY);
    expect(h.storedText()).toBe('Ongoing 1000/0 t-0');
    await h.end(p, 'commit');
    await h.clock.pass(8 * DAY);
    expect(h.storedText()).toBe('PrepareCommit 1000/1 t-0');
    h.markers.release();
    await h.clock.settle();
    await h.clock.pass(8 * DAY);
    expect(h.storedText()).toBe('tombstone');
  });

  it('is kept if its tombstone cannot be written, and forgotten later', async () => {
    const h = await TransactionHarness.started({ removeExpiredIntervalMs: 1000, idExpirationMs: 5000 });
    await h.init();
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    await h.clock.pass(10_000);
    expect(h.storedText()).toBe('Empty 1000/0');
    h.partitions.failWith = undefined;
    await h.clock.pass(2000);
    expect(h.storedText()).toBe('tombstone');
  });

  it('is found among very many, some at a time', async () => {
    const h = new TransactionHarness({ removeExpiredIntervalMs: 1000, idExpirationMs: 5000 });
    const now = h.clock.clock.wallMs();
    h.storeAll(
      Array.from({ length: 25_000 }, (_, i) => {
        const lastUpdate = i % 1000 === 0 ? 1 : now;
        return [`id-${i}`, { ...newTransactionMetadata(i, 1000, lastUpdate), producerEpoch: 0 }];
      }),
    );
    await h.elect();
    await h.clock.pass(1001);
    const tombstones = h.partitions.records().filter(({ value }) => value === null);
    expect(tombstones).toHaveLength(25);
  });
});
