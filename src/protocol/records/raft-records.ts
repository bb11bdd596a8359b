import { array, f, message, struct, type Infer } from '../schema.ts';

export const QuorumStateData = message(
  'QuorumStateData',
  { kind: 'data', versions: '0-1', flexible: '0+' },
  {
    clusterId: f('string', '0'),
    leaderId: f('int32', '0+', { default: -1 }),
    leaderEpoch: f('int32', '0+', { default: -1 }),
    votedId: f('int32', '0+', { default: -1 }),
    votedDirectoryId: f('uuid', '1+'),
    appliedOffset: f('int64', '0'),
    currentVoters: f(
      array(
        struct('Voter', {
          voterId: f('int32', '0'),
        }),
      ),
      '0',
      { nullable: '0' },
    ),
  },
);
export type QuorumStateData = Infer<typeof QuorumStateData>;
