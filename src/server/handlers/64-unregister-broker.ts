import {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import { defineControllerHandler } from '../handler.ts';

/** UnregisterBroker, 0: forgets a broker that will not come back. */
export const unregisterBroker = defineControllerHandler({
  request: UnregisterBrokerRequest,
  response: UnregisterBrokerResponse,
  authorize: ['Alter Cluster'],
  async handle(_context, { brokerId }, { controller }) {
    await controller.unregisterBroker(brokerId);
    return { errorMessage: null };
  },
});
