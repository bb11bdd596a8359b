import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterPartitionReassignmentsRequest = message(
  'AlterPartitionReassignmentsRequest',
  { kind: 'request', apiKey: 45, versions: '0-1', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    timeoutMs: f('int32', '0+', { default: 60000 }),
    allowReplicationFactorChange: f('bool', '1+', { default: true }),
    topics: f(
      array(
        struct('ReassignableTopic', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('ReassignablePartition', {
                partitionIndex: f('int32', '0+'),
                replicas: f(array('int32'), '0+', { nullable: '0+', default: null, entityType: 'brokerId' }),
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
export type AlterPartitionReassignmentsRequest = Infer<typeof AlterPartitionReassignmentsRequest>;

export const AlterPartitionReassignmentsResponse = message(
  'AlterPartitionReassignmentsResponse',
  { kind: 'response', apiKey: 45, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    allowReplicationFactorChange: f('bool', '1+', { default: true, ignorable: true }),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
    responses: f(
      array(
        struct('ReassignableTopicResponse', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('ReassignablePartitionResponse', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+' }),
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
export type AlterPartitionReassignmentsResponse = Infer<typeof AlterPartitionReassignmentsResponse>;
