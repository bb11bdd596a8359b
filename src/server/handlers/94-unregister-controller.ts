import {
  UnregisterControllerRequest,
  UnregisterControllerResponse,
} from '../../protocol/messages/94-unregister-controller.ts';
import { defineControllerHandler } from '../handler.ts';

/** UnregisterController, 0: forgets a controller that will not come back. */
export const unregisterController = defineControllerHandler({
  request: UnregisterControllerRequest,
  response: UnregisterControllerResponse,
  authorize: ['Alter Cluster'],
  async handle(_context, { controllerId }, { controller }) {
    await controller.unregisterController(controllerId);
    return { errorMessage: null };
  },
});
