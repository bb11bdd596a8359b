import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeShareGroupOffsetsRequest = message(
  'DescribeShareGroupOffsetsRequest',
  { kind: 'request', apiKey: 90, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    groups: f(
      array(
        struct('DescribeShareGroupOffsetsRequestGroup', {
          groupId: f('string', '0+', { entityType: 'groupId' }),
          topics: f(
            array(
              struct('DescribeShareGroupOffsetsRequestTopic', {
                topicName: f('string', '0+', { entityType: 'topicName' }),
                partitions: f(array('int32'), '0+'),
              }),
            ),
            '0+',
            { nullable: '0+' },
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeShareGroupOffsetsRequest = Infer<typeof DescribeShareGroupOffsetsRequest>;

export const DescribeShareGroupOffsetsResponse = message(
  'DescribeShareGroupOffsetsResponse',
  { kind: 'response', apiKey: 90, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    groups: f(
      array(
        struct('DescribeShareGroupOffsetsResponseGroup', {
          groupId: f('string', '0+', { entityType: 'groupId' }),
          topics: f(
            array(
              struct('DescribeShareGroupOffsetsResponseTopic', {
                topicName: f('string', '0+', { entityType: 'topicName' }),
                topicId: f('uuid', '0+'),
                partitions: f(
                  array(
                    struct('DescribeShareGroupOffsetsResponsePartition', {
                      partitionIndex: f('int32', '0+'),
                      startOffset: f('int64', '0+'),
                      leaderEpoch: f('int32', '0+'),
                      lag: f('int64', '1+', { default: -1, ignorable: true }),
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
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+', default: null }),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeShareGroupOffsetsResponse = Infer<typeof DescribeShareGroupOffsetsResponse>;
