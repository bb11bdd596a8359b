import { add64, max64, min64, type Offset } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import type { RecordBatch } from '../record/record-batch.ts';
import { CorruptCheckpointError } from './checkpoint-file.ts';
import { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogEnvironment } from './log-environment.ts';
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  LEADER_EPOCH_CHECKPOINT,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetFromFileName,
  PARTITION_METADATA,
  PRODUCER_SNAPSHOT_SUFFIX,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from './log-file-names.ts';
import { replayProducerState, updateProducerState } from './log-replay.ts';
import { LogSegment, NEW_SEGMENT_FILES, type SegmentFiles } from './log-segment.ts';
import { LogSegments, openSegment } from './log-segments.ts';
import { PartitionMetadataFile } from './partition-metadata-file.ts';
import { ProducerStateManager } from './producer-state-manager.ts';
import type { TopicPartition } from './topic-partition.ts';

export interface LoadOptions {
  readonly directory: string;
  readonly topicPartition: TopicPartition;
  readonly isFuture: boolean;
  readonly config: LogConfig;
  /** The log directory was left in order: no segment needs to be read. */
  readonly hadCleanShutdown: boolean;
  /** The checkpoints of the log directory; 0 if they do not name the partition. */
  readonly recoveryPoint: Offset;
  readonly logStartOffset: Offset;
  /** The checkpoint of the cleaner names the partition: offsets may be missing anywhere. */
  readonly isCompacted?: boolean;
  /** The directory was made just now. */
  readonly isNew?: boolean;
  readonly topicId?: Uuid | undefined;
}

/** A log as the loader found it on disk, or a new one. */
export interface LoadedLog {
  readonly topicPartition: TopicPartition;
  readonly topicId: Uuid | undefined;
  readonly directory: string;
  readonly isFuture: boolean;
  readonly config: LogConfig;
  readonly segments: LogSegments;
  readonly leaderEpochCache: LeaderEpochFileCache;
  readonly producerState: ProducerStateManager;
  readonly logStartOffset: Offset;
  readonly nextOffset: Offset;
  readonly recoveryPoint: Offset;
}

/**
 * Opens the log in a partition's directory.
 *
 * 1. Leftovers go: `.deleted`, `.cleaned`; a finished `.swap` takes the place of the segments it replaces.
 * 2. After an unclean stop the segments from the recovery point on are read whole: indexes, leader epochs
 * and producer    snapshots are made anew, and the log is cut behind the last good batch; segments behind a
 * cut go (S4, S5). 3. The end is read from the last segment, leader epochs are cut to fit, the producer
 * state is loaded from the latest    snapshot and the batches behind it (S7, S11).
 */
export function loadLog(environment: LogEnvironment, options: LoadOptions): LoadedLog {
  return new LogLoader(environment, options).load();
}

class LogLoader {
  private readonly environment: LogEnvironment;
  private readonly options: LoadOptions;
  private names: Set<string>;
  private readonly segments = new LogSegments();
  private readonly epochs: LeaderEpochFileCache;
  private producers: ProducerStateManager | undefined;
  private epochsAreSuspect = false;

  constructor(environment: LogEnvironment, options: LoadOptions) {
    this.environment = environment;
    this.options = options;
    this.names = new Set(
      options.isNew === true
        ? []
        : environment.disk.readDirectorySync(options.directory).map(entry => entry.name),
    );
    const hasEpochs = this.names.has(LEADER_EPOCH_CHECKPOINT);
    this.epochs = new LeaderEpochFileCache(
      environment.disk,
      `${options.directory}/${LEADER_EPOCH_CHECKPOINT}`,
      hasEpochs,
    );
  }

  load(): LoadedLog {
    const { options, epochs } = this;
    this.removeLeftovers();
    this.findSegments();
    try {
      epochs.load();
    } catch (error) {
      if (!(error instanceof CorruptCheckpointError)) throw error;
      this.epochsAreSuspect = true;
      this.warn('the leader epoch checkpoint is corrupt; it is made anew from the batches', {
        reason: error.message,
      });
    }
    const producers = this.openProducerState();
    if (!options.hadCleanShutdown) this.recover(this.recoveryStart());
    let end = this.readEnd();
    if (end.nextOffset < options.logStartOffset) {
      // All that was left lies below what was deleted.
      for (const segment of [...this.segments.all]) this.drop(segment);
      end = { nextOffset: options.logStartOffset, lastEpoch: undefined };
    }
    const { nextOffset } = end;
    if (this.segments.size === 0) this.addSegment(max64(options.logStartOffset, 0));
    const logStartOffset = max64(options.logStartOffset, this.segments.first!.baseOffset);
    this.fitEpochs(logStartOffset, nextOffset, end.lastEpoch);
    producers.truncateAndReload(logStartOffset, nextOffset, this.nowMs());
    replayProducerState(producers, this.segments, nextOffset);
    return {
      topicPartition: options.topicPartition,
      topicId: options.topicId ?? this.readTopicId(),
      directory: options.directory,
      isFuture: options.isFuture,
      config: options.config,
      segments: this.segments,
      leaderEpochCache: epochs,
      producerState: producers,
      logStartOffset,
      nextOffset,
      recoveryPoint: options.hadCleanShutdown ? nextOffset : min64(options.recoveryPoint, nextOffset),
    };
  }

  private nowMs(): number {
    return this.environment.runtime.clock.wallMs();
  }

  private warn(message: string, fields: Record<string, unknown>): void {
    this.environment.logger.warn(message, { directory: this.options.directory, ...fields });
  }

  private pathOf(name: string): string {
    return `${this.options.directory}/${name}`;
  }

  private removeFile(name: string): void {
    this.environment.disk.removeFileSync(this.pathOf(name));
    this.names.delete(name);
  }

  /** What a rename, a compaction or a deletion left when the process ended. */
  private removeLeftovers(): void {
    let firstCleaned: Offset | undefined;
    const swaps: string[] = [];
    for (const name of [...this.names]) {
      if (name.endsWith(CLEANED_SUFFIX)) {
        const offset = offsetFromFileName(name);
        if (offset !== undefined)
          firstCleaned = firstCleaned === undefined ? offset : min64(firstCleaned, offset);
        this.removeFile(name);
      } else if (name.endsWith(DELETED_SUFFIX) || name.endsWith('.tmp')) {
        this.removeFile(name);
      } else if (name.endsWith(SWAP_SUFFIX)) {
        swaps.push(name);
      }
    }
    const valid: string[] = [];
    for (const name of swaps) {
      const offset = offsetFromFileName(name);
      // Something was still being cleaned at or below it: the swap had not begun for all of it.
      if (offset === undefined || (firstCleaned !== undefined && offset >= firstCleaned))
        this.removeFile(name);
      else valid.push(name);
    }
    this.finishSwap(valid);
  }

  private finishSwap(swaps: readonly string[]): void {
    let from: Offset | undefined;
    let to: Offset = 0;
    for (const name of swaps) {
      if (!name.endsWith(LOG_SUFFIX + SWAP_SUFFIX)) continue;
      const baseOffset = offsetFromFileName(name)!;
      from = from === undefined ? baseOffset : min64(from, baseOffset);
      to = max64(to, this.endOfSwap(name, baseOffset));
    }
    if (from !== undefined) {
      for (const name of [...this.names]) {
        const offset = offsetFromFileName(name);
        const isSegmentFile = /\.(log|index|timeindex|txnindex)$/.test(name);
        if (isSegmentFile && offset !== undefined && offset >= from && offset < to) this.removeFile(name);
      }
    }
    for (const name of swaps) {
      const target = name.slice(0, -SWAP_SUFFIX.length);
      this.environment.disk.renameSync(this.pathOf(name), this.pathOf(target));
      this.names.delete(name);
      this.names.add(target);
    }
  }

  private endOfSwap(name: string, baseOffset: Offset): Offset {
    const segment = new LogSegment(
      this.environment,
      this.options.directory,
      baseOffset,
      {
        ...NEW_SEGMENT_FILES,
        hasLog: true,
        logBytes: this.environment.disk.statSync(this.pathOf(name))?.size ?? 0,
      },
      this.nowMs(),
      0,
    );
    segment.log.relocate(this.pathOf(name));
    let end = add64(baseOffset, 1);
    segment.scan(0, segment.writtenBytes, batch => {
      end = batch.nextOffset;
      return true;
    });
    segment.closeFiles();
    return end;
  }

  private findSegments(): void {
    const { disk } = this.environment;
    for (const name of [...this.names]) {
      const offset = offsetFromFileName(name);
      if (offset === undefined) continue;
      const prefix = name.slice(0, 20);
      if (name === prefix + LOG_SUFFIX) {
        this.addSegment(offset, {
          hasLog: true,
          logBytes: disk.statSync(this.pathOf(name))?.size ?? 0,
          hasOffsetIndex: this.names.has(prefix + OFFSET_INDEX_SUFFIX),
          hasTimeIndex: this.names.has(prefix + TIME_INDEX_SUFFIX),
          hasTransactionIndex: this.names.has(prefix + TRANSACTION_INDEX_SUFFIX),
        });
      } else if (/\.(index|timeindex|txnindex)$/.test(name) && !this.names.has(prefix + LOG_SUFFIX)) {
        this.warn('an index without a log file is removed', { name });
        this.removeFile(name);
      }
    }
  }

  private addSegment(baseOffset: Offset, files?: SegmentFiles): void {
    const { directory, config } = this.options;
    this.segments.add(openSegment(this.environment, directory, config, baseOffset, files));
  }

  private openProducerState(): ProducerStateManager {
    const { environment, options } = this;
    const snapshots: Offset[] = [];
    for (const name of this.names) {
      const offset = name.endsWith(PRODUCER_SNAPSHOT_SUFFIX) ? offsetFromFileName(name) : undefined;
      if (offset !== undefined) snapshots.push(offset);
    }
    this.producers = new ProducerStateManager(
      environment.disk,
      environment.logger,
      options.directory,
      snapshots,
      environment.producerIdExpirationMs,
    );
    if (this.segments.size > 0) {
      const bases = new Set(this.segments.all.map(segment => segment.baseOffset));
      this.producers.removeStraySnapshots(bases, this.segments.active.baseOffset);
    }
    return this.producers;
  }

  private recoveryStart(): Offset {
    const { recoveryPoint, logStartOffset } = this.options;
    return max64(recoveryPoint, logStartOffset);
  }

  /** Reads the segments that hold `from` or follow it, and cuts the log behind the last good batch. */
  private recover(from: Offset): void {
    const { config, logStartOffset } = this.options;
    const producers = this.producers!;
    const unflushed = this.segments.all.filter(
      (segment, slot, all) =>
        segment.baseOffset >= from || all[slot + 1] === undefined || all[slot + 1]!.baseOffset > from,
    );
    const first = unflushed[0];
    if (first === undefined) return;
    const start = max64(logStartOffset, this.segments.first!.baseOffset);
    producers.truncateAndReload(start, first.baseOffset, this.nowMs());
    replayProducerState(producers, this.segments, first.baseOffset);

    let expected: Offset = first.baseOffset;
    let gaps = this.options.isCompacted === true || config.cleanupPolicy.has('compact');
    let cut = false;
    for (const segment of unflushed) {
      // What was appended last has no gaps, unless it was copied from a compacted log. Then a hole between
      // two segments is the end of the first one, lost in a power failure.
      if (cut || segment.baseOffset < expected || (!gaps && segment.baseOffset > expected)) {
        this.warn('a segment behind a damaged one is removed', { baseOffset: String(segment.baseOffset) });
        this.drop(segment);
        cut = true;
        continue;
      }
      producers.updateMapEndOffset(segment.baseOffset);
      if (segment !== first) producers.takeSnapshot();
      expected = segment.baseOffset;
      const bytesCut = segment.recover(config.indexIntervalBytes, batch => {
        if (batch.baseOffset !== expected) gaps = true;
        expected = batch.nextOffset;
        this.take(batch, segment);
      });
      if (bytesCut > 0) {
        cut = true;
        this.warn('a damaged end of a segment was cut', {
          path: segment.log.path,
          bytesCut,
          validBytes: segment.writtenBytes,
          nextOffset: String(expected),
        });
      }
      producers.updateMapEndOffset(expected);
    }
  }

  private take(batch: RecordBatch, segment: LogSegment): void {
    const producers = this.producers!;
    const epoch = batch.partitionLeaderEpoch;
    if (epoch >= 0 && epoch > (this.epochs.latestEpoch ?? -1)) this.epochs.assign(epoch, batch.baseOffset);
    updateProducerState(producers, batch, segment);
  }

  private drop(segment: LogSegment): void {
    this.segments.remove(segment);
    segment.removeFiles();
    this.producers?.removeSnapshot(segment.baseOffset);
  }

  private readEnd(): { nextOffset: Offset; lastEpoch: number | undefined } {
    if (this.segments.size === 0)
      return { nextOffset: max64(this.options.logStartOffset, 0), lastEpoch: undefined };
    for (let retry = false; ; retry = true) {
      const { nextOffset, end, lastEpoch } = this.segments.active.readNextOffset();
      if (end.outcome === 'end' || retry)
        return { nextOffset, lastEpoch: lastEpoch ?? this.lastEpochBehindActive() };
      this.warn('the last segment does not end with a whole batch, though the stop was clean', {
        position: end.position,
      });
      this.recover(this.segments.active.baseOffset);
    }
  }

  /** The epoch of the last batch where the last segment is empty. */
  private lastEpochBehindActive(): number | undefined {
    const { all } = this.segments;
    for (let slot = all.length - 2; slot >= 0; slot--) {
      if (all[slot]!.writtenBytes > 0) return all[slot]!.readNextOffset().lastEpoch;
    }
    return undefined;
  }

  /** Cuts the epochs to the log; makes them anew if they do not know the last batch's. */
  private fitEpochs(logStartOffset: Offset, nextOffset: Offset, lastEpoch: number | undefined): void {
    const { epochs } = this;
    epochs.truncateFromEnd(nextOffset);
    const suspect =
      this.epochsAreSuspect ||
      (lastEpoch !== undefined && lastEpoch >= 0 && epochs.latestEpoch !== lastEpoch);
    if (suspect) {
      epochs.clear();
      for (const segment of this.segments.all) {
        segment.scan(0, segment.writtenBytes, batch => {
          const epoch = batch.partitionLeaderEpoch;
          if (epoch >= 0 && epoch > (epochs.latestEpoch ?? -1)) epochs.assign(epoch, batch.baseOffset);
          return true;
        });
      }
    }
    epochs.truncateFromStart(logStartOffset);
  }

  private readTopicId(): Uuid | undefined {
    if (!this.names.has(PARTITION_METADATA)) return undefined;
    return PartitionMetadataFile.parse(this.environment.disk.readFileSync(this.pathOf(PARTITION_METADATA)));
  }
}
