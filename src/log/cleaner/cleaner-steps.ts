import type { Offset } from '../../base/int64.ts';
import type { LastOfProducer } from './batch-filter.ts';
import type { CleanedTransactionsState } from './cleaned-transactions.ts';
import type { OffsetMapState } from './offset-map.ts';

/*
 * What goes to a worker and comes back. A cleaning is a row of short steps, each with all it needs in its input:
 * between two of them the event loop can stop, delay or give up the cleaning, and nothing of it lives anywhere else.
 */

/** A part of the .log of a segment that gets no more batches. */
export interface StepSource {
  readonly path: string;
  /** Where a batch starts, and where the last one ends. Bytes. */
  readonly position: number;
  readonly end: number;
  /** All batches from `position` on have higher offsets. */
  readonly previousOffset: Offset;
  /** To be read in one step, at least one batch. Bytes. */
  readonly maxBytes: number;
  /** Of the buffers to read and to write. */
  readonly bufferBytes: number;
}

/** How far a step came. */
export interface StepProgress {
  readonly position: number;
  readonly previousOffset: Offset;
  /** All of it, read and written. */
  readonly bytes: number;
  readonly transactions: CleanedTransactionsState;
}

/** The segment that is written, in files with `.cleaned` names. */
export interface StepTarget {
  /** Absolute. */
  readonly directory: string;
  readonly baseOffset: Offset;
  /** Written so far. With 0 the files are begun anew. */
  readonly logBytes: number;
  readonly hasTransactionIndex: boolean;
  readonly indexIntervalBytes: number;
}

/** Notes the keys of dirty batches in the map. */
export interface MapStep {
  readonly kind: 'map';
  readonly map: OffsetMapState;
  /** The memory holds what an earlier cleaning left. */
  readonly clearMap: boolean;
  readonly source: StepSource;
  readonly transactions: CleanedTransactionsState;
}

export interface MapResult extends StepProgress {
  readonly kind: 'map';
  readonly entries: number;
  readonly latestOffset: Offset;
  readonly isFull: boolean;
}

/** Copies what stays of a segment behind what the target holds. */
export interface CopyStep {
  readonly kind: 'copy';
  readonly map: OffsetMapState;
  readonly source: StepSource;
  /** The batch that ends here is the last that is cleaned. Exclusive. */
  readonly endOffset: Offset;
  readonly target: StepTarget;
  readonly transactions: CleanedTransactionsState;
  readonly producers: readonly LastOfProducer[];
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
}

export interface CopyResult extends StepProgress {
  readonly kind: 'copy';
  readonly target: StepTarget;
  readonly recordsRead: number;
  readonly recordsKept: number;
}

/** Makes the target durable, names too. */
export interface FinishStep {
  readonly kind: 'finish';
  readonly target: StepTarget;
}

/** Makes the names in a directory durable. */
export interface SyncNamesStep {
  readonly kind: 'syncNames';
  readonly directory: string;
}

export interface DoneResult {
  readonly kind: 'done';
}

/** Errors lose their class and their code on the way between threads: they travel as values. */
export interface StepFailure {
  readonly kind: 'failed';
  /** `damaged`: what stands in the log is not what was written. `disk`: the file system refused. */
  readonly reason: 'damaged' | 'disk';
  readonly message: string;
  /** The errno. */
  readonly code: string | undefined;
}

export type CleanerStep = MapStep | CopyStep | FinishStep | SyncNamesStep;
export type CleanerStepResult = MapResult | CopyResult | DoneResult | StepFailure;
