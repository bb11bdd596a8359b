import { array, f, message, struct, type Infer } from '../schema.ts';

export const ShareGroupDescribeRequest = message(
  'ShareGroupDescribeRequest',
  { kind: 'request', apiKey: 77, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupIds: f(array('string'), '0+', { entityType: 'groupId' }),
    includeAuthorizedOperations: f('bool', '0+'),
  },
);
export type ShareGroupDescribeRequest = Infer<typeof ShareGroupDescribeRequest>;

const ShareGroupDescribeResponseTopicPartitions = struct('TopicPartitions', {
  topicId: f('uuid', '0+'),
  topicName: f('string', '0+', { entityType: 'topicName' }),
  partitions: f(array('int32'), '0+'),
});

const ShareGroupDescribeResponseAssignment = struct('Assignment', {
  topicPartitions: f(array(ShareGroupDescribeResponseTopicPartitions), '0+'),
});

export const ShareGroupDescribeResponse = message(
  'ShareGroupDescribeResponse',
  { kind: 'response', apiKey: 77, versions: '0-1', flexible: '0+' },
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
                rackId: f('string', '0+', { nullable: '0+', default: null }),
                memberEpoch: f('int32', '0+'),
                clientId: f('string', '0+'),
                clientHost: f('string', '0+'),
                subscribedTopicNames: f(array('string'), '0+', { entityType: 'topicName' }),
                assignment: f(ShareGroupDescribeResponseAssignment, '0+'),
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
export type ShareGroupDescribeResponse = Infer<typeof ShareGroupDescribeResponse>;
