import {
  RemoveRaftVoterRequest,
  RemoveRaftVoterResponse,
} from '../../protocol/messages/81-remove-raft-voter.ts';
import { defineControllerHandler } from '../handler.ts';

/** RemoveRaftVoter, 0 (KIP-853). */
export const removeRaftVoter = defineControllerHandler({
  request: RemoveRaftVoterRequest,
  response: RemoveRaftVoterResponse,
  authorize: ['Alter Cluster'],
  handle(_context, request, { raft }) {
    return raft.membership.removeRaftVoter(request);
  },
});
