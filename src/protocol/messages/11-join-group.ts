import { array, f, message, struct, type Infer } from '../schema.ts';

export const JoinGroupRequest = message(
  'JoinGroupRequest',
  { kind: 'request', apiKey: 11, versions: '0-9', flexible: '6+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    sessionTimeoutMs: f('int32', '0+'),
    rebalanceTimeoutMs: f('int32', '1+', { default: -1, ignorable: true }),
    memberId: f('string', '0+'),
    groupInstanceId: f('string', '5+', { nullable: '5+', default: null }),
    protocolType: f('string', '0+'),
    protocols: f(
      array(
        struct('JoinGroupRequestProtocol', {
          name: f('string', '0+', { mapKey: true }),
          metadata: f('bytes', '0+'),
        }),
      ),
      '0+',
    ),
    reason: f('string', '8+', { nullable: '8+', default: null, ignorable: true }),
  },
);
export type JoinGroupRequest = Infer<typeof JoinGroupRequest>;

export const JoinGroupResponse = message(
  'JoinGroupResponse',
  { kind: 'response', apiKey: 11, versions: '0-9', flexible: '6+' },
  {
    throttleTimeMs: f('int32', '2+', { ignorable: true }),
    errorCode: f('int16', '0+'),
    generationId: f('int32', '0+', { default: -1 }),
    protocolType: f('string', '7+', { nullable: '7+', default: null, ignorable: true }),
    protocolName: f('string', '0+', { nullable: '7+' }),
    leader: f('string', '0+'),
    skipAssignment: f('bool', '9+'),
    memberId: f('string', '0+'),
    members: f(
      array(
        struct('JoinGroupResponseMember', {
          memberId: f('string', '0+'),
          groupInstanceId: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
          metadata: f('bytes', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type JoinGroupResponse = Infer<typeof JoinGroupResponse>;
