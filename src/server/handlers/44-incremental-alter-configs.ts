import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import { failedResources } from '../failed-resources.ts';
import { defineControllerHandler } from '../handler.ts';

/** IncrementalAlterConfigs, 0 and 1 (flexible): sets, deletes, appends to and subtracts from single keys. */
export const incrementalAlterConfigs = defineControllerHandler({
  request: IncrementalAlterConfigsRequest,
  response: IncrementalAlterConfigsResponse,
  authorize: ['AlterConfigs Cluster', 'AlterConfigs Topic', 'AlterConfigs Group'],
  async handle(_context, request, { controller }) {
    return { responses: await controller.incrementalAlterConfigs(request) };
  },
  failure: ({ resources }, errorCode, errorMessage) => ({
    responses: failedResources(resources, errorCode, errorMessage),
  }),
});
