import { f, message, type Infer } from '../schema.ts';

export const RemoveRaftVoterRequest = message(
  'RemoveRaftVoterRequest',
  { kind: 'request', apiKey: 81, versions: '0', flexible: '0+', listeners: ['controller', 'broker'] },
  {
    clusterId: f('string', '0+', { nullable: '0+' }),
    voterId: f('int32', '0+'),
    voterDirectoryId: f('uuid', '0+'),
  },
);
export type RemoveRaftVoterRequest = Infer<typeof RemoveRaftVoterRequest>;

export const RemoveRaftVoterResponse = message(
  'RemoveRaftVoterResponse',
  { kind: 'response', apiKey: 81, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', ignorable: true }),
  },
);
export type RemoveRaftVoterResponse = Infer<typeof RemoveRaftVoterResponse>;
