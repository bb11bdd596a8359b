import { array, f, message, struct, type Infer } from '../schema.ts';

export const TxnOffsetCommitRequest = message(
  'TxnOffsetCommitRequest',
  { kind: 'request', apiKey: 28, versions: '0-6', flexible: '3+', listeners: ['broker'] },
  {
    transactionalId: f('string', '0+', { entityType: 'transactionalId' }),
    groupId: f('string', '0+', { entityType: 'groupId' }),
    producerId: f('int64', '0+', { entityType: 'producerId' }),
    producerEpoch: f('int16', '0+'),
    generationIdOrMemberEpoch: f('int32', '3+', { default: -1 }),
    memberId: f('string', '3+'),
    groupInstanceId: f('string', '3+', { nullable: '3+', default: null }),
    topics: f(
      array(
        struct('TxnOffsetCommitRequestTopic', {
          name: f('string', '0-5', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '6+', { ignorable: true }),
          partitions: f(
            array(
              struct('TxnOffsetCommitRequestPartition', {
                partitionIndex: f('int32', '0+'),
                committedOffset: f('int64', '0+'),
                committedLeaderEpoch: f('int32', '2+', { default: -1, ignorable: true }),
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
export type TxnOffsetCommitRequest = Infer<typeof TxnOffsetCommitRequest>;

export const TxnOffsetCommitResponse = message(
  'TxnOffsetCommitResponse',
  { kind: 'response', apiKey: 28, versions: '0-6', flexible: '3+' },
  {
    throttleTimeMs: f('int32', '0+'),
    topics: f(
      array(
        struct('TxnOffsetCommitResponseTopic', {
          name: f('string', '0-5', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '6+', { ignorable: true }),
          partitions: f(
            array(
              struct('TxnOffsetCommitResponsePartition', {
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
export type TxnOffsetCommitResponse = Infer<typeof TxnOffsetCommitResponse>;
