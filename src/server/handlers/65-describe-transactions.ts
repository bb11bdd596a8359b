import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../protocol/messages/65-describe-transactions.ts';
import { defineHandler } from '../handler.ts';

/**
 * DescribeTransactions, v0: what the transactions of some ids do, each asked of its coordinator (KIP-664). Each id has
 * its own error.
 */
export const describeTransactions = defineHandler({
  request: DescribeTransactionsRequest,
  response: DescribeTransactionsResponse,
  authorize: ['Describe TransactionalId', 'Describe Topic'],
  handle: (_context, { transactionalIds }, broker) => ({
    transactionStates: broker.transactionCoordinator.describeTransactions(transactionalIds),
  }),
  failure: ({ transactionalIds }, errorCode) => ({
    transactionStates: transactionalIds.map(transactionalId => ({ transactionalId, errorCode })),
  }),
});
