import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../protocol/messages/66-list-transactions.ts';
import { defineHandler } from '../handler.ts';

/**
 * ListTransactions, v0 to v2: the transactional ids that this broker serves, by state and producer id (KIP-664). v1
 * adds a filter by the time that a transaction is open (KIP-994), v2 one by a pattern of ids (KIP-1152).
 */
export const listTransactions = defineHandler({
  request: ListTransactionsRequest,
  response: ListTransactionsResponse,
  authorize: ['Describe TransactionalId'],
  handle: (_context, request, broker) => broker.transactionCoordinator.listTransactions(request),
});
