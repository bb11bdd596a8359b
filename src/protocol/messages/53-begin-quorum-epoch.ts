import { array, f, message, struct, type Infer } from '../schema.ts';

export const BeginQuorumEpochRequest = message(
  'BeginQuorumEpochRequest',
  { kind: 'request', apiKey: 53, versions: '0-1', flexible: '1+', listeners: ['controller'] },
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
                voterDirectoryId: f('uuid', '1+', { ignorable: true }),
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
export type BeginQuorumEpochRequest = Infer<typeof BeginQuorumEpochRequest>;

export const BeginQuorumEpochResponse = message(
  'BeginQuorumEpochResponse',
  { kind: 'response', apiKey: 53, versions: '0-1', flexible: '1+' },
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
export type BeginQuorumEpochResponse = Infer<typeof BeginQuorumEpochResponse>;
