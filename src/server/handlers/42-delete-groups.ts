import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../protocol/messages/42-delete-groups.ts';
import { defineHandler } from '../handler.ts';

/** DeleteGroups, v0 to v3. v2 is flexible, v3 adds messages. */
export const deleteGroups = defineHandler({
  request: DeleteGroupsRequest,
  response: DeleteGroupsResponse,
  authorize: ['Delete Group'],
  handle: (_context, request, broker) =>
    broker.groupCoordinator.deleteGroups(request.groupsNames).then(results => ({ results })),
  failure: (request, errorCode) => ({
    results: request.groupsNames.map(groupId => ({ groupId, errorCode })),
  }),
});
