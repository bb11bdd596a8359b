import { AlterPartitionRequest, AlterPartitionResponse } from '../../protocol/messages/56-alter-partition.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * AlterPartition, 0 to 3: a leader asks for another ISR. v1 the state of recovery after an unclean election; v2 topics
 * by id, and INELIGIBLE_REPLICA, NEW_LEADER_ELECTED and UNKNOWN_TOPIC_ID; v3 the epoch of each broker in the ISR.
 */
export const alterPartition = defineControllerHandler({
  request: AlterPartitionRequest,
  response: AlterPartitionResponse,
  authorize: ['ClusterAction Cluster'],
  handle: ({ apiVersion }, request, { controller }) => controller.alterPartition(request, apiVersion),
});
