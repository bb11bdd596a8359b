import { invariant } from '../base/assert.ts';
import type { LeaderEpoch, Offset, ProducerId, Timestamp } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { FetchDataInfo, FetchIsolation, LogOffsetMetadata } from './fetch-data-info.ts';
import type { EpochEntry, LeaderEpochFileCache, OffsetAndEpoch } from './leader-epoch-file-cache.ts';
import { LocalLog, type LocalLogOwner } from './local-log.ts';
import type { LogAppendInfo } from './log-append-info.ts';
import { type AppendOptions, LogAppender } from './log-appender.ts';
import { LogCutter } from './log-cutter.ts';
import type { LogDirectoryState, LogEnvironment } from './log-environment.ts';
import type { LoadedLog } from './log-loader.ts';
import type { TimestampAndOffset } from './log-offset-lookup.ts';
import { LogOffsets } from './log-offsets.ts';
import type { LogOffsetsListener } from './log-offsets-listener.ts';
import { LogQueries } from './log-queries.ts';
import { LogRoller } from './log-roller.ts';
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
  /** What the checkpoint of the log directory says of {@link recoveryPoint}, as far as is known. */
  checkpointedRecoveryPoint: Offset;

  private readonly environment: LogEnvironment;
  private readonly dir: LogDirectoryState;
  private readonly local: LocalLog;
  private readonly appender: LogAppender;
  private readonly offsets: LogOffsets;
  private readonly roller: LogRoller;
  private readonly cutter: LogCutter;
  private readonly queries: LogQueries;
  private currentTopicId: Uuid | undefined;

  constructor(environment: LogEnvironment, dir: LogDirectoryState, loaded: LoadedLog) {
    this.environment = environment;
    this.dir = dir;
    this.topicPartition = loaded.topicPartition;
    this.currentTopicId = loaded.topicId;
    this.isFuture = loaded.isFuture;
    this.segments = loaded.segments;
    this.leaderEpochCache = loaded.leaderEpochCache;
    this.producerState = loaded.producerState;
    this.local = new LocalLog(environment, dir, loaded, this);
    this.checkpointedRecoveryPoint = loaded.recoveryPoint;
    this.offsets = new LogOffsets(this.local, this.producerState, loaded.logStartOffset);
    this.roller = new LogRoller(environment, this.local, this.producerState);
    this.appender = new LogAppender(environment, this, this.local, this.roller);
    this.cutter = new LogCutter(environment, this, this.local, this.offsets, this.roller);
    this.queries = new LogQueries(environment, this, this.local, this.offsets);
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
    return this.offsets.logStartOffset;
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
    return this.offsets.highWatermark;
  }

  /** The first offset of the oldest open transaction if that is below the high watermark, which it is else. */
  get lastStableOffset(): Offset {
    return this.offsets.lastStableOffset;
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
    this.cutter.forgetFrom(offset);
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
    return this.queries.read(startOffset, maxBytes, isolation, minOneMessage);
  }

  /** Where `offset` lies: the batch's own place if it was appended lately, else one shortly before it. */
  offsetMetadata(offset: Offset): LogOffsetMetadata {
    return this.queries.offsetMetadata(offset);
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
    return this.queries.fetchOffsetByTimestamp(target, isolation);
  }

  /**
   * For ListOffsets v0: up to `maxOffsets` starts of segments that are older than `timestamp`, newest
   * first.
   */
  legacyFetchOffsetsBefore(timestamp: Timestamp, maxOffsets: number): Offset[] {
    return this.queries.legacyFetchOffsetsBefore(timestamp, maxOffsets);
  }

  // High watermark.

  /** Sets it, up or down, within `logStartOffset` and `logEndOffset` (S6). Returns what it became. */
  updateHighWatermark(offset: Offset): Offset {
    if (this.offsets.updateHighWatermark(offset)) this.listener?.onHighWatermarkUpdated?.(this);
    return this.highWatermark;
  }

  /** Moves it up to `offset`, which may not be above `logEndOffset`. Whether it moved. */
  maybeIncrementHighWatermark(offset: Offset): boolean {
    invariant(
      offset <= this.logEndOffset,
      'S6',
      () => `high watermark ${offset} above log end offset ${this.logEndOffset}`,
    );
    if (offset <= this.highWatermark) return false;
    this.updateHighWatermark(offset);
    return true;
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
  roll(baseOffset?: Offset): void {
    this.roller.roll(baseOffset);
  }

  /** Begins a new segment when `segment.ms` is over also if no record comes: what is old may be cleaned and go. */
  rollIfDue(): void {
    this.roller.rollIfDue();
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
    return this.cutter.truncateTo(offset);
  }

  /** Removes all records; the log is empty at `offset`. */
  truncateFullyAndStartAt(offset: Offset, logStartOffset: Offset = offset): void {
    this.cutter.truncateFullyAndStartAt(offset, logStartOffset);
  }

  /**
   * DeleteRecords, or what the leader says: records below `offset` are no longer served, and their segments
   * go with the next
   * {@link deleteOldSegments}. OFFSET_OUT_OF_RANGE above the high watermark (S9). Whether it moved.
   */
  maybeIncrementLogStartOffset(offset: Offset, reason: string): boolean {
    return this.cutter.maybeIncrementLogStartOffset(offset, reason);
  }

  /**
   * Deletes the segments that retention.ms, retention.bytes or the log start offset lets go, never what is
   * at or above the high watermark (S9). Files get `.deleted` names at once and go after
   * `file.delete.delay.ms`. Returns how many.
   */
  deleteOldSegments(): number {
    return this.cutter.deleteOldSegments();
  }

  // Compaction.

  /** Changes when what the log held before may be gone from its end, or the log has ended. */
  get life(): number {
    return this.local.isClosed ? -1 : this.local.rewinds;
  }

  /** The aborted transactions that overlap [`from`, `to`), in the order of their markers. */
  collectAbortedTxns(from: Offset, to: Offset): AbortedTxn[] {
    return this.queries.collectAbortedTxns(from, to);
  }

  /**
   * Puts a compacted segment at `baseOffset`, in `.cleaned` files that are on disk, in the place of `old`. `false` if
   * some of those are gone (retention): then nothing has changed.
   */
  replaceSegments(old: readonly LogSegment[], baseOffset: Offset, files: SegmentFiles): boolean {
    return this.cutter.replaceSegments(old, baseOffset, files);
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

  /** Moves the directory out of the way, to be deleted or looked at; the log takes no more calls. */
  retireTo(directory: string): void {
    this.local.retireTo(directory);
  }
}
