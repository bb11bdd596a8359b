import { array, f, message, struct, type Infer } from '../schema.ts';

export const ProducerSnapshot = message(
  'ProducerSnapshot',
  { kind: 'data', versions: '1', flexible: 'none' },
  {
    crc: f('uint32', '1'),
    producerEntries: f(
      array(
        struct('ProducerEntry', {
          producerId: f('int64', '1'),
          epoch: f('int16', '1'),
          lastSequence: f('int32', '1'),
          lastOffset: f('int64', '1'),
          offsetDelta: f('int32', '1'),
          timestamp: f('int64', '1'),
          coordinatorEpoch: f('int32', '1'),
          currentTxnFirstOffset: f('int64', '1'),
        }),
      ),
      '1',
    ),
  },
);
export type ProducerSnapshot = Infer<typeof ProducerSnapshot>;

export const RemoteLogSegmentMetadataRecord = message(
  'RemoteLogSegmentMetadataRecord',
  { kind: 'metadata', apiKey: 0, versions: '0', flexible: '0+' },
  {
    remoteLogSegmentId: f(
      struct('RemoteLogSegmentIdEntry', {
        topicIdPartition: f(
          struct('TopicIdPartitionEntry', {
            name: f('string', '0+'),
            id: f('uuid', '0+'),
            partition: f('int32', '0+'),
          }),
          '0+',
        ),
        id: f('uuid', '0+'),
      }),
      '0+',
    ),
    startOffset: f('int64', '0+'),
    endOffset: f('int64', '0+'),
    brokerId: f('int32', '0+'),
    maxTimestampMs: f('int64', '0+'),
    eventTimestampMs: f('int64', '0+'),
    segmentLeaderEpochs: f(
      array(
        struct('SegmentLeaderEpochEntry', {
          leaderEpoch: f('int32', '0+'),
          offset: f('int64', '0+'),
        }),
      ),
      '0+',
    ),
    segmentSizeInBytes: f('int32', '0+'),
    customMetadata: f('bytes', '0+', { nullable: '0+', default: null }),
    remoteLogSegmentState: f('int8', '0+'),
    txnIndexEmpty: f('bool', '0+', { tag: 0, tagged: '0+' }),
  },
);
export type RemoteLogSegmentMetadataRecord = Infer<typeof RemoteLogSegmentMetadataRecord>;

export const RemoteLogSegmentMetadataUpdateRecord = message(
  'RemoteLogSegmentMetadataUpdateRecord',
  { kind: 'metadata', apiKey: 1, versions: '0', flexible: '0+' },
  {
    remoteLogSegmentId: f(
      struct('RemoteLogSegmentIdEntry', {
        topicIdPartition: f(
          struct('TopicIdPartitionEntry', {
            name: f('string', '0+'),
            id: f('uuid', '0+'),
            partition: f('int32', '0+'),
          }),
          '0+',
        ),
        id: f('uuid', '0+'),
      }),
      '0+',
    ),
    brokerId: f('int32', '0+'),
    eventTimestampMs: f('int64', '0+'),
    customMetadata: f('bytes', '0+', { nullable: '0+', default: null }),
    remoteLogSegmentState: f('int8', '0+'),
  },
);
export type RemoteLogSegmentMetadataUpdateRecord = Infer<typeof RemoteLogSegmentMetadataUpdateRecord>;

export const RemotePartitionDeleteMetadataRecord = message(
  'RemotePartitionDeleteMetadataRecord',
  { kind: 'metadata', apiKey: 2, versions: '0', flexible: '0+' },
  {
    topicIdPartition: f(
      struct('TopicIdPartitionEntry', {
        name: f('string', '0+'),
        id: f('uuid', '0+'),
        partition: f('int32', '0+'),
      }),
      '0+',
    ),
    brokerId: f('int32', '0+'),
    eventTimestampMs: f('int64', '0+'),
    remotePartitionDeleteState: f('int8', '0+'),
  },
);
export type RemotePartitionDeleteMetadataRecord = Infer<typeof RemotePartitionDeleteMetadataRecord>;

export const RemoteLogSegmentMetadataSnapshotRecord = message(
  'RemoteLogSegmentMetadataSnapshotRecord',
  { kind: 'metadata', apiKey: 3, versions: '0', flexible: '0+' },
  {
    segmentId: f('uuid', '0+'),
    startOffset: f('int64', '0+'),
    endOffset: f('int64', '0+'),
    brokerId: f('int32', '0+'),
    maxTimestampMs: f('int64', '0+'),
    eventTimestampMs: f('int64', '0+'),
    segmentLeaderEpochs: f(
      array(
        struct('SegmentLeaderEpochEntry', {
          leaderEpoch: f('int32', '0+'),
          offset: f('int64', '0+'),
        }),
      ),
      '0+',
    ),
    segmentSizeInBytes: f('int32', '0+'),
    customMetadata: f('bytes', '0+', { nullable: '0+', default: null }),
    remoteLogSegmentState: f('int8', '0+'),
    txnIndexEmpty: f('bool', '0+', { tag: 0, tagged: '0+' }),
  },
);
export type RemoteLogSegmentMetadataSnapshotRecord = Infer<typeof RemoteLogSegmentMetadataSnapshotRecord>;
