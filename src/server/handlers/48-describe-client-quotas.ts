import { ClientQuotaFilter } from '../../metadata/client-quota-filter.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse,
} from '../../protocol/messages/48-describe-client-quotas.ts';
import { defineHandler } from '../handler.ts';

/** DescribeClientQuotas, 0 and 1 (flexible): the quotas of the entities that match, as the metadata has them. */
export const describeClientQuotas = defineHandler({
  request: DescribeClientQuotasRequest,
  response: DescribeClientQuotasResponse,
  authorize: ['DescribeConfigs Cluster'],
  handle(_context, request, broker) {
    const selected = new ClientQuotaFilter(request).select(broker.metadata().clientQuotas);
    const entries = Array.from(selected, ({ entity, quotas }) => ({
      entity,
      values: Array.from(quotas, ([key, value]) => ({ key, value })),
    }));
    return { errorCode: Errors.NONE, errorMessage: '', entries };
  },
  failure: (_request, errorCode, errorMessage) => ({ errorCode, errorMessage, entries: null }),
});
