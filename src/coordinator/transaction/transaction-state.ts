import { invariant } from '../../base/assert.ts';

/** The states of a transactional id, by their number in the log. */
export const TransactionState = {
  EMPTY: 0,
  ONGOING: 1,
  PREPARE_COMMIT: 2,
  PREPARE_ABORT: 3,
  COMPLETE_COMMIT: 4,
  COMPLETE_ABORT: 5,
  DEAD: 6,
  PREPARE_EPOCH_FENCE: 7,
} as const;
export type TransactionState = (typeof TransactionState)[keyof typeof TransactionState];

/** As DescribeTransactions and ListTransactions spell them, by number. */
export const TRANSACTION_STATE_NAMES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const;

/**
 * | to                | from                                            | when                                     |
 * |-------------------|-------------------------------------------------|------------------------------------------|
 * | Empty             | (nothing), Empty, CompleteCommit, CompleteAbort | InitProducerId                           |
 * | Ongoing           | Empty, Ongoing, CompleteCommit, CompleteAbort   | partitions or offsets are added          |
 * | PrepareCommit     | Ongoing                                         | EndTxn, commit                           |
 * | PrepareAbort      | Ongoing                                         | EndTxn, abort; InitProducerId; timeout   |
 * | PrepareAbort      | Empty, CompleteCommit, CompleteAbort            | EndTxn v5, abort of nothing              |
 * | CompleteCommit    | PrepareCommit                                   | all partitions have their marker         |
 * | CompleteAbort     | PrepareAbort                                    | all partitions have their marker         |
 * | Dead              | Empty, CompleteCommit, CompleteAbort            | `transactional.id.expiration.ms` is over |
 * | PrepareEpochFence | Ongoing                                         | never stored                             |
 *
 * Nothing leads from PrepareCommit to an abort, nor from PrepareAbort to a commit (T9). Dead is the tombstone of the
 * id: no record holds the state. PrepareEpochFence is a step that Apache Kafka takes in memory on the way from
 * Ongoing to PrepareAbort when it fences; here that is one step, and the state is a name that a filter may ask for.
 */
const PREVIOUS_STATES: readonly (readonly TransactionState[])[] = [
  [TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT],
  [
    TransactionState.EMPTY,
    TransactionState.ONGOING,
    TransactionState.COMPLETE_COMMIT,
    TransactionState.COMPLETE_ABORT,
  ],
  [TransactionState.ONGOING],
  [
    TransactionState.ONGOING,
    TransactionState.EMPTY,
    TransactionState.COMPLETE_COMMIT,
    TransactionState.COMPLETE_ABORT,
  ],
  [TransactionState.PREPARE_COMMIT],
  [TransactionState.PREPARE_ABORT],
  [TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT],
  [TransactionState.ONGOING],
];

/** Whether a transactional id may go `from` a state `to` another. */
export function isValidTransition(from: TransactionState, to: TransactionState): boolean {
  return PREVIOUS_STATES[to]!.includes(from);
}

/** Asserts {@link isValidTransition}. */
export function checkTransition(from: TransactionState, to: TransactionState): void {
  invariant(
    isValidTransition(from, to),
    'T9',
    () => `transaction from ${TRANSACTION_STATE_NAMES[from]} to ${TRANSACTION_STATE_NAMES[to]}`,
  );
}

/** The outcome is decided, and not all partitions are known to have their marker. */
export function isPrepared(state: TransactionState): boolean {
  return state === TransactionState.PREPARE_COMMIT || state === TransactionState.PREPARE_ABORT;
}

/** No transaction is open: the id may be forgotten, or a new transaction begun. */
export function isIdle(state: TransactionState): boolean {
  return (
    state === TransactionState.EMPTY ||
    state === TransactionState.COMPLETE_COMMIT ||
    state === TransactionState.COMPLETE_ABORT
  );
}

/** `undefined` for a name that is none of them; upper and lower case count. */
export function transactionStateOf(name: string): TransactionState | undefined {
  const index = (TRANSACTION_STATE_NAMES as readonly string[]).indexOf(name);
  return index < 0 ? undefined : (index as TransactionState);
}
