import { Errors } from '../../protocol/errors.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import { defineHandler } from '../handler.ts';

/** Several members may leave at once from here on. */
const MEMBERS_MIN_VERSION = 3;

/**
 * LeaveGroup, v0 to v5. v1 adds the throttle time, v3 several members and static ones, v4 is flexible, v5 has reasons.
 */
export const leaveGroup = defineHandler({
  request: LeaveGroupRequest,
  response: LeaveGroupResponse,
  authorize: ['Read Group'],
  handle({ apiVersion }, request, broker) {
    if (apiVersion >= MEMBERS_MIN_VERSION) return broker.groupCoordinator.leaveGroup(request);
    const members = [{ memberId: request.memberId, groupInstanceId: null, reason: null }];
    return broker.groupCoordinator.leaveGroup({ ...request, members }).then(answer => ({
      errorCode: answer.errorCode || answer.members?.[0]?.errorCode || Errors.NONE,
    }));
  },
});
