import { array, f, message, struct, type Infer } from '../schema.ts';

const StreamsGroupHeartbeatRequestKeyValue = struct('KeyValue', {
  key: f('string', '0+'),
  value: f('string', '0+'),
});

const StreamsGroupHeartbeatRequestTopicInfo = struct('TopicInfo', {
  name: f('string', '0+', { entityType: 'topicName' }),
  partitions: f('int32', '0+'),
  replicationFactor: f('int16', '0+'),
  topicConfigs: f(array(StreamsGroupHeartbeatRequestKeyValue), '0+'),
});

const StreamsGroupHeartbeatRequestEndpoint = struct('Endpoint', {
  host: f('string', '0+'),
  port: f('uint16', '0+'),
});

const StreamsGroupHeartbeatRequestTaskOffset = struct('TaskOffset', {
  subtopologyId: f('string', '0+'),
  partition: f('int32', '0+'),
  offset: f('int64', '0+'),
});

const StreamsGroupHeartbeatRequestTaskIds = struct('TaskIds', {
  subtopologyId: f('string', '0+'),
  partitions: f(array('int32'), '0+'),
});

export const StreamsGroupHeartbeatRequest = message(
  'StreamsGroupHeartbeatRequest',
  { kind: 'request', apiKey: 88, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    memberId: f('string', '0+'),
    memberEpoch: f('int32', '0+'),
    endpointInformationEpoch: f('int32', '0+'),
    instanceId: f('string', '0+', { nullable: '0+', default: null }),
    rackId: f('string', '0+', { nullable: '0+', default: null }),
    rebalanceTimeoutMs: f('int32', '0+', { default: -1 }),
    topology: f(
      struct('Topology', {
        epoch: f('int32', '0+'),
        subtopologies: f(
          array(
            struct('Subtopology', {
              subtopologyId: f('string', '0+'),
              sourceTopics: f(array('string'), '0+', { entityType: 'topicName' }),
              sourceTopicRegex: f(array('string'), '0+'),
              stateChangelogTopics: f(array(StreamsGroupHeartbeatRequestTopicInfo), '0+'),
              repartitionSinkTopics: f(array('string'), '0+', { entityType: 'topicName' }),
              repartitionSourceTopics: f(array(StreamsGroupHeartbeatRequestTopicInfo), '0+'),
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
      }),
      '0+',
      { nullable: '0+', default: null },
    ),
    activeTasks: f(array(StreamsGroupHeartbeatRequestTaskIds), '0+', { nullable: '0+', default: null }),
    standbyTasks: f(array(StreamsGroupHeartbeatRequestTaskIds), '0+', { nullable: '0+', default: null }),
    warmupTasks: f(array(StreamsGroupHeartbeatRequestTaskIds), '0+', { nullable: '0+', default: null }),
    processId: f('string', '0+', { nullable: '0+', default: null }),
    userEndpoint: f(StreamsGroupHeartbeatRequestEndpoint, '0+', { nullable: '0+', default: null }),
    clientTags: f(array(StreamsGroupHeartbeatRequestKeyValue), '0+', { nullable: '0+', default: null }),
    taskOffsets: f(array(StreamsGroupHeartbeatRequestTaskOffset), '0+', { nullable: '0+', default: null }),
    taskEndOffsets: f(array(StreamsGroupHeartbeatRequestTaskOffset), '0+', { nullable: '0+', default: null }),
    shutdownApplication: f('bool', '0+'),
  },
);
export type StreamsGroupHeartbeatRequest = Infer<typeof StreamsGroupHeartbeatRequest>;

const StreamsGroupHeartbeatResponseStatus = struct('Status', {
  statusCode: f('int8', '0+'),
  statusDetail: f('string', '0+'),
});

const StreamsGroupHeartbeatResponseTopicPartition = struct('TopicPartition', {
  topic: f('string', '0+', { entityType: 'topicName' }),
  partitions: f(array('int32'), '0+'),
});

const StreamsGroupHeartbeatResponseTaskIds = struct('TaskIds', {
  subtopologyId: f('string', '0+'),
  partitions: f(array('int32'), '0+'),
});

const StreamsGroupHeartbeatResponseEndpoint = struct('Endpoint', {
  host: f('string', '0+'),
  port: f('uint16', '0+'),
});

export const StreamsGroupHeartbeatResponse = message(
  'StreamsGroupHeartbeatResponse',
  { kind: 'response', apiKey: 88, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    memberId: f('string', '0+'),
    memberEpoch: f('int32', '0+'),
    heartbeatIntervalMs: f('int32', '0+'),
    acceptableRecoveryLagLegacy: f('int32', '0'),
    taskOffsetIntervalMs: f('int32', '0+'),
    acceptableRecoveryLag: f('int64', '1+', { default: -1, ignorable: true }),
    status: f(array(StreamsGroupHeartbeatResponseStatus), '0+', { nullable: '0+' }),
    activeTasks: f(array(StreamsGroupHeartbeatResponseTaskIds), '0+', { nullable: '0+', default: null }),
    standbyTasks: f(array(StreamsGroupHeartbeatResponseTaskIds), '0+', { nullable: '0+', default: null }),
    warmupTasks: f(array(StreamsGroupHeartbeatResponseTaskIds), '0+', { nullable: '0+', default: null }),
    topologyDescriptionRequired: f('bool', '1+'),
    endpointInformationEpoch: f('int32', '0+'),
    partitionsByUserEndpoint: f(
      array(
        struct('EndpointToPartitions', {
          userEndpoint: f(StreamsGroupHeartbeatResponseEndpoint, '0+'),
          activePartitions: f(array(StreamsGroupHeartbeatResponseTopicPartition), '0+'),
          standbyPartitions: f(array(StreamsGroupHeartbeatResponseTopicPartition), '0+'),
        }),
      ),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type StreamsGroupHeartbeatResponse = Infer<typeof StreamsGroupHeartbeatResponse>;
