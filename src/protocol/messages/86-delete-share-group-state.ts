import { array, f, message, struct, type Infer } from '../schema.ts';

export const DeleteShareGroupStateRequest = message(
  'DeleteShareGroupStateRequest',
  { kind: 'request', apiKey: 86, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+'),
    topics: f(
      array(
        struct('DeleteStateData', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionData', {
                partition: f('int32', '0+'),
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
export type DeleteShareGroupStateRequest = Infer<typeof DeleteShareGroupStateRequest>;

export const DeleteShareGroupStateResponse = message(
  'DeleteShareGroupStateResponse',
  { kind: 'response', apiKey: 86, versions: '0', flexible: '0+' },
  {
    results: f(
      array(
        struct('DeleteStateResult', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionResult', {
                partition: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+', default: null }),
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
export type DeleteShareGroupStateResponse = Infer<typeof DeleteShareGroupStateResponse>;
