import { array, f, message, struct, type Infer } from '../schema.ts';

export const DeleteTopicsRequest = message(
  'DeleteTopicsRequest',
  { kind: 'request', apiKey: 20, versions: '0-6', flexible: '4+', listeners: ['broker', 'controller'] },
  {
    topics: f(
      array(
        struct('DeleteTopicState', {
          name: f('string', '6+', { nullable: '6+', default: null, entityType: 'topicName' }),
          topicId: f('uuid', '6+'),
        }),
      ),
      '6+',
    ),
    topicNames: f(array('string'), '0-5', { ignorable: true, entityType: 'topicName' }),
    timeoutMs: f('int32', '0+'),
  },
);
export type DeleteTopicsRequest = Infer<typeof DeleteTopicsRequest>;

export const DeleteTopicsResponse = message(
  'DeleteTopicsResponse',
  { kind: 'response', apiKey: 20, versions: '0-6', flexible: '4+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    responses: f(
      array(
        struct('DeletableTopicResult', {
          name: f('string', '0+', { nullable: '6+', mapKey: true, entityType: 'topicName' }),
          topicId: f('uuid', '6+', { ignorable: true }),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type DeleteTopicsResponse = Infer<typeof DeleteTopicsResponse>;
