import { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/messages/19-create-topics.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * CreateTopics, 0 to 7. v1 the error message and `validateOnly`; v2 the throttle time; v4 counts of -1 for the broker's
 * defaults; v5 the configuration of the new topic in the answer; v7 its id.
 */
export const createTopics = defineControllerHandler({
  request: CreateTopicsRequest,
  response: CreateTopicsResponse,
  authorize: ['Create Cluster', 'Create Topic', 'DescribeConfigs Topic'],
  async handle({ apiVersion }, request, { controller }) {
    const topics = await controller.createTopics(request);
    // What only newer versions carry is left out of the answer to an older one.
    return { topics: apiVersion >= 5 ? topics : topics.map(topic => ({ ...topic, configs: [] })) };
  },
  failure(request, errorCode, errorMessage) {
    const names = new Set(request.topics.map(topic => topic.name));
    return { topics: [...names].map(name => ({ name, errorCode, errorMessage, configs: [] })) };
  },
});
