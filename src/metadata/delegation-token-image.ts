import { PersistentMap } from '../base/persistent-map.ts';
import { type MetadataRecord, type MetadataRecordData, metadataRecord } from './metadata-record.ts';
import { metadataVersionSupports } from './metadata-version.ts';

/** Without its HMAC, which follows from the token id and the cluster's secret key. */
export type DelegationToken = Readonly<MetadataRecordData<'DelegationTokenRecord'>>;

export class DelegationTokenImage {
  static readonly EMPTY = new DelegationTokenImage(PersistentMap.empty());

  /** By token id. */
  readonly tokens: PersistentMap<string, DelegationToken>;

  constructor(tokens: PersistentMap<string, DelegationToken>) {
    this.tokens = tokens;
  }

  *records(metadataVersion: number): Iterable<MetadataRecord> {
    if (!metadataVersionSupports.delegationTokens(metadataVersion)) return;
    for (const token of this.tokens.values()) {
      yield metadataRecord('DelegationTokenRecord', { ...token, renewers: [...token.renewers] });
    }
  }
}
