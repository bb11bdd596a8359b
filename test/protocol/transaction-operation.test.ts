import { describe, expect, it } from 'vitest';
import { transactionOperationOf } from '../../src/protocol/transaction-operation.ts';

/** How many versions in a row, from 0 on, send `request` with each operation. */
function versionsWithEach(request: 'Produce' | 'TxnOffsetCommit', lastVersion: number) {
  const counts: Record<string, number> = {};
  for (let version = 0; version <= lastVersion; version++) {
    const operation = transactionOperationOf(request, version);
    counts[operation] = (counts[operation] ?? 0) + 1;
  }
  return Object.entries(counts);
}

describe('what the client of a transactional append can take', () => {
  it('is told by the version of its request', () => {
    expect(versionsWithEach('Produce', 13)).toEqual([
      ['defaultError', 11],
      ['genericErrorSupported', 1],
      ['addPartition', 2],
    ]);
    expect(versionsWithEach('TxnOffsetCommit', 6)).toEqual([
      ['defaultError', 4],
      ['genericErrorSupported', 1],
      ['addPartition', 2],
    ]);
  });
});
