import { invariant } from '../base/assert.ts';
import {
  diff64,
  type LeaderEpoch,
  max64,
  min64,
  type Offset,
  type ProducerId,
  type Timestamp,
} from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { abortedTransactions, collectAbortedTxns } from './aborted-transactions.ts';
import type { FetchDataInfo, FetchIsolation, LogOffsetMetadata } from './fetch-data-info.ts';
import type { EpochEntry, LeaderEpochFileCache, OffsetAndEpoch } from './leader-epoch-file-cache.ts';
import { LocalLog, type LocalLogOwner } from './local-log.ts';
import type { LogAppendInfo } from './log-append-info.ts';
import { type AppendOptions, LogAppender } from './log-appender.ts';
import type { LogDirectoryState, LogEnvironment } from './log-environment.ts';
import type { LoadedLog } from './log-loader.ts';
import {
  fetchOffsetByTimestamp,
  legacyFetchOffsetsBefore,
  type TimestampAndOffset,
} from './log-offset-lookup.ts';
import type { LogOffsetsListener } from './log-offsets-listener.ts';
import { replayProducerState } from './log-replay.ts';
import { deletableSegments } from './log-retention.ts';
import type { LogSegment, SegmentFiles } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';
import { writeTopicId } from './partition-metadata-file.ts';
import type { ProducerStateEntry } from './producer-state-entry.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';
import type { TopicPartition } from './topic-partition.ts';
import type { AbortedTxn } from './transaction-index.ts';
import type { VerificationGuard } from './verification-guard.ts';

export type { OffsetAndEpoch } from './leader-epoch-file-cache.ts';
export type { TimestampAndOffset } from './log-offset-lookup.ts';
export type { AppendOptions } from './log-appender.ts';
export type { AppendOrigin } from './log-validator.ts';

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
export class UnifiedLog implements LocalLogOwner {
  readonly topicPartition: TopicPartition;
  readonly isFuture: boolean;
  readonly segments: LogSegments;
  readonly leaderEpochCache: LeaderEpochFileCache;
  readonly producerState: ProducerStateManager;
  listener: LogOffsetsListener | undefined;
  /** What the cleaner has noted: all below is compacted. `undefined` if it was never here. */
  cleanerCheckpoint: Offset | undefined;

  private readonly environment: LogEnvironment;
  private readonly dir: LogDirectoryState;
  private readonly local: LocalLog;
  private readonly appender: LogAppender;
  private currentTopicId: Uuid | undefined;
  private startOffset: Offset;
  private highWatermarkOffset: Offset;
  private firstUnstable: Offset | undefined;

  constructor(environment: LogEnvironment, dir: LogDirectoryState, loaded: LoadedLog) {
    this.environment = environment;
    this.dir = dir;
    this.topicPartition = loaded.topicPartition;
    this.currentTopicId = loaded.topicId;
    this.isFuture = loaded.isFuture;
    this.segments = loaded.segments;
    this.leaderEpochCache = loaded.leaderEpochCache;
    this.producerState = loaded.producerState;
    this.startOffset = loaded.logStartOffset;
    this.highWatermarkOffset = loaded.logStartOffset;
    this.local = new LocalLog(environment, dir, loaded, this);
    this.appender = new LogAppender(environment, this, this.local);
    this.updateFirstUnstableOffset();
  }

  // What it is.

  /** The absolute path of the partition's directory. */
  get directory(): string {
    return this.local.directory;
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
    return this.local.config;
  }

  get logStartOffset(): Offset {
    return this.startOffset;
  }

  /** Behind the last record that is written (under the `fsync` policy: and synced). */
  get logEndOffset(): Offset {
    return this.local.logEndOffset;
  }

  /** What the next append gets. */
  get stagedEndOffset(): Offset {
    return this.local.stagedEndOffset;
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
    return this.local.recoveryPoint;
  }

  get sizeInBytes(): number {
    return this.local.sizeInBytes;
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

  // Appending.

  /**
   * A transactional batch of a client or a coordinator is to be appended: what its append needs as `verificationGuard`,
   * once the coordinator of the transaction has said that this partition belongs to it. `undefined`: nobody has to be
   * asked, since its transaction is open here, or since transactions are not verified. `supportsEpochBump`: the
   * producer speaks transaction version 2, and the coordinator is asked to add the partition. Throws
   * INVALID_PRODUCER_EPOCH.
   */
  maybeStartTransactionVerification(
    producerId: ProducerId,
    sequence: number,
    producerEpoch: number,
    supportsEpochBump: boolean,
  ): VerificationGuard | undefined {
    // Such a producer has not told the coordinator of the partition: that is done with the question.
    if (!supportsEpochBump && !this.environment.verifiesTransactions()) return undefined;
    const nowMs = this.environment.runtime.clock.wallMs();
    return this.producerState.maybeStartVerification(
      producerId,
      sequence,
      producerEpoch,
      supportsEpochBump,
      nowMs,
    );
  }

  /**
   * Appends records of a producer or of the broker itself, at `stagedEndOffset`. `records` is changed in
   * place (base offset, leader epoch) and kept: the caller no longer touches it. Throws what {@link
   * validateAndAssignOffsets} and
   * {@link ProducerStateManager.validate} throw, INVALID_TXN_STATE for transactional records that begin a transaction
   * without the guard that verification asks for, RECORD_LIST_TOO_LARGE for more than a segment holds; then
   * nothing was appended.
   */
  appendAsLeader(records: Buffer, leaderEpoch: LeaderEpoch, options?: AppendOptions): LogAppendInfo {
    return this.appender.appendAsLeader(records, leaderEpoch, options);
  }

  /**
   * Appends batches that the leader has given offsets to, as they are. They may begin behind
   * `stagedEndOffset`, not below; only an empty log may be given a batch that holds its start in the middle. A
   * batch at the end that is not whole is left out. Returns what became of the last of them. Throws
   * CORRUPT_MESSAGE, INVALID_RECORD; then nothing was appended.
   */
  appendAsFollower(records: Buffer): LogAppendInfo {
    return this.appender.appendAsFollower(records);
  }

  /** Writes what is staged at once, rather than at the end of the turn (with pooled writes: does nothing). */
  writeStaged(): void {
    this.local.writeStaged();
  }

  /** For {@link LocalLog}. */
  forgetFrom(offset: Offset): void {
    this.leaderEpochCache.truncateFromEnd(offset);
    this.rebuildProducerState(offset);
  }

  /** Whether {@link checkSpace} throws. */
  get isShortOfSpace(): boolean {
    return this.dir.space?.isLow === true;
  }

  /** Whether every append is refused: the file system has no room at all. */
  get hasNoRoom(): boolean {
    return this.dir.space?.state === 'full';
  }

  /** Throws KAFKA_STORAGE_ERROR where the log directory is short of space for records of producers and leaders. */
  checkSpace(): void {
    this.dir.space?.checkNotLow();
  }

  /** For {@link LocalLog}. */
  onLogEndOffsetAdvanced(): void {
    this.listener?.onLogEndOffsetAdvanced?.(this);
  }

  /** The log directory has failed: whoever waits for an append is told so. */
  markOffline(): void {
    this.local.markOffline();
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
    const { local } = this;
    local.checkOnline();
    const { logEndOffset } = local;
    if (startOffset < this.startOffset || startOffset > logEndOffset) {
      throw new KafkaError(
        Errors.OFFSET_OUT_OF_RANGE,
        `offset ${startOffset} is not within ${this.startOffset} to ${logEndOffset}`,
      );
    }
    const committed = isolation === 'txnCommitted';
    const maxOffset =
      isolation === 'logEnd' ? logEndOffset : committed ? this.lastStableOffset : this.highWatermarkOffset;
    if (startOffset >= maxOffset || (maxBytes <= 0 && !minOneMessage)) {
      return {
        fetchOffset: this.offsetMetadata(startOffset),
        slices: [],
        sizeInBytes: 0,
        abortedTransactions: committed ? [] : undefined,
      };
    }
    const { fetchOffset, slices, sizeInBytes, upperBound } = local.reader.plan(
      startOffset,
      maxBytes,
      maxOffset,
      minOneMessage,
    );
    const aborted = committed
      ? this.dir.onDisk(() => abortedTransactions(this.environment, this, startOffset, upperBound))
      : undefined;
    return { fetchOffset, slices, sizeInBytes, abortedTransactions: aborted };
  }

  /** Where `offset` lies: the batch's own place if it was appended lately, else one shortly before it. */
  offsetMetadata(offset: Offset): LogOffsetMetadata {
    return this.local.reader.offsetMetadata(offset, this.logEndOffset);
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
    this.local.checkOnline();
    return this.dir.onDisk(() => fetchOffsetByTimestamp(this, target, isolation));
  }

  /**
   * For ListOffsets v0: up to `maxOffsets` starts of segments that are older than `timestamp`, newest
   * first.
   */
  legacyFetchOffsetsBefore(timestamp: Timestamp, maxOffsets: number): Offset[] {
    this.local.checkOnline();
    return this.dir.onDisk(() =>
      legacyFetchOffsetsBefore(this, this.environment.disk, timestamp, maxOffsets),
    );
  }

  // High watermark.

  /** Sets it, up or down, within `logStartOffset` and `logEndOffset` (S6). Returns what it became. */
  updateHighWatermark(offset: Offset): Offset {
    const clipped = offset < this.startOffset ? this.startOffset : min64(offset, this.logEndOffset);
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
      offset <= this.logEndOffset,
      'S6',
      () => `high watermark ${offset} above log end offset ${this.logEndOffset}`,
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
    return this.leaderEpochCache.endOffsetFor(epoch, this.logEndOffset);
  }

  // Rolling, cutting, deleting.

  /** Begins a new segment. */
  roll(baseOffset: Offset = this.stagedEndOffset): void {
    this.local.checkOnline();
    this.rollTo(baseOffset);
  }

  /** Begins a new segment when `segment.ms` is over also if no record comes: what is old may be cleaned and go. */
  rollIfDue(): void {
    this.local.checkOnline();
    if (this.local.isRollDue(this.environment.runtime.clock.wallMs())) this.roll();
  }

  /** Where there is no room for the files of a new segment, the one before it goes on. */
  private rollTo(baseOffset: Offset): void {
    const { local, producerState } = this;
    const hasRolled = this.dir.onDiskWithRoom(() => {
      if (!local.finishActiveSegment(baseOffset)) return false;
      producerState.updateMapEndOffset(baseOffset);
      producerState.takeSnapshot();
      local.addSegment(baseOffset);
      return true;
    });
    if (!hasRolled) return;
    // As in Kafka, the segment that is full goes to the disk in the background.
    this.environment.runtime.timers.soon(() => {
      if (!local.isClosed && !this.dir.isOffline) void this.flush(baseOffset).catch(() => {});
    });
  }

  /** Resolves when nothing staged waits for a write or fsync; `undefined` if that is so now. */
  settled(): Promise<void> | undefined {
    return this.local.settled();
  }

  /**
   * Removes the records at and behind `offset`. Whether there were any. With pooled writes await {@link
   * settled} first.
   */
  truncateTo(offset: Offset): boolean {
    const { local, leaderEpochCache } = this;
    local.prepareToTruncate();
    if (offset >= local.stagedEndOffset) {
      // A leader that wrote nothing in its epoch has noted where it began: no record stands for that.
      leaderEpochCache.truncateFromEnd(local.stagedEndOffset);
      return false;
    }
    if (offset < this.segments.first!.baseOffset) {
      this.truncateFullyAndStartAt(offset);
      return true;
    }
    this.dir.onDisk(() => {
      this.lowerCleanerCheckpoint(offset);
      local.truncateTo(offset);
      this.startOffset = min64(this.startOffset, offset);
      if (this.highWatermarkOffset > offset) this.updateHighWatermark(offset);
      leaderEpochCache.truncateFromEnd(offset);
      // Not later: what stood there before would contradict the batches that come now.
      leaderEpochCache.persist();
      this.producerState.clearVerifications();
      this.rebuildProducerState(offset);
    });
    return true;
  }

  /** Removes all records; the log is empty at `offset`. */
  truncateFullyAndStartAt(offset: Offset, logStartOffset: Offset = offset): void {
    const { local, leaderEpochCache } = this;
    local.prepareToTruncate();
    this.dir.onDisk(() => {
      this.lowerCleanerCheckpoint(offset);
      local.truncateFullyAndStartAt(offset);
      this.startOffset = logStartOffset;
      this.highWatermarkOffset = max64(this.highWatermarkOffset, logStartOffset);
      if (this.highWatermarkOffset > offset) this.updateHighWatermark(offset);
      leaderEpochCache.clear();
      leaderEpochCache.persist();
      this.producerState.truncateFullyAndStartAt(offset);
      this.updateFirstUnstableOffset();
    });
  }

  /**
   * What comes at `offset` is not compacted. This must be on disk first: a tombstone there would seem to have done its
   * work, and would go before the records that it deletes.
   */
  private lowerCleanerCheckpoint(offset: Offset): void {
    if (this.cleanerCheckpoint === undefined || this.cleanerCheckpoint <= offset) return;
    this.cleanerCheckpoint = offset;
    this.environment.writeCleanerCheckpoint?.(this.logDirectory);
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
    // What was read again does not say that its markers are replicated: the last stable offset would go back (T5).
    producerState.onHighWatermarkUpdated(this.highWatermarkOffset);
    this.updateFirstUnstableOffset();
  }

  /**
   * DeleteRecords, or what the leader says: records below `offset` are no longer served, and their segments
   * go with the next
   * {@link deleteOldSegments}. OFFSET_OUT_OF_RANGE above the high watermark (S9). Whether it moved.
   */
  maybeIncrementLogStartOffset(offset: Offset, reason: string): boolean {
    this.local.checkOnline();
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
    this.environment.logger.debug('log start offset moved', { log: this.directory, offset, reason });
    this.listener?.onLogStartOffsetIncremented?.(this);
    return true;
  }

  /**
   * Deletes the segments that retention.ms, retention.bytes or the log start offset lets go, never what is
   * at or above the high watermark (S9). Files get `.deleted` names at once and go after
   * `file.delete.delay.ms`. Returns how many.
   */
  deleteOldSegments(): number {
    const { local, segments } = this;
    local.checkOnline();
    const nowMs = this.environment.runtime.clock.wallMs();
    return this.dir.onDisk(() => {
      const deletable = deletableSegments(this, nowMs, segment =>
        this.environment.logger.warn(
          'records have timestamps in the future: retention.ms cannot delete them before their time has come',
          { log: this.directory, segment: segment.baseOffset, nowMs, ...segment.maxTimestampSoFar() },
        ),
      );
      if (deletable.length === 0) return 0;
      if (deletable.length === segments.size) this.rollTo(this.stagedEndOffset);
      for (const segment of deletable) segments.remove(segment);
      this.maybeIncrementLogStartOffset(segments.first!.baseOffset, 'segment deletion');
      local.deleteSegmentFiles(deletable);
      for (const segment of deletable) this.producerState.removeSnapshot(segment.baseOffset);
      return deletable.length;
    });
  }

  // Compaction.

  /** Changes when what the log held before may be gone from its end, or the log has ended. */
  get life(): number {
    return this.local.isClosed ? -1 : this.local.rewinds;
  }

  /** The aborted transactions that overlap [`from`, `to`), in the order of their markers. */
  collectAbortedTxns(from: Offset, to: Offset): AbortedTxn[] {
    return this.dir.onDisk(() => collectAbortedTxns(this.environment, this, from, to));
  }

  /**
   * Puts a compacted segment at `baseOffset`, in `.cleaned` files that are on disk, in the place of `old`. `false` if
   * some of those are gone (retention): then nothing has changed.
   */
  replaceSegments(old: readonly LogSegment[], baseOffset: Offset, files: SegmentFiles): boolean {
    this.local.checkOnline();
    const { all, active } = this.segments;
    const slot = all.indexOf(old[0]!);
    if (slot < 0 || old.some((segment, at) => all[slot + at] !== segment)) return false;
    invariant(!old.includes(active), 'S10', 'the active segment is not compacted');
    this.dir.onDisk(() => {
      this.local.replaceSegments(old, baseOffset, files);
      for (const segment of old) {
        if (segment.baseOffset !== baseOffset) this.producerState.removeSnapshot(segment.baseOffset);
      }
    });
    return true;
  }

  /** What an error of the disk means for this log: see {@link LogDirectoryState.storageError}. */
  storageError(error: unknown): unknown {
    return this.dir.storageError(error);
  }

  // Durability.

  /** Milliseconds (monotonic) since everything was known to be on disk. */
  get lastFlushTimeMs(): number {
    return this.local.lastFlushTimeMs;
  }

  get isDirty(): boolean {
    return this.local.isDirty;
  }

  /** Of a log that was just loaded: whether it has records that would count as durable and may not be. */
  get owesSync(): boolean {
    return this.local.owesSync;
  }

  /**
   * Writes what is staged and fsyncs what lies below `upTo` (exclusive; default: all), then the recovery
   * point moves.
   */
  flush(upTo?: Offset): Promise<void> {
    return this.local.flush(upTo);
  }

  /** For {@link LocalLog}. */
  persistBesideSegments(): void {
    this.leaderEpochCache.persist();
  }

  /**
   * Leaves the directory so that a start reads no segment: everything written and synced, a producer
   * snapshot at the end.
   */
  async close(): Promise<void> {
    const { local } = this;
    if (local.isClosed) return;
    if (!this.dir.isOffline) {
      await local.settled();
      await local.flush();
      this.dir.onDisk(() => this.persistEnd());
    }
    local.closeFiles();
  }

  /** As {@link close}, in one turn, for a log whose appends are written. Throws `DiskError`. */
  closeNow(): void {
    this.local.syncNow();
    this.persistEnd();
    this.local.closeFiles();
  }

  private persistEnd(): void {
    this.local.persistIndexes();
    if (this.local.logEndOffset > 0) this.leaderEpochCache.persist();
    this.producerState.takeSnapshot();
  }

  // A move to another log directory.

  /** Writes all that is staged, and fsyncs it where appends wait for that, on the event loop. */
  finishAppends(): void {
    this.local.finishAppends();
  }

  /** Calls `callback` when no fsync of appends is under way: at once if that is so now. */
  whenNotSyncing(callback: () => void): void {
    this.local.whenNotSyncing(callback);
  }

  /** `from` is the log of the same records until now: takes over what of it is kept in memory only. */
  takeOver(from: UnifiedLog): void {
    for (const { epoch, startOffset } of from.epochEntries) {
      if (epoch > (this.latestEpoch ?? -1)) this.assignEpochStartOffset(epoch, startOffset);
    }
    for (const [producerId, entry] of this.producerState.activeProducers) {
      const known = from.activeProducers.get(producerId);
      if (known !== undefined) entry.recall(known, this.logEndOffset);
    }
    this.producerState.takeVerifications(from.producerState);
    this.cleanerCheckpoint = from.cleanerCheckpoint;
    this.updateHighWatermark(from.highWatermark);
  }

  /** Another log has taken its place: the directory gets the name `directory`. Reads that have begun go on. */
  moveAside(directory: string): void {
    this.local.moveAside(directory);
  }

  /** After {@link moveAside}: nobody reads any more. */
  releaseFiles(): void {
    this.local.closeFiles();
  }

  // Changes from outside.

  updateConfig(config: LogConfig): void {
    this.local.config = config;
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
    this.local.checkOnline();
    this.dir.onDisk(() => writeTopicId(this.environment.disk, this.directory, topicId));
    this.currentTopicId = topicId;
  }

  removeExpiredProducers(nowMs: number): void {
    this.producerState.removeExpiredProducers(nowMs);
  }

  /** Moves the directory out of the way, to be deleted or looked at; the log takes no more calls. */
  retireTo(directory: string): void {
    this.local.retireTo(directory);
  }

  /** How far this log is behind `end`, for DescribeLogDirs. */
  lagTo(end: Offset): number {
    return Math.max(0, diff64(end, this.logEndOffset));
  }
}
