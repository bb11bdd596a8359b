import { describe, expect, it } from 'vitest';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { newTransactionMetadata } from '../../../src/coordinator/transaction/transaction-metadata.ts';
import { Pending } from '../pending.ts';
import { producer, TransactionHarness, text } from '../transaction-harness.ts';

const FOREVER = { transactionTimeoutMs: 60_000 };

async function withEpoch(producerEpoch: number, level = 2): Promise<TransactionHarness> {
  const h = new TransactionHarness();
  h.level = level;
  h.store('x', {
    ...newTransactionMetadata(7, FOREVER.transactionTimeoutMs, 1),
    previousProducerId: 7,
    producerEpoch,
  });
  await h.elect();
  return h;
}

describe('InitProducerId', () => {
  it('gives an idempotent producer an id of its own, which nobody gets again', async () => {
    const h = await TransactionHarness.started();
    expect(await h.init({ id: null })).toBe('1000/0');
    expect(await h.init({ id: null })).toBe('1001/0');
    expect(await h.init({ id: null })).toBe('1002/0');
    expect(h.partitions.records()).toEqual([]);
  });

  it('gives a transactional id its producer id, and each producer of it the next epoch', async () => {
    const h = await TransactionHarness.started();
    expect(await h.init()).toBe('1000/0');
    expect(await h.init()).toBe('1000/1');
    expect(await h.init({ id: 'y' })).toBe('1001/0');
    expect(h.storedText()).toBe('Empty 1000/1');
    expect(h.stored()).toMatchObject({ transactionTimeoutMs: 60_000, startTimestamp: -1 });
  });

  it('is answered when it is committed', async () => {
    const h = await TransactionHarness.started();
    h.partitions.autoCommit = false;
    const answer = new Pending(h.initLater().then(text));
    await h.clock.settle();
    expect(answer.value).toBeUndefined();
    h.partitions.commit();
    await h.clock.settle();
    expect(answer.value).toBe('1000/0');
  });

  it('takes the timeout of the last who asks, within what the broker allows', async () => {
    const h = await TransactionHarness.started({ maxTimeoutMs: 1000 });
    expect(await h.init({ timeoutMs: 1001 })).toBe('INVALID_TRANSACTION_TIMEOUT');
    expect(await h.init({ timeoutMs: 0 })).toBe('INVALID_TRANSACTION_TIMEOUT');
    expect(await h.init({ timeoutMs: -1 })).toBe('INVALID_TRANSACTION_TIMEOUT');
    expect(await h.init({ timeoutMs: 1000 })).toBe('1000/0');
    expect(await h.init({ timeoutMs: 1 })).toBe('1000/1');
    expect(h.stored()!.transactionTimeoutMs).toBe(1);
  });

  it('refuses the empty id', async () => {
    const h = await TransactionHarness.started();
    expect(await h.init({ id: '' })).toBe('INVALID_REQUEST');
  });

  it('refuses a two-phase commit where that is off, and always to keep a prepared transaction', async () => {
    const off = await TransactionHarness.started();
    expect(await off.init({ enable2Pc: true })).toBe('TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
    expect(await off.init({ keepPreparedTxn: true })).toBe('UNSUPPORTED_VERSION');
    const on = await TransactionHarness.started({ twoPhaseCommitEnabled: true });
    expect(await on.init({ enable2Pc: true, keepPreparedTxn: true })).toBe('UNSUPPORTED_VERSION');
    expect(await on.init({ enable2Pc: true, timeoutMs: -1 })).toBe('1000/0');
    expect(on.stored()!.transactionTimeoutMs).toBe(0x7fff_ffff);
  });

  it('with the id and epoch that the producer has raises the epoch, and again gives the same one', async () => {
    const h = await TransactionHarness.started();
    await h.init();
    expect(await h.init({ producer: producer(1000, 0) })).toBe('1000/1');
    expect(await h.init({ producer: producer(1000, 0) })).toBe('1000/1');
    expect(await h.init({ producer: producer(1000, 1) })).toBe('1000/2');
    expect(await h.init({ producer: producer(1000, 0) })).toBe('PRODUCER_FENCED');
    expect(await h.init({ producer: producer(1000, 3) })).toBe('PRODUCER_FENCED');
    expect(await h.init({ producer: producer(999, 2) })).toBe('PRODUCER_FENCED');
  });

  it('fences a producer that had its epoch before another one came', async () => {
    const h = await TransactionHarness.started();
    await h.init();
    await h.init();
    expect(await h.init({ producer: producer(1000, 0) })).toBe('PRODUCER_FENCED');
  });

  it('takes any id and epoch for a transactional id that is forgotten', async () => {
    const h = await TransactionHarness.started();
    expect(await h.init({ producer: producer(5, 30) })).toBe('1000/0');
  });

  it('gives a new producer id when the epochs are used up', async () => {
    const h = await withEpoch(32_765);
    expect(await h.init()).toBe('7/32766');
    expect(await h.init()).toBe('1000/0');
    expect(h.stored()).toMatchObject({ previousProducerId: 7 });
  });

  it('gives the same new producer id to who asks again with the epoch that was used up', async () => {
    const h = await withEpoch(32_766);
    expect(await h.init({ producer: producer(7, 32_766) })).toBe('1000/0');
    expect(await h.init({ producer: producer(7, 32_766) })).toBe('1000/0');
    expect(await h.init({ producer: producer(7, 32_765) })).toBe('PRODUCER_FENCED');
    expect(await h.init({ producer: producer(1000, 0) })).toBe('1000/1');
  });

  it('does not take an epoch that was used up from a producer that is fenced', async () => {
    const h = await withEpoch(32_766);
    expect(await h.init({ producer: producer(7, 32_764) })).toBe('PRODUCER_FENCED');
    expect(h.storedText()).toBe('Empty 7/32766');
  });

  it('tells who may ask again when the controller gives no producer ids', async () => {
    const h = await TransactionHarness.started();
    h.producerIdError = new KafkaError(Errors.COORDINATOR_LOAD_IN_PROGRESS);
    expect(await h.init()).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    expect(await h.init({ id: null })).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    h.producerIdError = undefined;
    expect(await h.init()).toBe('1000/0');
  });

  it('goes back where it was when the append fails', async () => {
    const h = await TransactionHarness.started();
    await h.init();
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    expect(await h.init()).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(await h.init({ id: 'y' })).toBe('COORDINATOR_NOT_AVAILABLE');
    h.partitions.failWith = undefined;
    expect(await h.init()).toBe('1000/1');
  });

  it('is refused by a broker that does not lead the partition, or has not loaded it', async () => {
    const h = new TransactionHarness();
    expect(await h.init()).toBe('NOT_COORDINATOR');
    const load = h.coordinator.onElection(0, 1);
    expect(text(await h.initLater())).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    await h.clock.settle();
    await load;
    expect(await h.init()).toBe('1000/0');
    h.coordinator.onResignation(0, 2);
    expect(await h.init()).toBe('NOT_COORDINATOR');
    h.coordinator.shutdown();
    expect(await h.init()).toBe('COORDINATOR_NOT_AVAILABLE');
  });
});

describe('InitProducerId over an open transaction', () => {
  for (const [level, decided] of [
    [2, 'PrepareAbort 1000/1 t-0'],
    [1, 'PrepareAbort 1000/1 t-0'],
    [0, 'PrepareAbort 1000/1 t-0'],
  ] as const) {
    it(`aborts it first, with an epoch that fences, at level ${level}`, async () => {
      const h = await TransactionHarness.started({ level });
      h.markers.outcome = undefined;
      await h.init();
      await h.add(producer(1000, 0));
      expect(await h.init()).toBe('CONCURRENT_TRANSACTIONS');
      expect(h.storedText()).toBe(decided);
      expect(h.stored()!.clientTransactionVersion).toBe(level === 2 ? 2 : 0);
      expect(await h.init()).toBe('CONCURRENT_TRANSACTIONS');
      expect(await h.add(producer(1000, 0), [1])).toBe('CONCURRENT_TRANSACTIONS');
      h.markers.release();
      await h.clock.settle();
      expect(h.storedText()).toBe('CompleteAbort 1000/1');
      expect(await h.init()).toBe('1000/2');
      expect(await h.add(producer(1000, 0), [1])).toBe('PRODUCER_FENCED');
      expect(await h.end(producer(1000, 0), 'commit', { version: 0 })).toBe('PRODUCER_FENCED');
    });
  }

  it('takes another producer id where that uses the epochs up', async () => {
    for (const level of [0, 2]) {
      const h = await withEpoch(32_766, level);
      expect(await h.add(producer(7, 32_766))).toBe('NONE');
      expect(await h.init()).toBe('CONCURRENT_TRANSACTIONS');
      // The new producer id comes with the end of the transaction, or with the next request.
      expect(h.storedText()).toBe(level === 2 ? 'CompleteAbort 1000/0' : 'CompleteAbort 7/32767');
      expect(await h.init()).toBe(level === 2 ? '1000/1' : '1000/0');
    }
  });

  it('leaves it as it is for a producer that is fenced itself', async () => {
    const h = await TransactionHarness.started();
    await h.init();
    await h.init();
    await h.add(producer(1000, 1));
    expect(await h.init({ producer: producer(999, 0) })).toBe('PRODUCER_FENCED');
    expect(h.storedText()).toBe('Ongoing 1000/1 t-0');
  });
});
