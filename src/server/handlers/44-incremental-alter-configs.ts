import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import { failedResources } from '../failed-resources.ts';
import { defineHandler } from '../handler.ts';

/** IncrementalAlterConfigs, 0 and 1 (flexible): sets, deletes, appends to and subtracts from single keys. */
export const incrementalAlterConfigs = defineHandler({
  request: IncrementalAlterConfigsRequest,
  response: IncrementalAlterConfigsResponse,
  listeners: ['broker', 'controller'],
  authorize: ['AlterConfigs Cluster', 'AlterConfigs Topic', 'AlterConfigs Group'],
  async handle(_context, request, broker) {
    return { responses: await broker.controller.incrementalAlterConfigs(request) };
  },
  failure: ({ resources }, errorCode, errorMessage) => ({
    responses: failedResources(resources, errorCode, errorMessage),
  }),
});
