import { array, f, message, struct, type Infer } from '../schema.ts';

export const VoteRequest = message(
  'VoteRequest',
  { kind: 'request', apiKey: 52, versions: '0-2', flexible: '0+', listeners: ['controller'] },
  {
    clusterId: f('string', '0+', { nullable: '0+', default: null }),
    voterId: f('int32', '1+', { default: -1, ignorable: true, entityType: 'brokerId' }),
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                replicaEpoch: f('int32', '0+'),
                replicaId: f('int32', '0+', { entityType: 'brokerId' }),
                replicaDirectoryId: f('uuid', '1+', { ignorable: true }),
                voterDirectoryId: f('uuid', '1+', { ignorable: true }),
                lastOffsetEpoch: f('int32', '0+'),
                lastOffset: f('int64', '0+'),
                preVote: f('bool', '2+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type VoteRequest = Infer<typeof VoteRequest>;

export const VoteResponse = message(
  'VoteResponse',
  { kind: 'response', apiKey: 52, versions: '0-2', flexible: '0+' },
  {
    errorCode: f('int16', '0+'),
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                leaderEpoch: f('int32', '0+'),
                voteGranted: f('bool', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    nodeEndpoints: f(
      array(
        struct('NodeEndpoint', {
          nodeId: f('int32', '1+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '1+'),
          port: f('uint16', '1+'),
        }),
      ),
      '1+',
      { tag: 0, tagged: '1+' },
    ),
  },
);
export type VoteResponse = Infer<typeof VoteResponse>;
