import {
  EndQuorumEpochRequest,
  EndQuorumEpochResponse,
} from '../../protocol/messages/54-end-quorum-epoch.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * EndQuorumEpoch, 0 and 1: the leader goes, and says who should follow it. v1 directory ids of those, and the addresses
 * of the leader (KIP-853).
 */
export const endQuorumEpoch = defineControllerHandler({
  request: EndQuorumEpochRequest,
  response: EndQuorumEpochResponse,
  authorize: ['ClusterAction Cluster'],
  handle(context, request, { raft }) {
    return raft.handleEndQuorumEpoch(request, context);
  },
});
