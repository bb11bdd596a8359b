import { invariant } from '../base/assert.ts';
import { diff64, type LeaderEpoch, max64, type Offset, sub64 } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import { METADATA_TOPIC_ID } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import { FileHandleCache } from '../log/file-handle-cache.ts';
import { IndexMemory } from '../log/index-memory.ts';
import { LogDirectoryState, type LogEnvironment } from '../log/log-environment.ts';
import { loadLog } from '../log/log-loader.ts';
import { LogWriter } from '../log/log-writer.ts';
import { TailCache } from '../log/tail-cache.ts';
import { UnifiedLog } from '../log/unified-log.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { OffsetAndEpoch } from '../raft/raft-client.ts';
import type {
  LogAppendRange,
  RawSnapshotReader,
  RawSnapshotWriter,
  ReplicatedLog,
} from '../raft/replicated-log.ts';
import { batchesOf } from '../record/record-batch.ts';
import { readSnapshotHeader } from '../raft/snapshot-file.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { METADATA_DIRECTORY, METADATA_PARTITION } from './metadata-log-names.ts';
import { SnapshotFiles } from './snapshot-files.ts';

export interface KafkaMetadataLogOptions {
  /** `metadata.log.dir`, or the first of `log.dirs`. Absolute. */
  readonly metadataLogDir: string;
  /** Defaults of the broker's topics; what the metadata log does differently is set over them. */
  readonly baseConfig: LogConfig;
  /** `metadata.log.segment.bytes`. */
  readonly segmentBytes: number;
  /** `metadata.log.segment.ms`. */
  readonly segmentMs: number;
  /** `metadata.max.retention.bytes`, over log and snapshots; -1: no limit. */
  readonly retentionBytes: number;
  /** `metadata.max.retention.ms`; -1: no limit. */
  readonly retentionMs: number;
}

/** A batch holds up to 8 MiB of records; its own framing comes on top. */
const MAX_BATCH_BYTES = 9 * 1024 * 1024;
/** The least that `metadata.log.segment.bytes` can be. Tests have smaller ones. */
const SEGMENT_MIN_BYTES = 8 * 1024 * 1024;
const MAX_OPEN_FILES = 16;
const INDEX_MEMORY_BYTES = 1024 * 1024;
const TAIL_CACHE_BYTES = 4 * 1024 * 1024;
const NEVER = 2 ** 63;

/**
 * The log of `__cluster_metadata-0`: a {@link UnifiedLog} whose writes are synchronous and become durable by
 * `flush`, with snapshots in the same directory.
 *
 *     00000000000000000000.log .index .timeindex     segments, as of any topic
 *     00000000000000001234-0000000007.checkpoint     snapshot: all below offset 1234, whose epoch is 7
 *     00000000000000000000-0000000000.checkpoint     written by formatting: the first voters of a dynamic
 * quorum
 *     leader-epoch-checkpoint, partition.metadata    as of any topic
 *     quorum-state                                   election state, see quorum-state-store.ts
 */
export class KafkaMetadataLog implements ReplicatedLog {
  /** Where it lies. */
  readonly directory: string;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: KafkaMetadataLogOptions;
  private readonly log: UnifiedLog;
  private readonly snapshots: SnapshotFiles;
  private readonly dirFailure: () => Error | undefined;

  private constructor(parts: {
    runtime: Runtime;
    logger: Logger;
    options: KafkaMetadataLogOptions;
    log: UnifiedLog;
    dirFailure: () => Error | undefined;
  }) {
    this.runtime = parts.runtime;
    this.logger = parts.logger;
    this.options = parts.options;
    this.log = parts.log;
    this.dirFailure = parts.dirFailure;
    this.directory = parts.log.directory;
    this.snapshots = new SnapshotFiles(this.runtime.disk, this.directory);
    this.startAtSnapshot();
  }

  /**
   * Opens the log, creates it if it is not there. Segments are read whole, whatever way the last process
   * ended: a torn tail is cut behind its last good batch.
   */
  static open(runtime: Runtime, parentLogger: Logger, options: KafkaMetadataLogOptions): KafkaMetadataLog {
    const logger = parentLogger.child('metadata-log');
    const { disk } = runtime;
    const directory = `${options.metadataLogDir}/${METADATA_DIRECTORY}`;
    const exists = disk.statSync(directory) !== undefined;
    if (!exists) disk.makeDirectorySync(directory);
    let failure: Error | undefined;
    const dir = new LogDirectoryState(options.metadataLogDir, error => {
      failure = error;
    });
    const environment: LogEnvironment = {
      runtime,
      logger,
      disk,
      handles: new FileHandleCache(disk, MAX_OPEN_FILES),
      indexMemory: new IndexMemory(INDEX_MEMORY_BYTES),
      tailCache: new TailCache(TAIL_CACHE_BYTES, TAIL_CACHE_BYTES),
      writer: new LogWriter(runtime.timers, 'synchronous'),
      verifiesTransactions: () => false,
      producerIdExpirationMs: () => Number.MAX_SAFE_INTEGER,
      verifyChecksumsOnRead: true,
    };
    const loaded = loadLog(environment, {
      directory,
      topicPartition: METADATA_PARTITION,
      isFuture: false,
      config: metadataLogConfig(options),
      hadCleanShutdown: false,
      recoveryPoint: 0,
      logStartOffset: 0,
      isNew: !exists,
    });
    const log = new UnifiedLog(environment, dir, loaded);
    log.assignTopicId(METADATA_TOPIC_ID);
    return new KafkaMetadataLog({ runtime, logger, options, log, dirFailure: () => failure });
  }

  get startOffset(): Offset {
    return this.log.logStartOffset;
  }

  get endOffset(): Offset {
    return this.log.logEndOffset;
  }

  get lastFetchedEpoch(): LeaderEpoch {
    return this.log.latestEpoch ?? this.snapshots.ids.find(id => id.offset === this.startOffset)?.epoch ?? 0;
  }

  epochStarts(): readonly { epoch: LeaderEpoch; startOffset: Offset }[] {
    return this.log.epochEntries;
  }

  endOffsetForEpoch(epoch: LeaderEpoch): OffsetAndEpoch {
    const latest = this.log.latestEpoch;
    if (latest !== undefined && epoch >= latest) return { epoch: latest, offset: this.endOffset };
    const found = this.log.endOffsetForEpoch(epoch);
    // A snapshot at the very start of the log is the end of its epoch, which the log itself no longer knows.
    if (found === undefined)
      return { epoch: Math.min(epoch, this.lastFetchedEpoch), offset: this.startOffset };
    return { epoch: found.leaderEpoch, offset: found.offset };
  }

  initializeLeaderEpoch(epoch: LeaderEpoch): void {
    this.log.assignEpochStartOffset(epoch, this.endOffset);
  }

  /** What one append as the leader brings has to fit into a segment: more than that is appended in runs of batches. */
  appendAsLeader(records: Buffer, epoch: LeaderEpoch): LogAppendRange {
    const { segmentBytes } = this.log.config;
    const firstOffset = this.endOffset;
    let start = 0;
    let end = 0;
    const appendRun = (): void => {
      this.log.appendAsLeader(records.subarray(start, end), epoch, { origin: 'raftLeader' });
      start = end;
    };
    for (const batch of batchesOf(records)) {
      if (batch.end - start > segmentBytes && end > start) appendRun();
      end = batch.end;
    }
    appendRun();
    return this.written(firstOffset);
  }

  appendAsFollower(records: Buffer): LogAppendRange {
    const firstOffset = this.endOffset;
    const { lastOffset } = this.log.appendAsFollower(records);
    const range = this.written(firstOffset);
    invariant(range.lastOffset === lastOffset, 'S1', 'an append to the metadata log was not written');
    return range;
  }

  /** Writes what is staged. Returns where it went: from `firstOffset`, which was the end of the log. */
  private written(firstOffset: Offset): LogAppendRange {
    this.log.writeStaged();
    this.throwIfFailed();
    return { firstOffset, lastOffset: sub64(this.endOffset, 1) };
  }

  private throwIfFailed(): void {
    const failure = this.dirFailure();
    if (failure !== undefined) throw failure;
  }

  async flush(): Promise<void> {
    await this.log.flush();
    this.throwIfFailed();
  }

  read(startOffset: Offset, maxBytes: number): Buffer | Promise<Buffer> {
    const { slices } = this.log.read(startOffset, maxBytes, 'logEnd', true);
    const parts = slices.map(slice => slice.load());
    if (parts.every(part => Buffer.isBuffer(part)))
      return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return Promise.all(parts).then(loaded => Buffer.concat(loaded));
  }

  truncateToEndOffset(offset: Offset): void {
    invariant(
      offset >= this.log.highWatermark,
      'R8',
      () => `truncation to ${offset}, below the high watermark`,
    );
    this.log.truncateTo(offset);
    this.throwIfFailed();
  }

  truncateToLatestSnapshot(): boolean {
    const { latest } = this.snapshots;
    if (latest === undefined) return false;
    const ahead = latest.epoch > this.lastFetchedEpoch || latest.offset > this.endOffset;
    if (latest.offset === 0 || !ahead) return false;
    this.log.truncateFullyAndStartAt(latest.offset);
    this.log.updateHighWatermark(latest.offset);
    this.snapshots.deleteBelow(latest.offset);
    this.throwIfFailed();
    return true;
  }

  updateHighWatermark(offset: Offset): void {
    this.log.updateHighWatermark(offset);
  }

  snapshotIds(): readonly OffsetAndEpoch[] {
    return this.snapshots.ids;
  }

  latestSnapshotId(): OffsetAndEpoch | undefined {
    return this.snapshots.latest;
  }

  createSnapshot(id: OffsetAndEpoch): RawSnapshotWriter | undefined {
    return this.snapshots.create(id);
  }

  readSnapshot(id: OffsetAndEpoch): RawSnapshotReader | undefined {
    return this.snapshots.open(id);
  }

  deleteBeforeSnapshot(id: OffsetAndEpoch): boolean {
    if (!this.snapshots.has(id)) throw new KafkaError(Errors.SNAPSHOT_NOT_FOUND);
    const moved = this.log.maybeIncrementLogStartOffset(id.offset, 'snapshot');
    this.log.deleteOldSegments();
    const removed = this.snapshots.deleteBelow(id.offset);
    this.throwIfFailed();
    return moved || removed;
  }

  /**
   * As long as there are two snapshots and the log with them is too large, or the older one is too old, the
   * log starts at the next one.
   */
  maybeClean(): boolean {
    let cleaned = false;
    for (;;) {
      const [oldest, next] = this.snapshots.ids;
      if (oldest === undefined || next === undefined) return cleaned;
      if (!this.isTooLarge() && !this.isTooOld(oldest)) return cleaned;
      this.logger.info('metadata log is cut behind a snapshot', { offset: next.offset, epoch: next.epoch });
      if (!this.deleteBeforeSnapshot(next)) return cleaned;
      cleaned = true;
    }
  }

  private isTooLarge(): boolean {
    const { retentionBytes } = this.options;
    if (retentionBytes < 0) return false;
    let size = this.log.sizeInBytes;
    for (const id of this.snapshots.ids) size += this.snapshots.sizeInBytes(id);
    return size > retentionBytes;
  }

  private isTooOld(id: OffsetAndEpoch): boolean {
    const { retentionMs } = this.options;
    if (retentionMs < 0) return false;
    const raw = this.snapshots.open(id);
    if (raw === undefined) return false;
    try {
      const { lastContainedLogTimestamp } = readSnapshotHeader(raw);
      return diff64(this.runtime.clock.wallMs(), lastContainedLogTimestamp) > retentionMs;
    } finally {
      raw.close();
    }
  }

  close(): Promise<void> {
    return this.log.close();
  }

  /**
   * What a snapshot holds was committed. Where segments or epochs do not reach back to 0, the log starts at the
   * oldest snapshot, which stands for what is gone; records below it may have survived in the segment that
   * holds its end.
   */
  private startAtSnapshot(): void {
    const { log } = this;
    const { ids, latest } = this.snapshots;
    if (latest === undefined) return;
    log.updateHighWatermark(max64(latest.offset, log.highWatermark));
    const firstRecord = log.epochEntries[0]?.startOffset ?? log.logEndOffset;
    if (firstRecord > log.logStartOffset) {
      // It was cut inside a segment, which is whole still: the epochs of what lies before the cut are gone.
      const covering = ids.findLast(id => id.offset <= firstRecord);
      if (covering !== undefined) {
        log.maybeIncrementLogStartOffset(covering.offset, 'snapshot');
        return;
      }
      // The epochs are written later than snapshots go: it was cut again since, behind one that is there.
    }
    if (firstRecord === 0) return;
    const oldest = ids.find(id => id.offset >= firstRecord && id.offset <= log.logEndOffset);
    if (oldest !== undefined) log.maybeIncrementLogStartOffset(oldest.offset, 'snapshot');
  }
}

/** No compaction and no retention of its own: it is cut only behind snapshots. */
function metadataLogConfig(options: KafkaMetadataLogOptions): LogConfig {
  return {
    ...options.baseConfig,
    // The least that Kafka allows has no room for the framing of the largest batch.
    segmentBytes:
      options.segmentBytes < SEGMENT_MIN_BYTES
        ? options.segmentBytes
        : Math.max(options.segmentBytes, MAX_BATCH_BYTES),
    segmentMs: options.segmentMs,
    segmentJitterMs: 0,
    retentionBytes: -1,
    retentionMs: -1,
    maxMessageBytes: MAX_BATCH_BYTES,
    cleanupPolicy: new Set(['delete'] as const),
    compressionType: 'producer',
    messageTimestampType: 'CreateTime',
    messageTimestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    messageTimestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
    // Raft says when to flush, and an append is there when it returns.
    durability: 'page-cache',
    flushMessages: NEVER,
    flushMs: NEVER,
  };
}
