import { array, f, message, struct, type Infer } from '../schema.ts';

export const ReadShareGroupStateRequest = message(
  'ReadShareGroupStateRequest',
  { kind: 'request', apiKey: 84, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+'),
    topics: f(
      array(
        struct('ReadStateData', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionData', {
                partition: f('int32', '0+'),
                leaderEpoch: f('int32', '0+'),
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
export type ReadShareGroupStateRequest = Infer<typeof ReadShareGroupStateRequest>;

export const ReadShareGroupStateResponse = message(
  'ReadShareGroupStateResponse',
  { kind: 'response', apiKey: 84, versions: '0', flexible: '0+' },
  {
    results: f(
      array(
        struct('ReadStateResult', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionResult', {
                partition: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+', default: null }),
                stateEpoch: f('int32', '0+'),
                startOffset: f('int64', '0+'),
                stateBatches: f(
                  array(
                    struct('StateBatch', {
                      firstOffset: f('int64', '0+'),
                      lastOffset: f('int64', '0+'),
                      deliveryState: f('int8', '0+'),
                      deliveryCount: f('int16', '0+'),
                    }),
                  ),
                  '0+',
                ),
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
export type ReadShareGroupStateResponse = Infer<typeof ReadShareGroupStateResponse>;
