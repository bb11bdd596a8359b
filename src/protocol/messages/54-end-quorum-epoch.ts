import { array, f, message, struct, type Infer } from '../schema.ts';

export const EndQuorumEpochRequest = message(
  'EndQuorumEpochRequest',
  { kind: 'request', apiKey: 54, versions: '0-1', flexible: '1+', listeners: ['controller'] },
  {
    clusterId: f('string', '0+', { nullable: '0+', default: null }),
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                leaderEpoch: f('int32', '0+'),
                preferredSuccessors: f(array('int32'), '0', { ignorable: true }),
                preferredCandidates: f(
                  array(
                    struct('ReplicaInfo', {
                      candidateId: f('int32', '1+', { entityType: 'brokerId' }),
                      candidateDirectoryId: f('uuid', '1+'),
                    }),
                  ),
                  '1+',
                  { ignorable: true },
                ),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    leaderEndpoints: f(
      array(
        struct('LeaderEndpoint', {
          name: f('string', '1+', { mapKey: true }),
          host: f('string', '1+'),
          port: f('uint16', '1+'),
        }),
      ),
      '1+',
      { ignorable: true },
    ),
  },
);
export type EndQuorumEpochRequest = Infer<typeof EndQuorumEpochRequest>;

export const EndQuorumEpochResponse = message(
  'EndQuorumEpochResponse',
  { kind: 'response', apiKey: 54, versions: '0-1', flexible: '1+' },
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
export type EndQuorumEpochResponse = Infer<typeof EndQuorumEpochResponse>;
