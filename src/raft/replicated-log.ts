import type { LeaderEpoch, Offset } from '../base/int64.ts';
import type { EpochStart } from './log-summary.ts';
import type { OffsetAndEpoch } from './raft-client.ts';

/**
 * The metadata log as Raft needs it: batches of record format v2, and snapshots beside them. Appends can be
 * read back at once; they are durable after {@link flush}. All methods may throw an error of the disk, after
 * which the log is not used any more.
 */
export interface ReplicatedLog {
  readonly startOffset: Offset;
  /** Exclusive. */
  readonly endOffset: Offset;
  /** Of the last record, or of the snapshot that the log starts at; 0 for an empty log. */
  readonly lastFetchedEpoch: LeaderEpoch;
  /** Ascending. */
  epochStarts(): readonly EpochStart[];
  /** The largest epoch not above `epoch` that the log knows, and where it ends (exclusive). */
  endOffsetForEpoch(epoch: LeaderEpoch): OffsetAndEpoch;

  /** A leader of `epoch` starts at the end of the log. */
  initializeLeaderEpoch(epoch: LeaderEpoch): void;
  /**
   * Appends whole batches, whose offsets are set to follow the end of the log. The buffer is the log's from
   * then on.
   */
  appendAsLeader(records: Buffer, epoch: LeaderEpoch): LogAppendRange;
  /** Appends whole batches as they are. `epoch` is that of the leader they came from. */
  appendAsFollower(records: Buffer, epoch: LeaderEpoch): LogAppendRange;
  /** Makes everything below the present end durable. */
  flush(): Promise<void>;
  /**
   * Whole batches from the one that holds `startOffset` on, at least one if there is one, of about
   * `maxBytes`. Empty at the end of the log.
   */
  read(startOffset: Offset, maxBytes: number): Buffer | Promise<Buffer>;
  /** Removes everything at and above `offset`, which is never below the high watermark. */
  truncateToEndOffset(offset: Offset): void;
  /**
   * Drops the whole log if the newest snapshot is ahead of it; it goes on from the snapshot's end. Whether it
   * did.
   */
  truncateToLatestSnapshot(): boolean;
  updateHighWatermark(offset: Offset): void;

  /** Ascending. */
  snapshotIds(): readonly OffsetAndEpoch[];
  latestSnapshotId(): OffsetAndEpoch | undefined;
  /** `undefined` if there is one with that id. */
  createSnapshot(id: OffsetAndEpoch): RawSnapshotWriter | undefined;
  readSnapshot(id: OffsetAndEpoch): RawSnapshotReader | undefined;
  /**
   * The log starts at the snapshot `id`: drops what lies before it, older snapshots too. Whether anything
   * went.
   */
  deleteBeforeSnapshot(id: OffsetAndEpoch): boolean;
  /**
   * Drops snapshots and log that retention no longer wants; the newest snapshot stays. Whether anything went.
   */
  maybeClean(): boolean;
  close(): Promise<void>;
}

/** Offsets of what was appended; `lastOffset` is inclusive. */
export interface LogAppendRange {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
}

/** The bytes of a snapshot on their way to the disk. */
export interface RawSnapshotWriter {
  readonly id: OffsetAndEpoch;
  readonly sizeInBytes: number;
  append(bytes: Buffer): void;
  /** Up to `length` bytes of what was appended. Not after it was frozen or closed. */
  read(position: number, length: number): Buffer;
  /** Durable and under its final name when the promise resolves, unless the log starts behind it by then. */
  freeze(): Promise<void>;
  /** The same, before it returns. */
  freezeSync(): void;
  /** Removes what was written, unless it is frozen. */
  close(): void;
}

export interface RawSnapshotReader {
  readonly id: OffsetAndEpoch;
  readonly sizeInBytes: number;
  /** Up to `length` bytes. */
  read(position: number, length: number): Buffer;
  close(): void;
}
