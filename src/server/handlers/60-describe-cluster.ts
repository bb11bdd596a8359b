import type { MetadataImage } from '../../metadata/metadata-image.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import { CLUSTER_OPERATIONS } from '../authorized-operations.ts';
import { defineNodeHandler, type RequestContext } from '../handler.ts';
import type { NodeServices } from '../node-services.ts';
import { endpointForClient } from '../partition-metadata.ts';

const EndpointType = { BROKER: 1, CONTROLLER: 2 } as const;

/** DescribeCluster, 0 to 2. v1 asks for brokers or controllers (KIP-919); v2 for fenced brokers too (KIP-1073). */
export const describeCluster = defineNodeHandler({
  request: DescribeClusterRequest,
  response: DescribeClusterResponse,
  authorize: ['Describe Cluster'],
  handle(context, request, node) {
    const { apiVersion, listenerKind, listenerName } = context;
    const served = listenerKind === 'broker' ? EndpointType.BROKER : EndpointType.CONTROLLER;
    const { endpointType } = request;
    if (endpointType !== served) {
      const known = endpointType === EndpointType.BROKER || endpointType === EndpointType.CONTROLLER;
      const error = known ? Errors.MISMATCHED_ENDPOINT_TYPE : Errors.UNSUPPORTED_ENDPOINT_TYPE;
      return {
        errorCode: apiVersion === 0 ? Errors.INVALID_REQUEST : error,
        errorMessage: known
          ? `this is a ${listenerKind} endpoint, asked for was the other kind`
          : `there is no endpoint type ${endpointType}`,
      };
    }
    const image = node.metadata();
    const brokers =
      listenerKind === 'broker'
        ? brokersOf(image, context, node, request.includeFencedBrokers)
        : controllersOf(image, listenerName);
    // Brokers pass on what the controller must decide: any of them may be called the controller.
    const wantedController =
      listenerKind === 'broker' ? anyOf(brokers, node) : (node.quorum.leaderAndEpoch().leaderId ?? -1);
    return {
      endpointType: served,
      clusterId: node.clusterId,
      controllerId: brokers.some(node => node.brokerId === wantedController) ? wantedController : -1,
      brokers,
      ...(request.includeClusterAuthorizedOperations
        ? { clusterAuthorizedOperations: CLUSTER_OPERATIONS }
        : {}),
    };
  },
});

function brokersOf(
  { cluster }: MetadataImage,
  context: RequestContext,
  node: NodeServices,
  withFenced: boolean,
) {
  const nodes = [];
  for (const broker of cluster.brokers.values()) {
    if (broker.fenced && !withFenced) continue;
    const endpoint = endpointForClient(node, context, broker) ?? broker.listeners.get(context.listenerName);
    if (endpoint === undefined) continue;
    const { host, port } = endpoint;
    nodes.push({ brokerId: broker.id, host, port, rack: broker.rack, isFenced: broker.fenced });
  }
  return nodes.sort((a, b) => a.brokerId - b.brokerId);
}

function anyOf(brokers: readonly { brokerId: number; isFenced: boolean }[], node: NodeServices): number {
  const usable = brokers.filter(each => !each.isFenced);
  return usable.length === 0 ? -1 : usable[node.runtime.random.below(usable.length)]!.brokerId;
}

function controllersOf({ cluster }: MetadataImage, listenerName: string) {
  const nodes = [];
  for (const controller of cluster.controllers.values()) {
    const endpoint = controller.listeners.get(listenerName);
    if (endpoint === undefined) continue;
    nodes.push({
      brokerId: controller.id,
      host: endpoint.host,
      port: endpoint.port,
      rack: null,
      isFenced: false,
    });
  }
  return nodes.sort((a, b) => a.brokerId - b.brokerId);
}
