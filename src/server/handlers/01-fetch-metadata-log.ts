import { FetchRequest, FetchResponse } from '../../protocol/messages/01-fetch.ts';
import { defineControllerHandler } from '../handler.ts';
import { FETCH_MIN_VERSION } from '../raft-network-messages.ts';

/**
 * Fetch from the metadata log, 12 to 18, by members of the quorum and by brokers, which follow it. v12 the last fetched
 * epoch, which makes a truncation known; v13 topic ids; v15 the replica in a struct of its own; v16 where the leader
 * is; v17 the directory id of the replica; v18 its high watermark (KIP-1166).
 */
export const fetchMetadataLog = defineControllerHandler({
  request: FetchRequest,
  response: FetchResponse,
  minVersion: FETCH_MIN_VERSION,
  largeAnswers: true,
  authorize: ['ClusterAction Cluster'],
  handle(context, request, { raft }) {
    return raft.handleFetch(request, context);
  },
});
