import { array, f, message, struct, type Infer } from '../schema.ts';

export const CreateTopicsRequest = message(
  'CreateTopicsRequest',
  { kind: 'request', apiKey: 19, versions: '0-7', flexible: '5+', listeners: ['broker', 'controller'] },
  {
    topics: f(
      array(
        struct('CreatableTopic', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          numPartitions: f('int32', '0+'),
          replicationFactor: f('int16', '0+'),
          assignments: f(
            array(
              struct('CreatableReplicaAssignment', {
                partitionIndex: f('int32', '0+', { mapKey: true }),
                brokerIds: f(array('int32'), '0+', { entityType: 'brokerId' }),
              }),
            ),
            '0+',
          ),
          configs: f(
            array(
              struct('CreatableTopicConfig', {
                name: f('string', '0+', { mapKey: true }),
                value: f('string', '0+', { nullable: '0+' }),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    timeoutMs: f('int32', '0+', { default: 60000 }),
    validateOnly: f('bool', '1+'),
  },
);
export type CreateTopicsRequest = Infer<typeof CreateTopicsRequest>;

export const CreateTopicsResponse = message(
  'CreateTopicsResponse',
  { kind: 'response', apiKey: 19, versions: '0-7', flexible: '5+' },
  {
    throttleTimeMs: f('int32', '2+', { ignorable: true }),
    topics: f(
      array(
        struct('CreatableTopicResult', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          topicId: f('uuid', '7+', { ignorable: true }),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '1+', { nullable: '0+', ignorable: true }),
          topicConfigErrorCode: f('int16', '5+', { tag: 0, tagged: '5+', ignorable: true }),
          numPartitions: f('int32', '5+', { default: -1, ignorable: true }),
          replicationFactor: f('int16', '5+', { default: -1, ignorable: true }),
          configs: f(
            array(
              struct('CreatableTopicConfigs', {
                name: f('string', '5+'),
                value: f('string', '5+', { nullable: '5+' }),
                readOnly: f('bool', '5+'),
                configSource: f('int8', '5+', { default: -1, ignorable: true }),
                isSensitive: f('bool', '5+'),
              }),
            ),
            '5+',
            { nullable: '5+', ignorable: true },
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type CreateTopicsResponse = Infer<typeof CreateTopicsResponse>;
