import { invariant } from '../base/assert.ts';
import { diff64, max64, min64, type Offset, type Timestamp } from '../base/int64.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { AppendQueue, type AppendQueueOwner } from './append-queue.ts';
import { isNoRoom } from './log-dir-space.ts';
import type { LogDirectoryState, LogEnvironment } from './log-environment.ts';
import type { LoadedLog } from './log-loader.ts';
import { LogReader } from './log-reader.ts';
import { CLEANED_SUFFIX, SWAP_SUFFIX } from './log-file-names.ts';
import type { LogSegment, SegmentFiles } from './log-segment.ts';
import { type LogSegments, openSegment } from './log-segments.ts';
import type { PendingAppend } from './pending-append.ts';
import type { TailCacheOfLog } from './tail-cache.ts';
import type { TopicPartition } from './topic-partition.ts';

/** The log above a {@link LocalLog}. */
export interface LocalLogOwner {
  /** `logEndOffset` moved up. Called once per write, before the callbacks of the appends. Must not throw. */
  onLogEndOffsetAdvanced(): void;
  /** Makes durable what is kept beside the segments; the recovery point moves then. */
  persistBesideSegments(): void;
  /** What was staged at and behind `offset` has not been written and is gone: forgets what it said. */
  forgetFrom(offset: Offset): void;
}

/**
 * The segments of one log on this broker, and the files they are in: the second half of appends, reads, rolling,
 * cutting, deleting, fsyncs. It knows offsets and bytes; what records mean (producers, leader epochs, the high
 * watermark, where the log starts for consumers) is known to the `UnifiedLog` above it.
 *
 *     recoveryPoint <= logEndOffset <= stagedEndOffset
 */
export class LocalLog implements AppendQueueOwner {
  readonly topicPartition: TopicPartition;
  readonly dir: LogDirectoryState;
  readonly segments: LogSegments;
  readonly reader: LogReader;
  config: LogConfig;

  private readonly environment: LogEnvironment;
  private readonly owner: LocalLogOwner;
  private readonly queue: AppendQueue;
  private readonly tail: TailCacheOfLog;
  private currentDirectory: string;
  private endOffset: Offset;
  private stagedEnd: Offset;
  private recoveryPointOffset: Offset;
  private lastFlushMs: number;
  /**
   * Files were made or removed, and a power failure may undo that. Nobody knows it of what an earlier process left:
   * it may have stopped, also in good order, before anything made it sync them.
   */
  private needsNameSync = true;
  private flushing: Promise<void> | undefined;
  private rewindCount = 0;
  private closed = false;

  constructor(environment: LogEnvironment, dir: LogDirectoryState, loaded: LoadedLog, owner: LocalLogOwner) {
    this.environment = environment;
    this.dir = dir;
    this.owner = owner;
    this.topicPartition = loaded.topicPartition;
    this.currentDirectory = loaded.directory;
    this.config = loaded.config;
    this.segments = loaded.segments;
    this.endOffset = loaded.nextOffset;
    this.stagedEnd = loaded.nextOffset;
    this.recoveryPointOffset = loaded.recoveryPoint;
    this.lastFlushMs = environment.runtime.clock.monotonicMs();
    this.tail = environment.tailCache.forLog();
    this.queue = new AppendQueue(this, environment.writer);
    this.reader = new LogReader(environment, dir, this.segments, this.tail);
  }

  /** The absolute path of the partition's directory. */
  get directory(): string {
    return this.currentDirectory;
  }

  get logEndOffset(): Offset {
    return this.endOffset;
  }

  get stagedEndOffset(): Offset {
    return this.stagedEnd;
  }

  get recoveryPoint(): Offset {
    return this.recoveryPointOffset;
  }

  /** Of the monotonic clock, ms. */
  get lastFlushTimeMs(): number {
    return this.lastFlushMs;
  }

  /** How often records at the end were removed. */
  get rewinds(): number {
    return this.rewindCount;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  get sizeInBytes(): number {
    let size = 0;
    for (const segment of this.segments.all) size += segment.writtenBytes;
    return size;
  }

  /** Throws KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER. */
  checkOnline(): void {
    if (this.dir.isOffline)
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `log directory ${this.dir.path} is offline`);
    if (this.closed) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `the log of ${this.topicPartition.topic}-${this.topicPartition.partition} is closed`,
      );
    }
  }

  // Appending.

  /** Whether the next append, of `bytes` up to `lastOffset`, belongs in a new segment. */
  shouldRoll(bytes: number, lastOffset: Offset, maxTimestamp: Timestamp, nowMs: number): boolean {
    try {
      return this.segments.active.shouldRoll(this.config, bytes, lastOffset, maxTimestamp, nowMs);
    } catch (error) {
      throw this.dir.storageError(error);
    }
  }

  /**
   * Whether the active segment is older than `segment.ms`, by this broker's clock and by its own records. A topic that
   * is filled with old records does not get a segment at every look.
   */
  isRollDue(nowMs: number): boolean {
    const { active } = this.segments;
    if (active.writtenBytes === 0) return false;
    const limitMs = this.config.segmentMs - active.rollJitterMs;
    if (nowMs - active.createdMs <= limitMs) return false;
    return this.dir.onDisk(() => active.timeWaitedForRoll(nowMs, nowMs)) > limitMs;
  }

  /** Takes an append whose bytes the active segment has staged, or the duplicate of one that is staged still. */
  stage(append: PendingAppend): void {
    if (append.segment !== undefined) this.stagedEnd = append.endOffset;
    this.queue.stage(append);
  }

  /** Writes what is staged at once, rather than at the end of the turn (with pooled writes: does nothing). */
  writeStaged(): void {
    this.queue.writeNow();
  }

  /** Resolves when nothing staged waits for a write or fsync; `undefined` if that is so now. */
  settled(): Promise<void> | undefined {
    return this.queue.settled();
  }

  // For the queue.

  mustSync(unsyncedRecords: number): boolean {
    return this.config.durability === 'fsync' || unsyncedRecords >= this.config.flushMessages;
  }

  syncNames(): void {
    const { disk } = this.environment;
    if (this.needsNameSync) {
      this.needsNameSync = false;
      disk.syncDirectorySync(this.currentDirectory);
    }
    if (this.dir.needsSync) {
      this.dir.needsSync = false;
      disk.syncDirectorySync(this.dir.path);
    }
  }

  publish(appends: readonly PendingAppend[]): void {
    for (const { segment, records, firstOffset, endOffset, position } of appends) {
      if (segment === undefined || records === undefined) continue;
      this.tail.add(firstOffset, endOffset, segment, position, records);
      this.endOffset = endOffset;
    }
    this.owner.onLogEndOffsetAdvanced();
  }

  onError(error: Error): void {
    this.dir.fail(error);
    this.markOffline();
  }

  onBytesWritten(bytes: number): void {
    this.dir.space?.onWritten(bytes);
  }

  /** Where there was no room for a write, the part of it that is in the file is cut away before anything else comes. */
  undoWrite(
    error: Error,
    failed: readonly PendingAppend[],
    writtenEnd: Offset = this.endOffset,
  ): KafkaError | undefined {
    const { space } = this.dir;
    if (space === undefined || !isNoRoom(error) || this.closed) return undefined;
    try {
      this.rewindCount++;
      const first = failed.find(append => append.segment !== undefined);
      if (first !== undefined) this.dropStaged(first.segment!, first.firstOffset);
      this.stagedEnd = writtenEnd;
      this.reader.forgetPlaces();
      this.owner.forgetFrom(writtenEnd);
    } catch {
      // Then its end is not known any more, and the directory goes as with any other error.
      return undefined;
    }
    space.onNoRoom();
    return new KafkaError(Errors.KAFKA_STORAGE_ERROR, `the file system of ${this.dir.path} is full`);
  }

  /** `offset` is the first one that was staged in `segment` and not written. */
  private dropStaged(segment: LogSegment, offset: Offset): void {
    for (const later of [...this.segments.all].reverse()) {
      if (later.baseOffset <= segment.baseOffset) break;
      this.dropSegment(later);
    }
    segment.dropStaged(offset);
  }

  /** The log directory has failed: whoever waits for an append is told so. */
  markOffline(): void {
    this.queue.failAll(
      new KafkaError(Errors.KAFKA_STORAGE_ERROR, `log directory ${this.dir.path} is offline`),
    );
  }

  // Segments.

  /**
   * The first half of a roll: the active segment gets no more batches. Whether there is a second, {@link addSegment}:
   * not if the active segment is at `baseOffset` and empty.
   */
  finishActiveSegment(baseOffset: Offset): boolean {
    const { active } = this.segments;
    if (active.baseOffset === baseOffset && active.stagedBytes === 0) return false;
    invariant(
      baseOffset > active.baseOffset,
      'S1',
      () => `segment ${baseOffset} in front of ${active.baseOffset}`,
    );
    if (!active.log.exists) {
      // Its first write may be staged still. A start that found only the next segment would have the log begin there.
      active.log.open();
      this.needsNameSync = true;
    }
    active.persistIndexes(true);
    // No segment may survive a power failure that one before it does not.
    this.syncNames();
    return true;
  }

  /** A new active segment. */
  addSegment(baseOffset: Offset): void {
    this.segments.add(openSegment(this.environment, this.currentDirectory, this.config, baseOffset));
    this.needsNameSync = true;
  }

  /** Writes what is staged, as a truncation needs it. With pooled writes await {@link settled} first. */
  prepareToTruncate(): void {
    this.checkOnline();
    this.queue.writeNow();
    this.checkOnline();
  }

  /** Removes the batches that hold or follow `offset`, which is not below the first segment. */
  truncateTo(offset: Offset): void {
    this.beginRewind(offset);
    for (const segment of [...this.segments.all].reverse()) {
      if (segment.baseOffset <= offset) break;
      this.dropSegment(segment);
    }
    this.segments.active.truncateTo(offset);
    this.rewindTo(offset);
  }

  /** Removes all batches; the log is empty at `offset`, and as such on disk. */
  truncateFullyAndStartAt(offset: Offset): void {
    this.beginRewind(min64(offset, this.segments.first!.baseOffset));
    for (const segment of [...this.segments.all]) this.dropSegment(segment);
    this.addSegment(offset);
    this.rewindTo(offset);
    this.recoveryPointOffset = offset;
  }

  private beginRewind(offset: Offset): void {
    this.rewindCount++;
    this.queue.dropFrom(offset);
    this.tail.clear();
    this.reader.forgetPlaces();
  }

  private rewindTo(offset: Offset): void {
    this.endOffset = offset;
    this.stagedEnd = offset;
    this.lowerRecoveryPoint(offset);
  }

  lowerRecoveryPoint(offset: Offset): void {
    this.recoveryPointOffset = min64(this.recoveryPointOffset, offset);
  }

  private dropSegment(segment: LogSegment): void {
    this.segments.remove(segment);
    segment.removeFiles();
    this.needsNameSync = true;
  }

  /**
   * Gives the files of segments that are no longer in {@link segments} `.deleted` names, and removes them after
   * `file.delete.delay.ms`.
   */
  deleteSegmentFiles(segments: readonly LogSegment[]): void {
    for (const segment of segments) segment.markDeleted();
    this.reader.forgetPlaces();
    const { timers } = this.environment.runtime;
    timers.after(this.config.fileDeleteDelayMs, () => {
      this.removeDeleted(segments).catch((error: Error) => this.dir.fail(error));
    });
  }

  private async removeDeleted(segments: readonly LogSegment[]): Promise<void> {
    for (const segment of segments) {
      if (this.dir.isOffline) return;
      await segment.removeFilesAside();
    }
  }

  /**
   * Puts the segment at `baseOffset`, whose files have `.cleaned` names and are on disk, in the place of `old`: all at
   * once for readers. A process that ends in the middle leaves files by which a start goes back, as long as one has a
   * `.cleaned` name, or finishes it:
   *
   *     1 .cleaned becomes .swap    until the last of them, a start removes them all
   *     2 old names get .deleted    a start removes what is left of the segments that the .swap covers
   *     3 .swap goes
   */
  replaceSegments(old: readonly LogSegment[], baseOffset: Offset, files: SegmentFiles): void {
    const { environment, currentDirectory, config } = this;
    const { disk } = environment;
    const cleaned = openSegment(
      environment,
      currentDirectory,
      config,
      baseOffset,
      files,
      old.at(-1)!.createdMs,
    );
    const paths = cleaned.existingPaths;
    for (const path of paths) disk.renameSync(path + CLEANED_SUFFIX, path + SWAP_SUFFIX);
    this.deleteSegmentFiles(old);
    for (const path of paths) disk.renameSync(path + SWAP_SUFFIX, path);
    for (const segment of old) {
      segment.replaced = true;
      this.segments.remove(segment);
    }
    this.segments.add(cleaned);
    this.tail.dropReplaced();
    this.needsNameSync = true;
  }

  // Durability.

  get isDirty(): boolean {
    return this.recoveryPointOffset < this.endOffset;
  }

  /**
   * Of a log that was just loaded: whether it owes an fsync. A process that was killed may have written records and not
   * come to their fsync: they are there, and would count as durable where appends wait for that.
   */
  get owesSync(): boolean {
    return this.isDirty && this.mustSync(diff64(this.endOffset, this.recoveryPointOffset));
  }

  /**
   * Writes what is staged and fsyncs what lies below `upTo` (exclusive; default: all). Then the recovery point moves.
   */
  flush(upTo?: Offset): Promise<void> {
    const before = this.flushing ?? Promise.resolve();
    const flushing = before.catch(() => {}).then(() => this.flushNow(upTo));
    this.flushing = flushing;
    return flushing;
  }

  private async flushNow(upTo: Offset | undefined): Promise<void> {
    this.checkOnline();
    this.queue.writeNow();
    if (!this.queue.isWritten) await this.queue.settled();
    this.checkOnline();
    const target = upTo === undefined ? this.stagedEnd : min64(upTo, this.stagedEnd);
    if (target <= this.recoveryPointOffset) return;
    const { rewindCount } = this;
    try {
      for (const segment of this.segments.overlapping(this.recoveryPointOffset, target)) {
        if (!segment.deleted) await segment.flush();
      }
      if (this.closed || this.rewindCount !== rewindCount) return;
      this.dir.onDiskWithRoom(() => this.owner.persistBesideSegments());
      this.syncNames();
    } catch (error) {
      if (this.rewindCount !== rewindCount) return;
      throw this.dir.storageError(error);
    }
    this.recoveryPointOffset = max64(this.recoveryPointOffset, target);
    this.lastFlushMs = this.environment.runtime.clock.monotonicMs();
    if (this.recoveryPointOffset >= this.stagedEnd) this.queue.resetUnsyncedRecords();
  }

  /** Writes the index files, before a clean stop. */
  persistIndexes(): void {
    for (const segment of this.segments.all) segment.persistIndexes(segment.stagedBytes > 0);
  }

  /** Lets go of files and memory. Nothing is written any more. */
  closeFiles(): void {
    this.closed = true;
    this.tail.clear();
    for (const segment of this.segments.all) segment.closeFiles();
  }

  /** fsyncs all that is written, on the event loop. Throws `DiskError`. */
  syncNow(): void {
    for (const segment of this.segments.all) segment.flushSync();
    this.syncNames();
  }

  /** Writes all that is staged, and fsyncs it where appends wait for that, on the event loop. */
  finishAppends(): void {
    this.queue.finishNow();
  }

  whenNotSyncing(callback: () => void): void {
    this.queue.whenNotSyncing(callback);
  }

  /** Gives the directory another name; the log takes no more calls, and reads that have begun go on. */
  moveAside(directory: string): void {
    this.queue.failAll(new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'the replica has moved'));
    this.closed = true;
    this.tail.clear();
    this.dir.onDisk(() => this.environment.disk.renameSync(this.currentDirectory, directory));
    for (const segment of this.segments.all) segment.relocate(directory);
    this.currentDirectory = directory;
  }

  /** Moves the directory out of the way, to be deleted or looked at; the log takes no more calls. */
  retireTo(directory: string): void {
    this.queue.failAll(new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'the partition was deleted'));
    this.closeFiles();
    for (const segment of this.segments.all) segment.deleted = true;
    this.dir.onDisk(() => this.environment.disk.renameSync(this.currentDirectory, directory));
    this.currentDirectory = directory;
  }
}
