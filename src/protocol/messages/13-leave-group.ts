import { array, f, message, struct, type Infer } from '../schema.ts';

export const LeaveGroupRequest = message(
  'LeaveGroupRequest',
  { kind: 'request', apiKey: 13, versions: '0-5', flexible: '4+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    memberId: f('string', '0-2'),
    members: f(
      array(
        struct('MemberIdentity', {
          memberId: f('string', '3+'),
          groupInstanceId: f('string', '3+', { nullable: '3+', default: null }),
          reason: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
        }),
      ),
      '3+',
    ),
  },
);
export type LeaveGroupRequest = Infer<typeof LeaveGroupRequest>;

export const LeaveGroupResponse = message(
  'LeaveGroupResponse',
  { kind: 'response', apiKey: 13, versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    errorCode: f('int16', '0+'),
    members: f(
      array(
        struct('MemberResponse', {
          memberId: f('string', '3+'),
          groupInstanceId: f('string', '3+', { nullable: '3+' }),
          errorCode: f('int16', '3+'),
        }),
      ),
      '3+',
    ),
  },
);
export type LeaveGroupResponse = Infer<typeof LeaveGroupResponse>;
