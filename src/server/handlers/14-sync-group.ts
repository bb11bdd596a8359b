import { Errors, KafkaError } from '../../protocol/errors.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import { defineHandler } from '../handler.ts';

/** The member says which protocol it believes was chosen, from here on. */
const PROTOCOL_MIN_VERSION = 5;

/** SyncGroup, v0 to v5. v1 adds the throttle time, v3 static members, v4 is flexible, v5 has protocol type and name. */
export const syncGroup = defineHandler({
  request: SyncGroupRequest,
  response: SyncGroupResponse,
  authorize: ['Read Group'],
  handle({ apiVersion }, request, broker) {
    if (
      apiVersion >= PROTOCOL_MIN_VERSION &&
      (request.protocolType === null || request.protocolName === null)
    ) {
      throw new KafkaError(Errors.INCONSISTENT_GROUP_PROTOCOL, 'protocol type and name must be given');
    }
    return broker.groupCoordinator.syncGroup(request);
  },
});
