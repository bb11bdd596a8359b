import { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/messages/19-create-topics.ts';
import { defineControllerHandler } from '../handler.ts';

const FIRST_STRICT_VERSION = 6;

/**
 * CreateTopics, 0 to 7. v1 the error message and `validateOnly`; v2 the throttle time; v4 counts of -1 for the broker's
 * defaults; v5 the configuration of the new topic in the answer; v6 THROTTLING_QUOTA_EXCEEDED (KIP-599); v7 its id.
 */
export const createTopics = defineControllerHandler({
  request: CreateTopicsRequest,
  response: CreateTopicsResponse,
  authorize: ['Create Cluster', 'Create Topic', 'DescribeConfigs Topic'],
  async handle(context, request, { controller, quotas }) {
    const quota = quotas.mutationQuota(context, FIRST_STRICT_VERSION);
    const topics = await controller.createTopics(request, partitions => quota.apply(partitions));
    return {
      throttleTimeMs: quota.throttleTimeMs,
      // What only newer versions carry is left out of the answer to an older one.
      topics: context.apiVersion >= 5 ? topics : topics.map(topic => ({ ...topic, configs: [] })),
    };
  },
  failure(request, errorCode, errorMessage) {
    const names = new Set(request.topics.map(topic => topic.name));
    return { topics: [...names].map(name => ({ name, errorCode, errorMessage, configs: [] })) };
  },
});
