import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import { defineHandler } from '../handler.ts';

/** CreatePartitions, 0 to 3. The versions differ only in their encoding and in what quotas may answer. */
export const createPartitions = defineHandler({
  request: CreatePartitionsRequest,
  response: CreatePartitionsResponse,
  listeners: ['broker', 'controller'],
  authorize: ['Alter Topic'],
  async handle(_context, request, broker) {
    return { results: await broker.controller.createPartitions(request) };
  },
  failure(request, errorCode, errorMessage) {
    const names = new Set(request.topics.map(topic => topic.name));
    return { results: [...names].map(name => ({ name, errorCode, errorMessage })) };
  },
});
