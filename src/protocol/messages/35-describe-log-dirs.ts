import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeLogDirsRequest = message(
  'DescribeLogDirsRequest',
  { kind: 'request', apiKey: 35, versions: '0-5', flexible: '2+', listeners: ['broker'] },
  {
    topics: f(
      array(
        struct('DescribableLogDirTopic', {
          topic: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
      { nullable: '0+' },
    ),
  },
);
export type DescribeLogDirsRequest = Infer<typeof DescribeLogDirsRequest>;

export const DescribeLogDirsResponse = message(
  'DescribeLogDirsResponse',
  { kind: 'response', apiKey: 35, versions: '0-5', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '3+', { ignorable: true }),
    results: f(
      array(
        struct('DescribeLogDirsResult', {
          errorCode: f('int16', '0+'),
          logDir: f('string', '0+'),
          topics: f(
            array(
              struct('DescribeLogDirsTopic', {
                name: f('string', '0+', { entityType: 'topicName' }),
                partitions: f(
                  array(
                    struct('DescribeLogDirsPartition', {
                      partitionIndex: f('int32', '0+'),
                      partitionSize: f('int64', '0+'),
                      offsetLag: f('int64', '0+'),
                      isFutureKey: f('bool', '0+'),
                    }),
                  ),
                  '0+',
                ),
              }),
            ),
            '0+',
          ),
          totalBytes: f('int64', '4+', { default: -1, ignorable: true }),
          usableBytes: f('int64', '4+', { default: -1, ignorable: true }),
          isCordoned: f('bool', '5+', { ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeLogDirsResponse = Infer<typeof DescribeLogDirsResponse>;
