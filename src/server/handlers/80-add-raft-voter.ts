import { AddRaftVoterRequest, AddRaftVoterResponse } from '../../protocol/messages/80-add-raft-voter.ts';
import { defineControllerHandler } from '../handler.ts';

/** AddRaftVoter, 0 and 1 (KIP-853). v1 may ask for an answer before the change is committed. */
export const addRaftVoter = defineControllerHandler({
  request: AddRaftVoterRequest,
  response: AddRaftVoterResponse,
  authorize: ['Alter Cluster'],
  handle(_context, request, { raft }) {
    return raft.membership.addRaftVoter(request);
  },
});
