import { array, f, message, struct, type Infer } from '../schema.ts';

export const ListPartitionReassignmentsRequest = message(
  'ListPartitionReassignmentsRequest',
  { kind: 'request', apiKey: 46, versions: '0', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    timeoutMs: f('int32', '0+', { default: 60000 }),
    topics: f(
      array(
        struct('ListPartitionReassignmentsTopics', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitionIndexes: f(array('int32'), '0+'),
        }),
      ),
      '0+',
      { nullable: '0+', default: null },
    ),
  },
);
export type ListPartitionReassignmentsRequest = Infer<typeof ListPartitionReassignmentsRequest>;

export const ListPartitionReassignmentsResponse = message(
  'ListPartitionReassignmentsResponse',
  { kind: 'response', apiKey: 46, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
    topics: f(
      array(
        struct('OngoingTopicReassignment', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('OngoingPartitionReassignment', {
                partitionIndex: f('int32', '0+'),
                replicas: f(array('int32'), '0+', { entityType: 'brokerId' }),
                addingReplicas: f(array('int32'), '0+', { entityType: 'brokerId' }),
                removingReplicas: f(array('int32'), '0+', { entityType: 'brokerId' }),
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
export type ListPartitionReassignmentsResponse = Infer<typeof ListPartitionReassignmentsResponse>;
