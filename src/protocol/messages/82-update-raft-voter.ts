import { array, f, message, struct, type Infer } from '../schema.ts';

export const UpdateRaftVoterRequest = message(
  'UpdateRaftVoterRequest',
  { kind: 'request', apiKey: 82, versions: '0', flexible: '0+', listeners: ['controller'] },
  {
    clusterId: f('string', '0+', { nullable: '0+' }),
    currentLeaderEpoch: f('int32', '0+'),
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
    kRaftVersionFeature: f(
      struct('KRaftVersionFeature', {
        minSupportedVersion: f('int16', '0+'),
        maxSupportedVersion: f('int16', '0+'),
      }),
      '0+',
    ),
  },
);
export type UpdateRaftVoterRequest = Infer<typeof UpdateRaftVoterRequest>;

export const UpdateRaftVoterResponse = message(
  'UpdateRaftVoterResponse',
  { kind: 'response', apiKey: 82, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    currentLeader: f(
      struct('CurrentLeader', {
        leaderId: f('int32', '0+', { default: -1, entityType: 'brokerId' }),
        leaderEpoch: f('int32', '0+', { default: -1 }),
        host: f('string', '0+'),
        port: f('int32', '0+'),
      }),
      '0+',
      { tag: 0, tagged: '0+' },
    ),
  },
);
export type UpdateRaftVoterResponse = Infer<typeof UpdateRaftVoterResponse>;
