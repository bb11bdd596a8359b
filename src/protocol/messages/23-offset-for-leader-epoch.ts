import { array, f, message, struct, type Infer } from '../schema.ts';

export const OffsetForLeaderEpochRequest = message(
  'OffsetForLeaderEpochRequest',
  { kind: 'request', apiKey: 23, versions: '0-4', flexible: '4+', listeners: ['broker'] },
  {
    replicaId: f('int32', '3+', { default: -2, ignorable: true, entityType: 'brokerId' }),
    topics: f(
      array(
        struct('OffsetForLeaderTopic', {
          topic: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(
            array(
              struct('OffsetForLeaderPartition', {
                partition: f('int32', '0+'),
                currentLeaderEpoch: f('int32', '2+', { default: -1, ignorable: true }),
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
export type OffsetForLeaderEpochRequest = Infer<typeof OffsetForLeaderEpochRequest>;

export const OffsetForLeaderEpochResponse = message(
  'OffsetForLeaderEpochResponse',
  { kind: 'response', apiKey: 23, versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: f('int32', '2+', { ignorable: true }),
    topics: f(
      array(
        struct('OffsetForLeaderTopicResult', {
          topic: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(
            array(
              struct('EpochEndOffset', {
                errorCode: f('int16', '0+'),
                partition: f('int32', '0+'),
                leaderEpoch: f('int32', '1+', { default: -1, ignorable: true }),
                endOffset: f('int64', '0+', { default: -1 }),
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
export type OffsetForLeaderEpochResponse = Infer<typeof OffsetForLeaderEpochResponse>;
