import { array, f, message, struct, type Infer } from '../schema.ts';

export const StreamsGroupDescribeRequest = message(
  'StreamsGroupDescribeRequest',
  { kind: 'request', apiKey: 89, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupIds: f(array('string'), '0+', { entityType: 'groupId' }),
    includeAuthorizedOperations: f('bool', '0+'),
    includeTopologyDescription: f('bool', '1+'),
  },
);
export type StreamsGroupDescribeRequest = Infer<typeof StreamsGroupDescribeRequest>;

const StreamsGroupDescribeResponseEndpoint = struct('Endpoint', {
  host: f('string', '0+'),
  port: f('uint16', '0+'),
});

const StreamsGroupDescribeResponseTaskOffset = struct('TaskOffset', {
  subtopologyId: f('string', '0+'),
  partition: f('int32', '0+'),
  offset: f('int64', '0+'),
});

const StreamsGroupDescribeResponseTaskIds = struct('TaskIds', {
  subtopologyId: f('string', '0+'),
  partitions: f(array('int32'), '0+'),
});

const StreamsGroupDescribeResponseAssignment = struct('Assignment', {
  activeTasks: f(array(StreamsGroupDescribeResponseTaskIds), '0+'),
  standbyTasks: f(array(StreamsGroupDescribeResponseTaskIds), '0+'),
  warmupTasks: f(array(StreamsGroupDescribeResponseTaskIds), '0+'),
});

const StreamsGroupDescribeResponseKeyValue = struct('KeyValue', {
  key: f('string', '0+'),
  value: f('string', '0+'),
});

const StreamsGroupDescribeResponseTopicInfo = struct('TopicInfo', {
  name: f('string', '0+', { entityType: 'topicName' }),
  partitions: f('int32', '0+'),
  replicationFactor: f('int16', '0+'),
  topicConfigs: f(array(StreamsGroupDescribeResponseKeyValue), '0+'),
});

const StreamsGroupDescribeResponseTopologyDescriptionNode = struct('TopologyDescriptionNode', {
  name: f('string', '1+'),
  nodeType: f('int8', '1+'),
  sourceTopics: f(array('string'), '1+', { entityType: 'topicName' }),
  sinkTopic: f('string', '1+', { nullable: '1+', default: null, entityType: 'topicName' }),
  stores: f(array('string'), '1+'),
  successors: f(array('string'), '1+'),
});

const StreamsGroupDescribeResponseTopologyDescriptionSubtopology = struct('TopologyDescriptionSubtopology', {
  subtopologyId: f('string', '1+'),
  nodes: f(array(StreamsGroupDescribeResponseTopologyDescriptionNode), '1+'),
});

const StreamsGroupDescribeResponseTopologyDescriptionGlobalStore = struct('TopologyDescriptionGlobalStore', {
  source: f(StreamsGroupDescribeResponseTopologyDescriptionNode, '1+'),
  processor: f(StreamsGroupDescribeResponseTopologyDescriptionNode, '1+'),
});

const StreamsGroupDescribeResponseTopologyDescription = struct('TopologyDescription', {
  subtopologies: f(array(StreamsGroupDescribeResponseTopologyDescriptionSubtopology), '1+'),
  globalStores: f(array(StreamsGroupDescribeResponseTopologyDescriptionGlobalStore), '1+'),
});

export const StreamsGroupDescribeResponse = message(
  'StreamsGroupDescribeResponse',
  { kind: 'response', apiKey: 89, versions: '0-1', flexible: '0+' },
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
          topology: f(
            struct('Topology', {
              epoch: f('int32', '0+'),
              subtopologies: f(
                array(
                  struct('Subtopology', {
                    subtopologyId: f('string', '0+'),
                    sourceTopics: f(array('string'), '0+', { entityType: 'topicName' }),
                    repartitionSinkTopics: f(array('string'), '0+', { entityType: 'topicName' }),
                    stateChangelogTopics: f(array(StreamsGroupDescribeResponseTopicInfo), '0+'),
                    repartitionSourceTopics: f(array(StreamsGroupDescribeResponseTopicInfo), '0+'),
                  }),
                ),
                '0+',
                { nullable: '0+', default: null },
              ),
            }),
            '0+',
            { nullable: '0+', default: null },
          ),
          members: f(
            array(
              struct('Member', {
                memberId: f('string', '0+'),
                memberEpoch: f('int32', '0+'),
                instanceId: f('string', '0+', { nullable: '0+', default: null }),
                rackId: f('string', '0+', { nullable: '0+', default: null }),
                clientId: f('string', '0+'),
                clientHost: f('string', '0+'),
                topologyEpoch: f('int32', '0+'),
                processId: f('string', '0+'),
                userEndpoint: f(StreamsGroupDescribeResponseEndpoint, '0+', {
                  nullable: '0+',
                  default: null,
                }),
                clientTags: f(array(StreamsGroupDescribeResponseKeyValue), '0+'),
                taskOffsets: f(array(StreamsGroupDescribeResponseTaskOffset), '0+'),
                taskEndOffsets: f(array(StreamsGroupDescribeResponseTaskOffset), '0+'),
                assignment: f(StreamsGroupDescribeResponseAssignment, '0+'),
                targetAssignment: f(StreamsGroupDescribeResponseAssignment, '0+'),
                isClassic: f('bool', '0+'),
              }),
            ),
            '0+',
          ),
          authorizedOperations: f('int32', '0+', { default: -2147483648 }),
          topologyDescription: f(StreamsGroupDescribeResponseTopologyDescription, '1+', {
            nullable: '1+',
            default: null,
          }),
          topologyDescriptionStatus: f('int8', '1+'),
          assignorName: f('string', '1+', { nullable: '1+', default: null, ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type StreamsGroupDescribeResponse = Infer<typeof StreamsGroupDescribeResponse>;
