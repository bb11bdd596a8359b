import type { Offset } from '../base/int64.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataRecord } from '../metadata/metadata-record.ts';

/** What a control manager decided: the records to append, and the answer once they are committed. */
export interface ControllerResult<T> {
  readonly records: readonly MetadataRecord[];
  readonly response: T;
  /** The records take effect together. Others may be split over several batches. */
  readonly atomic: boolean;
}

/** A part of what a control manager decides, where it need not take effect together and is too much for one turn. */
export interface ControllerStep<T> {
  readonly records: readonly MetadataRecord[];
  /** Decides the rest when others have had their turn, on the newest image; `nextOffset` is of the next record. */
  readonly rest: (image: MetadataImage, nextOffset: Offset) => ControllerDecision<T>;
}

export type ControllerDecision<T> = ControllerResult<T> | ControllerStep<T>;

/** Partitions that are changed, or looked at, in one turn of the event loop: some 10 ms of work. */
export const PARTITIONS_PER_STEP = 500;

export function atomicResult<T>(records: readonly MetadataRecord[], response: T): ControllerResult<T> {
  return { records, response, atomic: true };
}

export function splittableResult<T>(records: readonly MetadataRecord[], response: T): ControllerResult<T> {
  return { records, response, atomic: false };
}

/** Decides on `items`, which partitions are one of each, in steps. `response` is complete when the last is done. */
export function inSteps<I, T>(
  image: MetadataImage,
  items: readonly I[],
  decide: (image: MetadataImage, items: readonly I[]) => readonly MetadataRecord[],
  response: T,
): ControllerDecision<T> {
  const records = decide(image, items.slice(0, PARTITIONS_PER_STEP));
  if (items.length <= PARTITIONS_PER_STEP) return splittableResult(records, response);
  const others = items.slice(PARTITIONS_PER_STEP);
  return { records, rest: next => inSteps(next, others, decide, response) };
}
