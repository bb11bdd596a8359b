import { f, message, type Infer } from '../schema.ts';

export const HeartbeatRequest = message(
  'HeartbeatRequest',
  { kind: 'request', apiKey: 12, versions: '0-4', flexible: '4+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    generationId: f('int32', '0+'),
    memberId: f('string', '0+'),
    groupInstanceId: f('string', '3+', { nullable: '3+', default: null }),
  },
);
export type HeartbeatRequest = Infer<typeof HeartbeatRequest>;

export const HeartbeatResponse = message(
  'HeartbeatResponse',
  { kind: 'response', apiKey: 12, versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    errorCode: f('int16', '0+'),
  },
);
export type HeartbeatResponse = Infer<typeof HeartbeatResponse>;
