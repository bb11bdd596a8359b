import { VoteRequest, VoteResponse } from '../../protocol/messages/52-vote.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * Vote, 0 to 2. v1 the directory ids of candidate and voter (KIP-853) and where the leader is; v2 pre-votes (KIP-996).
 */
export const vote = defineControllerHandler({
  request: VoteRequest,
  response: VoteResponse,
  authorize: ['ClusterAction Cluster'],
  handle(context, request, { raft }) {
    return raft.handleVote(request, context);
  },
});
