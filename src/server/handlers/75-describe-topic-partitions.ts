import { ZERO_UUID } from '../../base/uuid.ts';
import { isInternalTopic, topicNameProblem } from '../../metadata/topic-name.ts';
import type { TopicImage } from '../../metadata/topics-image.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../protocol/messages/75-describe-topic-partitions.ts';
import type { Input } from '../../protocol/schema.ts';
import { TOPIC_OPERATIONS } from '../authorized-operations.ts';
import { defineHandler } from '../handler.ts';
import { PartitionDescriber } from '../partition-metadata.ts';

type TopicResponse = NonNullable<Input<typeof DescribeTopicPartitionsResponse>['topics']>[number];

/**
 * DescribeTopicPartitions, 0 (KIP-966): like Metadata, in the order of topic names and in pages. A page holds up to
 * `max.request.partition.size.limit` partitions; its cursor names the first partition of the next one.
 */
export const describeTopicPartitions = defineHandler({
  request: DescribeTopicPartitionsRequest,
  response: DescribeTopicPartitionsResponse,
  authorize: ['Describe Topic'],
  handle({ listenerName }, request, broker) {
    const { cursor } = request;
    if (cursor !== null && cursor.partitionIndex < 0) {
      throw new KafkaError(Errors.INVALID_REQUEST, `the cursor is at partition ${cursor.partitionIndex}`);
    }
    const image = broker.metadata();
    const all = request.topics.length === 0;
    const wanted = all ? image.topics.byName.keys() : new Set(request.topics.map(topic => topic.name));
    let names = [...wanted].sort();
    if (cursor !== null && !all && !names.includes(cursor.topicName)) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        'the cursor is at a topic that the request does not ask for',
      );
    }
    if (cursor !== null) names = names.filter(name => name >= cursor.topicName);

    const describer = new PartitionDescriber(image.cluster, listenerName, {
      leaveOutUnreachable: false,
      tellMissingListener: false,
    });
    const limit = broker.config.int('max.request.partition.size.limit');
    let left = Math.max(1, Math.min(limit, request.responsePartitionLimit));
    const topics: TopicResponse[] = [];
    for (const name of names) {
      if (left === 0) return { topics, nextCursor: { topicName: name, partitionIndex: 0 } };
      const topic = image.topics.topic(name);
      if (topic === undefined) {
        topics.push(unknownTopic(name));
        continue;
      }
      const start = cursor?.topicName === name ? cursor.partitionIndex : 0;
      const end = Math.min(topic.partitions.length, start + left);
      topics.push(describe(topic, start, end, describer));
      if (end < topic.partitions.length)
        return { topics, nextCursor: { topicName: name, partitionIndex: end } };
      left -= Math.max(0, end - start);
    }
    return { topics };
  },
  failure: (request, errorCode) => ({
    topics: request.topics.map(({ name }) => ({ errorCode, name })),
  }),
});

function describe(
  topic: TopicImage,
  start: number,
  end: number,
  describer: PartitionDescriber,
): TopicResponse {
  const partitions = [];
  for (let partitionIndex = start; partitionIndex < end; partitionIndex++) {
    const registration = topic.partitions[partitionIndex]!;
    partitions.push({
      partitionIndex,
      ...describer.describe(registration),
      eligibleLeaderReplicas: registration.elr,
      lastKnownElr: registration.lastKnownElr,
    });
  }
  return {
    errorCode: Errors.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions,
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function unknownTopic(name: string): TopicResponse {
  return {
    errorCode:
      topicNameProblem(name) === undefined
        ? Errors.UNKNOWN_TOPIC_OR_PARTITION
        : Errors.INVALID_TOPIC_EXCEPTION,
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}
