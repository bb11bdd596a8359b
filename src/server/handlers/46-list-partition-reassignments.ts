import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import { defineControllerHandler } from '../handler.ts';

/** ListPartitionReassignments, 0: those under way, of the topics named or of all. */
export const listPartitionReassignments = defineControllerHandler({
  request: ListPartitionReassignmentsRequest,
  response: ListPartitionReassignmentsResponse,
  authorize: ['Describe Cluster'],
  handle: (_context, request, { controller }) => controller.listPartitionReassignments(request),
});
