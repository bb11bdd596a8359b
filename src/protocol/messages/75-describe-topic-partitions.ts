import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeTopicPartitionsRequest = message(
  'DescribeTopicPartitionsRequest',
  { kind: 'request', apiKey: 75, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    topics: f(
      array(
        struct('TopicRequest', {
          name: f('string', '0+', { entityType: 'topicName' }),
        }),
      ),
      '0+',
    ),
    responsePartitionLimit: f('int32', '0+', { default: 2000 }),
    cursor: f(
      struct('Cursor', {
        topicName: f('string', '0+', { entityType: 'topicName' }),
        partitionIndex: f('int32', '0+'),
      }),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type DescribeTopicPartitionsRequest = Infer<typeof DescribeTopicPartitionsRequest>;

export const DescribeTopicPartitionsResponse = message(
  'DescribeTopicPartitionsResponse',
  { kind: 'response', apiKey: 75, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+', { ignorable: true }),
    topics: f(
      array(
        struct('DescribeTopicPartitionsResponseTopic', {
          errorCode: f('int16', '0+'),
          name: f('string', '0+', { nullable: '0+', mapKey: true, entityType: 'topicName' }),
          topicId: f('uuid', '0+', { ignorable: true }),
          isInternal: f('bool', '0+', { ignorable: true }),
          partitions: f(
            array(
              struct('DescribeTopicPartitionsResponsePartition', {
                errorCode: f('int16', '0+'),
                partitionIndex: f('int32', '0+'),
                leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                leaderEpoch: f('int32', '0+', { default: -1, ignorable: true }),
                replicaNodes: f(array('int32'), '0+', { entityType: 'brokerId' }),
                isrNodes: f(array('int32'), '0+', { entityType: 'brokerId' }),
                eligibleLeaderReplicas: f(array('int32'), '0+', {
                  nullable: '0+',
                  default: null,
                  entityType: 'brokerId',
                }),
                lastKnownElr: f(array('int32'), '0+', {
                  nullable: '0+',
                  default: null,
                  entityType: 'brokerId',
                }),
                offlineReplicas: f(array('int32'), '0+', { ignorable: true, entityType: 'brokerId' }),
              }),
            ),
            '0+',
          ),
          topicAuthorizedOperations: f('int32', '0+', { default: -2147483648 }),
        }),
      ),
      '0+',
    ),
    nextCursor: f(
      struct('Cursor', {
        topicName: f('string', '0+', { entityType: 'topicName' }),
        partitionIndex: f('int32', '0+'),
      }),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type DescribeTopicPartitionsResponse = Infer<typeof DescribeTopicPartitionsResponse>;
