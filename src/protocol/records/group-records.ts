import { array, f, message, struct, type Infer } from '../schema.ts';

export const LegacyOffsetCommitKey = message(
  'LegacyOffsetCommitKey',
  { kind: 'coordinator-key', apiKey: 0, versions: '0', flexible: 'none' },
  {
    group: f('string', '0'),
    topic: f('string', '0'),
    partition: f('int32', '0'),
  },
);
export type LegacyOffsetCommitKey = Infer<typeof LegacyOffsetCommitKey>;

export const LegacyOffsetCommitValue = message(
  'LegacyOffsetCommitValue',
  { kind: 'coordinator-value', apiKey: 0, versions: '0', flexible: 'none' },
  {
    offset: f('int64', '0'),
    metadata: f('string', '0'),
    commitTimestamp: f('int64', '0'),
  },
);
export type LegacyOffsetCommitValue = Infer<typeof LegacyOffsetCommitValue>;

export const OffsetCommitKey = message(
  'OffsetCommitKey',
  { kind: 'coordinator-key', apiKey: 1, versions: '0', flexible: 'none' },
  {
    group: f('string', '0'),
    topic: f('string', '0'),
    partition: f('int32', '0'),
  },
);
export type OffsetCommitKey = Infer<typeof OffsetCommitKey>;

export const OffsetCommitValue = message(
  'OffsetCommitValue',
  { kind: 'coordinator-value', apiKey: 1, versions: '0-4', flexible: '4+' },
  {
    offset: f('int64', '0+'),
    leaderEpoch: f('int32', '3+', { default: -1, ignorable: true }),
    metadata: f('string', '0+'),
    commitTimestamp: f('int64', '0+'),
    expireTimestamp: f('int64', '1', { default: -1, ignorable: true }),
    topicId: f('uuid', '4+', { tag: 0, tagged: '4+', ignorable: true }),
  },
);
export type OffsetCommitValue = Infer<typeof OffsetCommitValue>;

export const GroupMetadataKey = message(
  'GroupMetadataKey',
  { kind: 'coordinator-key', apiKey: 2, versions: '0', flexible: 'none' },
  {
    group: f('string', '0'),
  },
);
export type GroupMetadataKey = Infer<typeof GroupMetadataKey>;

const GroupMetadataValueMemberMetadata = struct('MemberMetadata', {
  memberId: f('string', '0+'),
  groupInstanceId: f('string', '3+', { nullable: '3+', default: null, ignorable: true }),
  clientId: f('string', '0+'),
  clientHost: f('string', '0+'),
  rebalanceTimeout: f('int32', '1+', { default: -1, ignorable: true }),
  sessionTimeout: f('int32', '0+'),
  subscription: f('bytes', '0+'),
  assignment: f('bytes', '0+'),
});

export const GroupMetadataValue = message(
  'GroupMetadataValue',
  { kind: 'coordinator-value', apiKey: 2, versions: '0-4', flexible: '4+' },
  {
    protocolType: f('string', '0+'),
    generation: f('int32', '0+'),
    protocol: f('string', '0+', { nullable: '0+' }),
    leader: f('string', '0+', { nullable: '0+' }),
    currentStateTimestamp: f('int64', '2+', { default: -1, ignorable: true }),
    members: f(array(GroupMetadataValueMemberMetadata), '0+'),
  },
);
export type GroupMetadataValue = Infer<typeof GroupMetadataValue>;

export const ConsumerGroupMetadataKey = message(
  'ConsumerGroupMetadataKey',
  { kind: 'coordinator-key', apiKey: 3, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type ConsumerGroupMetadataKey = Infer<typeof ConsumerGroupMetadataKey>;

export const ConsumerGroupMetadataValue = message(
  'ConsumerGroupMetadataValue',
  { kind: 'coordinator-value', apiKey: 3, versions: '0', flexible: '0+' },
  {
    epoch: f('int32', '0+'),
    metadataHash: f('int64', '0+', { tag: 0, tagged: '0+' }),
  },
);
export type ConsumerGroupMetadataValue = Infer<typeof ConsumerGroupMetadataValue>;

export const ConsumerGroupPartitionMetadataKey = message(
  'ConsumerGroupPartitionMetadataKey',
  { kind: 'coordinator-key', apiKey: 4, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type ConsumerGroupPartitionMetadataKey = Infer<typeof ConsumerGroupPartitionMetadataKey>;

export const ConsumerGroupPartitionMetadataValue = message(
  'ConsumerGroupPartitionMetadataValue',
  { kind: 'coordinator-value', apiKey: 4, versions: '0', flexible: '0+' },
  {
    topics: f(
      array(
        struct('TopicMetadata', {
          topicId: f('uuid', '0+'),
          topicName: f('string', '0+'),
          numPartitions: f('int32', '0+'),
          partitionMetadata: f(
            array(
              struct('PartitionMetadata', {
                partition: f('int32', '0+'),
                racks: f(array('string'), '0+'),
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
export type ConsumerGroupPartitionMetadataValue = Infer<typeof ConsumerGroupPartitionMetadataValue>;

export const ConsumerGroupMemberMetadataKey = message(
  'ConsumerGroupMemberMetadataKey',
  { kind: 'coordinator-key', apiKey: 5, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type ConsumerGroupMemberMetadataKey = Infer<typeof ConsumerGroupMemberMetadataKey>;

export const ConsumerGroupMemberMetadataValue = message(
  'ConsumerGroupMemberMetadataValue',
  { kind: 'coordinator-value', apiKey: 5, versions: '0', flexible: '0+' },
  {
    instanceId: f('string', '0+', { nullable: '0+' }),
    rackId: f('string', '0+', { nullable: '0+' }),
    clientId: f('string', '0+'),
    clientHost: f('string', '0+'),
    subscribedTopicNames: f(array('string'), '0+'),
    subscribedTopicRegex: f('string', '0+', { nullable: '0+' }),
    rebalanceTimeoutMs: f('int32', '0+', { default: -1 }),
    serverAssignor: f('string', '0+', { nullable: '0+' }),
    classicMemberMetadata: f(
      struct('ClassicMemberMetadata', {
        sessionTimeoutMs: f('int32', '0+'),
        supportedProtocols: f(
          array(
            struct('ClassicProtocol', {
              name: f('string', '0+'),
              metadata: f('bytes', '0+'),
            }),
          ),
          '0+',
        ),
      }),
      '0+',
      { nullable: '0+', default: null, tag: 0, tagged: '0+' },
    ),
  },
);
export type ConsumerGroupMemberMetadataValue = Infer<typeof ConsumerGroupMemberMetadataValue>;

export const ConsumerGroupTargetAssignmentMetadataKey = message(
  'ConsumerGroupTargetAssignmentMetadataKey',
  { kind: 'coordinator-key', apiKey: 6, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type ConsumerGroupTargetAssignmentMetadataKey = Infer<typeof ConsumerGroupTargetAssignmentMetadataKey>;

export const ConsumerGroupTargetAssignmentMetadataValue = message(
  'ConsumerGroupTargetAssignmentMetadataValue',
  { kind: 'coordinator-value', apiKey: 6, versions: '0', flexible: '0+' },
  {
    assignmentEpoch: f('int32', '0+'),
    assignmentTimestamp: f('int64', '0+', { tag: 0, tagged: '0+', ignorable: true }),
  },
);
export type ConsumerGroupTargetAssignmentMetadataValue = Infer<
  typeof ConsumerGroupTargetAssignmentMetadataValue
>;

export const ConsumerGroupTargetAssignmentMemberKey = message(
  'ConsumerGroupTargetAssignmentMemberKey',
  { kind: 'coordinator-key', apiKey: 7, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type ConsumerGroupTargetAssignmentMemberKey = Infer<typeof ConsumerGroupTargetAssignmentMemberKey>;

export const ConsumerGroupTargetAssignmentMemberValue = message(
  'ConsumerGroupTargetAssignmentMemberValue',
  { kind: 'coordinator-value', apiKey: 7, versions: '0', flexible: '0+' },
  {
    topicPartitions: f(
      array(
        struct('TopicPartition', {
          topicId: f('uuid', '0+'),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ConsumerGroupTargetAssignmentMemberValue = Infer<typeof ConsumerGroupTargetAssignmentMemberValue>;

export const ConsumerGroupCurrentMemberAssignmentKey = message(
  'ConsumerGroupCurrentMemberAssignmentKey',
  { kind: 'coordinator-key', apiKey: 8, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type ConsumerGroupCurrentMemberAssignmentKey = Infer<typeof ConsumerGroupCurrentMemberAssignmentKey>;

const ConsumerGroupCurrentMemberAssignmentValueTopicPartitions = struct('TopicPartitions', {
  topicId: f('uuid', '0+'),
  partitions: f(array('int32'), '0+'),
  assignmentEpochs: f(array('int32'), '0+', { nullable: '0+', default: null, tag: 0, tagged: '0+' }),
});

export const ConsumerGroupCurrentMemberAssignmentValue = message(
  'ConsumerGroupCurrentMemberAssignmentValue',
  { kind: 'coordinator-value', apiKey: 8, versions: '0', flexible: '0+' },
  {
    memberEpoch: f('int32', '0+'),
    previousMemberEpoch: f('int32', '0+'),
    state: f('int8', '0+'),
    assignedPartitions: f(array(ConsumerGroupCurrentMemberAssignmentValueTopicPartitions), '0+'),
    partitionsPendingRevocation: f(array(ConsumerGroupCurrentMemberAssignmentValueTopicPartitions), '0+'),
  },
);
export type ConsumerGroupCurrentMemberAssignmentValue = Infer<
  typeof ConsumerGroupCurrentMemberAssignmentValue
>;

export const ShareGroupMemberMetadataKey = message(
  'ShareGroupMemberMetadataKey',
  { kind: 'coordinator-key', apiKey: 10, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type ShareGroupMemberMetadataKey = Infer<typeof ShareGroupMemberMetadataKey>;

export const ShareGroupMemberMetadataValue = message(
  'ShareGroupMemberMetadataValue',
  { kind: 'coordinator-value', apiKey: 10, versions: '0', flexible: '0+' },
  {
    rackId: f('string', '0+', { nullable: '0+' }),
    clientId: f('string', '0+'),
    clientHost: f('string', '0+'),
    subscribedTopicNames: f(array('string'), '0+'),
  },
);
export type ShareGroupMemberMetadataValue = Infer<typeof ShareGroupMemberMetadataValue>;

export const ShareGroupMetadataKey = message(
  'ShareGroupMetadataKey',
  { kind: 'coordinator-key', apiKey: 11, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type ShareGroupMetadataKey = Infer<typeof ShareGroupMetadataKey>;

export const ShareGroupMetadataValue = message(
  'ShareGroupMetadataValue',
  { kind: 'coordinator-value', apiKey: 11, versions: '0', flexible: '0+' },
  {
    epoch: f('int32', '0+'),
    metadataHash: f('int64', '0+'),
  },
);
export type ShareGroupMetadataValue = Infer<typeof ShareGroupMetadataValue>;

export const ShareGroupTargetAssignmentMetadataKey = message(
  'ShareGroupTargetAssignmentMetadataKey',
  { kind: 'coordinator-key', apiKey: 12, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type ShareGroupTargetAssignmentMetadataKey = Infer<typeof ShareGroupTargetAssignmentMetadataKey>;

export const ShareGroupTargetAssignmentMetadataValue = message(
  'ShareGroupTargetAssignmentMetadataValue',
  { kind: 'coordinator-value', apiKey: 12, versions: '0', flexible: '0+' },
  {
    assignmentEpoch: f('int32', '0+'),
    assignmentTimestamp: f('int64', '0+', { tag: 0, tagged: '0+', ignorable: true }),
  },
);
export type ShareGroupTargetAssignmentMetadataValue = Infer<typeof ShareGroupTargetAssignmentMetadataValue>;

export const ShareGroupTargetAssignmentMemberKey = message(
  'ShareGroupTargetAssignmentMemberKey',
  { kind: 'coordinator-key', apiKey: 13, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type ShareGroupTargetAssignmentMemberKey = Infer<typeof ShareGroupTargetAssignmentMemberKey>;

export const ShareGroupTargetAssignmentMemberValue = message(
  'ShareGroupTargetAssignmentMemberValue',
  { kind: 'coordinator-value', apiKey: 13, versions: '0', flexible: '0+' },
  {
    topicPartitions: f(
      array(
        struct('TopicPartition', {
          topicId: f('uuid', '0+'),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ShareGroupTargetAssignmentMemberValue = Infer<typeof ShareGroupTargetAssignmentMemberValue>;

export const ShareGroupCurrentMemberAssignmentKey = message(
  'ShareGroupCurrentMemberAssignmentKey',
  { kind: 'coordinator-key', apiKey: 14, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type ShareGroupCurrentMemberAssignmentKey = Infer<typeof ShareGroupCurrentMemberAssignmentKey>;

const ShareGroupCurrentMemberAssignmentValueTopicPartitions = struct('TopicPartitions', {
  topicId: f('uuid', '0+'),
  partitions: f(array('int32'), '0+'),
});

export const ShareGroupCurrentMemberAssignmentValue = message(
  'ShareGroupCurrentMemberAssignmentValue',
  { kind: 'coordinator-value', apiKey: 14, versions: '0', flexible: '0+' },
  {
    memberEpoch: f('int32', '0+'),
    previousMemberEpoch: f('int32', '0+'),
    state: f('int8', '0+'),
    assignedPartitions: f(array(ShareGroupCurrentMemberAssignmentValueTopicPartitions), '0+'),
  },
);
export type ShareGroupCurrentMemberAssignmentValue = Infer<typeof ShareGroupCurrentMemberAssignmentValue>;

export const ShareGroupStatePartitionMetadataKey = message(
  'ShareGroupStatePartitionMetadataKey',
  { kind: 'coordinator-key', apiKey: 15, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type ShareGroupStatePartitionMetadataKey = Infer<typeof ShareGroupStatePartitionMetadataKey>;

const ShareGroupStatePartitionMetadataValueTopicPartitionsInfo = struct('TopicPartitionsInfo', {
  topicId: f('uuid', '0+'),
  topicName: f('string', '0+'),
  partitions: f(array('int32'), '0+'),
});

const ShareGroupStatePartitionMetadataValueTopicInfo = struct('TopicInfo', {
  topicId: f('uuid', '0+'),
  topicName: f('string', '0+'),
});

export const ShareGroupStatePartitionMetadataValue = message(
  'ShareGroupStatePartitionMetadataValue',
  { kind: 'coordinator-value', apiKey: 15, versions: '0', flexible: '0+' },
  {
    initializingTopics: f(array(ShareGroupStatePartitionMetadataValueTopicPartitionsInfo), '0+'),
    initializedTopics: f(array(ShareGroupStatePartitionMetadataValueTopicPartitionsInfo), '0+'),
    deletingTopics: f(array(ShareGroupStatePartitionMetadataValueTopicInfo), '0+'),
  },
);
export type ShareGroupStatePartitionMetadataValue = Infer<typeof ShareGroupStatePartitionMetadataValue>;

export const ConsumerGroupRegularExpressionKey = message(
  'ConsumerGroupRegularExpressionKey',
  { kind: 'coordinator-key', apiKey: 16, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    regularExpression: f('string', '0'),
  },
);
export type ConsumerGroupRegularExpressionKey = Infer<typeof ConsumerGroupRegularExpressionKey>;

export const ConsumerGroupRegularExpressionValue = message(
  'ConsumerGroupRegularExpressionValue',
  { kind: 'coordinator-value', apiKey: 16, versions: '0', flexible: '0+' },
  {
    topics: f(array('string'), '0+'),
    version: f('int64', '0+'),
    timestamp: f('int64', '0+'),
  },
);
export type ConsumerGroupRegularExpressionValue = Infer<typeof ConsumerGroupRegularExpressionValue>;

export const StreamsGroupMetadataKey = message(
  'StreamsGroupMetadataKey',
  { kind: 'coordinator-key', apiKey: 17, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type StreamsGroupMetadataKey = Infer<typeof StreamsGroupMetadataKey>;

const StreamsGroupMetadataValueLastAssignmentConfig = struct('LastAssignmentConfig', {
  key: f('string', '0+'),
  value: f('string', '0+'),
});

export const StreamsGroupMetadataValue = message(
  'StreamsGroupMetadataValue',
  { kind: 'coordinator-value', apiKey: 17, versions: '0', flexible: '0+' },
  {
    epoch: f('int32', '0+'),
    metadataHash: f('int64', '0+'),
    validatedTopologyEpoch: f('int32', '0+', { default: -1, tag: 0, tagged: '0+' }),
    lastAssignmentConfigs: f(array(StreamsGroupMetadataValueLastAssignmentConfig), '0+', {
      nullable: '0+',
      default: null,
      tag: 1,
      tagged: '0+',
    }),
    storedDescriptionTopologyEpoch: f('int32', '0+', { default: -1, tag: 2, tagged: '0+' }),
    failedDescriptionTopologyEpoch: f('int32', '0+', { default: -1, tag: 3, tagged: '0+' }),
  },
);
export type StreamsGroupMetadataValue = Infer<typeof StreamsGroupMetadataValue>;

export const StreamsGroupMemberMetadataKey = message(
  'StreamsGroupMemberMetadataKey',
  { kind: 'coordinator-key', apiKey: 19, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type StreamsGroupMemberMetadataKey = Infer<typeof StreamsGroupMemberMetadataKey>;

const StreamsGroupMemberMetadataValueEndpoint = struct('Endpoint', {
  host: f('string', '0+'),
  port: f('uint16', '0+'),
});

const StreamsGroupMemberMetadataValueKeyValue = struct('KeyValue', {
  key: f('string', '0+'),
  value: f('string', '0+'),
});

export const StreamsGroupMemberMetadataValue = message(
  'StreamsGroupMemberMetadataValue',
  { kind: 'coordinator-value', apiKey: 19, versions: '0', flexible: '0+' },
  {
    instanceId: f('string', '0+', { nullable: '0+' }),
    rackId: f('string', '0+', { nullable: '0+' }),
    clientId: f('string', '0+'),
    clientHost: f('string', '0+'),
    rebalanceTimeoutMs: f('int32', '0+', { default: -1 }),
    topologyEpoch: f('int32', '0+'),
    processId: f('string', '0+'),
    userEndpoint: f(StreamsGroupMemberMetadataValueEndpoint, '0+', { nullable: '0+', default: null }),
    clientTags: f(array(StreamsGroupMemberMetadataValueKeyValue), '0+'),
  },
);
export type StreamsGroupMemberMetadataValue = Infer<typeof StreamsGroupMemberMetadataValue>;

export const StreamsGroupTargetAssignmentMetadataKey = message(
  'StreamsGroupTargetAssignmentMetadataKey',
  { kind: 'coordinator-key', apiKey: 20, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type StreamsGroupTargetAssignmentMetadataKey = Infer<typeof StreamsGroupTargetAssignmentMetadataKey>;

export const StreamsGroupTargetAssignmentMetadataValue = message(
  'StreamsGroupTargetAssignmentMetadataValue',
  { kind: 'coordinator-value', apiKey: 20, versions: '0', flexible: '0+' },
  {
    assignmentEpoch: f('int32', '0+'),
    assignmentTimestamp: f('int64', '0+', { tag: 0, tagged: '0+', ignorable: true }),
  },
);
export type StreamsGroupTargetAssignmentMetadataValue = Infer<
  typeof StreamsGroupTargetAssignmentMetadataValue
>;

export const StreamsGroupTargetAssignmentMemberKey = message(
  'StreamsGroupTargetAssignmentMemberKey',
  { kind: 'coordinator-key', apiKey: 21, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type StreamsGroupTargetAssignmentMemberKey = Infer<typeof StreamsGroupTargetAssignmentMemberKey>;

const StreamsGroupTargetAssignmentMemberValueTaskIds = struct('TaskIds', {
  subtopologyId: f('string', '0+'),
  partitions: f(array('int32'), '0+'),
});

export const StreamsGroupTargetAssignmentMemberValue = message(
  'StreamsGroupTargetAssignmentMemberValue',
  { kind: 'coordinator-value', apiKey: 21, versions: '0', flexible: '0+' },
  {
    activeTasks: f(array(StreamsGroupTargetAssignmentMemberValueTaskIds), '0+'),
    standbyTasks: f(array(StreamsGroupTargetAssignmentMemberValueTaskIds), '0+'),
    warmupTasks: f(array(StreamsGroupTargetAssignmentMemberValueTaskIds), '0+'),
  },
);
export type StreamsGroupTargetAssignmentMemberValue = Infer<typeof StreamsGroupTargetAssignmentMemberValue>;

export const StreamsGroupCurrentMemberAssignmentKey = message(
  'StreamsGroupCurrentMemberAssignmentKey',
  { kind: 'coordinator-key', apiKey: 22, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    memberId: f('string', '0'),
  },
);
export type StreamsGroupCurrentMemberAssignmentKey = Infer<typeof StreamsGroupCurrentMemberAssignmentKey>;

const StreamsGroupCurrentMemberAssignmentValueTaskIds = struct('TaskIds', {
  subtopologyId: f('string', '0+'),
  partitions: f(array('int32'), '0+'),
  assignmentEpochs: f(array('int32'), '0+', { nullable: '0+', default: null, tag: 0, tagged: '0+' }),
});

export const StreamsGroupCurrentMemberAssignmentValue = message(
  'StreamsGroupCurrentMemberAssignmentValue',
  { kind: 'coordinator-value', apiKey: 22, versions: '0', flexible: '0+' },
  {
    memberEpoch: f('int32', '0+'),
    previousMemberEpoch: f('int32', '0+'),
    state: f('int8', '0+'),
    activeTasks: f(array(StreamsGroupCurrentMemberAssignmentValueTaskIds), '0+'),
    standbyTasks: f(array(StreamsGroupCurrentMemberAssignmentValueTaskIds), '0+'),
    warmupTasks: f(array(StreamsGroupCurrentMemberAssignmentValueTaskIds), '0+'),
    activeTasksPendingRevocation: f(array(StreamsGroupCurrentMemberAssignmentValueTaskIds), '0+'),
    standbyTasksPendingRevocation: f(array(StreamsGroupCurrentMemberAssignmentValueTaskIds), '0+'),
    warmupTasksPendingRevocation: f(array(StreamsGroupCurrentMemberAssignmentValueTaskIds), '0+'),
  },
);
export type StreamsGroupCurrentMemberAssignmentValue = Infer<typeof StreamsGroupCurrentMemberAssignmentValue>;

export const StreamsGroupTopologyKey = message(
  'StreamsGroupTopologyKey',
  { kind: 'coordinator-key', apiKey: 23, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
  },
);
export type StreamsGroupTopologyKey = Infer<typeof StreamsGroupTopologyKey>;

const StreamsGroupTopologyValueTopicConfig = struct('TopicConfig', {
  key: f('string', '0+'),
  value: f('string', '0+'),
});

const StreamsGroupTopologyValueTopicInfo = struct('TopicInfo', {
  name: f('string', '0+'),
  partitions: f('int32', '0+'),
  replicationFactor: f('int16', '0+'),
  topicConfigs: f(array(StreamsGroupTopologyValueTopicConfig), '0+'),
});

export const StreamsGroupTopologyValue = message(
  'StreamsGroupTopologyValue',
  { kind: 'coordinator-value', apiKey: 23, versions: '0', flexible: '0+' },
  {
    epoch: f('int32', '0+'),
    subtopologies: f(
      array(
        struct('Subtopology', {
          subtopologyId: f('string', '0+'),
          sourceTopics: f(array('string'), '0+'),
          sourceTopicRegex: f(array('string'), '0+'),
          stateChangelogTopics: f(array(StreamsGroupTopologyValueTopicInfo), '0+'),
          repartitionSinkTopics: f(array('string'), '0+'),
          repartitionSourceTopics: f(array(StreamsGroupTopologyValueTopicInfo), '0+'),
          copartitionGroups: f(
            array(
              struct('CopartitionGroup', {
                sourceTopics: f(array('int16'), '0+'),
                sourceTopicRegex: f(array('int16'), '0+'),
                repartitionSourceTopics: f(array('int16'), '0+'),
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
export type StreamsGroupTopologyValue = Infer<typeof StreamsGroupTopologyValue>;
