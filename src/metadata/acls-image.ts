import { PersistentMap } from '../base/persistent-map.ts';
import type { Uuid } from '../base/uuid.ts';
import { type MetadataRecord, type MetadataRecordData, metadataRecord } from './metadata-record.ts';

/** Kafka's numbers for types, operations and permissions. */
export type AccessControlEntry = Readonly<MetadataRecordData<'AccessControlEntryRecord'>>;

export class AclsImage {
  static readonly EMPTY = new AclsImage(PersistentMap.empty());

  readonly acls: PersistentMap<Uuid, AccessControlEntry>;

  constructor(acls: PersistentMap<Uuid, AccessControlEntry>) {
    this.acls = acls;
  }

  *records(): Iterable<MetadataRecord> {
    for (const acl of this.acls.values()) yield metadataRecord('AccessControlEntryRecord', { ...acl });
  }
}
