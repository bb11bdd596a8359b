import { array, f, message, struct, type Infer } from '../schema.ts';

export const ShareGroupHeartbeatRequest = message(
  'ShareGroupHeartbeatRequest',
  { kind: 'request', apiKey: 76, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    memberId: f('string', '0+'),
    memberEpoch: f('int32', '0+'),
    rackId: f('string', '0+', { nullable: '0+', default: null }),
    subscribedTopicNames: f(array('string'), '0+', {
      nullable: '0+',
      default: null,
      entityType: 'topicName',
    }),
  },
);
export type ShareGroupHeartbeatRequest = Infer<typeof ShareGroupHeartbeatRequest>;

const ShareGroupHeartbeatResponseTopicPartitions = struct('TopicPartitions', {
  topicId: f('uuid', '0+'),
  partitions: f(array('int32'), '0+'),
});

export const ShareGroupHeartbeatResponse = message(
  'ShareGroupHeartbeatResponse',
  { kind: 'response', apiKey: 76, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    memberId: f('string', '0+', { nullable: '0+', default: null }),
    memberEpoch: f('int32', '0+'),
    heartbeatIntervalMs: f('int32', '0+'),
    assignment: f(
      struct('Assignment', {
        topicPartitions: f(array(ShareGroupHeartbeatResponseTopicPartitions), '0+'),
      }),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type ShareGroupHeartbeatResponse = Infer<typeof ShareGroupHeartbeatResponse>;
