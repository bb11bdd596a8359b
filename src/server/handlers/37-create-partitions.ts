import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import { defineControllerHandler } from '../handler.ts';

/** CreatePartitions, 0 to 3. The versions differ only in their encoding and in what quotas may answer. */
export const createPartitions = defineControllerHandler({
  request: CreatePartitionsRequest,
  response: CreatePartitionsResponse,
  authorize: ['Alter Topic'],
  async handle(_context, request, { controller }) {
    return { results: await controller.createPartitions(request) };
  },
  failure(request, errorCode, errorMessage) {
    const names = new Set(request.topics.map(topic => topic.name));
    return { results: [...names].map(name => ({ name, errorCode, errorMessage })) };
  },
});
