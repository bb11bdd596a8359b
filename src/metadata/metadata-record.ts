import * as records from '../protocol/records/metadata-records.ts';
import type { Infer, Message } from '../protocol/schema.ts';

/** The definition of every record of the metadata log, by the record's name. */
export const METADATA_RECORDS = {
  RegisterBrokerRecord: records.RegisterBrokerRecord,
  UnregisterBrokerRecord: records.UnregisterBrokerRecord,
  TopicRecord: records.TopicRecord,
  PartitionRecord: records.PartitionRecord,
  ConfigRecord: records.ConfigRecord,
  PartitionChangeRecord: records.PartitionChangeRecord,
  FenceBrokerRecord: records.FenceBrokerRecord,
  UnfenceBrokerRecord: records.UnfenceBrokerRecord,
  RemoveTopicRecord: records.RemoveTopicRecord,
  DelegationTokenRecord: records.DelegationTokenRecord,
  UserScramCredentialRecord: records.UserScramCredentialRecord,
  FeatureLevelRecord: records.FeatureLevelRecord,
  ClientQuotaRecord: records.ClientQuotaRecord,
  ProducerIdsRecord: records.ProducerIdsRecord,
  BrokerRegistrationChangeRecord: records.BrokerRegistrationChangeRecord,
  AccessControlEntryRecord: records.AccessControlEntryRecord,
  RemoveAccessControlEntryRecord: records.RemoveAccessControlEntryRecord,
  NoOpRecord: records.NoOpRecord,
  ZkMigrationStateRecord: records.ZkMigrationStateRecord,
  RemoveUserScramCredentialRecord: records.RemoveUserScramCredentialRecord,
  BeginTransactionRecord: records.BeginTransactionRecord,
  EndTransactionRecord: records.EndTransactionRecord,
  AbortTransactionRecord: records.AbortTransactionRecord,
  RemoveDelegationTokenRecord: records.RemoveDelegationTokenRecord,
  RegisterControllerRecord: records.RegisterControllerRecord,
  ClearElrRecord: records.ClearElrRecord,
  UnregisterControllerRecord: records.UnregisterControllerRecord,
} as const satisfies Record<string, Message>;

export type MetadataRecordType = keyof typeof METADATA_RECORDS;

export type MetadataRecordData<T extends MetadataRecordType> = Infer<(typeof METADATA_RECORDS)[T]>;

export interface MetadataRecordOf<T extends MetadataRecordType> {
  readonly type: T;
  /** The version of the message that it is, or will be, written in. */
  readonly version: number;
  readonly data: MetadataRecordData<T>;
}

/** One record of the metadata log (Kafka's `ApiMessageAndVersion`). */
export type MetadataRecord = { [T in MetadataRecordType]: MetadataRecordOf<T> }[MetadataRecordType];

/** A record of a type whose only version is 0, or of the given one. */
export function metadataRecord<T extends MetadataRecordType>(
  type: T,
  data: MetadataRecordData<T>,
  version = 0,
): MetadataRecordOf<T> {
  return { type, version, data };
}
