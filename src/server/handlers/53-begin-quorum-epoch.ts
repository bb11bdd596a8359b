import {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from '../../protocol/messages/53-begin-quorum-epoch.ts';
import { defineControllerHandler } from '../handler.ts';

/** BeginQuorumEpoch, 0 and 1: who leads now. v1 whom it is meant for, and the addresses of the leader (KIP-853). */
export const beginQuorumEpoch = defineControllerHandler({
  request: BeginQuorumEpochRequest,
  response: BeginQuorumEpochResponse,
  authorize: ['ClusterAction Cluster'],
  handle(context, request, { raft }) {
    return raft.handleBeginQuorumEpoch(request, context);
  },
});
