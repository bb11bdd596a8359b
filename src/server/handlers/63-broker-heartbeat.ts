import {
  BrokerHeartbeatRequest,
  BrokerHeartbeatResponse,
} from '../../protocol/messages/63-broker-heartbeat.ts';
import { defineControllerHandler } from '../handler.ts';

/** BrokerHeartbeat, 0 to 2. v1 directories that went offline; v2 directories that get no new replicas. */
export const brokerHeartbeat = defineControllerHandler({
  request: BrokerHeartbeatRequest,
  response: BrokerHeartbeatResponse,
  authorize: ['ClusterAction Cluster'],
  async handle(_context, request, { controller }) {
    const { isCaughtUp, isFenced, shouldShutDown } = await controller.processBrokerHeartbeat(request);
    return { isCaughtUp, isFenced, shouldShutDown };
  },
});
