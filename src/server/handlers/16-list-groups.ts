import { ListGroupsRequest, ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import { defineHandler } from '../handler.ts';

/** ListGroups, v0 to v5. v1 adds the throttle time, v3 is flexible, v4 has states and a filter by them, v5 types. */
export const listGroups = defineHandler({
  request: ListGroupsRequest,
  response: ListGroupsResponse,
  authorize: ['Describe Cluster', 'Describe Group'],
  handle: (_context, request, broker) =>
    broker.groupCoordinator.listGroups(request.statesFilter, request.typesFilter),
});
