import type { MetadataRecord } from '../metadata/metadata-record.ts';

/** What a control manager decided: the records to append, and the answer once they are committed. */
export interface ControllerResult<T> {
  readonly records: readonly MetadataRecord[];
  readonly response: T;
  /** The records take effect together. Others may be split over several batches. */
  readonly atomic: boolean;
}

export function atomicResult<T>(records: readonly MetadataRecord[], response: T): ControllerResult<T> {
  return { records, response, atomic: true };
}

export function splittableResult<T>(records: readonly MetadataRecord[], response: T): ControllerResult<T> {
  return { records, response, atomic: false };
}
