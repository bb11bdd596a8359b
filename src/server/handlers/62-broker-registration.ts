import {
  BrokerRegistrationRequest,
  BrokerRegistrationResponse,
} from '../../protocol/messages/62-broker-registration.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * BrokerRegistration, 0 to 4. v1 is for migrations from ZooKeeper; v2 the log directories; v3 the epoch of the life
 * before, which tells a clean stop; v4 features from level 0.
 */
export const brokerRegistration = defineControllerHandler({
  request: BrokerRegistrationRequest,
  response: BrokerRegistrationResponse,
  authorize: ['ClusterAction Cluster'],
  async handle(_context, request, { controller }) {
    return { brokerEpoch: await controller.registerBroker(request) };
  },
});
