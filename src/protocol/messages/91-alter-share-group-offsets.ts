import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterShareGroupOffsetsRequest = message(
  'AlterShareGroupOffsetsRequest',
  { kind: 'request', apiKey: 91, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    topics: f(
      array(
        struct('AlterShareGroupOffsetsRequestTopic', {
          topicName: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(
            array(
              struct('AlterShareGroupOffsetsRequestPartition', {
                partitionIndex: f('int32', '0+'),
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
export type AlterShareGroupOffsetsRequest = Infer<typeof AlterShareGroupOffsetsRequest>;

export const AlterShareGroupOffsetsResponse = message(
  'AlterShareGroupOffsetsResponse',
  { kind: 'response', apiKey: 91, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    responses: f(
      array(
        struct('AlterShareGroupOffsetsResponseTopic', {
          topicName: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          topicId: f('uuid', '0+'),
          partitions: f(
            array(
              struct('AlterShareGroupOffsetsResponsePartition', {
                partitionIndex: f('int32', '0+'),
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
export type AlterShareGroupOffsetsResponse = Infer<typeof AlterShareGroupOffsetsResponse>;
