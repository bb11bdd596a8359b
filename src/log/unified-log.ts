import { invariant } from '../base/assert.ts';
import {
  add64,
  diff64,
  type LeaderEpoch,
  max64,
  min64,
  type Offset,
  type ProducerId,
  type Timestamp,
} from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { NO_PRODUCER_ID, NO_TIMESTAMP } from '../record/record.ts';
import { BATCH_LENGTH_POSITION, LOG_OVERHEAD, RecordBatch } from '../record/record-batch.ts';
import { AppendQueue, type AppendQueueOwner } from './append-queue.ts';
import type {
  AbortedTransaction,
  FetchDataInfo,
  FetchIsolation,
  LogOffsetMetadata,
} from './fetch-data-info.ts';
import type { EpochEntry, LeaderEpochFileCache, OffsetAndEpoch } from './leader-epoch-file-cache.ts';
import type { LogAppendInfo } from './log-append-info.ts';
import type { LogDirectoryState, LogEnvironment } from './log-environment.ts';
import type { LoadedLog } from './log-loader.ts';
import {
  fetchOffsetByTimestamp,
  legacyFetchOffsetsBefore,
  type TimestampAndOffset,
} from './log-offset-lookup.ts';
import { LogReader } from './log-reader.ts';
import { rebuildTransactionIndex, replayProducerState } from './log-replay.ts';
import { deletableSegments } from './log-retention.ts';
import { LogSegment, NEW_SEGMENT_FILES } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';
import { type AppendOrigin, validateAndAssignOffsets } from './log-validator.ts';
import { writeTopicId } from './partition-metadata-file.ts';
import { PendingAppend } from './pending-append.ts';
import type { BatchMetadata, ProducerStateEntry } from './producer-state-entry.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';
import { batchAround, runsOf, validateReplicated } from './replicated-records.ts';
import type { TailCacheOfLog } from './tail-cache.ts';
import type { TopicPartition } from './topic-partition.ts';
import type { AbortedTxn } from './transaction-index.ts';

export type { OffsetAndEpoch } from './leader-epoch-file-cache.ts';
export type { TimestampAndOffset } from './log-offset-lookup.ts';
export type { AppendOrigin } from './log-validator.ts';

export interface AppendOptions {
  /** Default `client`. */
  readonly origin?: Exclude<AppendOrigin, 'replication'>;
  /** Of the transaction that a marker ends (KIP-890). Default 0. */
  readonly transactionVersion?: number;
}

/** Called synchronously; must not throw. */
export interface LogListener {
  /**
   * Appends were written: `logEndOffset` moved up. Called once per write, before the callbacks of
   * `onWritten`.
   */
  onLogEndOffsetAdvanced?(log: UnifiedLog): void;
  /** The high watermark moved, up or down; and with it, or by itself, the last stable offset. */
  onHighWatermarkUpdated?(log: UnifiedLog): void;
}

/**
 * The log of one partition on this broker.
 *
 * An append has two halves. The synchronous one validates, assigns offsets, updates producer state, leader
 * epochs and indexes, and stages the bytes: `stagedEndOffset` moves. At the end of the turn {@link
 * LogWriter} writes what all logs have staged; then `logEndOffset` moves, readers see the records, and the
 * callbacks of {@link LogAppendInfo.onWritten} run.
 *
 *     logStartOffset <= highWatermark <= logEndOffset <= stagedEndOffset,  lastStableOffset <= highWatermark
 *
 * Methods throw `KafkaError`; KAFKA_STORAGE_ERROR once the log directory has failed (S8).
 */
export class UnifiedLog implements AppendQueueOwner {
  readonly topicPartition: TopicPartition;
  readonly isFuture: boolean;
  readonly segments: LogSegments;
  readonly leaderEpochCache: LeaderEpochFileCache;
  readonly producerState: ProducerStateManager;
  listener: LogListener | undefined;

  private readonly environment: LogEnvironment;
  private readonly logger: Logger;
  private readonly dir: LogDirectoryState;
  private readonly queue: AppendQueue;
  private readonly reader: LogReader;
  private readonly tail: TailCacheOfLog;
  private currentDirectory: string;
  private currentConfig: LogConfig;
  private currentTopicId: Uuid | undefined;
  private startOffset: Offset;
  private endOffset: Offset;
  private stagedEnd: Offset;
  private highWatermarkOffset: Offset;
  private firstUnstable: Offset | undefined;
  private recoveryPointOffset: Offset;
  private lastFlushMs: number;
  private needsNameSync: boolean;
  private flushing: Promise<void> | undefined;
  private rewinds = 0;
  private closed = false;

  constructor(environment: LogEnvironment, dir: LogDirectoryState, loaded: LoadedLog) {
    this.environment = environment;
    this.logger = environment.logger;
    this.dir = dir;
    this.topicPartition = loaded.topicPartition;
    this.currentTopicId = loaded.topicId;
    this.currentDirectory = loaded.directory;
    this.isFuture = loaded.isFuture;
    this.currentConfig = loaded.config;
    this.segments = loaded.segments;
    this.leaderEpochCache = loaded.leaderEpochCache;
    this.producerState = loaded.producerState;
    this.startOffset = loaded.logStartOffset;
    this.endOffset = loaded.nextOffset;
    this.stagedEnd = loaded.nextOffset;
    this.highWatermarkOffset = loaded.logStartOffset;
    this.recoveryPointOffset = loaded.recoveryPoint;
    this.needsNameSync = loaded.isNew;
    this.lastFlushMs = environment.runtime.clock.monotonicMs();
    this.tail = environment.tailCache.forLog();
    this.queue = new AppendQueue(this, environment.writer);
    this.reader = new LogReader(environment, dir, this.segments, this.tail);
    this.updateFirstUnstableOffset();
  }

  // What it is.

  /** The absolute path of the partition's directory. */
  get directory(): string {
    return this.currentDirectory;
  }

  /** The one of `log.dirs` that holds it. */
  get logDirectory(): string {
    return this.dir.path;
  }

  get isOffline(): boolean {
    return this.dir.isOffline;
  }

  get topicId(): Uuid | undefined {
    return this.currentTopicId;
  }

  get config(): LogConfig {
    return this.currentConfig;
  }

  get logStartOffset(): Offset {
    return this.startOffset;
  }

  /** Behind the last record that is written (under the `fsync` policy: and synced). */
  get logEndOffset(): Offset {
    return this.endOffset;
  }

  /** What the next append gets. */
  get stagedEndOffset(): Offset {
    return this.stagedEnd;
  }

  get highWatermark(): Offset {
    return this.highWatermarkOffset;
  }

  /**
   * The first offset of the oldest open transaction if that is below the high watermark, which it is else.
   */
  get lastStableOffset(): Offset {
    const { firstUnstable } = this;
    return firstUnstable !== undefined && firstUnstable < this.highWatermarkOffset
      ? firstUnstable
      : this.highWatermarkOffset;
  }

  /** All below is known to be on disk: a start after a crash reads from here. */
  get recoveryPoint(): Offset {
    return this.recoveryPointOffset;
  }

  get sizeInBytes(): number {
    let size = 0;
    for (const segment of this.segments.all) size += segment.writtenBytes;
    return size;
  }

  get latestEpoch(): LeaderEpoch | undefined {
    return this.leaderEpochCache.latestEpoch;
  }

  get activeProducers(): ReadonlyMap<ProducerId, ProducerStateEntry> {
    return this.producerState.activeProducers;
  }

  hasOngoingTransaction(producerId: ProducerId, producerEpoch: number): boolean {
    return this.producerState.hasOngoingTransaction(producerId, producerEpoch);
  }

  private checkOnline(): void {
    if (this.dir.isOffline)
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `log directory ${this.dir.path} is offline`);
    if (this.closed) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `the log of ${this.topicPartition.topic}-${this.topicPartition.partition} is closed`,
      );
    }
  }

  /** Runs what touches the disk; a failure of that takes the log directory offline. */
  private onDisk<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.storageError(error);
    }
  }

  private storageError(error: unknown): unknown {
    if (error instanceof KafkaError || !isDiskError(error)) return error;
    this.dir.fail(error);
    return new KafkaError(
      Errors.KAFKA_STORAGE_ERROR,
      `log directory ${this.dir.path} failed: ${error.message}`,
    );
  }

  // Appending.

  /**
   * Appends records of a producer or of the broker itself, at `stagedEndOffset`. `records` is changed in
   * place (base offset, leader epoch) and kept: the caller no longer touches it. Throws what {@link
   * validateAndAssignOffsets} and
   * {@link ProducerStateManager.validate} throw, RECORD_LIST_TOO_LARGE for more than a segment holds; then
   * nothing was appended.
   */
  appendAsLeader(records: Buffer, leaderEpoch: LeaderEpoch, options: AppendOptions = {}): LogAppendInfo {
    this.checkOnline();
    const origin = options.origin ?? 'client';
    const { runtime } = this.environment;
    const nowMs = runtime.clock.wallMs();
    const valid = validateAndAssignOffsets(records, {
      origin,
      firstOffset: this.stagedEnd,
      leaderEpoch,
      nowMs,
      config: this.currentConfig,
    });
    if (valid.recordCount === 0) return PendingAppend.empty(leaderEpoch, this.startOffset, this.stagedEnd);
    const { segmentBytes } = this.currentConfig;
    if (valid.records.length > segmentBytes) {
      throw new KafkaError(
        Errors.RECORD_LIST_TOO_LARGE,
        `${valid.records.length} bytes do not fit in a segment of ${segmentBytes}`,
      );
    }
    const first = new RecordBatch(valid.records, 0);
    if (first.producerId !== NO_PRODUCER_ID) {
      if (origin === 'client') {
        const duplicate = this.producerState.findDuplicate(first);
        if (duplicate !== undefined) return this.duplicateOf(duplicate, leaderEpoch, valid.recordCount);
      }
      this.validateProducers(valid.records, origin, options.transactionVersion ?? 0);
    }
    return this.stage(valid.records, {
      firstOffset: valid.firstOffset,
      lastOffset: valid.lastOffset,
      leaderEpoch,
      maxTimestamp: valid.maxTimestamp,
      logAppendTime: valid.logAppendTime,
      recordCount: valid.recordCount,
      nowMs,
    });
  }

  /**
   * Appends batches that the leader has given offsets to, as they are. They may begin behind
   * `stagedEndOffset`, not below; only an empty log may be given a batch that holds its start in the middle. A
   * batch at the end that is not whole is left out. Returns what became of the last of them. Throws
   * CORRUPT_MESSAGE, INVALID_RECORD; then nothing was appended.
   */
  appendAsFollower(records: Buffer): LogAppendInfo {
    this.checkOnline();
    const { stagedEnd, startOffset } = this;
    const around = stagedEnd === startOffset ? batchAround(records, startOffset) : undefined;
    const whole = validateReplicated(records, around?.baseOffset ?? stagedEnd);
    if (around !== undefined) this.truncateFullyAndStartAt(around.baseOffset, startOffset);
    const nowMs = this.environment.runtime.clock.wallMs();
    let pending: LogAppendInfo | undefined;
    for (const run of runsOf(whole, this.currentConfig.segmentBytes)) {
      // Batches of several epochs come in one fetch.
      for (const batch of run.batches) this.assignEpoch(batch.partitionLeaderEpoch, batch.baseOffset);
      pending = this.stage(run.records, { ...run, logAppendTime: NO_TIMESTAMP, nowMs });
    }
    return pending ?? PendingAppend.empty(this.latestEpoch ?? -1, this.startOffset, this.stagedEnd);
  }

  private validateProducers(records: Buffer, origin: AppendOrigin, transactionVersion: number): void {
    for (let at = 0; at < records.length; ) {
      const batch = new RecordBatch(records, at);
      this.producerState.validate(batch, origin, transactionVersion);
      at = batch.end;
    }
  }

  private stage(records: Buffer, append: StagedFields): LogAppendInfo {
    const { firstOffset, lastOffset, leaderEpoch } = append;
    const config = this.currentConfig;
    invariant(firstOffset >= this.stagedEnd, 'S1', () => `offset ${firstOffset} below ${this.stagedEnd}`);
    this.assignEpoch(leaderEpoch, firstOffset);
    const segment = this.onDisk(() => {
      const { active } = this.segments;
      const roll = active.shouldRoll(config, records.length, lastOffset, append.maxTimestamp, append.nowMs);
      return roll ? this.rollTo(firstOffset) : active;
    });
    const position = segment.stage(records, config.indexIntervalBytes);
    this.updateProducers(records, segment);
    this.stagedEnd = add64(lastOffset, 1);
    this.producerState.updateMapEndOffset(this.stagedEnd);
    const pending = new PendingAppend({
      firstOffset,
      lastOffset,
      endOffset: this.stagedEnd,
      lastLeaderEpoch: leaderEpoch,
      maxTimestamp: append.maxTimestamp,
      logAppendTime: append.logAppendTime,
      logStartOffset: this.startOffset,
      recordCount: append.recordCount,
      validBytes: records.length,
      duplicate: false,
      segment,
      position,
      records,
    });
    this.queue.stage(pending);
    return pending;
  }

  private updateProducers(records: Buffer, segment: LogSegment): void {
    for (let at = 0; at < records.length; ) {
      const batch = new RecordBatch(records, at);
      const completed = this.producerState.update(batch);
      if (completed !== undefined) {
        if (completed.isAborted) {
          segment.appendAbortedTxn({
            ...completed,
            lastStableOffset: this.producerState.lastStableOffsetAfter(completed),
          });
        }
        this.producerState.completeTxn(completed);
      }
      at += records.readInt32BE(at + BATCH_LENGTH_POSITION) + LOG_OVERHEAD;
    }
  }

  private duplicateOf(batch: BatchMetadata, leaderEpoch: LeaderEpoch, recordCount: number): LogAppendInfo {
    const pending = PendingAppend.duplicateOf(batch, leaderEpoch, recordCount, this.startOffset);
    // The first one may be staged still: the answer waits behind it.
    if (batch.lastOffset < this.endOffset) pending.settle();
    else this.queue.stage(pending);
    return pending;
  }

  /** Writes what is staged at once, rather than at the end of the turn (with pooled writes: does nothing). */
  writeStaged(): void {
    this.queue.writeNow();
  }

  // For the queue.

  mustSync(unsyncedRecords: number): boolean {
    return this.currentConfig.durability === 'fsync' || unsyncedRecords >= this.currentConfig.flushMessages;
  }

  syncNames(): void {
    const { disk } = this.environment;
    if (this.needsNameSync) {
      this.needsNameSync = false;
      disk.syncDirectorySync(this.directory);
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
    this.listener?.onLogEndOffsetAdvanced?.(this);
  }

  onError(error: Error): void {
    this.dir.fail(error);
    this.markOffline();
  }

  /** The log directory has failed: whoever waits for an append is told so. */
  markOffline(): void {
    this.queue.failAll(
      new KafkaError(Errors.KAFKA_STORAGE_ERROR, `log directory ${this.dir.path} is offline`),
    );
  }

  // Reading.

  /**
   * Plans a read from `startOffset` of up to `maxBytes`, below what `isolation` allows; loads nothing yet.
   * With `minOneMessage` the first batch comes whole even if it is larger; without, a first batch that is
   * larger is not given at all. Throws OFFSET_OUT_OF_RANGE below `logStartOffset` and above `logEndOffset`.
   */
  read(
    startOffset: Offset,
    maxBytes: number,
    isolation: FetchIsolation,
    minOneMessage: boolean,
  ): FetchDataInfo {
    this.checkOnline();
    if (startOffset < this.startOffset || startOffset > this.endOffset) {
      throw new KafkaError(
        Errors.OFFSET_OUT_OF_RANGE,
        `offset ${startOffset} is not within ${this.startOffset} to ${this.endOffset}`,
      );
    }
    const committed = isolation === 'txnCommitted';
    const maxOffset =
      isolation === 'logEnd' ? this.endOffset : committed ? this.lastStableOffset : this.highWatermarkOffset;
    if (startOffset >= maxOffset || (maxBytes <= 0 && !minOneMessage)) {
      return {
        fetchOffset: this.offsetMetadata(startOffset),
        slices: [],
        sizeInBytes: 0,
        abortedTransactions: committed ? [] : undefined,
      };
    }
    const { fetchOffset, slices, sizeInBytes, upperBound } = this.reader.plan(
      startOffset,
      maxBytes,
      maxOffset,
      minOneMessage,
    );
    const abortedTransactions = committed ? this.abortedTransactions(startOffset, upperBound) : undefined;
    return { fetchOffset, slices, sizeInBytes, abortedTransactions };
  }

  /** The aborted transactions that overlap [`startOffset`, `upperBound`), by their first offset. */
  private abortedTransactions(startOffset: Offset, upperBound: Offset): AbortedTransaction[] {
    const found: AbortedTxn[] = [];
    for (const segment of this.segments.overlapping(startOffset, this.endOffset)) {
      if (segment.transactionIndex.isEmpty && !segment.transactionIndexLost) continue;
      this.onDisk(() => {
        segment.ensureIndexes();
        if (segment.transactionIndexLost) rebuildTransactionIndex(this.environment, this, segment);
      });
      if (segment.transactionIndex.collect(startOffset, upperBound, found)) break;
    }
    return found.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  /** Where `offset` lies: the batch's own place if it was appended lately, else one shortly before it. */
  offsetMetadata(offset: Offset): LogOffsetMetadata {
    const { active } = this.segments;
    if (offset >= this.endOffset) {
      return { offset, segmentBaseOffset: active.baseOffset, relativePositionInSegment: active.writtenBytes };
    }
    const entry = this.tail.at(this.tail.find(offset));
    if (entry !== undefined) {
      return {
        offset,
        segmentBaseOffset: entry.segment.baseOffset,
        relativePositionInSegment: entry.position,
      };
    }
    const segment = this.segments.floor(offset) ?? active;
    const position = segment.writtenBytes === 0 ? 0 : this.onDisk(() => segment.floorPosition(offset));
    return { offset, segmentBaseOffset: segment.baseOffset, relativePositionInSegment: position };
  }

  /**
   * The first record whose timestamp is at or above `target`, or one of the special targets: -1 latest (the
   * bound of `isolation`), -2 earliest, -3 the record with the highest timestamp, -4 earliest local, -5
   * latest tiered. `undefined` if there is none.
   */
  fetchOffsetByTimestamp(
    target: Timestamp,
    isolation: FetchIsolation = 'highWatermark',
  ): TimestampAndOffset | undefined {
    this.checkOnline();
    return this.onDisk(() => fetchOffsetByTimestamp(this, target, isolation));
  }

  /**
   * For ListOffsets v0: up to `maxOffsets` starts of segments that are older than `timestamp`, newest
   * first.
   */
  legacyFetchOffsetsBefore(timestamp: Timestamp, maxOffsets: number): Offset[] {
    this.checkOnline();
    return this.onDisk(() => legacyFetchOffsetsBefore(this, this.environment.disk, timestamp, maxOffsets));
  }

  // High watermark.

  /** Sets it, up or down, within `logStartOffset` and `logEndOffset` (S6). Returns what it became. */
  updateHighWatermark(offset: Offset): Offset {
    const clipped = offset < this.startOffset ? this.startOffset : min64(offset, this.endOffset);
    if (clipped !== this.highWatermarkOffset) {
      this.highWatermarkOffset = clipped;
      this.producerState.onHighWatermarkUpdated(clipped);
      this.updateFirstUnstableOffset();
      this.listener?.onHighWatermarkUpdated?.(this);
    }
    return clipped;
  }

  /** Moves it up to `offset`, which may not be above `logEndOffset`. Whether it moved. */
  maybeIncrementHighWatermark(offset: Offset): boolean {
    invariant(
      offset <= this.endOffset,
      'S6',
      () => `high watermark ${offset} above log end offset ${this.endOffset}`,
    );
    if (offset <= this.highWatermarkOffset) return false;
    this.updateHighWatermark(offset);
    return true;
  }

  private updateFirstUnstableOffset(): void {
    const first = this.producerState.firstUnstableOffset;
    this.firstUnstable = first === undefined ? undefined : max64(first, this.startOffset);
  }

  // Leader epochs.

  /** Notes that `epoch` begins at `startOffset`: for a new leader, its log end offset. */
  assignEpochStartOffset(epoch: LeaderEpoch, startOffset: Offset): void {
    this.assignEpoch(epoch, startOffset);
  }

  private assignEpoch(epoch: LeaderEpoch, startOffset: Offset): void {
    if (epoch < 0) return;
    const { latest } = this.leaderEpochCache;
    if (latest !== undefined && latest.epoch === epoch) return;
    this.leaderEpochCache.assign(epoch, startOffset);
  }

  get epochEntries(): readonly EpochEntry[] {
    return this.leaderEpochCache.entries;
  }

  /**
   * The highest epoch that is not above `epoch`, and where it ends (exclusive); `undefined` if that is not
   * known.
   */
  endOffsetForEpoch(epoch: LeaderEpoch): OffsetAndEpoch | undefined {
    return this.leaderEpochCache.endOffsetFor(epoch, this.endOffset);
  }

  // Rolling, cutting, deleting.

  /** Begins a new segment at `stagedEndOffset`. */
  roll(): void {
    this.checkOnline();
    this.onDisk(() => this.rollTo(this.stagedEnd));
  }

  private rollTo(baseOffset: Offset): LogSegment {
    const { active } = this.segments;
    if (active.baseOffset === baseOffset && active.stagedBytes === 0) return active;
    invariant(
      baseOffset > active.baseOffset,
      'S1',
      () => `segment ${baseOffset} in front of ${active.baseOffset}`,
    );
    active.persistIndexes(true);
    // No segment may survive a power failure that one before it does not.
    this.syncNames();
    this.producerState.updateMapEndOffset(baseOffset);
    this.producerState.takeSnapshot();
    const segment = this.newSegment(baseOffset);
    this.segments.add(segment);
    this.needsNameSync = true;
    // As in Kafka, the segment that is full goes to the disk in the background.
    this.environment.runtime.timers.soon(() => {
      if (!this.closed && !this.dir.isOffline) void this.flush(baseOffset).catch(() => {});
    });
    return segment;
  }

  private newSegment(baseOffset: Offset): LogSegment {
    const { runtime } = this.environment;
    const { segmentJitterMs, segmentMs } = this.currentConfig;
    const jitterMax = Math.min(segmentJitterMs, segmentMs, 2 ** 47);
    const jitter = jitterMax >= 1 ? runtime.random.below(Math.floor(jitterMax)) : 0;
    const segment = new LogSegment(
      this.environment,
      this.directory,
      baseOffset,
      NEW_SEGMENT_FILES,
      runtime.clock.wallMs(),
      jitter,
    );
    // The name of the file is all that tells where an empty log goes on. Nothing is needed to tell that of
    // offset 0.
    if (baseOffset !== 0) segment.log.open();
    return segment;
  }

  /** Resolves when nothing staged waits for a write or fsync; `undefined` if that is so now. */
  settled(): Promise<void> | undefined {
    return this.queue.settled();
  }

  /**
   * Removes the records at and behind `offset`. Whether there were any. With pooled writes await {@link
   * settled} first.
   */
  truncateTo(offset: Offset): boolean {
    this.checkOnline();
    this.queue.writeNow();
    this.checkOnline();
    if (offset >= this.stagedEnd) {
      // A leader that wrote nothing in its epoch has noted where it began: no record stands for that.
      this.leaderEpochCache.truncateFromEnd(this.stagedEnd);
      return false;
    }
    if (offset < this.segments.first!.baseOffset) {
      this.truncateFullyAndStartAt(offset);
      return true;
    }
    this.onDisk(() => {
      this.beginRewind(offset);
      for (const segment of [...this.segments.all].reverse()) {
        if (segment.baseOffset <= offset) break;
        this.dropSegment(segment);
      }
      this.segments.active.truncateTo(offset);
      this.startOffset = min64(this.startOffset, offset);
      this.endRewind(offset);
      this.leaderEpochCache.truncateFromEnd(offset);
      // Not later: what stood there before would contradict the batches that come now.
      this.leaderEpochCache.persist();
      this.rebuildProducerState(offset);
    });
    return true;
  }

  /** Removes all records; the log is empty at `offset`. */
  truncateFullyAndStartAt(offset: Offset, logStartOffset: Offset = offset): void {
    this.checkOnline();
    this.queue.writeNow();
    this.checkOnline();
    this.onDisk(() => {
      this.beginRewind(min64(offset, this.startOffset));
      for (const segment of [...this.segments.all]) this.dropSegment(segment);
      this.segments.add(this.newSegment(offset));
      this.startOffset = logStartOffset;
      this.highWatermarkOffset = max64(this.highWatermarkOffset, logStartOffset);
      this.endRewind(offset);
      this.recoveryPointOffset = offset;
      this.leaderEpochCache.clear();
      this.leaderEpochCache.persist();
      this.producerState.truncateFullyAndStartAt(offset);
      this.updateFirstUnstableOffset();
    });
  }

  private beginRewind(offset: Offset): void {
    this.rewinds++;
    this.queue.dropFrom(offset);
    this.tail.clear();
    this.reader.forgetPlaces();
  }

  private endRewind(offset: Offset): void {
    this.endOffset = offset;
    this.stagedEnd = offset;
    this.recoveryPointOffset = min64(this.recoveryPointOffset, offset);
    if (this.highWatermarkOffset > offset) this.updateHighWatermark(offset);
  }

  private dropSegment(segment: LogSegment): void {
    this.segments.remove(segment);
    segment.removeFiles();
    this.needsNameSync = true;
  }

  private rebuildProducerState(endOffset: Offset): void {
    const { producerState } = this;
    const before = new Map(producerState.activeProducers);
    producerState.truncateAndReload(this.startOffset, endOffset, this.environment.runtime.clock.wallMs());
    replayProducerState(producerState, this.segments, endOffset);
    for (const [producerId, entry] of producerState.activeProducers) {
      const known = before.get(producerId);
      if (known !== undefined && known !== entry) entry.recall(known, endOffset);
    }
    this.updateFirstUnstableOffset();
  }

  /**
   * DeleteRecords, or what the leader says: records below `offset` are no longer served, and their segments
   * go with the next
   * {@link deleteOldSegments}. OFFSET_OUT_OF_RANGE above the high watermark (S9). Whether it moved.
   */
  maybeIncrementLogStartOffset(offset: Offset, reason: string): boolean {
    this.checkOnline();
    if (offset > this.highWatermarkOffset) {
      throw new KafkaError(
        Errors.OFFSET_OUT_OF_RANGE,
        `the log start offset cannot become ${offset}, which is above the high watermark ${this.highWatermarkOffset}`,
      );
    }
    if (offset <= this.startOffset) return false;
    this.startOffset = offset;
    this.leaderEpochCache.truncateFromStart(offset);
    this.producerState.onLogStartOffsetIncremented(offset);
    this.updateFirstUnstableOffset();
    this.logger.debug('log start offset moved', { log: this.directory, offset, reason });
    return true;
  }

  /**
   * Deletes the segments that retention.ms, retention.bytes or the log start offset lets go, never what is
   * at or above the high watermark (S9). Files get `.deleted` names at once and go after
   * `file.delete.delay.ms`. Returns how many.
   */
  deleteOldSegments(): number {
    this.checkOnline();
    const { runtime } = this.environment;
    const deletable = this.onDisk(() => deletableSegments(this, runtime.clock.wallMs()));
    if (deletable.length === 0) return 0;
    this.onDisk(() => {
      if (deletable.length === this.segments.size) this.rollTo(this.stagedEnd);
      for (const segment of deletable) this.segments.remove(segment);
      this.maybeIncrementLogStartOffset(this.segments.first!.baseOffset, 'segment deletion');
      for (const segment of deletable) {
        segment.markDeleted();
        this.producerState.removeSnapshot(segment.baseOffset);
      }
    });
    this.reader.forgetPlaces();
    runtime.timers.after(Math.min(this.currentConfig.fileDeleteDelayMs, 0x7fff_ffff), () => {
      if (this.dir.isOffline) return;
      try {
        for (const segment of deletable) segment.removeFiles();
      } catch (error) {
        this.dir.fail(error as Error);
      }
    });
    return deletable.length;
  }

  // Durability.

  /** Milliseconds (monotonic) since everything was known to be on disk. */
  get lastFlushTimeMs(): number {
    return this.lastFlushMs;
  }

  get isDirty(): boolean {
    return this.recoveryPointOffset < this.endOffset;
  }

  /**
   * Writes what is staged and fsyncs what lies below `upTo` (exclusive; default: all), then the recovery
   * point moves.
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
    const { rewinds } = this;
    try {
      for (const segment of this.segments.overlapping(this.recoveryPointOffset, target)) {
        if (!segment.deleted) await segment.flush();
      }
      if (this.closed || this.rewinds !== rewinds) return;
      this.leaderEpochCache.persist();
      this.syncNames();
    } catch (error) {
      if (this.rewinds !== rewinds) return;
      throw this.storageError(error);
    }
    this.recoveryPointOffset = max64(this.recoveryPointOffset, target);
    this.lastFlushMs = this.environment.runtime.clock.monotonicMs();
    if (this.recoveryPointOffset >= this.stagedEnd) this.queue.resetUnsyncedRecords();
  }

  /**
   * Leaves the directory so that a start reads no segment: everything written and synced, a producer
   * snapshot at the end.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    if (!this.dir.isOffline) {
      await this.queue.settled();
      await this.flush();
      this.onDisk(() => {
        for (const segment of this.segments.all) segment.persistIndexes(segment.stagedBytes > 0);
        if (this.endOffset > 0) this.leaderEpochCache.persist();
        this.producerState.takeSnapshot();
      });
    }
    this.closeFiles();
  }

  /** Lets go of files and memory. Nothing is written any more. */
  closeFiles(): void {
    this.closed = true;
    this.tail.clear();
    for (const segment of this.segments.all) segment.closeFiles();
  }

  // Changes from outside.

  updateConfig(config: LogConfig): void {
    this.currentConfig = config;
  }

  /** Writes `partition.metadata`. INCONSISTENT_TOPIC_ID if the directory has another id. */
  assignTopicId(topicId: Uuid): void {
    if (this.currentTopicId === topicId) return;
    if (this.currentTopicId !== undefined) {
      throw new KafkaError(
        Errors.INCONSISTENT_TOPIC_ID,
        `${this.directory} belongs to topic id ${this.currentTopicId}, not to ${topicId}`,
      );
    }
    this.checkOnline();
    this.onDisk(() => writeTopicId(this.environment.disk, this.directory, topicId));
    this.currentTopicId = topicId;
  }

  removeExpiredProducers(nowMs: number): void {
    this.producerState.removeExpiredProducers(nowMs);
  }

  /** Moves the directory out of the way, to be deleted or looked at; the log takes no more calls. */
  retireTo(directory: string): void {
    this.queue.failAll(new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'the partition was deleted'));
    this.closeFiles();
    for (const segment of this.segments.all) segment.deleted = true;
    this.onDisk(() => this.environment.disk.renameSync(this.directory, directory));
    this.currentDirectory = directory;
  }

  /** How far this log is behind `end`, for DescribeLogDirs. */
  lagTo(end: Offset): number {
    return Math.max(0, diff64(end, this.endOffset));
  }
}

interface StagedFields {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  readonly maxTimestamp: Timestamp;
  readonly logAppendTime: Timestamp;
  readonly recordCount: number;
  readonly nowMs: number;
}

function isDiskError(error: unknown): error is Error {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}
