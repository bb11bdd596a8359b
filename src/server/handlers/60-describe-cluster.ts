import type { MetadataImage } from '../../metadata/metadata-image.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import { CLUSTER_OPERATIONS } from '../authorized-operations.ts';
import { defineHandler } from '../handler.ts';

const EndpointType = { BROKER: 1, CONTROLLER: 2 } as const;

/** DescribeCluster, 0 to 2. v1 asks for brokers or controllers (KIP-919); v2 for fenced brokers too (KIP-1073). */
export const describeCluster = defineHandler({
  request: DescribeClusterRequest,
  response: DescribeClusterResponse,
  listeners: ['broker', 'controller'],
  authorize: ['Describe Cluster'],
  handle({ apiVersion, listenerKind, listenerName }, request, broker) {
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
    const image = broker.metadata();
    const brokers =
      listenerKind === 'broker'
        ? brokersOf(image, listenerName, request.includeFencedBrokers)
        : controllersOf(image, listenerName);
    const wantedController = listenerKind === 'broker' ? broker.nodeId : (broker.activeControllerId() ?? -1);
    return {
      endpointType: served,
      clusterId: broker.clusterId,
      controllerId: brokers.some(node => node.brokerId === wantedController) ? wantedController : -1,
      brokers,
      ...(request.includeClusterAuthorizedOperations
        ? { clusterAuthorizedOperations: CLUSTER_OPERATIONS }
        : {}),
    };
  },
});

function brokersOf({ cluster }: MetadataImage, listenerName: string, withFenced: boolean) {
  const nodes = [];
  for (const broker of cluster.brokers.values()) {
    const endpoint = broker.listeners.get(listenerName);
    if (endpoint === undefined || (broker.fenced && !withFenced)) continue;
    const { host, port } = endpoint;
    nodes.push({ brokerId: broker.id, host, port, rack: broker.rack, isFenced: broker.fenced });
  }
  return nodes.sort((a, b) => a.brokerId - b.brokerId);
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
