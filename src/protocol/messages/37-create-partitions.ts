import { array, f, message, struct, type Infer } from '../schema.ts';

export const CreatePartitionsRequest = message(
  'CreatePartitionsRequest',
  { kind: 'request', apiKey: 37, versions: '0-3', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    topics: f(
      array(
        struct('CreatePartitionsTopic', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          count: f('int32', '0+'),
          assignments: f(
            array(
              struct('CreatePartitionsAssignment', {
                brokerIds: f(array('int32'), '0+', { entityType: 'brokerId' }),
              }),
            ),
            '0+',
            { nullable: '0+' },
          ),
        }),
      ),
      '0+',
    ),
    timeoutMs: f('int32', '0+'),
    validateOnly: f('bool', '0+'),
  },
);
export type CreatePartitionsRequest = Infer<typeof CreatePartitionsRequest>;

export const CreatePartitionsResponse = message(
  'CreatePartitionsResponse',
  { kind: 'response', apiKey: 37, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    results: f(
      array(
        struct('CreatePartitionsTopicResult', {
          name: f('string', '0+', { entityType: 'topicName' }),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+', default: null }),
        }),
      ),
      '0+',
    ),
  },
);
export type CreatePartitionsResponse = Infer<typeof CreatePartitionsResponse>;
