import { invariant } from '../base/assert.ts';
import { add64, diff64, type Offset, type Timestamp } from '../base/int64.ts';
import type { LogConfig } from '../config/log-config.ts';
import { BATCH_LENGTH_POSITION, LOG_OVERHEAD, RecordBatch } from '../record/record-batch.ts';
import type { Disk } from '../runtime/runtime.ts';
import { isConsistent, type ScanResult, scanBatches } from './batch-scanner.ts';
import { type FileHandleCache, LogFile } from './file-handle-cache.ts';
import { CorruptIndexError } from './index-file.ts';
import { isNoRoom } from './log-dir-space.ts';
import type { IndexMemory } from './index-memory.ts';
import {
  DELETED_SUFFIX,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetPrefix,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from './log-file-names.ts';
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex } from './offset-index.ts';
import { TIME_INDEX_ENTRY_BYTES, TimeIndex, type TimestampOffset } from './time-index.ts';
import { type AbortedTxn, TransactionIndex } from './transaction-index.ts';

/** In the 32 bits of an index entry. */
export const MAX_RELATIVE_OFFSET = 0x7fff_ffff;

/** What the segments of all logs of a broker share. */
export interface SegmentEnvironment {
  readonly disk: Disk;
  readonly handles: FileHandleCache;
  readonly indexMemory: IndexMemory;
}

/** What is on disk of a segment, from a listing of its directory. */
export interface SegmentFiles {
  /** Of the .log; 0 if there is none yet. */
  readonly logBytes: number;
  readonly hasLog: boolean;
  readonly hasOffsetIndex: boolean;
  readonly hasTimeIndex: boolean;
  readonly hasTransactionIndex: boolean;
}

export const NEW_SEGMENT_FILES: SegmentFiles = {
  logBytes: 0,
  hasLog: false,
  hasOffsetIndex: false,
  hasTimeIndex: false,
  hasTransactionIndex: false,
};

/**
 * One segment of a log: the batches from `baseOffset` on in a .log file, and its indexes. No file is made
 * before there is something to put in it.
 *
 * `stagedBytes` counts what the segment will hold, `writtenBytes` what has been written; reads see only the
 * latter.
 */
export class LogSegment {
  readonly baseOffset: Offset;
  readonly log: LogFile;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  readonly transactionIndex: TransactionIndex;
  /** Wall clock, ms. */
  readonly createdMs: number;
  readonly rollJitterMs: number;
  stagedBytes: number;
  writtenBytes: number;
  /** Bytes of the .log known to be on disk. */
  syncedBytes: number;
  /** Set when its files have got `.deleted` names, or are gone. */
  deleted = false;
  /**
   * A compacted segment has taken its place: nobody reads it any more, because the files of the name that it goes by
   * may be another segment's. What reads it now goes on with its open file.
   */
  replaced = false;
  /**
   * How often its end was cut: a read that saw another number before it may have read what was written
   * since.
   */
  truncations = 0;
  /** The transaction index was damaged: it is empty until it is rebuilt from a replay of the log. */
  transactionIndexLost = false;

  private readonly environment: SegmentEnvironment;
  private indexesReady: boolean;
  private bytesSinceLastIndexEntry = 0;
  private maxTimestamp: TimestampOffset | undefined;
  private firstBatchTimestampMs: Timestamp | undefined;
  private knownEndOffset: Offset | undefined;

  constructor(
    environment: SegmentEnvironment,
    directory: string,
    baseOffset: Offset,
    files: SegmentFiles,
    createdMs: number,
    rollJitterMs: number,
  ) {
    const { handles } = environment;
    const prefix = `${directory}/${offsetPrefix(baseOffset)}`;
    this.environment = environment;
    this.baseOffset = baseOffset;
    this.createdMs = createdMs;
    this.rollJitterMs = rollJitterMs;
    this.log = new LogFile(handles, prefix + LOG_SUFFIX, files.hasLog);
    this.offsetIndex = new OffsetIndex(
      handles,
      new LogFile(handles, prefix + OFFSET_INDEX_SUFFIX, files.hasOffsetIndex),
      baseOffset,
    );
    this.timeIndex = new TimeIndex(
      handles,
      new LogFile(handles, prefix + TIME_INDEX_SUFFIX, files.hasTimeIndex),
      baseOffset,
    );
    this.transactionIndex = new TransactionIndex(
      handles,
      new LogFile(handles, prefix + TRANSACTION_INDEX_SUFFIX, files.hasTransactionIndex),
    );
    this.stagedBytes = files.logBytes;
    this.writtenBytes = files.logBytes;
    this.syncedBytes = files.logBytes;
    this.indexesReady = files.logBytes === 0 && !files.hasOffsetIndex && !files.hasTimeIndex;
    if (this.indexesReady) this.maxTimestamp = { timestamp: -1, offset: baseOffset };
  }

  // Appending.

  /** Whether `offset` can be said relative to the base offset in the 32 bits of an index entry. */
  canHold(offset: Offset): boolean {
    const relative = diff64(offset, this.baseOffset);
    return relative >= 0 && relative <= MAX_RELATIVE_OFFSET;
  }

  /**
   * Whether `bytes` more, ending at `lastOffset` with timestamps up to `maxTimestamp`, belong in a new
   * segment.
   */
  shouldRoll(
    config: LogConfig,
    bytes: number,
    lastOffset: Offset,
    maxTimestamp: Timestamp,
    nowMs: number,
  ): boolean {
    if (this.stagedBytes > config.segmentBytes - bytes) return true;
    if (
      this.stagedBytes > 0 &&
      this.timeWaitedForRoll(nowMs, maxTimestamp) > maxSegmentMs(config) - this.rollJitterMs
    )
      return true;
    if (!this.canHold(lastOffset)) return true;
    if (this.stagedBytes === 0) return false;
    this.ensureIndexes();
    const offsetEntriesMax = Math.floor(config.maxIndexSize / OFFSET_INDEX_ENTRY_BYTES);
    // One time index entry is left for the end of the segment.
    const timeEntriesMax = Math.floor(config.maxIndexSize / TIME_INDEX_ENTRY_BYTES) - 1;
    return this.offsetIndex.entries >= offsetEntriesMax || this.timeIndex.entries >= timeEntriesMax;
  }

  /** By the records' own time, counted from the first batch; by the wall clock where they have none. */
  timeWaitedForRoll(nowMs: number, messageTimestamp: Timestamp): number {
    const first = this.firstBatchTimestamp();
    return first !== undefined && first >= 0 ? diff64(messageTimestamp, first) : nowMs - this.createdMs;
  }

  /** The highest timestamp of the first batch; `undefined` if the segment is empty. */
  firstBatchTimestamp(): Timestamp | undefined {
    if (this.firstBatchTimestampMs === undefined && this.writtenBytes > 0) {
      this.scan(0, this.writtenBytes, batch => {
        this.firstBatchTimestampMs = batch.maxTimestamp;
        return false;
      });
    }
    return this.firstBatchTimestampMs;
  }

  /**
   * Takes whole batches as the segment's next bytes: sets index entries, and returns the position they get.
   */
  stage(records: Buffer, indexIntervalBytes: number): number {
    this.ensureIndexes();
    this.knownEndOffset = undefined;
    const start = this.stagedBytes;
    for (let at = 0; at < records.length; ) {
      const batch = new RecordBatch(records, at);
      const size = records.readInt32BE(at + BATCH_LENGTH_POSITION) + LOG_OVERHEAD;
      this.index(batch, start + at, size, indexIntervalBytes);
      at += size;
    }
    this.stagedBytes = start + records.length;
    return start;
  }

  private index(batch: RecordBatch, position: number, size: number, indexIntervalBytes: number): void {
    const timestamp = batch.maxTimestamp;
    const { maxTimestamp } = this;
    if (maxTimestamp === undefined || timestamp > maxTimestamp.timestamp) {
      this.maxTimestamp = { timestamp, offset: batch.lastOffset };
    }
    if (position === 0) this.firstBatchTimestampMs = timestamp;
    if (this.bytesSinceLastIndexEntry > indexIntervalBytes) {
      this.offsetIndex.append(batch.lastOffset, position);
      this.timeIndex.maybeAppend(this.maxTimestamp!.timestamp, this.maxTimestamp!.offset);
      this.bytesSinceLastIndexEntry = 0;
    }
    this.bytesSinceLastIndexEntry += size;
  }

  appendAbortedTxn(txn: AbortedTxn): void {
    this.ensureIndexes();
    this.transactionIndex.append(txn);
  }

  // Indexes.

  /**
   * Has the indexes in memory, reads or rebuilds them. An index is taken only if its end fits the batches
   * there: one that is missing, cut or from elsewhere is rebuilt from the .log.
   */
  ensureIndexes(): void {
    if (this.indexesReady && this.indexesLoaded) {
      this.environment.indexMemory.touch(this);
      return;
    }
    try {
      if (this.writtenBytes > 0) {
        if (!this.offsetIndex.index.file.exists)
          throw new CorruptIndexError(this.log.path, 'no offset index');
        if (!this.timeIndex.index.file.exists) throw new CorruptIndexError(this.log.path, 'no time index');
      }
      this.offsetIndex.load(this.writtenBytes);
      this.timeIndex.load();
      this.transactionIndex.load();
      if (!this.indexesReady) this.verifyIndexes();
    } catch (error) {
      if (!(error instanceof CorruptIndexError)) throw error;
      this.rebuildIndexes();
    }
    this.indexesReady = true;
    this.environment.indexMemory.touch(this);
  }

  /** Throws {@link CorruptIndexError} if the last entries do not agree with the batches that they name. */
  private verifyIndexes(): void {
    const { path } = this.offsetIndex.index.file;
    const last = this.offsetIndex.lastEntry();
    const lastTime = this.timeIndex.lastEntry();
    let endOfLast: Offset | undefined;
    let highest: TimestampOffset = lastTime;
    let end: Offset = this.baseOffset;
    this.scan(last?.position ?? 0, this.writtenBytes, batch => {
      endOfLast ??= batch.lastOffset;
      end = batch.lastOffset;
      if (batch.maxTimestamp > highest.timestamp)
        highest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset };
      return true;
    });
    if (last !== undefined && endOfLast !== last.offset)
      throw new CorruptIndexError(path, 'the last entry names no batch');
    if (highest !== lastTime || lastTime.offset > end) {
      throw new CorruptIndexError(this.timeIndex.index.file.path, 'it lacks the last timestamps');
    }
    this.maxTimestamp = lastTime;
    if (this.timeIndex.entries === 0) return;
    let found: Timestamp | undefined;
    this.scan(this.offsetIndex.lookup(lastTime.offset)?.position ?? 0, this.writtenBytes, batch => {
      if (batch.lastOffset < lastTime.offset) return true;
      found = batch.maxTimestamp;
      return false;
    });
    if (found !== lastTime.timestamp)
      throw new CorruptIndexError(this.timeIndex.index.file.path, 'the last entry names no batch');
  }

  private rebuildIndexes(): void {
    const transactions: AbortedTxn[] = [];
    try {
      this.transactionIndex.load();
      for (let slot = 0; slot < this.transactionIndex.entries; slot++)
        transactions.push(this.transactionIndex.entry(slot));
    } catch (error) {
      if (!(error instanceof CorruptIndexError)) throw error;
      this.transactionIndexLost = true;
    }
    this.resetIndexes();
    for (const txn of transactions) this.transactionIndex.append(txn);
    this.scan(0, this.writtenBytes, (batch, position) => {
      this.index(batch, position, batch.sizeInBytes, DEFAULT_INDEX_INTERVAL_BYTES);
      return true;
    });
    this.timeIndex.maybeAppend(this.maxTimestamp!.timestamp, this.maxTimestamp!.offset);
    this.persistIndexes();
  }

  private resetIndexes(): void {
    this.offsetIndex.index.reset();
    this.timeIndex.index.reset();
    this.transactionIndex.index.reset();
    this.maxTimestamp = { timestamp: -1, offset: this.baseOffset };
    this.bytesSinceLastIndexEntry = 0;
    this.indexesReady = true;
  }

  /**
   * The highest timestamp and the last offset of the batch that has it; (-1, base offset) if there is none.
   */
  maxTimestampSoFar(): TimestampOffset {
    if (this.maxTimestamp === undefined) this.ensureIndexes();
    return this.maxTimestamp!;
  }

  /** Writes the index files. The segment gets no more batches after `final`. */
  persistIndexes(final = false): void {
    if (!this.log.exists || !this.indexesReady || !this.indexesLoaded) return;
    if (final && this.maxTimestamp !== undefined && this.stagedBytes > 0) {
      this.timeIndex.maybeAppend(this.maxTimestamp.timestamp, this.maxTimestamp.offset);
    }
    try {
      this.offsetIndex.index.persist();
      this.timeIndex.index.persist();
    } catch (error) {
      // They can be made anew from the .log, and are where a start finds them wrong.
      if (!isNoRoom(error)) throw error;
    }
    // A damaged one stays as it is until it is rebuilt: empty it would look right.
    if (
      this.transactionIndexLost ||
      (this.transactionIndex.isEmpty && !this.transactionIndex.index.file.exists)
    )
      return;
    this.transactionIndex.index.persist();
  }

  private get indexesLoaded(): boolean {
    return (
      this.offsetIndex.index.isLoaded && this.timeIndex.index.isLoaded && this.transactionIndex.index.isLoaded
    );
  }

  get indexMemoryBytes(): number {
    return (
      this.offsetIndex.index.memoryBytes +
      this.timeIndex.index.memoryBytes +
      this.transactionIndex.index.memoryBytes
    );
  }

  /** For {@link IndexMemory}: gives back the memory of what is on disk. */
  unloadIndexes(): void {
    if (this.maxTimestamp === undefined) return;
    this.offsetIndex.index.unload();
    this.timeIndex.index.unload();
    this.transactionIndex.index.unload();
  }

  // Reading.

  scan(from: number, to: number, visit: (batch: RecordBatch, position: number) => boolean): ScanResult {
    if (from >= to) return { outcome: 'end', position: from };
    return scanBatches(this.log.open(), from, to, visit);
  }

  /** A position at or before the batch that holds `offset`, close to it. Reads no batch. */
  floorPosition(offset: Offset): number {
    this.ensureIndexes();
    return this.offsetIndex.lookup(offset)?.position ?? 0;
  }

  /** Where the first batch starts whose last offset is >= `offset`; the end if there is none. */
  positionOf(offset: Offset): number {
    return this.scan(this.floorPosition(offset), this.writtenBytes, batch => batch.lastOffset < offset)
      .position;
  }

  /** The offset behind the last batch, and where the last whole batch ends. */
  readNextOffset(isSound: (batch: RecordBatch) => boolean = isConsistent): {
    nextOffset: Offset;
    end: ScanResult;
    lastEpoch: number | undefined;
  } {
    let nextOffset: Offset = this.baseOffset;
    let lastEpoch: number | undefined;
    const visit = (batch: RecordBatch): boolean => {
      if (!isSound(batch)) return false;
      nextOffset = batch.nextOffset;
      lastEpoch = batch.partitionLeaderEpoch;
      return true;
    };
    // A short segment is read from its start: that saves the index files of nearly empty partitions.
    const from = this.writtenBytes <= SHORT_SEGMENT_BYTES ? 0 : this.floorPosition(MAX_OFFSET);
    return { end: this.scan(from, this.writtenBytes, visit), nextOffset, lastEpoch };
  }

  /**
   * The offset behind the last batch, read once; `undefined` if what is read there is not what was written: the end
   * would seem to be too early.
   */
  endOffset(): Offset | undefined {
    if (this.knownEndOffset !== undefined) return this.knownEndOffset;
    let expected = this.baseOffset;
    const { nextOffset, end } = this.readNextOffset(batch => {
      if (batch.baseOffset < expected || !batch.isValid()) return false;
      expected = batch.nextOffset;
      return true;
    });
    if (end.outcome === 'end') this.knownEndOffset = nextOffset;
    return this.knownEndOffset;
  }

  // Changing.

  /**
   * Reads all batches, checks them, rebuilds the indexes, and cuts the .log behind the last good batch.
   * `take` is shown each good batch. Returns the number of bytes cut.
   */
  recover(indexIntervalBytes: number, take: (batch: RecordBatch) => void): number {
    this.resetIndexes();
    this.transactionIndexLost = false;
    this.firstBatchTimestampMs = undefined;
    let previous: Offset = add64(this.baseOffset, -1);
    const { position: validBytes } = this.scan(0, this.writtenBytes, (batch, position) => {
      const { baseOffset, lastOffset } = batch;
      if (!isConsistent(batch) || baseOffset <= previous || !this.canHold(lastOffset) || !batch.isValid())
        return false;
      previous = lastOffset;
      this.index(batch, position, batch.sizeInBytes, indexIntervalBytes);
      take(batch);
      return true;
    });
    const truncated = this.writtenBytes - validBytes;
    if (truncated > 0) {
      this.log.open().truncateSync(validBytes);
      this.stagedBytes = validBytes;
      this.writtenBytes = validBytes;
    }
    this.syncedBytes = 0;
    if (validBytes > 0 || this.offsetIndex.index.file.exists) {
      this.timeIndex.maybeAppend(this.maxTimestamp!.timestamp, this.maxTimestamp!.offset);
      this.persistIndexes();
    }
    return truncated;
  }

  /** Removes the batches that hold or follow `offset`. Returns the number of bytes cut. */
  truncateTo(offset: Offset): number {
    invariant(this.stagedBytes === this.writtenBytes, 'truncate', () => `${this.log.path} has staged bytes`);
    const position = this.positionOf(offset);
    const truncated = this.writtenBytes - position;
    if (truncated === 0) return 0;
    this.truncations++;
    this.offsetIndex.truncateTo(offset);
    this.timeIndex.truncateTo(offset);
    this.transactionIndex.truncateTo(offset);
    const file = this.log.open();
    file.truncateSync(position);
    // At once: after a power failure the old length would be back, and with it batches that the leader does not have.
    // The recovery point may be past them by then, and no start would look at them.
    file.syncSync();
    this.syncedBytes = Math.min(this.syncedBytes, position);
    this.endAt(position);
    return truncated;
  }

  /**
   * Takes back what was staged from `offset` on and could not be written, or only in part: the file ends behind the last
   * batch that was written whole.
   */
  dropStaged(offset: Offset): void {
    this.truncations++;
    this.ensureIndexes();
    this.offsetIndex.truncateTo(offset);
    this.timeIndex.truncateTo(offset);
    this.transactionIndex.truncateTo(offset);
    if (this.log.exists) this.log.open().truncateSync(this.writtenBytes);
    this.endAt(this.writtenBytes);
  }

  /** The log file ends at `position`, and the indexes say nothing of what was behind it. */
  private endAt(position: number): void {
    this.knownEndOffset = undefined;
    this.stagedBytes = position;
    this.writtenBytes = position;
    this.bytesSinceLastIndexEntry = 0;
    if (position === 0) this.firstBatchTimestampMs = undefined;
    const last = this.timeIndex.lastEntry();
    this.maxTimestamp = last;
    this.scan(this.offsetIndex.lookup(last.offset)?.position ?? 0, position, batch => {
      if (batch.maxTimestamp > this.maxTimestamp!.timestamp) {
        this.maxTimestamp = { timestamp: batch.maxTimestamp, offset: batch.lastOffset };
      }
      return true;
    });
  }

  // Files.

  private get files(): LogFile[] {
    return [
      this.log,
      this.offsetIndex.index.file,
      this.timeIndex.index.file,
      this.transactionIndex.index.file,
    ];
  }

  /** Of all files that it may have. */
  get paths(): string[] {
    return this.files.map(file => file.path);
  }

  /** Of the files that are on disk. */
  get existingPaths(): string[] {
    return this.files.filter(file => file.exists).map(file => file.path);
  }

  get needsSync(): boolean {
    return this.log.exists && this.syncedBytes < this.writtenBytes;
  }

  /**
   * fsyncs the .log up to what was written when this was called. The offset index is written and not synced: what a
   * power failure leaves of it is checked when it is read, and one that is too short only makes look-ups slower. The
   * time index is synced: where clocks were set back, only a reading of the whole segment would show that entries are
   * missing, and with them the highest timestamp. The transaction index cannot be rebuilt without a replay.
   */
  async flush(): Promise<void> {
    const target = this.writtenBytes;
    this.persistIndexes();
    // All are opened now: the segment may be removed while the first of them is synced.
    await Promise.all([
      this.needsSync ? this.syncLog(target) : undefined,
      this.timeIndex.index.sync(),
      this.transactionIndex.index.sync(),
    ]);
  }

  /** As {@link flush}, on the event loop. */
  flushSync(): void {
    this.persistIndexes();
    if (this.needsSync) {
      this.log.open().syncSync();
      this.syncedBytes = this.writtenBytes;
    }
    this.timeIndex.index.syncSync();
    this.transactionIndex.index.syncSync();
  }

  /** The directory that holds its files has another name now. */
  relocate(directory: string): void {
    for (const file of this.files) file.relocate(directory + file.path.slice(file.path.lastIndexOf('/')));
  }

  /** fsyncs the .log, which held `bytes` before. */
  async syncLog(bytes: number): Promise<void> {
    const handle = this.log.pin();
    try {
      await handle.sync();
    } finally {
      this.log.unpin();
    }
    this.syncedBytes = Math.max(this.syncedBytes, Math.min(bytes, this.writtenBytes));
  }

  closeFiles(): void {
    for (const file of this.files) file.close();
    this.environment.indexMemory.forget(this);
  }

  /** Gives the files `.deleted` names: a start after a crash removes them. */
  markDeleted(): void {
    this.deleted = true;
    this.environment.indexMemory.forget(this);
    // One that is not there too: its name may be that of a file of the segment that comes in the place of this one.
    for (const file of this.files) file.rename(file.path + DELETED_SUFFIX);
  }

  removeFiles(): void {
    this.deleted = true;
    this.environment.indexMemory.forget(this);
    for (const file of this.files) file.remove();
  }

  /** {@link removeFiles} off the event loop: the system takes a tenth of a second or more for a file of 1 GiB. */
  async removeFilesAside(): Promise<void> {
    this.deleted = true;
    this.environment.indexMemory.forget(this);
    for (const file of this.files) await file.removeAside();
  }
}

/** A compacted log has to end a segment in time for max.compaction.lag.ms: the active one is never compacted. */
export function maxSegmentMs(config: LogConfig): number {
  return config.cleanupPolicy.has('compact')
    ? Math.min(config.segmentMs, config.maxCompactionLagMs)
    : config.segmentMs;
}

const MAX_OFFSET: Offset = (1n << 63n) - 1n;
const SHORT_SEGMENT_BYTES = 64 * 1024;
const DEFAULT_INDEX_INTERVAL_BYTES = 4096;
