import { PersistentMap } from '../base/persistent-map.ts';
import { FeatureName } from './features.ts';
import { METADATA_VERSION_MIN } from './metadata-version.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';

/** The levels that the cluster has agreed on. */
export class FeaturesImage {
  static readonly EMPTY = new FeaturesImage(PersistentMap.empty());

  /** Above 0, by name, `metadata.version` among them. `kraft.version` is a matter of the Raft log and is not here. */
  readonly finalizedVersions: PersistentMap<string, number>;

  constructor(finalizedVersions: PersistentMap<string, number>) {
    this.finalizedVersions = finalizedVersions;
  }

  /** The level of `metadata.version`; the lowest one until the bootstrap records have been read. */
  get metadataVersion(): number {
    return this.finalizedVersions.get(FeatureName.METADATA_VERSION) ?? METADATA_VERSION_MIN;
  }

  /** 0 for a feature that is not in use. */
  level(name: string): number {
    return this.finalizedVersions.get(name) ?? 0;
  }

  /** `metadata.version` comes first: how the records after it are read depends on it. */
  *records(): Iterable<MetadataRecord> {
    const names = [...this.finalizedVersions.keys()].sort(
      (a, b) =>
        Number(b === FeatureName.METADATA_VERSION) - Number(a === FeatureName.METADATA_VERSION) ||
        (a < b ? -1 : 1),
    );
    for (const name of names) {
      yield metadataRecord('FeatureLevelRecord', { name, featureLevel: this.level(name) });
    }
  }
}
