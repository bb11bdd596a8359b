/**
 * What the client of a transactional append can take (Kafka's TransactionSupportedOperation, KIP-890):
 *
 * | operation               | Produce  | TxnOffsetCommit | its coordinator is asked      | if that is refused    |
 * |-------------------------|----------|-----------------|-------------------------------|-----------------------|
 * | `defaultError`          | to v10   | to v3           | whether it has the partition  | INVALID_TXN_STATE     |
 * | `genericErrorSupported` | v11      | v4              | the same                      | TRANSACTION_ABORTABLE |
 * | `addPartition`          | from v12 | from v5         | to add it: no client has done | TRANSACTION_ABORTABLE |
 */
export type TransactionOperation = 'defaultError' | 'genericErrorSupported' | 'addPartition';

/** The requests that carry records of a transaction: the first version with each of the later operations. */
const FIRST_VERSIONS = {
  Produce: { genericErrorSupported: 11, addPartition: 12 },
  TxnOffsetCommit: { genericErrorSupported: 4, addPartition: 5 },
} as const;

/** What a client takes that sends `request` in `apiVersion`. */
export function transactionOperationOf(
  request: keyof typeof FIRST_VERSIONS,
  apiVersion: number,
): TransactionOperation {
  const first = FIRST_VERSIONS[request];
  if (apiVersion >= first.addPartition) return 'addPartition';
  return apiVersion >= first.genericErrorSupported ? 'genericErrorSupported' : 'defaultError';
}
