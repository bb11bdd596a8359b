import { array, f, message, struct, type Infer } from '../schema.ts';

export const FetchRequest = message(
  'FetchRequest',
  { kind: 'request', apiKey: 1, versions: '0-18', flexible: '12+', listeners: ['broker', 'controller'] },
  {
    clusterId: f('string', '12+', { nullable: '12+', default: null, tag: 0, tagged: '12+', ignorable: true }),
    replicaId: f('int32', '0-14', { default: -1, entityType: 'brokerId' }),
    replicaState: f(
      struct('ReplicaState', {
        replicaId: f('int32', '15+', { default: -1, entityType: 'brokerId' }),
        replicaEpoch: f('int64', '15+', { default: -1 }),
      }),
      '15+',
      { tag: 1, tagged: '15+' },
    ),
    maxWaitMs: f('int32', '0+'),
    minBytes: f('int32', '0+'),
    maxBytes: f('int32', '3+', { default: 2147483647, ignorable: true }),
    isolationLevel: f('int8', '4+', { ignorable: true }),
    sessionId: f('int32', '7+', { ignorable: true }),
    sessionEpoch: f('int32', '7+', { default: -1, ignorable: true }),
    topics: f(
      array(
        struct('FetchTopic', {
          topic: f('string', '0-12', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '13+', { ignorable: true }),
          partitions: f(
            array(
              struct('FetchPartition', {
                partition: f('int32', '0+'),
                currentLeaderEpoch: f('int32', '9+', { default: -1, ignorable: true }),
                fetchOffset: f('int64', '0+'),
                lastFetchedEpoch: f('int32', '12+', { default: -1 }),
                logStartOffset: f('int64', '5+', { default: -1, ignorable: true }),
                partitionMaxBytes: f('int32', '0+'),
                replicaDirectoryId: f('uuid', '17+', { tag: 0, tagged: '17+', ignorable: true }),
                highWatermark: f('int64', '18+', {
                  default: 9223372036854775807n,
                  tag: 1,
                  tagged: '18+',
                  ignorable: true,
                }),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    forgottenTopicsData: f(
      array(
        struct('ForgottenTopic', {
          topic: f('string', '7-12', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '13+', { ignorable: true }),
          partitions: f(array('int32'), '7+'),
        }),
      ),
      '7+',
    ),
    rackId: f('string', '11+', { ignorable: true }),
  },
);
export type FetchRequest = Infer<typeof FetchRequest>;

export const FetchResponse = message(
  'FetchResponse',
  { kind: 'response', apiKey: 1, versions: '0-18', flexible: '12+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    errorCode: f('int16', '7+', { ignorable: true }),
    sessionId: f('int32', '7+'),
    responses: f(
      array(
        struct('FetchableTopicResponse', {
          topic: f('string', '0-12', { ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '13+', { ignorable: true }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                highWatermark: f('int64', '0+'),
                lastStableOffset: f('int64', '4+', { default: -1, ignorable: true }),
                logStartOffset: f('int64', '5+', { default: -1, ignorable: true }),
                divergingEpoch: f(
                  struct('EpochEndOffset', {
                    epoch: f('int32', '12+', { default: -1 }),
                    endOffset: f('int64', '12+', { default: -1 }),
                  }),
                  '12+',
                  { tag: 0, tagged: '12+' },
                ),
                currentLeader: f(
                  struct('LeaderIdAndEpoch', {
                    leaderId: f('int32', '12+', { default: -1, entityType: 'brokerId' }),
                    leaderEpoch: f('int32', '12+', { default: -1 }),
                  }),
                  '12+',
                  { tag: 1, tagged: '12+' },
                ),
                snapshotId: f(
                  struct('SnapshotId', {
                    endOffset: f('int64', '0+', { default: -1 }),
                    epoch: f('int32', '0+', { default: -1 }),
                  }),
                  '12+',
                  { tag: 2, tagged: '12+' },
                ),
                abortedTransactions: f(
                  array(
                    struct('AbortedTransaction', {
                      producerId: f('int64', '4+', { entityType: 'producerId' }),
                      firstOffset: f('int64', '4+'),
                    }),
                  ),
                  '4+',
                  { nullable: '4+', ignorable: true },
                ),
                preferredReadReplica: f('int32', '11+', { default: -1, entityType: 'brokerId' }),
                records: f('records', '0+', { nullable: '0+' }),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    nodeEndpoints: f(
      array(
        struct('NodeEndpoint', {
          nodeId: f('int32', '16+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '16+'),
          port: f('int32', '16+'),
          rack: f('string', '16+', { nullable: '16+', default: null }),
        }),
      ),
      '16+',
      { tag: 0, tagged: '16+' },
    ),
  },
);
export type FetchResponse = Infer<typeof FetchResponse>;
