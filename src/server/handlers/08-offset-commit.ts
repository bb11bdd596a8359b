import { Errors, KafkaError } from '../../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import { CommittedTopics, failedTopics } from '../committed-topics.ts';
import { defineHandler } from '../handler.ts';

/** Topics have ids instead of names from here on. */
const TOPIC_ID_MIN_VERSION = 10;

/**
 * OffsetCommit, v0 to v10.
 *
 * - v0: offsets that went to ZooKeeper: refused, as by Apache Kafka 3.9 with KRaft.
 * - v1: generation and member. Its commit timestamps are not looked at. v2-v4: a retention time for the request.
 * - v3: throttle time. v6: leader epochs. v7: static members. v8: flexible.
 * - v9: members of consumer groups (KIP-848), and GROUP_ID_NOT_FOUND.
 * - v10: topics by id.
 */
export const offsetCommit = defineHandler({
  request: OffsetCommitRequest,
  response: OffsetCommitResponse,
  authorize: ['Read Group', 'Read Topic'],
  handle({ apiVersion }, request, broker) {
    if (apiVersion === 0) {
      throw new KafkaError(Errors.UNSUPPORTED_VERSION, 'offsets of version 0 were kept in ZooKeeper');
    }
    const topics = new CommittedTopics(request.topics, apiVersion >= TOPIC_ID_MIN_VERSION, broker.metadata());
    const { present } = topics;
    if (present.length === 0) return { topics: topics.answer([]) };
    return broker.groupCoordinator
      .commitOffsets({ ...request, topics: present }, apiVersion)
      .then(answer => ({ topics: topics.answer(answer.topics ?? []) }));
  },
  failure: (request, errorCode) => ({ topics: failedTopics(request.topics, errorCode) }),
});
