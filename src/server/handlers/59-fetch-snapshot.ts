import { FetchSnapshotRequest, FetchSnapshotResponse } from '../../protocol/messages/59-fetch-snapshot.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * FetchSnapshot, 0 and 1: a part of a snapshot of the metadata log (KIP-630). v1 directory id, and where the leader is.
 */
export const fetchSnapshot = defineControllerHandler({
  request: FetchSnapshotRequest,
  response: FetchSnapshotResponse,
  largeAnswers: true,
  authorize: ['ClusterAction Cluster'],
  handle(context, request, { raft }) {
    return raft.handleFetchSnapshot(request, context);
  },
});
