import { topicNameProblem } from '../../metadata/topic-name.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../protocol/messages/61-describe-producers.ts';
import type { Input } from '../../protocol/schema.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler } from '../handler.ts';

type TopicResponse = NonNullable<Input<typeof DescribeProducersResponse>['topics']>[number];
type PartitionResponse = NonNullable<TopicResponse['partitions']>[number];

/**
 * DescribeProducers, v0 (KIP-664): the producers that the log of a partition remembers, with their open transactions,
 * so that an operator finds those that hang. Every replica answers, not only the leader.
 */
export const describeProducers = defineHandler({
  request: DescribeProducersRequest,
  response: DescribeProducersResponse,
  authorize: ['Read Topic'],
  largeAnswers: true,
  handle(_context, { topics }, broker) {
    return {
      topics: Array.from(partitionsOf(topics), ([name, indexes]) => ({
        name,
        partitions: describeTopic(name, indexes, broker),
      })),
    };
  },
  failure: ({ topics }, errorCode, errorMessage) => ({
    topics: Array.from(partitionsOf(topics), ([name, indexes]) => ({
      name,
      partitions: Array.from(indexes, partitionIndex => ({ partitionIndex, errorCode, errorMessage })),
    })),
  }),
});

/** Each partition once: a short request could ask for a long answer many times. */
function partitionsOf(topics: DescribeProducersRequest['topics']): Map<string, Set<number>> {
  const partitions = new Map<string, Set<number>>();
  for (const { name, partitionIndexes } of topics) {
    const indexes = partitions.get(name) ?? new Set();
    partitions.set(name, indexes);
    for (const index of partitionIndexes) indexes.add(index);
  }
  return partitions;
}

function describeTopic(
  topic: string,
  indexes: Iterable<number>,
  broker: BrokerServices,
): PartitionResponse[] {
  const problem = topicNameProblem(topic);
  if (problem !== undefined) return refusals(indexes, Errors.INVALID_TOPIC_EXCEPTION, problem);
  // Only the topic's own refusal has a message, as in Apache Kafka: that of a partition has none.
  if (broker.metadata().topics.topic(topic) === undefined)
    return refusals(indexes, Errors.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic '${topic}'`);
  return Array.from(indexes, index => describe(topic, index, broker));
}

function refusals(indexes: Iterable<number>, errorCode: number, errorMessage: string): PartitionResponse[] {
  return Array.from(indexes, partitionIndex => ({ partitionIndex, errorCode, errorMessage }));
}

function describe(topic: string, partitionIndex: number, broker: BrokerServices): PartitionResponse {
  try {
    const log = broker.replicaManager.partitionOrThrow({ topic, partition: partitionIndex }).anyLog();
    return {
      partitionIndex,
      errorCode: Errors.NONE,
      activeProducers: Array.from(log.activeProducers.values(), entry => ({
        producerId: entry.producerId,
        producerEpoch: entry.producerEpoch,
        lastSequence: entry.lastSequence,
        lastTimestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnStartOffset: entry.currentTxnFirstOffset ?? -1,
      })),
    };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { partitionIndex, errorCode: error.code };
  }
}
