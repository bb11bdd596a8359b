import {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../protocol/messages/49-alter-client-quotas.ts';
import { defineControllerHandler } from '../handler.ts';

/** AlterClientQuotas, 0 and 1 (flexible): sets and removes quotas of users, client ids, both, and IP addresses. */
export const alterClientQuotas = defineControllerHandler({
  request: AlterClientQuotasRequest,
  response: AlterClientQuotasResponse,
  authorize: ['AlterConfigs Cluster'],
  async handle(_context, request, { controller }) {
    return { entries: await controller.alterClientQuotas(request) };
  },
  failure: ({ entries }, errorCode, errorMessage) => ({
    entries: entries.map(({ entity }) => ({ errorCode, errorMessage, entity })),
  }),
});
