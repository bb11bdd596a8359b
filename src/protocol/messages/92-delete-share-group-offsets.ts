import { array, f, message, struct, type Infer } from '../schema.ts';

export const DeleteShareGroupOffsetsRequest = message(
  'DeleteShareGroupOffsetsRequest',
  { kind: 'request', apiKey: 92, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    topics: f(
      array(
        struct('DeleteShareGroupOffsetsRequestTopic', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
        }),
      ),
      '0+',
    ),
  },
);
export type DeleteShareGroupOffsetsRequest = Infer<typeof DeleteShareGroupOffsetsRequest>;

export const DeleteShareGroupOffsetsResponse = message(
  'DeleteShareGroupOffsetsResponse',
  { kind: 'response', apiKey: 92, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    responses: f(
      array(
        struct('DeleteShareGroupOffsetsResponseTopic', {
          topicName: f('string', '0+', { entityType: 'topicName' }),
          topicId: f('uuid', '0+'),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+', default: null }),
        }),
      ),
      '0+',
    ),
  },
);
export type DeleteShareGroupOffsetsResponse = Infer<typeof DeleteShareGroupOffsetsResponse>;
