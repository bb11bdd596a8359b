import { HeartbeatRequest, HeartbeatResponse } from '../../protocol/messages/12-heartbeat.ts';
import { defineHandler } from '../handler.ts';

/** Heartbeat, v0 to v4. v1 adds the throttle time, v3 static members, v4 is flexible. */
export const heartbeat = defineHandler({
  request: HeartbeatRequest,
  response: HeartbeatResponse,
  authorize: ['Read Group'],
  handle: (_context, request, broker) => broker.groupCoordinator.heartbeat(request),
});
