import { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import { defineHandler } from '../handler.ts';

/** There is no rebalance timeout of its own before. */
const REBALANCE_TIMEOUT_MIN_VERSION = 1;
/** The protocol's name may be null from here on. */
const NULL_PROTOCOL_NAME_MIN_VERSION = 7;

/**
 * JoinGroup, v0 to v9.
 *
 * - v0: the session timeout is the rebalance timeout too. v2: throttle time. v4: new members first get their id.
 * - v5: static members. v6: flexible. v7: protocol type in the answer. v8: the client's reason.
 * - v9: a static leader that comes back may be told to leave the assignment as it is.
 */
export const joinGroup = defineHandler({
  request: JoinGroupRequest,
  response: JoinGroupResponse,
  authorize: ['Read Group'],
  handle({ apiVersion, clientId, clientAddress }, request, broker) {
    const member = { apiVersion, clientId: clientId ?? '', clientHost: `/${clientAddress}` };
    const { sessionTimeoutMs } = request;
    const wanted =
      apiVersion < REBALANCE_TIMEOUT_MIN_VERSION
        ? { ...request, rebalanceTimeoutMs: sessionTimeoutMs }
        : request;
    return broker.groupCoordinator.joinGroup(member, wanted).then(answer => ({
      ...answer,
      protocolName: answer.protocolName ?? (apiVersion < NULL_PROTOCOL_NAME_MIN_VERSION ? '' : null),
    }));
  },
  failure: (request, errorCode, _message, { apiVersion }) => ({
    errorCode,
    memberId: request.memberId,
    protocolName: apiVersion < NULL_PROTOCOL_NAME_MIN_VERSION ? '' : null,
  }),
});
