import { Errors } from '../../protocol/errors.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import { CommittedTopics, failedTopics } from '../committed-topics.ts';
import { defineHandler } from '../handler.ts';

/** Clients know that a coordinator may be loading from here on. Those before (KAFKA-7296) end at that code. */
const LOAD_IN_PROGRESS_MIN_VERSION = 2;
/** Topics have ids instead of names from here on. */
const TOPIC_ID_MIN_VERSION = 6;

/**
 * TxnOffsetCommit, v0 to v6: a producer commits the offsets of a group with its transaction. They count when that has
 * been committed; until then they are pending.
 *
 * - v0-v2: without a member. v2: leader epochs, COORDINATOR_LOAD_IN_PROGRESS.
 * - v3: flexible; generation, member and instance, which fence members that have been replaced (KIP-447).
 * - v4: TRANSACTION_ABORTABLE, where the partition does not belong to the open transaction (KIP-890).
 * - v5: the partition is added to the transaction here: no AddOffsetsToTxn has come before (KIP-890).
 * - v6: topics by id.
 */
export const txnOffsetCommit = defineHandler({
  request: TxnOffsetCommitRequest,
  response: TxnOffsetCommitResponse,
  authorize: ['Write TransactionalId', 'Read Group', 'Read Topic'],
  handle({ apiVersion }, request, broker) {
    const topics = new CommittedTopics(request.topics, apiVersion >= TOPIC_ID_MIN_VERSION, broker.metadata());
    const { present } = topics;
    if (present.length === 0) return { topics: topics.answer([]) };
    return broker.groupCoordinator
      .commitTransactionalOffsets({ ...request, topics: present }, apiVersion)
      .then(answer => ({ topics: topics.answer(answer.topics ?? []) }));
  },
  failure(request, errorCode, _message, { apiVersion }) {
    const isKnown =
      apiVersion >= LOAD_IN_PROGRESS_MIN_VERSION || errorCode !== Errors.COORDINATOR_LOAD_IN_PROGRESS;
    return { topics: failedTopics(request.topics, isKnown ? errorCode : Errors.COORDINATOR_NOT_AVAILABLE) };
  },
});
