import { array, f, message, struct, type Infer } from '../schema.ts';

export const OffsetFetchRequest = message(
  'OffsetFetchRequest',
  { kind: 'request', apiKey: 9, versions: '0-10', flexible: '6+', listeners: ['broker'] },
  {
    groupId: f('string', '0-7', { entityType: 'groupId' }),
    topics: f(
      array(
        struct('OffsetFetchRequestTopic', {
          name: f('string', '0-7', { entityType: 'topicName' }),
          partitionIndexes: f(array('int32'), '0-7'),
        }),
      ),
      '0-7',
      { nullable: '2-7' },
    ),
    groups: f(
      array(
        struct('OffsetFetchRequestGroup', {
          groupId: f('string', '8+', { entityType: 'groupId' }),
          memberId: f('string', '9+', { nullable: '9+', default: null, ignorable: true }),
          memberEpoch: f('int32', '9+', { default: -1, ignorable: true }),
          topics: f(
            array(
              struct('OffsetFetchRequestTopics', {
                name: f('string', '8-9', { ignorable: true, entityType: 'topicName' }),
                topicId: f('uuid', '10+', { ignorable: true }),
                partitionIndexes: f(array('int32'), '8+'),
              }),
            ),
            '8+',
            { nullable: '8+' },
          ),
        }),
      ),
      '8+',
    ),
    requireStable: f('bool', '7+'),
  },
);
export type OffsetFetchRequest = Infer<typeof OffsetFetchRequest>;

export const OffsetFetchResponse = message(
  'OffsetFetchResponse',
  { kind: 'response', apiKey: 9, versions: '0-10', flexible: '6+' },
  {
    throttleTimeMs: f('int32', '3+', { ignorable: true }),
    topics: f(
      array(
        struct('OffsetFetchResponseTopic', {
          name: f('string', '0-7', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('OffsetFetchResponsePartition', {
                partitionIndex: f('int32', '0-7'),
                committedOffset: f('int64', '0-7'),
                committedLeaderEpoch: f('int32', '5-7', { default: -1, ignorable: true }),
                metadata: f('string', '0-7', { nullable: '0-7' }),
                errorCode: f('int16', '0-7'),
              }),
            ),
            '0-7',
          ),
        }),
      ),
      '0-7',
    ),
    errorCode: f('int16', '2-7', { ignorable: true }),
    groups: f(
      array(
        struct('OffsetFetchResponseGroup', {
          groupId: f('string', '8+', { entityType: 'groupId' }),
          topics: f(
            array(
              struct('OffsetFetchResponseTopics', {
                name: f('string', '8-9', { ignorable: true, entityType: 'topicName' }),
                topicId: f('uuid', '10+', { ignorable: true }),
                partitions: f(
                  array(
                    struct('OffsetFetchResponsePartitions', {
                      partitionIndex: f('int32', '8+'),
                      committedOffset: f('int64', '8+'),
                      committedLeaderEpoch: f('int32', '8+', { default: -1, ignorable: true }),
                      metadata: f('string', '8+', { nullable: '8+' }),
                      errorCode: f('int16', '8+'),
                    }),
                  ),
                  '8+',
                ),
              }),
            ),
            '8+',
          ),
          errorCode: f('int16', '8+'),
        }),
      ),
      '8+',
    ),
  },
);
export type OffsetFetchResponse = Infer<typeof OffsetFetchResponse>;
