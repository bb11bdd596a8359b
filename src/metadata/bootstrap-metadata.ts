import { join } from 'node:path';
import { bufferSnapshot, encodeSnapshot, snapshotBatches } from '../raft/snapshot-file.ts';
import type { Disk } from '../runtime/runtime.ts';
import { defaultFeatureLevels } from './features.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';
import { decodeMetadataRecord, encodeMetadataRecord } from './metadata-record-serde.ts';
import { METADATA_VERSION_LATEST } from './metadata-version.ts';

/**
 * The file in each log directory that holds the first records of a new cluster, in the form of a snapshot. The first
 * active controller writes them into the empty log; after that nobody reads the file.
 */
export const BOOTSTRAP_CHECKPOINT = 'bootstrap.checkpoint';

/** The feature levels that a new cluster starts with, as records. */
export function featureLevelRecords(levels: ReadonlyMap<string, number>): MetadataRecord[] {
  return [...levels].map(([name, featureLevel]) =>
    metadataRecord('FeatureLevelRecord', { name, featureLevel }),
  );
}

/** The records of a cluster at a level of `metadata.version` with all else at its default. */
export function defaultBootstrapRecords(metadataVersion: number): MetadataRecord[] {
  return featureLevelRecords(defaultFeatureLevels(metadataVersion));
}

/** The content of the file. `wallMs` is the clock that its batches are stamped with. */
export function encodeBootstrapCheckpoint(records: readonly MetadataRecord[], wallMs: () => number): Buffer {
  const header = { lastContainedLogTimestamp: 0, kraftVersion: 0, voters: undefined };
  return encodeSnapshot(0, header, [records.map(encodeMetadataRecord)], wallMs);
}

/** The reverse; bytes in the records are views of `content`. Throws `MalformedError` for a damaged file. */
export function decodeBootstrapCheckpoint(content: Buffer): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const batch of snapshotBatches(bufferSnapshot(content))) {
    for (const value of batch.records) records.push(decodeMetadataRecord(value));
  }
  return records;
}

/**
 * The first records of a new cluster: those that formatting left in the directory of the metadata log or, without the
 * file, the newest feature levels. Throws `MalformedError` for a damaged file.
 */
export function readBootstrapMetadata(disk: Disk, metadataLogDir: string): MetadataRecord[] {
  const path = join(metadataLogDir, BOOTSTRAP_CHECKPOINT);
  if (disk.statSync(path) === undefined) return defaultBootstrapRecords(METADATA_VERSION_LATEST);
  return decodeBootstrapCheckpoint(disk.readFileSync(path));
}
