import { type Uuid, ZERO_UUID } from '../../base/uuid.ts';
import type { ClusterImage } from '../../metadata/cluster-image.ts';
import type { MetadataImage } from '../../metadata/metadata-image.ts';
import { isInternalTopic, topicNameProblem } from '../../metadata/topic-name.ts';
import type { TopicImage } from '../../metadata/topics-image.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import type { Input } from '../../protocol/schema.ts';
import { CLUSTER_OPERATIONS, TOPIC_OPERATIONS } from '../authorized-operations.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler, type RequestContext } from '../handler.ts';
import { endpointForClient, PartitionDescriber } from '../partition-metadata.ts';

type TopicResponse = NonNullable<Input<typeof MetadataResponse>['topics']>[number];

/**
 * Metadata, 0 to 13. v0 an empty list asks for all topics and what cannot be reached is left out; v1 null asks for all;
 * v4 whether topics may be created; v8 what the client may do; v10 topic ids in the answer; v12 in the request; v13 a
 * top-level error.
 */
export const metadata = defineHandler({
  request: MetadataRequest,
  response: MetadataResponse,
  authorize: ['Describe Topic', 'Create Topic', 'Create Cluster', 'Describe Cluster'],
  handle(context, request, broker) {
    const { apiVersion } = context;
    checkTopics(request, apiVersion);
    const image = broker.metadata();
    const brokers = reachableBrokers(image.cluster, context, broker);
    return {
      brokers,
      clusterId: broker.clusterId,
      // Brokers pass on what the controller must decide: any of them may be called the controller.
      controllerId: brokers.length === 0 ? -1 : brokers[broker.runtime.random.below(brokers.length)]!.nodeId,
      topics: topicsOf(context, request, broker, image),
      ...(request.includeClusterAuthorizedOperations
        ? { clusterAuthorizedOperations: CLUSTER_OPERATIONS }
        : {}),
    };
  },
  failure: (request, errorCode, _message, { apiVersion }) => ({
    topics: (request.topics ?? []).map(({ name, topicId }) => ({
      errorCode,
      name: name ?? (apiVersion >= 12 ? null : ''),
      topicId,
    })),
    errorCode,
  }),
});

/** Versions 10 and 11 carry topic ids that no broker of their time could answer. */
function checkTopics({ topics }: MetadataRequest, apiVersion: number): void {
  if (topics === null || apiVersion >= 12) return;
  for (const { name, topicId } of topics) {
    if (name === null || topicId !== ZERO_UUID) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        `version ${apiVersion} names topics, by id they come with version 12`,
      );
    }
  }
}

function reachableBrokers(cluster: ClusterImage, context: RequestContext, services: BrokerServices) {
  const nodes = [];
  for (const broker of cluster.brokers.values()) {
    const endpoint = endpointForClient(services, context, broker);
    if (endpoint === undefined) continue;
    nodes.push({ nodeId: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack });
  }
  return nodes.sort((a, b) => a.nodeId - b.nodeId);
}

function topicsOf(
  { apiVersion, listenerName }: RequestContext,
  request: MetadataRequest,
  broker: BrokerServices,
  image: MetadataImage,
): TopicResponse[] {
  const describer = new PartitionDescriber(image.cluster, listenerName, {
    leaveOutUnreachable: apiVersion === 0,
    tellMissingListener: apiVersion >= 6,
  });
  const withOperations = request.includeTopicAuthorizedOperations;
  const wanted = request.topics;
  const answers: TopicResponse[] = [];
  if (wanted === null || (apiVersion === 0 && wanted.length === 0)) {
    for (const topic of image.topics.topics()) answers.push(describe(topic, describer, withOperations));
    return answers;
  }

  const ids = new Set<Uuid>();
  for (const { topicId } of wanted) if (topicId !== ZERO_UUID) ids.add(topicId);
  if (ids.size > 0) {
    for (const topicId of ids) {
      const topic = image.topics.topicById(topicId);
      answers.push(
        topic === undefined
          ? { errorCode: Errors.UNKNOWN_TOPIC_ID, name: null, topicId }
          : describe(topic, describer, withOperations),
      );
    }
    return answers;
  }

  const missing: string[] = [];
  // A name is null only beside an id, or in a request that asks for nothing.
  const names = new Set(wanted.map(topic => topic.name).filter(name => name !== null));
  for (const name of names) {
    const topic = image.topics.topic(name);
    if (topic !== undefined) answers.push(describe(topic, describer, withOperations));
    else if (topicNameProblem(name) === undefined) missing.push(name);
    else answers.push(failed(name, Errors.INVALID_TOPIC_EXCEPTION));
  }
  for (const name of missing) answers.push(failed(name, Errors.UNKNOWN_TOPIC_OR_PARTITION));
  const mayCreate = request.allowAutoTopicCreation && broker.config.boolean('auto.create.topics.enable');
  if (mayCreate && missing.length > 0) broker.autoCreateTopics(missing);
  return answers;
}

function describe(topic: TopicImage, describer: PartitionDescriber, withOperations: boolean): TopicResponse {
  return {
    errorCode: Errors.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition, partitionIndex) => ({
      partitionIndex,
      ...describer.describe(partition),
    })),
    ...(withOperations ? { topicAuthorizedOperations: TOPIC_OPERATIONS } : {}),
  };
}

/** A client that asked for a topic which is being created now asks again. */
function failed(name: string, errorCode: number): TopicResponse {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: isInternalTopic(name) };
}
