import { array, f, message, struct, type Infer } from '../schema.ts';

export const AddRaftVoterRequest = message(
  'AddRaftVoterRequest',
  { kind: 'request', apiKey: 80, versions: '0-1', flexible: '0+', listeners: ['controller', 'broker'] },
  {
    clusterId: f('string', '0+', { nullable: '0+' }),
    timeoutMs: f('int32', '0+'),
    voterId: f('int32', '0+'),
    voterDirectoryId: f('uuid', '0+'),
    listeners: f(
      array(
        struct('Listener', {
          name: f('string', '0+', { mapKey: true }),
          host: f('string', '0+'),
          port: f('uint16', '0+'),
        }),
      ),
      '0+',
    ),
    ackWhenCommitted: f('bool', '1+', { default: true }),
  },
);
export type AddRaftVoterRequest = Infer<typeof AddRaftVoterRequest>;

export const AddRaftVoterResponse = message(
  'AddRaftVoterResponse',
  { kind: 'response', apiKey: 80, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', ignorable: true }),
  },
);
export type AddRaftVoterResponse = Infer<typeof AddRaftVoterResponse>;
