import type { Offset, ProducerId } from '../base/int64.ts';

/**
 * How far a read may go. `logEnd`: replicas; `highWatermark`: consumers; `txnCommitted`: consumers in
 * read_committed.
 */
export type FetchIsolation = 'logEnd' | 'highWatermark' | 'txnCommitted';

/** A run of whole batches of one log, not yet in memory or already so. */
export interface FetchSlice {
  /**
   * In bytes: exact where the bytes are in memory, else an upper bound (but for one batch larger than
   * asked).
   */
  readonly sizeInBytes: number;
  /**
   * The bytes. They belong to the log: they may not be changed. A `Buffer` if they are in memory, without a
   * copy; else one pooled read, which rejects with a `KafkaError` (CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR).
   */
  load(): Buffer | Promise<Buffer>;
}

/** A transaction that was aborted, as a consumer in read_committed has to know it. */
export interface AbortedTransaction {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
}

/** Where an offset lies: for the number of bytes that a fetch could give. */
export interface LogOffsetMetadata {
  readonly offset: Offset;
  readonly segmentBaseOffset: Offset;
  /** The byte in the segment, at or before the offset's batch. */
  readonly relativePositionInSegment: number;
}

/** The answer of {@link UnifiedLog.read}. */
export interface FetchDataInfo {
  readonly fetchOffset: LogOffsetMetadata;
  readonly slices: readonly FetchSlice[];
  /** The sum over the slices. */
  readonly sizeInBytes: number;
  /** Only under `txnCommitted`. It may name transactions that end behind what was read. */
  readonly abortedTransactions: readonly AbortedTransaction[] | undefined;
}
