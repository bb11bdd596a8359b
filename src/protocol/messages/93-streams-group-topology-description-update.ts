import { array, f, message, struct, type Infer } from '../schema.ts';

const StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode = struct(
  'TopologyDescriptionNode',
  {
    name: f('string', '0+'),
    nodeType: f('int8', '0+'),
    sourceTopics: f(array('string'), '0+', { entityType: 'topicName' }),
    sinkTopic: f('string', '0+', { nullable: '0+', default: null, entityType: 'topicName' }),
    stores: f(array('string'), '0+'),
    successors: f(array('string'), '0+'),
  },
);

const StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionSubtopology = struct(
  'TopologyDescriptionSubtopology',
  {
    subtopologyId: f('string', '0+'),
    nodes: f(array(StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode), '0+'),
  },
);

const StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionGlobalStore = struct(
  'TopologyDescriptionGlobalStore',
  {
    source: f(StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode, '0+'),
    processor: f(StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionNode, '0+'),
  },
);

const StreamsGroupTopologyDescriptionUpdateRequestTopologyDescription = struct('TopologyDescription', {
  subtopologies: f(array(StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionSubtopology), '0+'),
  globalStores: f(array(StreamsGroupTopologyDescriptionUpdateRequestTopologyDescriptionGlobalStore), '0+'),
});

export const StreamsGroupTopologyDescriptionUpdateRequest = message(
  'StreamsGroupTopologyDescriptionUpdateRequest',
  { kind: 'request', apiKey: 93, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    memberId: f('string', '0+'),
    topologyEpoch: f('int32', '0+'),
    topologyDescription: f(StreamsGroupTopologyDescriptionUpdateRequestTopologyDescription, '0+'),
  },
);
export type StreamsGroupTopologyDescriptionUpdateRequest = Infer<
  typeof StreamsGroupTopologyDescriptionUpdateRequest
>;

export const StreamsGroupTopologyDescriptionUpdateResponse = message(
  'StreamsGroupTopologyDescriptionUpdateResponse',
  { kind: 'response', apiKey: 93, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
  },
);
export type StreamsGroupTopologyDescriptionUpdateResponse = Infer<
  typeof StreamsGroupTopologyDescriptionUpdateResponse
>;
