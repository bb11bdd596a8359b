import { array, f, message, struct, type Infer } from '../schema.ts';

export const InitializeShareGroupStateRequest = message(
  'InitializeShareGroupStateRequest',
  { kind: 'request', apiKey: 83, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+'),
    topics: f(
      array(
        struct('InitializeStateData', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionData', {
                partition: f('int32', '0+'),
                stateEpoch: f('int32', '0+'),
                startOffset: f('int64', '0+'),
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
export type InitializeShareGroupStateRequest = Infer<typeof InitializeShareGroupStateRequest>;

export const InitializeShareGroupStateResponse = message(
  'InitializeShareGroupStateResponse',
  { kind: 'response', apiKey: 83, versions: '0', flexible: '0+' },
  {
    results: f(
      array(
        struct('InitializeStateResult', {
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
export type InitializeShareGroupStateResponse = Infer<typeof InitializeShareGroupStateResponse>;
