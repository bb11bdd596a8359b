import { array, f, message, struct, type Infer } from '../schema.ts';

export const ReadShareGroupStateSummaryRequest = message(
  'ReadShareGroupStateSummaryRequest',
  { kind: 'request', apiKey: 87, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+'),
    topics: f(
      array(
        struct('ReadStateSummaryData', {
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
export type ReadShareGroupStateSummaryRequest = Infer<typeof ReadShareGroupStateSummaryRequest>;

export const ReadShareGroupStateSummaryResponse = message(
  'ReadShareGroupStateSummaryResponse',
  { kind: 'response', apiKey: 87, versions: '0-1', flexible: '0+' },
  {
    results: f(
      array(
        struct('ReadStateSummaryResult', {
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('PartitionResult', {
                partition: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+', default: null }),
                stateEpoch: f('int32', '0+'),
                leaderEpoch: f('int32', '0+'),
                startOffset: f('int64', '0+'),
                deliveryCompleteCount: f('int32', '1+', { default: -1, ignorable: true }),
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
export type ReadShareGroupStateSummaryResponse = Infer<typeof ReadShareGroupStateSummaryResponse>;
