import { array, f, message, struct, type Infer } from '../schema.ts';

export const OffsetCommitRequest = message(
  'OffsetCommitRequest',
  { kind: 'request', apiKey: 8, versions: '0-10', flexible: '8+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { entityType: 'groupId' }),
    generationIdOrMemberEpoch: f('int32', '1+', { default: -1, ignorable: true }),
    memberId: f('string', '1+', { ignorable: true }),
    groupInstanceId: f('string', '7+', { nullable: '7+', default: null }),
    retentionTimeMs: f('int64', '2-4', { default: -1, ignorable: true }),
    topics: f(
      array(
        struct('OffsetCommitRequestTopic', {
          name: f('string', '0-9', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '10+', { ignorable: true }),
          partitions: f(
            array(
              struct('OffsetCommitRequestPartition', {
                partitionIndex: f('int32', '0+'),
                committedOffset: f('int64', '0+'),
                committedLeaderEpoch: f('int32', '6+', { default: -1, ignorable: true }),
                commitTimestamp: f('int64', '1', { default: -1 }),
                committedMetadata: f('string', '0+', { nullable: '0+' }),
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
export type OffsetCommitRequest = Infer<typeof OffsetCommitRequest>;

export const OffsetCommitResponse = message(
  'OffsetCommitResponse',
  { kind: 'response', apiKey: 8, versions: '0-10', flexible: '8+' },
  {
    throttleTimeMs: f('int32', '3+', { ignorable: true }),
    topics: f(
      array(
        struct('OffsetCommitResponseTopic', {
          name: f('string', '0-9', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '10+', { ignorable: true }),
          partitions: f(
            array(
              struct('OffsetCommitResponsePartition', {
                partitionIndex: f('int32', '0+'),
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
export type OffsetCommitResponse = Infer<typeof OffsetCommitResponse>;
