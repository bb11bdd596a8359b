import { describe, expect, test } from 'vitest';
import { BankLedger } from './bank-ledger.ts';

/** A deposit of 10, and a transfer of 3 from account a to account b. */
function ledger(): BankLedger {
  const bank = new BankLedger(10, 15_000);
  bank.takeEnd('deposit', 'committed');
  bank.takeEnd('t', 'committed');
  bank.takeRecord('a', 0, 'deposit 10 0 1');
  return bank;
}

function snapshot(
  bank: BankLedger,
  ms: number,
  a: number,
  b: number,
  open: 'open' | 'ended' = 'ended',
): void {
  const ends = (lastStableOffset: number) => ({
    lastStableOffset,
    highWatermark: lastStableOffset + (open === 'open' ? 1 : 0),
  });
  const offsets = new Map([
    ['a', ends(a)],
    ['b', ends(b)],
  ]);
  bank.takeSnapshot(ms, offsets);
}

describe('the ledger of the bank', () => {
  test('is content with whole transactions, and with one whose markers come one by one', () => {
    const bank = ledger();
    snapshot(bank, 0, 2, 0);
    bank.takeRecord('a', 2, 't -3 0 2');
    snapshot(bank, 100, 4, 0);
    bank.takeRecord('b', 0, 't 3 1 2');
    snapshot(bank, 200, 4, 2);
    bank.finish();
    expect(bank.problems).toEqual([]);
    expect(bank.seen).toBe(2);
  });

  test('misses the other half of a transaction, at once and at the end', () => {
    const bank = ledger();
    bank.takeRecord('a', 2, 't -3 0 2');
    snapshot(bank, 0, 4, 0);
    snapshot(bank, 10_001, 4, 0);
    bank.finish();
    expect(bank.problems).toEqual([
      'snapshot 1: t are not whole after 10000 ms',
      'snapshot 2: t never came whole',
      't: a part of it was committed',
    ]);
  });

  test('gives the other half the time of an outage', () => {
    const bank = ledger();
    bank.takeRecord('a', 2, 't -3 0 2');
    snapshot(bank, 0, 4, 0);
    bank.takeOutage({ from: 100, to: 30_000 });
    snapshot(bank, 31_000, 4, 0);
    expect(bank.problems).toEqual([]);
  });

  test('finds money that comes from nowhere', () => {
    const bank = ledger();
    bank.takeRecord('a', 2, 't -3 0 2');
    bank.takeRecord('b', 0, 't 4 1 2');
    snapshot(bank, 0, 4, 2);
    bank.finish();
    expect(bank.problems).toEqual(['snapshot 1: 11 instead of 10', '11 at the end instead of 10']);
  });

  test('finds a record that is there twice, and one that is read late', () => {
    const bank = ledger();
    bank.takeRecord('b', 5, 't -3 0 2');
    bank.takeRecord('b', 6, 't -3 0 2');
    bank.takeRecord('b', 4, 't 3 1 2');
    expect(bank.problems).toEqual(['t: record 0 is there twice', 'b: offset 4 was read after 6']);
  });

  test('finds what was never committed, and misses what was', () => {
    const bank = ledger();
    bank.takeEnd('x', 'aborted');
    bank.takeRecord('a', 2, 'x -3 0 2');
    bank.takeRecord('b', 0, 'x 3 1 2');
    bank.finish();
    expect(bank.problems).toEqual(['t: committed, and not there', 'x: never committed, and there']);
  });

  test('leaves open what nobody knows', () => {
    const bank = ledger();
    bank.takeEnd('t', 'unknown');
    bank.finish();
    expect(bank.problems).toEqual([]);
  });

  test('finds a transaction that does not end, outages left out', () => {
    const bank = ledger();
    bank.takeOutage({ from: 1_000, to: 3_000 });
    snapshot(bank, 0, 2, 0, 'open');
    snapshot(bank, 17_000, 2, 0, 'open');
    expect(bank.problems).toEqual([]);
    snapshot(bank, 17_001, 2, 0, 'open');
    expect(bank.problems).toHaveLength(2);
    expect(bank.problems[0]).toBe('a: the transaction at 2 is open for 15001 ms');
    expect(bank.longestOpenMs).toBe(15_001);
  });

  test('finds a record past the last stable offset', () => {
    const bank = ledger();
    snapshot(bank, 0, 0, 0);
    expect(bank.problems).toEqual(['a: offset 0 was read, and 0 is the last stable']);
  });

  test('finds where a later reader sees something else', () => {
    const bank = ledger();
    const later = new BankLedger(10, 15_000);
    later.takeRecord('a', 0, 'deposit 11 0 1');
    later.takeRecord('b', 3, 't 3 1 2');
    bank.compareWith(later);
    expect(bank.problems).toEqual([
      'a@0: deposit 10 0 1 at first, later deposit 11 0 1',
      'b@3: t 3 1 2 was found by the later reader only',
    ]);
  });
});
