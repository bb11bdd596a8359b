import { Errors } from '../../protocol/errors.ts';
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import { GROUP_OPERATIONS } from '../authorized-operations.ts';
import { defineHandler } from '../handler.ts';

/**
 * DescribeGroups, v0 to v6. v1 adds the throttle time, v3 what the client may do, v4 static members, v5 is flexible,
 * v6 tells a group that is not there from one that is dead.
 */
export const describeGroups = defineHandler({
  request: DescribeGroupsRequest,
  response: DescribeGroupsResponse,
  authorize: ['Describe Group'],
  handle({ apiVersion }, request, broker) {
    const groups = broker.groupCoordinator.describeGroups(request.groups, apiVersion);
    if (!request.includeAuthorizedOperations) return { groups };
    return {
      groups: groups.map(group =>
        (group.errorCode ?? Errors.NONE) === Errors.NONE
          ? { ...group, authorizedOperations: GROUP_OPERATIONS }
          : group,
      ),
    };
  },
  failure: (request, errorCode) => ({
    groups: request.groups.map(groupId => ({ groupId, errorCode })),
  }),
});
