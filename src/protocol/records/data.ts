import { array, f, message, struct, type Infer } from '../schema.ts';

export const AbortedTxn = message(
  'AbortedTxn',
  { kind: 'data', versions: '0', flexible: 'none' },
  {
    producerId: f('int64', '0+'),
    firstOffset: f('int64', '0+'),
    lastOffset: f('int64', '0+'),
    lastStableOffset: f('int64', '0+'),
  },
);
export type AbortedTxn = Infer<typeof AbortedTxn>;

export const ConsumerProtocolAssignment = message(
  'ConsumerProtocolAssignment',
  { kind: 'data', versions: '0-3', flexible: 'none' },
  {
    assignedPartitions: f(
      array(
        struct('TopicPartition', {
          topic: f('string', '0+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
    ),
    userData: f('bytes', '0+', { nullable: '0+', default: null }),
  },
);
export type ConsumerProtocolAssignment = Infer<typeof ConsumerProtocolAssignment>;

export const ConsumerProtocolSubscription = message(
  'ConsumerProtocolSubscription',
  { kind: 'data', versions: '0-3', flexible: 'none' },
  {
    topics: f(array('string'), '0+'),
    userData: f('bytes', '0+', { nullable: '0+', default: null }),
    ownedPartitions: f(
      array(
        struct('TopicPartition', {
          topic: f('string', '1+', { mapKey: true, entityType: 'topicName' }),
          partitions: f(array('int32'), '1+'),
        }),
      ),
      '1+',
      { ignorable: true },
    ),
    generationId: f('int32', '2+', { default: -1, ignorable: true }),
    rackId: f('string', '3+', { nullable: '3+', default: null, ignorable: true }),
  },
);
export type ConsumerProtocolSubscription = Infer<typeof ConsumerProtocolSubscription>;

export const ControlRecordTypeSchema = message(
  'ControlRecordTypeSchema',
  { kind: 'data', versions: '0', flexible: 'none' },
  {
    type: f('int16', '0+'),
  },
);
export type ControlRecordTypeSchema = Infer<typeof ControlRecordTypeSchema>;

export const DefaultPrincipalData = message(
  'DefaultPrincipalData',
  { kind: 'data', versions: '0', flexible: '0+' },
  {
    type: f('string', '0+'),
    name: f('string', '0+'),
    tokenAuthenticated: f('bool', '0+'),
  },
);
export type DefaultPrincipalData = Infer<typeof DefaultPrincipalData>;

export const EndTxnMarker = message(
  'EndTxnMarker',
  { kind: 'data', versions: '0', flexible: 'none' },
  {
    coordinatorEpoch: f('int32', '0+'),
  },
);
export type EndTxnMarker = Infer<typeof EndTxnMarker>;

export const KRaftVersionRecord = message(
  'KRaftVersionRecord',
  { kind: 'data', versions: '0', flexible: '0+' },
  {
    version: f('int16', '0+'),
    kRaftVersion: f('int16', '0+'),
  },
);
export type KRaftVersionRecord = Infer<typeof KRaftVersionRecord>;

const LeaderChangeMessageVoter = struct('Voter', {
  voterId: f('int32', '0+'),
  voterDirectoryId: f('uuid', '1+'),
});

export const LeaderChangeMessage = message(
  'LeaderChangeMessage',
  { kind: 'data', versions: '0-1', flexible: '0+' },
  {
    version: f('int16', '0+'),
    leaderId: f('int32', '0+', { entityType: 'brokerId' }),
    voters: f(array(LeaderChangeMessageVoter), '0+'),
    grantingVoters: f(array(LeaderChangeMessageVoter), '0+'),
  },
);
export type LeaderChangeMessage = Infer<typeof LeaderChangeMessage>;

export const SnapshotFooterRecord = message(
  'SnapshotFooterRecord',
  { kind: 'data', versions: '0', flexible: '0+' },
  {
    version: f('int16', '0+'),
  },
);
export type SnapshotFooterRecord = Infer<typeof SnapshotFooterRecord>;

export const SnapshotHeaderRecord = message(
  'SnapshotHeaderRecord',
  { kind: 'data', versions: '0', flexible: '0+' },
  {
    version: f('int16', '0+'),
    lastContainedLogTimestamp: f('int64', '0+'),
  },
);
export type SnapshotHeaderRecord = Infer<typeof SnapshotHeaderRecord>;

export const VotersRecord = message(
  'VotersRecord',
  { kind: 'data', versions: '0', flexible: '0+' },
  {
    version: f('int16', '0+'),
    voters: f(
      array(
        struct('Voter', {
          voterId: f('int32', '0+', { entityType: 'brokerId' }),
          voterDirectoryId: f('uuid', '0+'),
          endpoints: f(
            array(
              struct('Endpoint', {
                name: f('string', '0+', { mapKey: true }),
                host: f('string', '0+'),
                port: f('uint16', '0+'),
              }),
            ),
            '0+',
          ),
          kRaftVersionFeature: f(
            struct('KRaftVersionFeature', {
              minSupportedVersion: f('int16', '0+'),
              maxSupportedVersion: f('int16', '0+'),
            }),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type VotersRecord = Infer<typeof VotersRecord>;

export const RequestHeader = message(
  'RequestHeader',
  { kind: 'header', versions: '0-2', flexible: '2+' },
  {
    requestApiKey: f('int16', '0+'),
    requestApiVersion: f('int16', '0+'),
    correlationId: f('int32', '0+'),
    clientId: f('string', '1+', { nullable: '1+', flexible: 'none' }),
  },
);
export type RequestHeader = Infer<typeof RequestHeader>;

export const ResponseHeader = message(
  'ResponseHeader',
  { kind: 'header', versions: '0-1', flexible: '1+' },
  {
    correlationId: f('int32', '0+'),
  },
);
export type ResponseHeader = Infer<typeof ResponseHeader>;
