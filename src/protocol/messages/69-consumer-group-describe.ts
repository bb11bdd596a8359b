import { array, f, message, struct, type Infer } from '../schema.ts';

export const ConsumerGroupDescribeRequest = message(
  'ConsumerGroupDescribeRequest',
  { kind: 'request', apiKey: 69, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupIds: f(array('string'), '0+', { entityType: 'groupId' }),
    includeAuthorizedOperations: f('bool', '0+'),
  },
);
export type ConsumerGroupDescribeRequest = Infer<typeof ConsumerGroupDescribeRequest>;

const ConsumerGroupDescribeResponseTopicPartitions = struct('TopicPartitions', {
  topicId: f('uuid', '0+'),
  topicName: f('string', '0+', { entityType: 'topicName' }),
  partitions: f(array('int32'), '0+'),
});

const ConsumerGroupDescribeResponseAssignment = struct('Assignment', {
  topicPartitions: f(array(ConsumerGroupDescribeResponseTopicPartitions), '0+'),
});

export const ConsumerGroupDescribeResponse = message(
  'ConsumerGroupDescribeResponse',
  { kind: 'response', apiKey: 69, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    groups: f(
      array(
        struct('DescribedGroup', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+', default: null }),
          groupId: f('string', '0+', { entityType: 'groupId' }),
          groupState: f('string', '0+'),
          groupEpoch: f('int32', '0+'),
          assignmentEpoch: f('int32', '0+'),
          assignorName: f('string', '0+'),
          members: f(
            array(
              struct('Member', {
                memberId: f('string', '0+'),
                instanceId: f('string', '0+', { nullable: '0+', default: null }),
                rackId: f('string', '0+', { nullable: '0+', default: null }),
                memberEpoch: f('int32', '0+'),
                clientId: f('string', '0+'),
                clientHost: f('string', '0+'),
                subscribedTopicNames: f(array('string'), '0+', { entityType: 'topicName' }),
                subscribedTopicRegex: f('string', '0+', { nullable: '0+', default: null }),
                assignment: f(ConsumerGroupDescribeResponseAssignment, '0+'),
                targetAssignment: f(ConsumerGroupDescribeResponseAssignment, '0+'),
                memberType: f('int8', '1+', { default: -1, ignorable: true }),
              }),
            ),
            '0+',
          ),
          authorizedOperations: f('int32', '0+', { default: -2147483648 }),
        }),
      ),
      '0+',
    ),
  },
);
export type ConsumerGroupDescribeResponse = Infer<typeof ConsumerGroupDescribeResponse>;
