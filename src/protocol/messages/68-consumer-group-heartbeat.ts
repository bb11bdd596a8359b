import { array, f, message, struct, type Infer } from '../schema.ts';

export const ConsumerGroupHeartbeatRequest = message(
  'ConsumerGroupHeartbeatRequest',
  { kind: 'request', apiKey: 68, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    memberId: f('string', '0+'),
    memberEpoch: f('int32', '0+'),
    instanceId: f('string', '0+', { nullable: '0+', default: null }),
    rackId: f('string', '0+', { nullable: '0+', default: null }),
    rebalanceTimeoutMs: f('int32', '0+', { default: -1 }),
    subscribedTopicNames: f(array('string'), '0+', {
      nullable: '0+',
      default: null,
      entityType: 'topicName',
    }),
    subscribedTopicRegex: f('string', '1+', { nullable: '1+', default: null }),
    serverAssignor: f('string', '0+', { nullable: '0+', default: null }),
    topicPartitions: f(
      array(
        struct('TopicPartitions', {
          topicId: f('uuid', '0+'),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type ConsumerGroupHeartbeatRequest = Infer<typeof ConsumerGroupHeartbeatRequest>;

const ConsumerGroupHeartbeatResponseTopicPartitions = struct('TopicPartitions', {
  topicId: f('uuid', '0+'),
  partitions: f(array('int32'), '0+'),
});

export const ConsumerGroupHeartbeatResponse = message(
  'ConsumerGroupHeartbeatResponse',
  { kind: 'response', apiKey: 68, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    memberId: f('string', '0+', { nullable: '0+', default: null }),
    memberEpoch: f('int32', '0+'),
    heartbeatIntervalMs: f('int32', '0+'),
    assignment: f(
      struct('Assignment', {
        topicPartitions: f(array(ConsumerGroupHeartbeatResponseTopicPartitions), '0+'),
      }),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type ConsumerGroupHeartbeatResponse = Infer<typeof ConsumerGroupHeartbeatResponse>;
