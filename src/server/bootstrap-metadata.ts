import { join } from 'node:path';
import { defaultFeatureLevels } from '../metadata/features.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import { decodeMetadataRecord } from '../metadata/metadata-record-serde.ts';
import { METADATA_VERSION_LATEST } from '../metadata/metadata-version.ts';
import { bufferSnapshot, snapshotBatches } from '../raft/snapshot-file.ts';
import type { Disk } from '../runtime/runtime.ts';

const BOOTSTRAP_CHECKPOINT_FILE = 'bootstrap.checkpoint';

/**
 * The first records of a new cluster, which formatting left in `bootstrap.checkpoint`; without the file, the newest
 * feature levels. Throws `MalformedError` for a damaged file.
 */
export function readBootstrapMetadata(disk: Disk, metadataLogDir: string): MetadataRecord[] {
  const path = join(metadataLogDir, BOOTSTRAP_CHECKPOINT_FILE);
  if (disk.statSync(path) === undefined) {
    return Array.from(defaultFeatureLevels(METADATA_VERSION_LATEST), ([name, featureLevel]) =>
      metadataRecord('FeatureLevelRecord', { name, featureLevel }),
    );
  }
  const records: MetadataRecord[] = [];
  for (const batch of snapshotBatches(bufferSnapshot(disk.readFileSync(path)))) {
    for (const value of batch.records) records.push(decodeMetadataRecord(value));
  }
  return records;
}
