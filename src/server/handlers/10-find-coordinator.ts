import { InternalTopic } from '../../metadata/topic-name.ts';
import { Errors, errorName, KafkaError } from '../../protocol/errors.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler, type RequestContext } from '../handler.ts';
import { endpointForClient } from '../partition-metadata.ts';

const CoordinatorType = { GROUP: 0, TRANSACTION: 1, SHARE: 2 } as const;
/** A request may ask for several keys from here on. */
const BATCH_MIN_VERSION = 4;
/** Share coordinators exist from here on. */
const SHARE_MIN_VERSION = 6;
const NO_NODE = { nodeId: -1, host: '', port: -1 };

/**
 * FindCoordinator, v0 to v6. v1 adds transactional ids, v3 is flexible, v4 asks for several keys at once, v5 lets
 * transactions end with TRANSACTION_ABORTABLE, v6 adds share groups.
 *
 * The coordinator of a group is the leader of its partition of `__consumer_offsets`, that of a transactional id the
 * leader of its partition of `__transaction_state`; the topics are created when the first client asks. Coordinators of
 * share groups do not exist: COORDINATOR_NOT_AVAILABLE.
 */
export const findCoordinator = defineHandler({
  request: FindCoordinatorRequest,
  response: FindCoordinatorResponse,
  authorize: ['Describe Group', 'Describe TransactionalId', 'ClusterAction Cluster'],
  handle(context, request, broker) {
    const { apiVersion } = context;
    const { keyType } = request;
    if (keyType < CoordinatorType.GROUP || keyType > CoordinatorType.SHARE) {
      throw new KafkaError(Errors.INVALID_REQUEST, `${keyType} is not a type of coordinator`);
    }
    if (apiVersion < BATCH_MIN_VERSION) {
      const found = find(context, keyType, request.key, broker);
      return { ...found, errorMessage: errorName(found.errorCode) };
    }
    const coordinators = request.coordinatorKeys.map(key => ({
      key,
      ...find(context, keyType, key, broker),
    }));
    return { coordinators };
  },
  failure(request, errorCode, errorMessage, { apiVersion }) {
    if (apiVersion < BATCH_MIN_VERSION) {
      return { errorCode, ...(apiVersion >= 1 ? { errorMessage } : {}), ...NO_NODE };
    }
    return {
      coordinators: request.coordinatorKeys.map(key => ({ key, errorCode, errorMessage, ...NO_NODE })),
    };
  },
});

function find(context: RequestContext, keyType: number, key: string, broker: BrokerServices) {
  if (keyType === CoordinatorType.SHARE && context.apiVersion < SHARE_MIN_VERSION) {
    return { errorCode: Errors.INVALID_REQUEST, ...NO_NODE };
  }
  const unavailable = { errorCode: Errors.COORDINATOR_NOT_AVAILABLE, ...NO_NODE };
  if (keyType === CoordinatorType.SHARE) return unavailable;
  const isGroup = keyType === CoordinatorType.GROUP;
  const name = isGroup ? InternalTopic.CONSUMER_OFFSETS : InternalTopic.TRANSACTION_STATE;
  const coordinator = isGroup ? broker.groupCoordinator : broker.transactionCoordinator;
  const { topics, cluster } = broker.metadata();
  const topic = topics.topic(name);
  if (topic === undefined) {
    broker.autoCreateTopics([name]);
    return unavailable;
  }
  const leader = topic.partitions[coordinator.partitionFor(key)]?.leader ?? -1;
  const endpoint = endpointForClient(broker, context, cluster.broker(leader));
  if (endpoint === undefined) return unavailable;
  return { errorCode: Errors.NONE, nodeId: leader, host: endpoint.host, port: endpoint.port };
}
