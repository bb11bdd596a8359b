import {
  UpdateRaftVoterRequest,
  UpdateRaftVoterResponse,
} from '../../protocol/messages/82-update-raft-voter.ts';
import { defineControllerHandler } from '../handler.ts';

/** UpdateRaftVoter, 0: a voter says where it is and what it supports (KIP-853). */
export const updateRaftVoter = defineControllerHandler({
  request: UpdateRaftVoterRequest,
  response: UpdateRaftVoterResponse,
  authorize: ['ClusterAction Cluster'],
  handle(_context, request, { raft }) {
    return raft.membership.updateRaftVoter(request);
  },
});
