import { array, f, message, struct, type Infer } from '../schema.ts';

export const OffsetDeleteRequest = message(
  'OffsetDeleteRequest',
  { kind: 'request', apiKey: 47, versions: '0', flexible: 'none', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    topics: f(
      array(
        struct('OffsetDeleteRequestTopic', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(
            array(
              struct('OffsetDeleteRequestPartition', {
                partitionIndex: f('int32', '0+'),
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
export type OffsetDeleteRequest = Infer<typeof OffsetDeleteRequest>;

export const OffsetDeleteResponse = message(
  'OffsetDeleteResponse',
  { kind: 'response', apiKey: 47, versions: '0', flexible: 'none' },
  {
    errorCode: f('int16', '0+'),
    throttleTimeMs: f('int32', '0+', { ignorable: true }),
    topics: f(
      array(
        struct('OffsetDeleteResponseTopic', {
          name: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(
            array(
              struct('OffsetDeleteResponsePartition', {
                partitionIndex: f('int32', '0+', { mapKey: true }),
                errorCode: f('int16', '0+'),
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
export type OffsetDeleteResponse = Infer<typeof OffsetDeleteResponse>;
