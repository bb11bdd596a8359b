import { DescribeQuorumRequest, DescribeQuorumResponse } from '../../protocol/messages/55-describe-quorum.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * DescribeQuorum, 0 to 2. v1 when replicas last fetched and were caught up (KIP-836); v2 directory ids and addresses.
 */
export const describeQuorum = defineControllerHandler({
  request: DescribeQuorumRequest,
  response: DescribeQuorumResponse,
  authorize: ['Describe Cluster'],
  handle({ apiVersion }, request, { raft }) {
    return raft.membership.describeQuorum(request, apiVersion);
  },
});
