import { describe, expect, test } from 'vitest';
import { JOIN_MS, ShopLedger, type ShopRecord, WINDOW_MS } from './shop-ledger.ts';

function record(topic: string, offset: number, timestampMs: number, key: string, value: string): ShopRecord {
  return { topic, partition: 0, offset, timestampMs, key, value };
}

const INPUT = [
  record('customers', 0, 0, 'anna', 'north'),
  record('orders', 0, 1_000, 'o1', 'anna'),
  record('orders', 1, 1_010, 'o2', 'nobody'),
  record('orders', 2, 1_020, 'o3', 'anna'),
  record('payments', 0, 1_000 + JOIN_MS, 'p1', 'o1'),
  record('payments', 1, 1_011 + JOIN_MS, 'p2', 'o2'),
  record('clicks', 0, 1_000, 'home', '3'),
  record('clicks', 1, 999 + WINDOW_MS, 'home', '4'),
  record('clicks', 2, 1_000 + WINDOW_MS, 'home', '5'),
  record('clicks', 3, 9_000, 'end', '0'),
];
const RESULT = [
  record('paid', 0, 0, 'o1', 'anna p1'),
  record('enriched', 0, 0, 'o1', 'anna north'),
  record('enriched', 1, 0, 'o3', 'anna north'),
  record('region-counts', 0, 0, 'north', '1'),
  record('region-counts', 2, 0, 'north', '2'),
  record('page-windows', 0, 0, 'home@1000', '2 7'),
  record('page-windows', 1, 0, 'home@1500', '1 5'),
];

function ledger(): ShopLedger {
  const shop = new ShopLedger();
  for (const each of INPUT) shop.takeSent(each);
  return shop;
}

describe('the ledger of the shop', () => {
  test('is content with what was sent, and with every result once', () => {
    expect(ledger().inputProblems(INPUT)).toEqual([]);
    expect(ledger().resultProblems(RESULT)).toEqual([]);
  });

  test('finds input that is lost, there twice, or at another offset', () => {
    const [customer, order, ...others] = INPUT;
    const moved = { ...order!, offset: 7 };
    expect(ledger().inputProblems([customer!, customer!, moved, ...others])).toEqual([
      'input: lacks orders-0 0 1000 o1 anna',
      'input: has too often customers-0 0 0 anna north',
      'input: has too often orders-0 7 1000 o1 anna',
    ]);
  });

  test.each(RESULT)('finds that $topic lacks $key, or has it twice', lost => {
    const line = `${lost.key} ${lost.value}`;
    const problems = ledger().resultProblems(RESULT.filter(each => each !== lost));
    expect(problems).toContain(`${lost.topic}: lacks ${line}`);
    expect(ledger().resultProblems([...RESULT, lost])).toContain(`${lost.topic}: has too often ${line}`);
  });

  test('finds counts out of order', () => {
    const counts = RESULT.filter(({ topic }) => topic === 'region-counts').reverse();
    const others = RESULT.filter(({ topic }) => topic !== 'region-counts');
    expect(ledger().resultProblems([...others, ...counts])).toEqual([
      'region-counts: 2 of north comes after 0',
      'region-counts: 1 of north comes after 2',
    ]);
  });

  test('quotes three of many', () => {
    const surplus = Array.from({ length: 5 }, (_, at) => record('paid', 1 + at, 0, `x${at}`, 'y'));
    expect(ledger().resultProblems([...RESULT, ...surplus])).toEqual([
      'paid: has too often x0 y',
      'paid: has too often x1 y',
      'paid: has too often x2 y',
      'paid: has too often 2 more',
    ]);
  });
});
