import type { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import type { MetadataRecord } from '../../../src/metadata/metadata-record.ts';

/** One text for a record, so that sets of records can be compared. */
export function recordText(record: MetadataRecord): string {
  return JSON.stringify(record, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}

/** What an image says, independent of the order it says it in. */
export function canonical(image: MetadataImage): string[] {
  return [...image.records()].map(recordText).sort();
}
