import { array, f, message, struct, type Infer } from '../schema.ts';

export const SyncGroupRequest = message(
  'SyncGroupRequest',
  { kind: 'request', apiKey: 14, versions: '0-5', flexible: '4+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    generationId: f('int32', '0+'),
    memberId: f('string', '0+'),
    groupInstanceId: f('string', '3+', { nullable: '3+', default: null }),
    protocolType: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
    protocolName: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
    assignments: f(
      array(
        struct('SyncGroupRequestAssignment', {
          memberId: f('string', '0+'),
          assignment: f('bytes', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type SyncGroupRequest = Infer<typeof SyncGroupRequest>;

export const SyncGroupResponse = message(
  'SyncGroupResponse',
  { kind: 'response', apiKey: 14, versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    errorCode: f('int16', '0+'),
    protocolType: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
    protocolName: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
    assignment: f('bytes', '0+'),
  },
);
export type SyncGroupResponse = Infer<typeof SyncGroupResponse>;
