import { array, f, message, struct, type Infer } from '../schema.ts';

export const RegisterBrokerRecord = message(
  'RegisterBrokerRecord',
  { kind: 'metadata', apiKey: 0, versions: '0-4', flexible: '0+' },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    isMigratingZkBroker: f('bool', '2+'),
    incarnationId: f('uuid', '0+'),
    brokerEpoch: f('int64', '0+'),
    endPoints: f(
      array(
        struct('BrokerEndpoint', {
          name: f('string', '0+', { mapKey: true }),
          host: f('string', '0+'),
          port: f('uint16', '0+'),
          securityProtocol: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    features: f(
      array(
        struct('BrokerFeature', {
          name: f('string', '0+', { mapKey: true }),
          minSupportedVersion: f('int16', '0+'),
          maxSupportedVersion: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    rack: f('string', '0+', { nullable: '0+' }),
    fenced: f('bool', '0+', { default: true }),
    inControlledShutdown: f('bool', '1+'),
    logDirs: f(array('uuid'), '3+', { tag: 0, tagged: '3+' }),
    cordonedLogDirs: f(array('uuid'), '4+', { nullable: '4+', default: null, tag: 1, tagged: '4+' }),
  },
);
export type RegisterBrokerRecord = Infer<typeof RegisterBrokerRecord>;

export const UnregisterBrokerRecord = message(
  'UnregisterBrokerRecord',
  { kind: 'metadata', apiKey: 1, versions: '0', flexible: '0+' },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+'),
  },
);
export type UnregisterBrokerRecord = Infer<typeof UnregisterBrokerRecord>;

export const TopicRecord = message(
  'TopicRecord',
  { kind: 'metadata', apiKey: 2, versions: '0', flexible: '0+' },
  {
    name: f('string', '0+', { entityType: 'topicName' }),
    topicId: f('uuid', '0+'),
  },
);
export type TopicRecord = Infer<typeof TopicRecord>;

export const PartitionRecord = message(
  'PartitionRecord',
  { kind: 'metadata', apiKey: 3, versions: '0-2', flexible: '0+' },
  {
    partitionId: f('int32', '0+', { default: -1 }),
    topicId: f('uuid', '0+'),
    replicas: f(array('int32'), '0+', { entityType: 'brokerId' }),
    isr: f(array('int32'), '0+'),
    removingReplicas: f(array('int32'), '0+', { entityType: 'brokerId' }),
    addingReplicas: f(array('int32'), '0+', { entityType: 'brokerId' }),
    leader: f('int32', '0+', { default: -1, entityType: 'brokerId' }),
    leaderRecoveryState: f('int8', '0+', { tag: 0, tagged: '0+' }),
    leaderEpoch: f('int32', '0+', { default: -1 }),
    partitionEpoch: f('int32', '0+', { default: -1 }),
    directories: f(array('uuid'), '1+'),
    eligibleLeaderReplicas: f(array('int32'), '2+', {
      nullable: '2+',
      default: null,
      tag: 1,
      tagged: '2+',
      entityType: 'brokerId',
    }),
    lastKnownElr: f(array('int32'), '2+', {
      nullable: '2+',
      default: null,
      tag: 2,
      tagged: '2+',
      entityType: 'brokerId',
    }),
  },
);
export type PartitionRecord = Infer<typeof PartitionRecord>;

export const ConfigRecord = message(
  'ConfigRecord',
  { kind: 'metadata', apiKey: 4, versions: '0', flexible: '0+' },
  {
    resourceType: f('int8', '0+'),
    resourceName: f('string', '0+'),
    name: f('string', '0+'),
    value: f('string', '0+', { nullable: '0+' }),
  },
);
export type ConfigRecord = Infer<typeof ConfigRecord>;

export const PartitionChangeRecord = message(
  'PartitionChangeRecord',
  { kind: 'metadata', apiKey: 5, versions: '0-2', flexible: '0+' },
  {
    partitionId: f('int32', '0+', { default: -1 }),
    topicId: f('uuid', '0+'),
    isr: f(array('int32'), '0+', {
      nullable: '0+',
      default: null,
      tag: 0,
      tagged: '0+',
      entityType: 'brokerId',
    }),
    leader: f('int32', '0+', { default: -2, tag: 1, tagged: '0+', entityType: 'brokerId' }),
    replicas: f(array('int32'), '0+', {
      nullable: '0+',
      default: null,
      tag: 2,
      tagged: '0+',
      entityType: 'brokerId',
    }),
    removingReplicas: f(array('int32'), '0+', {
      nullable: '0+',
      default: null,
      tag: 3,
      tagged: '0+',
      entityType: 'brokerId',
    }),
    addingReplicas: f(array('int32'), '0+', {
      nullable: '0+',
      default: null,
      tag: 4,
      tagged: '0+',
      entityType: 'brokerId',
    }),
    leaderRecoveryState: f('int8', '0+', { default: -1, tag: 5, tagged: '0+' }),
    directories: f(array('uuid'), '1+', { nullable: '1+', default: null, tag: 8, tagged: '1+' }),
    eligibleLeaderReplicas: f(array('int32'), '2+', {
      nullable: '2+',
      default: null,
      tag: 6,
      tagged: '2+',
      entityType: 'brokerId',
    }),
    lastKnownElr: f(array('int32'), '2+', {
      nullable: '2+',
      default: null,
      tag: 7,
      tagged: '2+',
      entityType: 'brokerId',
    }),
  },
);
export type PartitionChangeRecord = Infer<typeof PartitionChangeRecord>;

export const FenceBrokerRecord = message(
  'FenceBrokerRecord',
  { kind: 'metadata', apiKey: 7, versions: '0', flexible: '0+' },
  {
    id: f('int32', '0+', { entityType: 'brokerId' }),
    epoch: f('int64', '0+'),
  },
);
export type FenceBrokerRecord = Infer<typeof FenceBrokerRecord>;

export const UnfenceBrokerRecord = message(
  'UnfenceBrokerRecord',
  { kind: 'metadata', apiKey: 8, versions: '0', flexible: '0+' },
  {
    id: f('int32', '0+', { entityType: 'brokerId' }),
    epoch: f('int64', '0+'),
  },
);
export type UnfenceBrokerRecord = Infer<typeof UnfenceBrokerRecord>;

export const RemoveTopicRecord = message(
  'RemoveTopicRecord',
  { kind: 'metadata', apiKey: 9, versions: '0', flexible: '0+' },
  {
    topicId: f('uuid', '0+'),
  },
);
export type RemoveTopicRecord = Infer<typeof RemoveTopicRecord>;

export const DelegationTokenRecord = message(
  'DelegationTokenRecord',
  { kind: 'metadata', apiKey: 10, versions: '0', flexible: '0+' },
  {
    owner: f('string', '0+'),
    requester: f('string', '0+'),
    renewers: f(array('string'), '0+'),
    issueTimestamp: f('int64', '0+'),
    maxTimestamp: f('int64', '0+'),
    expirationTimestamp: f('int64', '0+'),
    tokenId: f('string', '0+'),
  },
);
export type DelegationTokenRecord = Infer<typeof DelegationTokenRecord>;

export const UserScramCredentialRecord = message(
  'UserScramCredentialRecord',
  { kind: 'metadata', apiKey: 11, versions: '0', flexible: '0+' },
  {
    name: f('string', '0+'),
    mechanism: f('int8', '0+'),
    salt: f('bytes', '0+'),
    storedKey: f('bytes', '0+'),
    serverKey: f('bytes', '0+'),
    iterations: f('int32', '0+'),
  },
);
export type UserScramCredentialRecord = Infer<typeof UserScramCredentialRecord>;

export const FeatureLevelRecord = message(
  'FeatureLevelRecord',
  { kind: 'metadata', apiKey: 12, versions: '0', flexible: '0+' },
  {
    name: f('string', '0+'),
    featureLevel: f('int16', '0+'),
  },
);
export type FeatureLevelRecord = Infer<typeof FeatureLevelRecord>;

export const ClientQuotaRecord = message(
  'ClientQuotaRecord',
  { kind: 'metadata', apiKey: 14, versions: '0', flexible: '0+' },
  {
    entity: f(
      array(
        struct('EntityData', {
          entityType: f('string', '0+'),
          entityName: f('string', '0+', { nullable: '0+' }),
        }),
      ),
      '0+',
    ),
    key: f('string', '0+'),
    value: f('float64', '0+'),
    remove: f('bool', '0+'),
  },
);
export type ClientQuotaRecord = Infer<typeof ClientQuotaRecord>;

export const ProducerIdsRecord = message(
  'ProducerIdsRecord',
  { kind: 'metadata', apiKey: 15, versions: '0', flexible: '0+' },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+', { default: -1 }),
    nextProducerId: f('int64', '0+'),
  },
);
export type ProducerIdsRecord = Infer<typeof ProducerIdsRecord>;

export const BrokerRegistrationChangeRecord = message(
  'BrokerRegistrationChangeRecord',
  { kind: 'metadata', apiKey: 17, versions: '0-3', flexible: '0+' },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+'),
    fenced: f('int8', '0+', { tag: 0, tagged: '0+' }),
    inControlledShutdown: f('int8', '1+', { tag: 1, tagged: '1+' }),
    logDirs: f(array('uuid'), '2+', { tag: 2, tagged: '2+' }),
    cordonedLogDirs: f(array('uuid'), '3+', { nullable: '3+', default: null, tag: 3, tagged: '3+' }),
  },
);
export type BrokerRegistrationChangeRecord = Infer<typeof BrokerRegistrationChangeRecord>;

export const AccessControlEntryRecord = message(
  'AccessControlEntryRecord',
  { kind: 'metadata', apiKey: 18, versions: '0', flexible: '0+' },
  {
    id: f('uuid', '0+'),
    resourceType: f('int8', '0+'),
    resourceName: f('string', '0+'),
    patternType: f('int8', '0+'),
    principal: f('string', '0+'),
    host: f('string', '0+'),
    operation: f('int8', '0+'),
    permissionType: f('int8', '0+'),
  },
);
export type AccessControlEntryRecord = Infer<typeof AccessControlEntryRecord>;

export const RemoveAccessControlEntryRecord = message(
  'RemoveAccessControlEntryRecord',
  { kind: 'metadata', apiKey: 19, versions: '0', flexible: '0+' },
  {
    id: f('uuid', '0+'),
  },
);
export type RemoveAccessControlEntryRecord = Infer<typeof RemoveAccessControlEntryRecord>;

export const NoOpRecord = message(
  'NoOpRecord',
  { kind: 'metadata', apiKey: 20, versions: '0', flexible: '0+' },
  {},
);
export type NoOpRecord = Infer<typeof NoOpRecord>;

export const ZkMigrationStateRecord = message(
  'ZkMigrationStateRecord',
  { kind: 'metadata', apiKey: 21, versions: '0', flexible: '0+' },
  {
    zkMigrationState: f('int8', '0+'),
  },
);
export type ZkMigrationStateRecord = Infer<typeof ZkMigrationStateRecord>;

export const RemoveUserScramCredentialRecord = message(
  'RemoveUserScramCredentialRecord',
  { kind: 'metadata', apiKey: 22, versions: '0', flexible: '0+' },
  {
    name: f('string', '0+'),
    mechanism: f('int8', '0+'),
  },
);
export type RemoveUserScramCredentialRecord = Infer<typeof RemoveUserScramCredentialRecord>;

export const BeginTransactionRecord = message(
  'BeginTransactionRecord',
  { kind: 'metadata', apiKey: 23, versions: '0', flexible: '0+' },
  {
    name: f('string', '0+', { nullable: '0+', default: null, tag: 0, tagged: '0+' }),
  },
);
export type BeginTransactionRecord = Infer<typeof BeginTransactionRecord>;

export const EndTransactionRecord = message(
  'EndTransactionRecord',
  { kind: 'metadata', apiKey: 24, versions: '0', flexible: '0+' },
  {},
);
export type EndTransactionRecord = Infer<typeof EndTransactionRecord>;

export const AbortTransactionRecord = message(
  'AbortTransactionRecord',
  { kind: 'metadata', apiKey: 25, versions: '0', flexible: '0+' },
  {
    reason: f('string', '0+', { nullable: '0+', default: null, tag: 0, tagged: '0+' }),
  },
);
export type AbortTransactionRecord = Infer<typeof AbortTransactionRecord>;

export const RemoveDelegationTokenRecord = message(
  'RemoveDelegationTokenRecord',
  { kind: 'metadata', apiKey: 26, versions: '0', flexible: '0+' },
  {
    tokenId: f('string', '0+'),
  },
);
export type RemoveDelegationTokenRecord = Infer<typeof RemoveDelegationTokenRecord>;

export const RegisterControllerRecord = message(
  'RegisterControllerRecord',
  { kind: 'metadata', apiKey: 27, versions: '0', flexible: '0+' },
  {
    controllerId: f('int32', '0+'),
    incarnationId: f('uuid', '0+'),
    zkMigrationReady: f('bool', '0+'),
    endPoints: f(
      array(
        struct('ControllerEndpoint', {
          name: f('string', '0+', { mapKey: true }),
          host: f('string', '0+'),
          port: f('uint16', '0+'),
          securityProtocol: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    features: f(
      array(
        struct('ControllerFeature', {
          name: f('string', '0+', { mapKey: true }),
          minSupportedVersion: f('int16', '0+'),
          maxSupportedVersion: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type RegisterControllerRecord = Infer<typeof RegisterControllerRecord>;

export const ClearElrRecord = message(
  'ClearElrRecord',
  { kind: 'metadata', apiKey: 28, versions: '0', flexible: '0+' },
  {
    topicName: f('string', '0+', { entityType: 'topicName' }),
  },
);
export type ClearElrRecord = Infer<typeof ClearElrRecord>;

export const UnregisterControllerRecord = message(
  'UnregisterControllerRecord',
  { kind: 'metadata', apiKey: 29, versions: '0', flexible: '0+' },
  {
    controllerId: f('int32', '0+'),
  },
);
export type UnregisterControllerRecord = Infer<typeof UnregisterControllerRecord>;
