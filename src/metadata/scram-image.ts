import { PersistentMap } from '../base/persistent-map.ts';
import { type MetadataRecord, type MetadataRecordData, metadataRecord } from './metadata-record.ts';
import { metadataVersionSupports } from './metadata-version.ts';

/** Salted and hashed as RFC 5802 says: no password is in it. Mechanism 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512. */
export type ScramCredential = Readonly<MetadataRecordData<'UserScramCredentialRecord'>>;

export class ScramImage {
  static readonly EMPTY = new ScramImage(PersistentMap.empty());

  /** By {@link scramKey}. */
  readonly credentials: PersistentMap<string, ScramCredential>;

  constructor(credentials: PersistentMap<string, ScramCredential>) {
    this.credentials = credentials;
  }

  credential(mechanism: number, user: string): ScramCredential | undefined {
    return this.credentials.get(scramKey(mechanism, user));
  }

  /** The credentials of each user, one for a mechanism. */
  byUser(): ReadonlyMap<string, readonly ScramCredential[]> {
    const users = new Map<string, ScramCredential[]>();
    for (const credential of this.credentials.values()) {
      const ofUser = users.get(credential.name);
      if (ofUser === undefined) users.set(credential.name, [credential]);
      else ofUser.push(credential);
    }
    return users;
  }

  *records(metadataVersion: number): Iterable<MetadataRecord> {
    if (!metadataVersionSupports.scram(metadataVersion)) return;
    for (const credential of this.credentials.values()) {
      yield metadataRecord('UserScramCredentialRecord', { ...credential });
    }
  }
}

export function scramKey(mechanism: number, user: string): string {
  return `${mechanism}:${user}`;
}
