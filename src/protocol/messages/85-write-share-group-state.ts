import { array, f, message, struct, type Infer } from '../schema.ts';

export const WriteShareGroupStateRequest = message(
  'WriteShareGroupStateRequest',
  { kind: 'request', apiKey: 85, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+'),
    topics: f(
      array(
        struct('WriteStateData', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionData', {
                partition: f('int32', '0+'),
                stateEpoch: f('int32', '0+'),
                leaderEpoch: f('int32', '0+'),
                startOffset: f('int64', '0+'),
                deliveryCompleteCount: f('int32', '1+', { default: -1, ignorable: true }),
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
export type WriteShareGroupStateRequest = Infer<typeof WriteShareGroupStateRequest>;

export const WriteShareGroupStateResponse = message(
  'WriteShareGroupStateResponse',
  { kind: 'response', apiKey: 85, versions: '0-1', flexible: '0+' },
  {
    results: f(
      array(
        struct('WriteStateResult', {
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
export type WriteShareGroupStateResponse = Infer<typeof WriteShareGroupStateResponse>;
