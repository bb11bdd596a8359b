import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeQuorumRequest = message(
  'DescribeQuorumRequest',
  { kind: 'request', apiKey: 55, versions: '0-2', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
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
export type DescribeQuorumRequest = Infer<typeof DescribeQuorumRequest>;

const DescribeQuorumResponseReplicaState = struct('ReplicaState', {
  replicaId: f('int32', '0+', { entityType: 'brokerId' }),
  replicaDirectoryId: f('uuid', '2+'),
  logEndOffset: f('int64', '0+'),
  lastFetchTimestamp: f('int64', '1+', { default: -1, ignorable: true }),
  lastCaughtUpTimestamp: f('int64', '1+', { default: -1, ignorable: true }),
});

export const DescribeQuorumResponse = message(
  'DescribeQuorumResponse',
  { kind: 'response', apiKey: 55, versions: '0-2', flexible: '0+' },
  {
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '2+', { nullable: '2+', ignorable: true }),
    topics: f(
      array(
        struct('TopicData', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '2+', { nullable: '2+', ignorable: true }),
                leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                leaderEpoch: f('int32', '0+'),
                highWatermark: f('int64', '0+'),
                currentVoters: f(array(DescribeQuorumResponseReplicaState), '0+'),
                observers: f(array(DescribeQuorumResponseReplicaState), '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    nodes: f(
      array(
        struct('Node', {
          nodeId: f('int32', '2+', { mapKey: true, entityType: 'brokerId' }),
          listeners: f(
            array(
              struct('Listener', {
                name: f('string', '2+', { mapKey: true }),
                host: f('string', '2+'),
                port: f('uint16', '2+'),
              }),
            ),
            '2+',
          ),
        }),
      ),
      '2+',
    ),
  },
);
export type DescribeQuorumResponse = Infer<typeof DescribeQuorumResponse>;
