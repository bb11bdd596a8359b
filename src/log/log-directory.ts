import { parseInt64, type BrokerEpoch, type Offset } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Disk, DiskLock } from '../runtime/runtime.ts';
import { CorruptCheckpointError, OffsetCheckpointFile, type PartitionOffset } from './checkpoint-file.ts';
import { LogDirSpace } from './log-dir-space.ts';
import { LogDirectoryState } from './log-environment.ts';
import {
  CLEAN_SHUTDOWN_FILE,
  CLEANER_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOCK_FILE,
  LOG_START_OFFSET_CHECKPOINT,
  RECOVERY_POINT_CHECKPOINT,
} from './log-file-names.ts';
import type { TopicPartition } from './topic-partition.ts';
import type { UnifiedLog } from './unified-log.ts';

/** One of `log.dirs`: its lock, its checkpoints and its clean-shutdown marker. */
export class LogDirectory {
  readonly path: string;
  readonly state: LogDirectoryState;
  readonly space: LogDirSpace;
  /** Whether the marker of a clean stop was there. */
  hadCleanShutdown = false;
  /** The broker epoch in the marker; -1 if there was none. */
  cleanShutdownBrokerEpoch: BrokerEpoch = -1;
  /** Partitions in it, to place new ones where there are fewest. */
  partitions = 0;
  checkpointsAreStale = false;

  private readonly disk: Disk;
  private readonly logger: Logger;
  private readonly recoveryPoints: OffsetCheckpointFile;
  private readonly logStartOffsets: OffsetCheckpointFile;
  private readonly highWatermarks: OffsetCheckpointFile;
  private readonly cleanerOffsets: OffsetCheckpointFile;
  private lock: DiskLock | undefined;

  constructor(
    disk: Disk,
    logger: Logger,
    path: string,
    minFreeBytes: () => number,
    onFailure: (error: Error) => void,
  ) {
    this.disk = disk;
    this.logger = logger;
    this.path = path;
    this.space = new LogDirSpace(disk, logger, path, minFreeBytes);
    this.state = new LogDirectoryState(path, onFailure, this.space);
    this.recoveryPoints = new OffsetCheckpointFile(disk, `${path}/${RECOVERY_POINT_CHECKPOINT}`);
    this.logStartOffsets = new OffsetCheckpointFile(disk, `${path}/${LOG_START_OFFSET_CHECKPOINT}`);
    this.highWatermarks = new OffsetCheckpointFile(disk, `${path}/${HIGH_WATERMARK_CHECKPOINT}`);
    this.cleanerOffsets = new OffsetCheckpointFile(disk, `${path}/${CLEANER_OFFSET_CHECKPOINT}`);
  }

  get isLocked(): boolean {
    return this.lock !== undefined;
  }

  /** Makes the directory if it is missing and takes its lock (S12). Throws `LockedError`, `DiskError`. */
  open(): void {
    if (this.lock !== undefined) return;
    this.disk.makeDirectorySync(this.path);
    this.lock = this.disk.lockSync(`${this.path}/${LOCK_FILE}`);
    this.readCleanShutdownMarker();
  }

  private readCleanShutdownMarker(): void {
    const path = `${this.path}/${CLEAN_SHUTDOWN_FILE}`;
    if (this.disk.statSync(path) === undefined) return;
    this.hadCleanShutdown = true;
    const text = this.disk.readFileSync(path).toString('utf8');
    // Releases before 3.8 left an empty file.
    const epoch = /"brokerEpoch"\s*:\s*(-?\d+)/.exec(text)?.[1];
    this.cleanShutdownBrokerEpoch = (epoch === undefined ? undefined : parseInt64(epoch)) ?? -1;
  }

  /**
   * Removes the marker: from now on the directory counts as left in disorder. Not before its logs are loaded: a process
   * that has only waited for the quorum leaves everything as it was.
   */
  removeCleanShutdownMarker(): void {
    if (!this.hadCleanShutdown) return;
    this.disk.removeFileSync(`${this.path}/${CLEAN_SHUTDOWN_FILE}`);
    this.disk.syncDirectorySync(this.path);
  }

  /** A checkpoint that cannot be read counts as empty: then more is read at the start, nothing is lost. */
  private readCheckpoint(file: OffsetCheckpointFile): Map<string, Offset> {
    try {
      return file.read();
    } catch (error) {
      if (!(error instanceof CorruptCheckpointError)) throw error;
      this.logger.warn('a checkpoint is corrupt and counts as empty', { reason: error.message });
      return new Map();
    }
  }

  readRecoveryPoints(): Map<string, Offset> {
    return this.readCheckpoint(this.recoveryPoints);
  }

  readLogStartOffsets(): Map<string, Offset> {
    return this.readCheckpoint(this.logStartOffsets);
  }

  readHighWatermarks(): Map<string, Offset> {
    return this.readCheckpoint(this.highWatermarks);
  }

  /** How far each log was compacted. */
  readCleanerOffsets(): Map<string, Offset> {
    return this.readCheckpoint(this.cleanerOffsets);
  }

  writeRecoveryPoints(logs: readonly UnifiedLog[]): void {
    this.recoveryPoints.write(
      logs.map(log => ({ topicPartition: log.topicPartition, offset: log.recoveryPoint })),
    );
    for (const log of logs) log.checkpointedRecoveryPoint = log.recoveryPoint;
  }

  /** Only of the logs whose start is not told by their first segment. */
  writeLogStartOffsets(logs: readonly UnifiedLog[]): void {
    const moved = logs.filter(log => log.logStartOffset > log.segments.first!.baseOffset);
    this.logStartOffsets.write(
      moved.map(log => ({ topicPartition: log.topicPartition, offset: log.logStartOffset })),
    );
  }

  writeHighWatermarks(logs: readonly UnifiedLog[]): void {
    this.highWatermarks.write(
      logs.map(log => ({ topicPartition: log.topicPartition, offset: log.highWatermark })),
    );
  }

  writeCleanerOffsets(logs: readonly UnifiedLog[]): void {
    const entries: PartitionOffset[] = [];
    for (const { topicPartition, cleanerCheckpoint } of logs)
      if (cleanerCheckpoint !== undefined) entries.push({ topicPartition, offset: cleanerCheckpoint });
    if (entries.length > 0 || this.cleanerOffsets.isWritten) this.cleanerOffsets.write(entries);
  }

  writeCheckpoints(logs: readonly UnifiedLog[]): void {
    this.writeRecoveryPoints(logs);
    this.writeLogStartOffsets(logs);
    this.writeHighWatermarks(logs);
    this.writeCleanerOffsets(logs);
    // Not before: a full disk may have had no room for them.
    this.checkpointsAreStale = false;
  }

  /** Whether a checkpoint still speaks of the partition. */
  checkpointsName(topicPartition: TopicPartition): boolean {
    return [this.recoveryPoints, this.logStartOffsets, this.highWatermarks, this.cleanerOffsets].some(file =>
      file.names(topicPartition),
    );
  }

  writeCleanShutdownMarker(brokerEpoch: BrokerEpoch): void {
    this.disk.replaceFileSync(
      `${this.path}/${CLEAN_SHUTDOWN_FILE}`,
      Buffer.from(`{"version":0,"brokerEpoch":${brokerEpoch}}`),
    );
  }

  release(): void {
    this.lock?.release();
    this.lock = undefined;
  }
}
