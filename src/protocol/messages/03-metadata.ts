import { array, f, message, struct, type Infer } from '../schema.ts';

export const MetadataRequest = message(
  'MetadataRequest',
  { kind: 'request', apiKey: 3, versions: '0-13', flexible: '9+', listeners: ['broker'] },
  {
    topics: f(
      array(
        struct('MetadataRequestTopic', {
          topicId: f('uuid', '10+', { ignorable: true }),
          name: f('string', '0+', { nullable: '10+', entityType: 'topicName' }),
        }),
      ),
      '0+',
      { nullable: '1+' },
    ),
    allowAutoTopicCreation: f('bool', '4+', { default: true }),
    includeClusterAuthorizedOperations: f('bool', '8-10'),
    includeTopicAuthorizedOperations: f('bool', '8+'),
  },
);
export type MetadataRequest = Infer<typeof MetadataRequest>;

export const MetadataResponse = message(
  'MetadataResponse',
  { kind: 'response', apiKey: 3, versions: '0-13', flexible: '9+' },
  {
    throttleTimeMs: f('int32', '3+', { ignorable: true }),
    brokers: f(
      array(
        struct('MetadataResponseBroker', {
          nodeId: f('int32', '0+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '0+'),
          port: f('int32', '0+'),
          rack: f('string', '1+', { nullable: '1+', default: null, ignorable: true }),
        }),
      ),
      '0+',
    ),
    clusterId: f('string', '2+', { nullable: '2+', default: null, ignorable: true }),
    controllerId: f('int32', '1+', { default: -1, ignorable: true, entityType: 'brokerId' }),
    topics: f(
      array(
        struct('MetadataResponseTopic', {
          errorCode: f('int16', '0+'),
          name: f('string', '0+', { nullable: '12+', mapKey: true, entityType: 'topicName' }),
          topicId: f('uuid', '10+', { ignorable: true }),
          isInternal: f('bool', '1+', { ignorable: true }),
          partitions: f(
            array(
              struct('MetadataResponsePartition', {
                errorCode: f('int16', '0+'),
                partitionIndex: f('int32', '0+'),
                leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                leaderEpoch: f('int32', '7+', { default: -1, ignorable: true }),
                replicaNodes: f(array('int32'), '0+', { entityType: 'brokerId' }),
                isrNodes: f(array('int32'), '0+', { entityType: 'brokerId' }),
                offlineReplicas: f(array('int32'), '5+', { ignorable: true, entityType: 'brokerId' }),
              }),
            ),
            '0+',
          ),
          topicAuthorizedOperations: f('int32', '8+', { default: -2147483648 }),
        }),
      ),
      '0+',
    ),
    clusterAuthorizedOperations: f('int32', '8-10', { default: -2147483648 }),
    errorCode: f('int16', '13+', { ignorable: true }),
  },
);
export type MetadataResponse = Infer<typeof MetadataResponse>;
