import { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/messages/43-elect-leaders.ts';
import { defineControllerHandler } from '../handler.ts';

/** ElectLeaders, 0 to 2. v1 the kind of election, and an error code of the whole; v2 is flexible. */
export const electLeaders = defineControllerHandler({
  request: ElectLeadersRequest,
  response: ElectLeadersResponse,
  authorize: ['Alter Cluster'],
  handle: (_context, request, { controller }) => controller.electLeaders(request),
  failure(request, errorCode, errorMessage, { apiVersion }) {
    const replicaElectionResults = (request.topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(partitionId => ({ partitionId, errorCode, errorMessage })),
    }));
    return apiVersion >= 1 ? { errorCode, replicaElectionResults } : { replicaElectionResults };
  },
});
