import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import { defineControllerHandler } from '../handler.ts';

/** AlterPartitionReassignments, 0 and 1. v1 lets the client forbid a change of the replication factor. */
export const alterPartitionReassignments = defineControllerHandler({
  request: AlterPartitionReassignmentsRequest,
  response: AlterPartitionReassignmentsResponse,
  authorize: ['Alter Cluster'],
  handle: (_context, request, { controller }) => controller.alterPartitionReassignments(request),
});
