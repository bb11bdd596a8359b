import type { LeaderEpoch, Offset, Timestamp } from '../base/int64.ts';
import type { ControlRecord } from './control-record.ts';

/** Names a snapshot: it holds everything below `offset`, whose last record was written in `epoch`. */
export interface OffsetAndEpoch {
  /** Exclusive. */
  readonly offset: Offset;
  readonly epoch: LeaderEpoch;
}

export interface LeaderAndEpoch {
  /** `undefined` while nobody is known to lead. */
  readonly leaderId: number | undefined;
  readonly epoch: LeaderEpoch;
}

/**
 * One batch of the metadata log below the high watermark, or of a snapshot. Either list of records is empty.
 */
export interface CommittedBatch {
  readonly baseOffset: Offset;
  /** Inclusive. */
  readonly lastOffset: Offset;
  readonly epoch: LeaderEpoch;
  /** When the leader appended it, ms since the epoch. */
  readonly appendTimestamp: Timestamp;
  readonly sizeInBytes: number;
  /** Values of the data records, in order: the first has `baseOffset`, each next one offset more. */
  readonly records: readonly Buffer[];
  /** Decoded control records, in order, with offsets likewise. */
  readonly controlRecords: readonly ControlRecord[];
}

/** A whole snapshot, read once from its start. */
export interface SnapshotReader {
  readonly snapshotId: OffsetAndEpoch;
  /** Append time of the last batch that the snapshot stands for. */
  readonly lastContainedLogTimestamp: Timestamp;
  /**
   * Data and control batches, the header and the footer not among them. Throws `MalformedError` for a damaged
   * file.
   */
  batches(): Iterable<CommittedBatch>;
}

/** A snapshot being written. It exists for nobody before {@link freeze} is done. */
export interface SnapshotWriter {
  readonly snapshotId: OffsetAndEpoch;
  /** Adds values of data records as one batch. */
  append(records: readonly Buffer[]): void;
  /** Ends it, makes it durable under its final name, and drops the log behind it as retention allows. */
  freeze(): Promise<void>;
  /** Throws away what was written. No effect after {@link freeze}. */
  abort(): void;
}

/**
 * Who hears what the quorum has committed. Called from the driver, never from inside {@link RaftClient}
 * methods.
 */
export interface RaftListener {
  /** Batches in offset order without a gap, all below the high watermark. */
  handleCommit(batches: readonly CommittedBatch[]): void;
  /** Everything heard so far is replaced by the snapshot's content; commits go on from its end offset. */
  handleLoadSnapshot(reader: SnapshotReader): void;
  /**
   * The leader changed. The new leader itself hears it only after it has heard every batch of earlier epochs,
   * so that its state is complete when it starts to answer.
   */
  handleLeaderChange(leaderAndEpoch: LeaderAndEpoch): void;
  /** The driver is stopping: nothing will be committed any more through this node. */
  beginShutdown?(): void;
}

/** What the rest of a node sees of the metadata quorum. */
export interface RaftClient {
  readonly nodeId: number;
  leaderAndEpoch(): LeaderAndEpoch;
  /** Everything below it is committed; exclusive. `undefined` until it is known after a start. */
  highWatermark(): Offset | undefined;
  /** Of the log, scheduled appends not counted; exclusive. */
  logEndOffset(): Offset;
  /** Starts at the newest snapshot, or at the start of the log. */
  register(listener: RaftListener): void;
  unregister(listener: RaftListener): void;
  /**
   * Appends one atomic batch of record values at the end of the turn; listeners hear of it when it is
   * committed. Returns the offset of its last record. Throws `KafkaError` NOT_LEADER_OR_FOLLOWER unless this
   * node leads in `epoch`, and RECORD_LIST_TOO_LARGE above the size that a batch may have.
   */
  scheduleAppend(epoch: LeaderEpoch, records: readonly Buffer[]): Offset;
  /**
   * Starts a snapshot of the committed prefix below `id.offset`. `undefined` if there is one with that id, or
   * a newer one. Throws `RangeError` for an id that is not below the high watermark or not one of this log.
   */
  createSnapshot(id: OffsetAndEpoch, lastContainedLogTimestamp: Timestamp): SnapshotWriter | undefined;
  latestSnapshotId(): OffsetAndEpoch | undefined;
  /** Gives up leadership of `epoch`; no effect if this node does not lead in it. */
  resign(epoch: LeaderEpoch): void;
  /** Hands over leadership, writes what is staged, closes the log. */
  shutdown(): Promise<void>;
}
