import { array, f, message, struct, type Infer } from '../schema.ts';

export const FetchSnapshotRequest = message(
  'FetchSnapshotRequest',
  { kind: 'request', apiKey: 59, versions: '0-1', flexible: '0+', listeners: ['controller'] },
  {
    clusterId: f('string', '0+', { nullable: '0+', default: null, tag: 0, tagged: '0+' }),
    replicaId: f('int32', '0+', { default: -1, entityType: 'brokerId' }),
    maxBytes: f('int32', '0+', { default: 2147483647 }),
    topics: f(
      array(
        struct('TopicSnapshot', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionSnapshot', {
                partition: f('int32', '0+'),
                currentLeaderEpoch: f('int32', '0+'),
                snapshotId: f(
                  struct('SnapshotId', {
                    endOffset: f('int64', '0+'),
                    epoch: f('int32', '0+'),
                  }),
                  '0+',
                ),
                position: f('int64', '0+'),
                replicaDirectoryId: f('uuid', '1+', { tag: 0, tagged: '1+', ignorable: true }),
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
export type FetchSnapshotRequest = Infer<typeof FetchSnapshotRequest>;

export const FetchSnapshotResponse = message(
  'FetchSnapshotResponse',
  { kind: 'response', apiKey: 59, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+', { ignorable: true }),
    errorCode: f('int16', '0+'),
    topics: f(
      array(
        struct('TopicSnapshot', {
          name: f('string', '0+', { entityType: 'topicName' }),
          partitions: f(
            array(
              struct('PartitionSnapshot', {
                index: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                snapshotId: f(
                  struct('SnapshotId', {
                    endOffset: f('int64', '0+'),
                    epoch: f('int32', '0+'),
                  }),
                  '0+',
                ),
                currentLeader: f(
                  struct('LeaderIdAndEpoch', {
                    leaderId: f('int32', '0+', { entityType: 'brokerId' }),
                    leaderEpoch: f('int32', '0+'),
                  }),
                  '0+',
                  { tag: 0, tagged: '0+' },
                ),
                size: f('int64', '0+'),
                position: f('int64', '0+'),
                unalignedRecords: f('records', '0+'),
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
          nodeId: f('int32', '1+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '1+'),
          port: f('uint16', '1+'),
        }),
      ),
      '1+',
      { tag: 0, tagged: '1+' },
    ),
  },
);
export type FetchSnapshotResponse = Infer<typeof FetchSnapshotResponse>;
