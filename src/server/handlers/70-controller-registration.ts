import {
  ControllerRegistrationRequest,
  ControllerRegistrationResponse,
} from '../../protocol/messages/70-controller-registration.ts';
import { defineControllerHandler } from '../handler.ts';

/** ControllerRegistration, 0: a controller says where it listens and what it supports. */
export const controllerRegistration = defineControllerHandler({
  request: ControllerRegistrationRequest,
  response: ControllerRegistrationResponse,
  authorize: ['ClusterAction Cluster'],
  async handle(_context, request, { controller }) {
    await controller.registerController(request);
    return { errorMessage: null };
  },
});
