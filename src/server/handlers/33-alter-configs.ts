import { AlterConfigsRequest, AlterConfigsResponse } from '../../protocol/messages/33-alter-configs.ts';
import { failedResources } from '../failed-resources.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * AlterConfigs, 0 to 2: replaces the whole configuration of a resource. Clients of today use IncrementalAlterConfigs.
 */
export const alterConfigs = defineControllerHandler({
  request: AlterConfigsRequest,
  response: AlterConfigsResponse,
  authorize: ['AlterConfigs Cluster', 'AlterConfigs Topic', 'AlterConfigs Group'],
  async handle(_context, request, { controller }) {
    return { responses: await controller.legacyAlterConfigs(request) };
  },
  failure: ({ resources }, errorCode, errorMessage) => ({
    responses: failedResources(resources, errorCode, errorMessage),
  }),
});
