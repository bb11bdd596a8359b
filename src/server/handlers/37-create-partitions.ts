import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import { defineControllerHandler } from '../handler.ts';

const FIRST_STRICT_VERSION = 3;

/** CreatePartitions, 0 to 3. v2 flexible; v3 THROTTLING_QUOTA_EXCEEDED (KIP-599). */
export const createPartitions = defineControllerHandler({
  request: CreatePartitionsRequest,
  response: CreatePartitionsResponse,
  authorize: ['Alter Topic'],
  async handle(context, request, { controller, quotas }) {
    const quota = quotas.mutationQuota(context, FIRST_STRICT_VERSION);
    const results = await controller.createPartitions(request, partitions => quota.apply(partitions));
    return { throttleTimeMs: quota.throttleTimeMs, results };
  },
  failure(request, errorCode, errorMessage) {
    const names = new Set(request.topics.map(topic => topic.name));
    return { results: [...names].map(name => ({ name, errorCode, errorMessage })) };
  },
});
