import { describe, expect, it } from 'vitest';
import { TransactionalIdPattern } from '../../../src/coordinator/transaction/transactional-id-pattern.ts';
import type { TransactionFilters } from '../../../src/coordinator/transaction/transaction-filter.ts';
import {
  newTransactionMetadata,
  type TransactionMetadata,
} from '../../../src/coordinator/transaction/transaction-metadata.ts';
import { errorName } from '../../../src/protocol/errors.ts';
import { producer, TransactionHarness } from '../transaction-harness.ts';

async function list(h: TransactionHarness, filters: Partial<TransactionFilters> = {}): Promise<string[]> {
  const listing = h.coordinator.listTransactions({
    stateFilters: [],
    producerIdFilters: [],
    durationFilter: -1,
    transactionalIdPattern: null,
    ...filters,
  });
  await h.clock.settle();
  const { errorCode, transactionStates, unknownStateFilters } = await listing;
  if (errorCode) return [errorName(errorCode)];
  const listed = transactionStates!.map(
    ({ transactionalId, transactionState, producerId }) =>
      `${transactionalId} ${transactionState} ${producerId}`,
  );
  return [...listed.sort(), ...(unknownStateFilters ?? []).map(name => `unknown: ${name}`)];
}

/** `done` is CompleteCommit, `open` Ongoing, `empty` Empty. */
async function three(): Promise<TransactionHarness> {
  const h = await TransactionHarness.started();
  await h.init({ id: 'done' });
  await h.add(producer(1000, 0), [0], { id: 'done' });
  await h.end(producer(1000, 0), 'commit', { id: 'done' });
  await h.clock.pass(1000);
  await h.init({ id: 'open' });
  await h.add(producer(1001, 0), [4, 2], { id: 'open' });
  await h.init({ id: 'empty' });
  return h;
}

describe('DescribeTransactions', () => {
  it('tells what is committed of each id, or why it cannot', async () => {
    const h = await three();
    const startMs = h.clock.clock.wallMs();
    expect(h.coordinator.describeTransactions(['open', 'empty', 'nobody', ''])).toEqual([
      {
        errorCode: 0,
        transactionalId: 'open',
        transactionState: 'Ongoing',
        transactionTimeoutMs: 60_000,
        transactionStartTimeMs: startMs,
        producerId: 1001,
        producerEpoch: 0,
        topics: [{ topic: 't', partitions: [4, 2] }],
      },
      {
        errorCode: 0,
        transactionalId: 'empty',
        transactionState: 'Empty',
        transactionTimeoutMs: 60_000,
        transactionStartTimeMs: -1,
        producerId: 1002,
        producerEpoch: 0,
        topics: [],
      },
      { transactionalId: 'nobody', errorCode: 105 },
      { transactionalId: '', errorCode: 42 },
    ]);
  });

  it('does not tell what may be taken back', async () => {
    const h = await three();
    h.partitions.autoCommit = false;
    void h.endLater(producer(1001, 0), 'abort', { id: 'open' });
    await h.clock.settle();
    expect(h.coordinator.describeTransactions(['open'])[0]!.transactionState).toBe('Ongoing');
    expect(await list(h, { stateFilters: ['Ongoing'] })).toEqual(['open Ongoing 1001']);
  });

  it('is for the coordinator to tell', async () => {
    const h = await three();
    h.coordinator.onResignation(0, 5);
    expect(h.coordinator.describeTransactions(['open'])).toEqual([
      { transactionalId: 'open', errorCode: 16 },
    ]);
    h.coordinator.shutdown();
    expect(h.coordinator.describeTransactions(['open'])).toEqual([
      { transactionalId: 'open', errorCode: 15 },
    ]);
  });
});

describe('ListTransactions', () => {
  const ALL = ['done CompleteCommit 1000', 'empty Empty 1002', 'open Ongoing 1001'];
  const CASES: [string, Partial<TransactionFilters>, string[]][] = [
    ['nothing', {}, ALL],
    ['a state', { stateFilters: ['Ongoing', 'Ongoing'] }, ['open Ongoing 1001']],
    ['two states', { stateFilters: ['Empty', 'CompleteCommit'] }, [ALL[0]!, ALL[1]!]],
    ['a state that is never stored', { stateFilters: ['Dead', 'PrepareEpochFence'] }, []],
    [
      'states that are none',
      { stateFilters: ['ongoing', '__proto__'] },
      ['unknown: ongoing', 'unknown: __proto__'],
    ],
    ['one of each', { stateFilters: ['Empty', 'x'] }, ['empty Empty 1002', 'unknown: x']],
    ['producer ids', { producerIdFilters: [1001, 5, 2n ** 60n] }, ['open Ongoing 1001']],
    ['a pattern', { transactionalIdPattern: '.*e.*' }, ALL],
    ['a pattern of the whole id', { transactionalIdPattern: 'o' }, []],
    ['alternatives', { transactionalIdPattern: 'o[a-z]{3}|d.ne' }, [ALL[0]!, ALL[2]!]],
    ['the empty pattern', { transactionalIdPattern: '' }, ALL],
    [
      'all at once',
      { stateFilters: ['Ongoing'], producerIdFilters: [1001], transactionalIdPattern: 'open' },
      [ALL[2]!],
    ],
    ['a pattern that is none', { transactionalIdPattern: '(' }, ['INVALID_REGULAR_EXPRESSION']],
    [
      'a reference back, which RE2 has not',
      { transactionalIdPattern: '(a)\\1' },
      ['INVALID_REGULAR_EXPRESSION'],
    ],
  ];
  for (const [what, filters, expected] of CASES) {
    it(`by ${what}`, async () => {
      expect(await list(await three(), filters)).toEqual(expected);
    });
  }

  it('by the time that a transaction is open, where nothing begun is open for ever', async () => {
    const h = await three();
    expect(await list(h, { durationFilter: 0 })).toEqual(['done CompleteCommit 1000', 'empty Empty 1002']);
    await h.clock.pass(500);
    expect(await list(h, { durationFilter: 499 })).toEqual(ALL);
    expect(await list(h, { durationFilter: 500 })).toEqual(['done CompleteCommit 1000', 'empty Empty 1002']);
    expect(await list(h, { durationFilter: 2n ** 62n })).toEqual([]);
  });

  it('is refused while a partition loads, and after the end', async () => {
    const h = await three();
    const load = h.coordinator.onElection(1, 1);
    expect(await h.coordinator.listTransactions(EVERYTHING)).toEqual({ errorCode: 14 });
    await h.clock.settle();
    await load;
    expect(await list(h)).toEqual(ALL);
    h.coordinator.shutdown();
    expect(await list(h)).toEqual(['COORDINATOR_NOT_AVAILABLE']);
  });

  it('takes several turns for very many', async () => {
    const h = new TransactionHarness();
    h.storeAll(veryMany());
    await h.elect();
    let answered = false;
    const listing = h.coordinator.listTransactions(EVERYTHING).then(answer => {
      answered = true;
      return answer;
    });
    h.clock.turn();
    await Promise.resolve();
    expect(answered).toBe(false);
    await h.clock.settle();
    expect((await listing).transactionStates).toHaveLength(25_000);
  });

  it('leaves out what moves away meanwhile', async () => {
    const h = new TransactionHarness();
    h.storeAll(veryMany());
    await h.elect();
    const listing = h.coordinator.listTransactions(EVERYTHING);
    h.coordinator.onResignation(0, 9);
    await h.clock.settle();
    const { errorCode, transactionStates } = await listing;
    expect(errorCode).toBe(0);
    expect(transactionStates!.length).toBeLessThan(25_000);
  });
});

function* veryMany(): Iterable<[string, TransactionMetadata]> {
  for (let i = 0; i < 25_000; i++)
    yield [`id-${i}`, { ...newTransactionMetadata(i, 1, 1), producerEpoch: 0 }];
}

const EVERYTHING = {
  stateFilters: [],
  producerIdFilters: [],
  durationFilter: -1,
  transactionalIdPattern: null,
};

describe('a hostile pattern', () => {
  const REFUSED = [
    'a'.repeat(257),
    '(a?){1000}'.repeat(20),
    '((((a?){30}){30}){30}){30}',
    '(.?){999}(.?){999}',
    '[a-',
    '(?=a)',
    '(?P<n>a)(?P<n>b)',
  ];
  for (const pattern of REFUSED) {
    it(`${pattern.slice(0, 30)} is refused`, () => {
      expect(() => new TransactionalIdPattern(pattern)).toThrow('is refused');
    });
  }

  it('that drives others into exponential time has linear time here', () => {
    for (const pattern of ['(a+)+b', '(a|aa)+$', '(a|a?)+b', '(.*)*x']) {
      expect(new TransactionalIdPattern(pattern).matches('a'.repeat(3000))).toBe(pattern === '(a|aa)+$');
    }
  });

  it('is refused where an id is too long for it', () => {
    const pattern = new TransactionalIdPattern('(a?){900}');
    expect(pattern.matches('aaa')).toBe(true);
    expect(() => pattern.matches('a'.repeat(32_000))).toThrow('it takes too much work');
  });

  it('is a pattern of text, not of bytes', () => {
    expect(new TransactionalIdPattern('é.').matches('é\u{1F600}')).toBe(true);
    expect(new TransactionalIdPattern('\\pL+').matches('éü')).toBe(true);
  });
});
