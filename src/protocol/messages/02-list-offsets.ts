import { array, f, message, struct, type Infer } from '../schema.ts';

export const ListOffsetsRequest = message(
  'ListOffsetsRequest',
  { kind: 'request', apiKey: 2, versions: '0-11', flexible: '6+', listeners: ['broker'] },
  {
    replicaId: f('int32', '0+', { entityType: 'brokerId' }),
    isolationLevel: f('int8', '2+'),
    topics: f(
      array(
        struct('ListOffsetsTopic', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('ListOffsetsPartition', {
                partitionIndex: f('int32', '0+'),
                currentLeaderEpoch: f('int32', '4+', { default: -1, ignorable: true }),
                timestamp: f('int64', '0+'),
                maxNumOffsets: f('int32', '0', { default: 1 }),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    timeoutMs: f('int32', '10+', { ignorable: true }),
  },
);
export type ListOffsetsRequest = Infer<typeof ListOffsetsRequest>;

export const ListOffsetsResponse = message(
  'ListOffsetsResponse',
  { kind: 'response', apiKey: 2, versions: '0-11', flexible: '6+' },
  {
    throttleTimeMs: f('int32', '2+', { ignorable: true }),
    topics: f(
      array(
        struct('ListOffsetsTopicResponse', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('ListOffsetsPartitionResponse', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                oldStyleOffsets: f(array('int64'), '0'),
                timestamp: f('int64', '1+', { default: -1 }),
                offset: f('int64', '1+', { default: -1 }),
                leaderEpoch: f('int32', '4+', { default: -1 }),
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
export type ListOffsetsResponse = Infer<typeof ListOffsetsResponse>;
