import { EndTxnRequest, EndTxnResponse } from '../../protocol/messages/26-end-txn.ts';
import { defineHandler } from '../handler.ts';
import { producerErrorCode } from '../producer-error-code.ts';

/** Clients know PRODUCER_FENCED from here on. */
const FENCED_MIN_VERSION = 2;
/** A client that sends it from here on goes on with the epoch that it is given. */
const EPOCH_BUMP_MIN_VERSION = 5;

/**
 * EndTxn, v0 to v5: commits or aborts the producer's transaction. The answer comes when the decision is committed; that
 * all partitions have their marker is waited for by the next transaction (CONCURRENT_TRANSACTIONS).
 *
 * - v2: PRODUCER_FENCED. v3: flexible. v4: TRANSACTION_ABORTABLE. v5: the producer id and epoch of the next transaction
 *   (KIP-890); a transaction in which nothing was written may be aborted.
 */
export const endTxn = defineHandler({
  request: EndTxnRequest,
  response: EndTxnResponse,
  authorize: ['Write TransactionalId'],
  async handle({ apiVersion }, { committed, ...producer }, broker) {
    const answer = await broker.transactionCoordinator.endTransaction({
      ...producer,
      isCommit: committed,
      transactionVersion: apiVersion >= EPOCH_BUMP_MIN_VERSION ? 2 : 0,
    });
    return { ...answer, errorCode: producerErrorCode(answer.errorCode, apiVersion, FENCED_MIN_VERSION) };
  },
});
