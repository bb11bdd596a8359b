import { AlterConfigsRequest, AlterConfigsResponse } from '../../protocol/messages/33-alter-configs.ts';
import { failedResources } from '../failed-resources.ts';
import { defineHandler } from '../handler.ts';

/**
 * AlterConfigs, 0 to 2: replaces the whole configuration of a resource. Clients of today use IncrementalAlterConfigs.
 */
export const alterConfigs = defineHandler({
  request: AlterConfigsRequest,
  response: AlterConfigsResponse,
  listeners: ['broker', 'controller'],
  authorize: ['AlterConfigs Cluster', 'AlterConfigs Topic', 'AlterConfigs Group'],
  async handle(_context, request, broker) {
    return { responses: await broker.controller.legacyAlterConfigs(request) };
  },
  failure: ({ resources }, errorCode, errorMessage) => ({
    responses: failedResources(resources, errorCode, errorMessage),
  }),
});
