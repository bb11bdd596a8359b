import { describe, expect, it } from 'vitest';
import {
  checkTransition,
  isIdle,
  isPrepared,
  isValidTransition,
  TRANSACTION_STATE_NAMES,
  type TransactionState,
  transactionStateOf,
} from '../../../src/coordinator/transaction/transaction-state.ts';

const ALL = TRANSACTION_STATE_NAMES.map((_, state) => state as TransactionState);

/** Rows: from. Columns: to. In the order of the numbers. */
const TABLE = [
  'x x . x . . x .', // Empty
  '. x x x . . . x', // Ongoing
  '. . . . x . . .', // PrepareCommit
  '. . . . . x . .', // PrepareAbort
  'x x . x . . x .', // CompleteCommit
  'x x . x . . x .', // CompleteAbort
  '. . . . . . . .', // Dead
  '. . . . . . . .', // PrepareEpochFence
];

describe('the states of a transactional id', () => {
  it('follow each other as the table says, and not otherwise', () => {
    const rows = ALL.map(from => ALL.map(to => (isValidTransition(from, to) ? 'x' : '.')).join(' '));
    expect(rows).toEqual(TABLE);
  });

  it('are refused another order by an invariant', () => {
    expect(() => checkTransition(2, 3)).toThrow('T9: transaction from PrepareCommit to PrepareAbort');
    expect(() => checkTransition(2, 4)).not.toThrow();
  });

  it('are idle, open or prepared', () => {
    expect(ALL.filter(isIdle)).toEqual([0, 4, 5]);
    expect(ALL.filter(isPrepared)).toEqual([2, 3]);
  });

  it('have names, in which case counts', () => {
    expect(ALL.map(state => transactionStateOf(TRANSACTION_STATE_NAMES[state]))).toEqual(ALL);
    expect(transactionStateOf('ongoing')).toBeUndefined();
    expect(transactionStateOf('constructor')).toBeUndefined();
  });
});
