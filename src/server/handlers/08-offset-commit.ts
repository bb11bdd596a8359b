import { type Uuid, ZERO_UUID } from '../../base/uuid.ts';
import type { MetadataImage } from '../../metadata/metadata-image.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import type { Input } from '../../protocol/schema.ts';
import { defineHandler } from '../handler.ts';

type RequestTopic = OffsetCommitRequest['topics'][number];
type Answer = Input<typeof OffsetCommitResponse>;

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
    const image = broker.metadata();
    const topics = request.topics.map(topic => resolveTopic(topic, apiVersion, image));
    const valid = topics.flatMap(({ topic, errors }) => {
      const partitions = topic.partitions.filter((_, i) => errors[i] === Errors.NONE);
      return partitions.length === 0 ? [] : [{ ...topic, partitions }];
    });
    if (valid.length === 0) return merge(topics, []);
    return broker.groupCoordinator
      .commitOffsets({ ...request, topics: valid }, apiVersion)
      .then(answer => merge(topics, answer.topics ?? []));
  },
  failure: (request, errorCode): Answer => ({
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
});

interface ResolvedTopic {
  /** With its name. */
  readonly topic: RequestTopic;
  /** For each partition of the request. */
  readonly errors: readonly number[];
}

function resolveTopic(topic: RequestTopic, apiVersion: number, image: MetadataImage): ResolvedTopic {
  const byId = apiVersion >= TOPIC_ID_MIN_VERSION;
  const found = byId ? image.topics.topicById(topic.topicId) : image.topics.topic(topic.name);
  if (found === undefined) {
    const error = byId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION;
    return { topic, errors: topic.partitions.map(() => error) };
  }
  const topicId: Uuid = byId ? topic.topicId : ZERO_UUID;
  return {
    topic: { ...topic, name: found.name, topicId },
    errors: topic.partitions.map(({ partitionIndex }) =>
      found.partitions[partitionIndex] === undefined ? Errors.UNKNOWN_TOPIC_OR_PARTITION : Errors.NONE,
    ),
  };
}

/** The answers of the coordinator, in the places of the partitions that it was asked about. */
function merge(topics: readonly ResolvedTopic[], answers: NonNullable<Answer['topics']>): Answer {
  let next = 0;
  return {
    topics: topics.map(({ topic, errors }) => {
      const asked = errors.includes(Errors.NONE);
      const answered = asked ? (answers[next++]?.partitions ?? []) : [];
      let nextPartition = 0;
      return {
        name: topic.name,
        topicId: topic.topicId,
        partitions: topic.partitions.map(({ partitionIndex }, i) => ({
          partitionIndex,
          errorCode:
            errors[i] === Errors.NONE ? (answered[nextPartition++]?.errorCode ?? Errors.NONE) : errors[i],
        })),
      };
    }),
  };
}
