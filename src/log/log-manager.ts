import type { BrokerEpoch, Offset } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { LockedError, type Runtime, type Timer } from '../runtime/runtime.ts';
import { FileHandleCache } from './file-handle-cache.ts';
import { IndexMemory } from './index-memory.ts';
import { LogDirectory } from './log-directory.ts';
import type { LogDirectoryState, LogEnvironment } from './log-environment.ts';
import {
  deleteDirectoryName,
  logDirectoryName,
  parseLogDirectoryName,
  strayDirectoryName,
} from './log-file-names.ts';
import { type LoadOptions, loadLog } from './log-loader.ts';
import { writeTopicId } from './partition-metadata-file.ts';
import { LogWriter, type WriteMode } from './log-writer.ts';
import { TailCache } from './tail-cache.ts';
import { type TopicPartition, topicPartitionKey } from './topic-partition.ts';
import { UnifiedLog } from './unified-log.ts';

export interface LogManagerOptions {
  /** Absolute paths. */
  readonly logDirs: readonly string[];
  /** Of the partitions whose topic has no configuration of its own. */
  readonly defaultConfig: LogConfig;
  /** Configuration of a topic while logs are loaded. Default: `defaultConfig` for all. */
  readonly configOf?: (topic: string) => LogConfig;
  /** `directory.id` of each log directory (meta.properties). */
  readonly directoryIds?: ReadonlyMap<string, Uuid>;
  readonly writeMode?: WriteMode;
  /** Of the log's files at one time. Default 512. */
  readonly maxOpenFiles?: number;
  /**
   * Memory for the records appended last, by default 2 MiB, 1 MiB for one log: enough for consumers that wait. More
   * costs more than it saves: what outlives two collections of young garbage calls for collections of all of it.
   */
  readonly tailCacheBytes?: number;
  readonly tailCacheBytesPerLog?: number;
  /** Memory for indexes of segments that are read. Default 32 MiB. */
  readonly indexMemoryBytes?: number;
  readonly verifyChecksumsOnRead?: boolean;
  /** log.flush.scheduler.interval.ms; default: never. */
  readonly flushSchedulerIntervalMs?: number;
  /** log.flush.offset.checkpoint.interval.ms */
  readonly flushOffsetCheckpointMs?: number;
  /** log.flush.start.offset.checkpoint.interval.ms */
  readonly flushStartOffsetCheckpointMs?: number;
  /** replica.high.watermark.checkpoint.interval.ms */
  readonly highWatermarkCheckpointMs?: number;
  /** log.retention.check.interval.ms */
  readonly retentionCheckMs?: number;
  /** producer.id.expiration.ms */
  readonly producerIdExpirationMs?: number;
  /** producer.id.expiration.check.interval.ms */
  readonly producerIdExpirationCheckMs?: number;
  /** A log directory failed. `remaining`: those that still work; at 0 the broker has to stop. */
  readonly onLogDirFailure?: (logDir: string, error: Error, remaining: number) => void;
}

export interface LogDirDescription {
  readonly logDir: string;
  readonly directoryId: Uuid | undefined;
  /** KAFKA_STORAGE_ERROR if it is offline, else NONE. */
  readonly errorCode: number;
  /** -1 if it is offline. */
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly logs: readonly LogDescription[];
}

export interface LogDescription {
  readonly topicPartition: TopicPartition;
  readonly sizeInBytes: number;
  /** Behind the high watermark, or for a future log behind the current one. */
  readonly offsetLag: number;
  readonly isFuture: boolean;
}

const DEFAULT_MAX_OPEN_FILES = 512;
const MIB = 1024 * 1024;
const CLUSTER_METADATA_TOPIC = '__cluster_metadata';
/** Logs to load, or to close, before other work gets its turn. */
const LOGS_PER_TURN = 64;
const CLOSES_AT_ONCE = 8;

/** All logs of a broker, over one or more log directories. */
export class LogManager {
  readonly environment: LogEnvironment;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: LogManagerOptions;
  private readonly directories: LogDirectory[];
  private readonly logs = new Map<string, UnifiedLog>();
  private readonly futureLogs = new Map<string, UnifiedLog>();
  /** Found while loading, beside the one in {@link logs} or {@link futureLogs}; see {@link setDuplicatesAside}. */
  private readonly duplicates: UnifiedLog[] = [];
  private readonly timers = new Set<Timer>();
  private started = false;
  private stopped = false;

  constructor(runtime: Runtime, logger: Logger, options: LogManagerOptions) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
    const tailCacheBytes = options.tailCacheBytes ?? 2 * MIB;
    this.environment = {
      runtime,
      logger,
      disk: runtime.disk,
      handles: new FileHandleCache(runtime.disk, options.maxOpenFiles ?? DEFAULT_MAX_OPEN_FILES),
      indexMemory: new IndexMemory(options.indexMemoryBytes ?? 32 * MIB),
      tailCache: new TailCache(tailCacheBytes, options.tailCacheBytesPerLog ?? MIB),
      writer: new LogWriter(runtime.timers, options.writeMode ?? 'synchronous'),
      producerIdExpirationMs: options.producerIdExpirationMs ?? 86_400_000,
      verifyChecksumsOnRead: options.verifyChecksumsOnRead ?? false,
    };
    this.directories = options.logDirs.map(path => {
      const directory: LogDirectory = new LogDirectory(runtime.disk, logger, path, error =>
        this.onFailure(directory, error),
      );
      return directory;
    });
  }

  // Start.

  /**
   * Takes the locks of all log directories, makes those that are missing. Called by {@link startup}; call
   * it before, where a metadata log in one of them is opened first. Throws `LockedError` (S12).
   */
  lockDirectories(): void {
    try {
      for (const directory of this.directories) {
        try {
          directory.open();
        } catch (error) {
          if (error instanceof LockedError) throw error;
          directory.state.fail(error as Error);
        }
      }
    } catch (error) {
      for (const directory of this.directories) directory.release();
      throw error;
    }
  }

  /** Loads every log, recovers those that need it, and begins the periodic work. */
  async startup(): Promise<void> {
    this.lockDirectories();
    for (const directory of this.directories) {
      if (directory.state.isOffline) continue;
      try {
        await this.loadDirectory(directory);
      } catch (error) {
        this.logger.error('a log directory cannot be loaded', { logDir: directory.path, error });
        directory.state.fail(error as Error);
      }
    }
    this.started = true;
    this.schedulePeriodicWork();
  }

  private async loadDirectory(directory: LogDirectory): Promise<void> {
    const startedMs = this.runtime.clock.monotonicMs();
    const recoveryPoints = directory.readRecoveryPoints();
    const logStartOffsets = directory.readLogStartOffsets();
    const highWatermarks = directory.readHighWatermarks();
    let loaded = 0;
    for (const entry of this.runtime.disk.readDirectorySync(directory.path)) {
      if (!entry.isDirectory) continue;
      const parsed = parseLogDirectoryName(entry.name);
      const path = `${directory.path}/${entry.name}`;
      if (parsed === undefined) {
        this.logger.warn('a directory that is no partition is left alone', { path });
        continue;
      }
      const { topicPartition, kind } = parsed;
      if (topicPartition.topic === CLUSTER_METADATA_TOPIC) continue;
      if (kind === 'delete') {
        this.removeLater(path, this.options.defaultConfig.fileDeleteDelayMs, directory);
        continue;
      }
      if (kind === 'stray') {
        this.logger.warn('a stray partition is left alone', { path });
        continue;
      }
      const key = topicPartitionKey(topicPartition);
      const log = this.open(directory.state, {
        directory: path,
        topicPartition,
        isFuture: kind === 'future',
        config: this.configOf(topicPartition.topic),
        hadCleanShutdown: directory.hadCleanShutdown,
        recoveryPoint: recoveryPoints.get(key) ?? 0,
        logStartOffset: logStartOffsets.get(key) ?? 0,
      });
      log.updateHighWatermark(highWatermarks.get(key) ?? 0);
      this.register(directory, log);
      if (++loaded % LOGS_PER_TURN === 0) await this.nextTurn();
    }
    this.logger.info('logs loaded', {
      logDir: directory.path,
      logs: loaded,
      cleanShutdown: directory.hadCleanShutdown,
      ms: Math.round(this.runtime.clock.monotonicMs() - startedMs),
    });
  }

  private nextTurn(): Promise<void> {
    return new Promise(resolve => this.runtime.timers.soon(resolve));
  }

  private open(state: LogDirectoryState, options: LoadOptions): UnifiedLog {
    return new UnifiedLog(this.environment, state, loadLog(this.environment, options));
  }

  private register(directory: LogDirectory, log: UnifiedLog): void {
    const logs = log.isFuture ? this.futureLogs : this.logs;
    const key = topicPartitionKey(log.topicPartition);
    directory.partitions++;
    if (logs.has(key)) this.duplicates.push(log);
    else logs.set(key, log);
  }

  /**
   * A partition has two directories when one in a log directory that had failed comes back, and the replica has been
   * placed anew meanwhile. One of them stays: that of the topic as it is now, with the records of the newest leader
   * epoch, and the most of them. By what leaders guarantee it holds all of the other, but for what was never committed.
   * The others get `-stray` names. Called before the first replica is opened.
   */
  setDuplicatesAside(topicIdOf: (topic: string) => Uuid | undefined): void {
    for (const duplicate of this.duplicates.splice(0)) {
      const logs = duplicate.isFuture ? this.futureLogs : this.logs;
      const key = topicPartitionKey(duplicate.topicPartition);
      const first = logs.get(key);
      const topicId = topicIdOf(duplicate.topicPartition.topic);
      const isBetter = first === undefined || isBetterCopy(duplicate, first, topicId);
      const [kept, other] = isBetter ? [duplicate, first] : [first, duplicate];
      logs.set(key, kept);
      if (other === undefined) continue;
      const path = other.directory;
      this.retire(other, true);
      this.logger.warn(
        'two log directories hold the same partition: the copy with the newest records is used, the other is set ' +
          'aside under a name that ends in -stray and may be deleted by hand',
        { used: kept.directory, setAside: path, now: other.directory, ...endsOf(kept, other) },
      );
    }
  }

  private configOf(topic: string): LogConfig {
    return this.options.configOf?.(topic) ?? this.options.defaultConfig;
  }

  // Logs.

  get allLogs(): Iterable<UnifiedLog> {
    return this.logs.values();
  }

  get logCount(): number {
    return this.logs.size;
  }

  getLog(topicPartition: TopicPartition, isFuture = false): UnifiedLog | undefined {
    return (isFuture ? this.futureLogs : this.logs).get(topicPartitionKey(topicPartition));
  }

  /**
   * The log of a partition, made if there is none: in `logDir`, or in the log directory that has fewest. A
   * directory without a topic id gets `topicId`. Throws INCONSISTENT_TOPIC_ID if it has another,
   * KAFKA_STORAGE_ERROR if no log directory works.
   */
  getOrCreateLog(
    topicPartition: TopicPartition,
    topicId?: Uuid,
    config?: LogConfig,
    logDir?: string,
  ): UnifiedLog {
    const existing = this.getLog(topicPartition);
    if (existing !== undefined) {
      if (topicId !== undefined) existing.assignTopicId(topicId);
      return existing;
    }
    const directory = this.place(logDir);
    const { disk } = this.runtime;
    const path = `${directory.path}/${logDirectoryName(topicPartition)}`;
    try {
      if (directory.checkpointsAreStale) this.writeCheckpoints(directory);
      const isNew = disk.statSync(path) === undefined;
      if (isNew) {
        disk.makeDirectorySync(path);
        directory.state.needsSync = true;
        if (topicId !== undefined) writeTopicId(disk, path, topicId);
      }
      const log = this.open(directory.state, {
        directory: path,
        topicPartition,
        isFuture: false,
        config: config ?? this.configOf(topicPartition.topic),
        hadCleanShutdown: isNew,
        recoveryPoint: 0,
        logStartOffset: 0,
        isNew,
        topicId: isNew ? topicId : undefined,
      });
      if (!isNew && topicId !== undefined) log.assignTopicId(topicId);
      this.register(directory, log);
      return log;
    } catch (error) {
      throw this.storageError(directory, error);
    }
  }

  private place(logDir: string | undefined): LogDirectory {
    let best: LogDirectory | undefined;
    for (const directory of this.directories) {
      if (directory.state.isOffline || (logDir !== undefined && directory.path !== logDir)) continue;
      if (best === undefined || directory.partitions < best.partitions) best = directory;
    }
    if (best === undefined) throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, 'no log directory is online');
    return best;
  }

  private storageError(directory: LogDirectory, error: unknown): unknown {
    if (!(error instanceof Error) || typeof (error as { code?: unknown }).code !== 'string') return error;
    directory.state.fail(error);
    return new KafkaError(
      Errors.KAFKA_STORAGE_ERROR,
      `log directory ${directory.path} failed: ${error.message}`,
    );
  }

  /**
   * Takes a partition out: its directory gets a `-delete` name now, and is removed after
   * `file.delete.delay.ms`. With `stray` it gets a `-stray` name and stays for somebody to look at.
   */
  asyncDelete(topicPartition: TopicPartition, options: { stray?: boolean; isFuture?: boolean } = {}): void {
    const logs = options.isFuture === true ? this.futureLogs : this.logs;
    const key = topicPartitionKey(topicPartition);
    const log = logs.get(key);
    if (log === undefined) return;
    logs.delete(key);
    this.retire(log, options.stray === true);
  }

  private retire(log: UnifiedLog, stray: boolean): void {
    const { topicPartition } = log;
    const directory = this.directories.find(one => one.path === log.logDirectory);
    if (directory === undefined || directory.state.isOffline) return;
    directory.partitions--;
    const uniqueId = this.runtime.random.bytes(16).toString('hex');
    const name = stray
      ? strayDirectoryName(topicPartition, uniqueId)
      : deleteDirectoryName(topicPartition, uniqueId);
    const path = `${directory.path}/${name}`;
    log.retireTo(path);
    if (!stray) this.removeLater(path, log.config.fileDeleteDelayMs, directory);
    // A new partition of the same name may not inherit what the checkpoints say of this one.
    if (directory.checkpointsAreStale || !directory.checkpointsName(topicPartition)) return;
    directory.checkpointsAreStale = true;
    this.runtime.timers.soon(() => {
      if (directory.checkpointsAreStale && !this.stopped)
        this.guarded(directory, () => this.writeCheckpoints(directory));
    });
  }

  private removeLater(path: string, delayMs: number, directory: LogDirectory): void {
    this.after(Math.min(delayMs, 0x7fff_ffff), () => {
      if (directory.state.isOffline) return;
      this.runtime.disk.removeTree(path).catch((error: Error) => directory.state.fail(error));
    });
  }

  updateTopicConfig(topic: string, config: LogConfig): void {
    for (const logs of [this.logs, this.futureLogs]) {
      for (const log of logs.values()) if (log.topicPartition.topic === topic) log.updateConfig(config);
    }
  }

  // Log directories.

  get onlineLogDirs(): string[] {
    return this.directories.filter(directory => !directory.state.isOffline).map(directory => directory.path);
  }

  get hasOfflineLogDirs(): boolean {
    return this.directories.some(directory => directory.state.isOffline);
  }

  isOffline(logDir: string): boolean {
    return this.directories.find(directory => directory.path === logDir)?.state.isOffline ?? false;
  }

  directoryIdOf(logDir: string): Uuid | undefined {
    return this.options.directoryIds?.get(logDir);
  }

  /** The broker epoch that all clean-shutdown markers name; -1 if one is missing or they differ. */
  get previousBrokerEpoch(): BrokerEpoch {
    const [first, ...others] = this.directories;
    if (first === undefined || this.directories.some(directory => directory.state.isOffline)) return -1;
    const epoch = first.cleanShutdownBrokerEpoch;
    return others.every(directory => directory.cleanShutdownBrokerEpoch === epoch) ? epoch : -1;
  }

  private onFailure(directory: LogDirectory, error: Error): void {
    this.logger.error('a log directory is offline', { logDir: directory.path, error });
    for (const log of this.logsOf(directory)) log.markOffline();
    for (const log of this.futureLogs.values()) if (log.logDirectory === directory.path) log.markOffline();
    this.options.onLogDirFailure?.(directory.path, error, this.onlineLogDirs.length);
  }

  describeLogDirs(): LogDirDescription[] {
    return this.directories.map(directory => {
      const { path, state } = directory;
      const directoryId = this.directoryIdOf(path);
      const offline = {
        logDir: path,
        directoryId,
        errorCode: Errors.KAFKA_STORAGE_ERROR,
        totalBytes: -1,
        usableBytes: -1,
        logs: [],
      };
      if (state.isOffline) return offline;
      try {
        const { totalBytes, usableBytes } = this.runtime.disk.spaceSync(path);
        const logs = [...this.logs.values(), ...this.futureLogs.values()].filter(
          log => log.logDirectory === path,
        );
        return {
          logDir: path,
          directoryId,
          errorCode: Errors.NONE,
          totalBytes,
          usableBytes,
          logs: logs.map(log => this.describe(log)),
        };
      } catch (error) {
        state.fail(error as Error);
        return offline;
      }
    });
  }

  private describe(log: UnifiedLog): LogDescription {
    const { topicPartition, isFuture, sizeInBytes } = log;
    const end: Offset = isFuture ? (this.getLog(topicPartition)?.logEndOffset ?? 0) : log.highWatermark;
    return { topicPartition, sizeInBytes, offsetLag: log.lagTo(end), isFuture };
  }

  private logsOf(directory: LogDirectory): UnifiedLog[] {
    return [...this.logs.values(), ...this.duplicates].filter(log => log.logDirectory === directory.path);
  }

  // Periodic work.

  private after(delayMs: number, callback: () => void): void {
    const timer = this.runtime.timers.after(delayMs, () => {
      this.timers.delete(timer);
      callback();
    });
    this.timers.add(timer);
  }

  private every(periodMs: number | undefined, work: () => void): void {
    if (periodMs === undefined || periodMs > 0x7fff_ffff) return;
    this.after(periodMs, () => {
      if (this.stopped) return;
      work();
      this.every(periodMs, work);
    });
  }

  private schedulePeriodicWork(): void {
    const { options } = this;
    this.every(options.flushSchedulerIntervalMs, () => void this.flushDirtyLogs());
    this.every(options.flushOffsetCheckpointMs ?? 60_000, () => this.checkpoint('writeRecoveryPoints'));
    this.every(options.flushStartOffsetCheckpointMs ?? 60_000, () => this.checkpoint('writeLogStartOffsets'));
    this.every(options.highWatermarkCheckpointMs ?? 5_000, () => this.checkpoint('writeHighWatermarks'));
    this.every(options.retentionCheckMs ?? 300_000, () => void this.cleanupLogs());
    this.every(options.producerIdExpirationCheckMs ?? 600_000, () => {
      const nowMs = this.runtime.clock.wallMs();
      for (const log of this.logs.values()) log.removeExpiredProducers(nowMs);
    });
  }

  private guarded(directory: LogDirectory, work: () => void): void {
    if (directory.state.isOffline) return;
    try {
      work();
    } catch (error) {
      const translated = this.storageError(directory, error);
      if (!(translated instanceof KafkaError)) throw error;
    }
  }

  private checkpoint(kind: 'writeRecoveryPoints' | 'writeLogStartOffsets' | 'writeHighWatermarks'): void {
    for (const directory of this.directories)
      this.guarded(directory, () => directory[kind](this.logsOf(directory)));
  }

  /** Writes the high watermarks now, as before a controlled stop. */
  checkpointHighWatermarks(): void {
    this.checkpoint('writeHighWatermarks');
  }

  /** Writes the log start offsets now, so that a DeleteRecords that was answered outlives the process. */
  checkpointStartOffsets(): void {
    this.checkpoint('writeLogStartOffsets');
  }

  private writeCheckpoints(directory: LogDirectory): void {
    directory.writeCheckpoints(this.logsOf(directory));
  }

  /** flush.ms: fsyncs the logs that have waited long enough. */
  async flushDirtyLogs(): Promise<void> {
    for (const log of [...this.logs.values()]) {
      if (this.stopped) return;
      const waitedMs = this.runtime.clock.monotonicMs() - log.lastFlushTimeMs;
      if (log.isOffline || !log.isDirty || waitedMs < log.config.flushMs) continue;
      await log.flush().catch(() => {});
    }
  }

  /**
   * retention.ms, retention.bytes and the log start offset, over all logs. Returns the number of segments
   * deleted.
   */
  async cleanupLogs(): Promise<number> {
    let deleted = 0;
    let seen = 0;
    for (const log of [...this.logs.values()]) {
      if (this.stopped) break;
      if (++seen % LOGS_PER_TURN === 0) await this.nextTurn();
      if (log.isOffline || this.getLog(log.topicPartition) !== log) continue;
      try {
        deleted += log.deleteOldSegments();
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
      }
    }
    return deleted;
  }

  // Stop.

  /**
   * Closes all logs, writes the checkpoints and, where all of that went well, the marker of a clean stop
   * with the broker's epoch. Then the locks are free.
   */
  async shutdown(brokerEpoch: BrokerEpoch = -1): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    for (const directory of this.directories) {
      if (directory.isLocked && !directory.state.isOffline) await this.closeDirectory(directory, brokerEpoch);
      directory.release();
    }
  }

  private async closeDirectory(directory: LogDirectory, brokerEpoch: BrokerEpoch): Promise<void> {
    const logs = this.logsOf(directory);
    const queue = [
      ...logs,
      ...[...this.futureLogs.values()].filter(log => log.logDirectory === directory.path),
    ];
    let failed = false;
    const worker = async (): Promise<void> => {
      for (let log = queue.pop(); log !== undefined; log = queue.pop()) {
        await log.close().catch(error => {
          failed = true;
          this.logger.error('a log was not closed in order', { log: log!.directory, error });
        });
      }
    };
    await Promise.all(Array.from({ length: CLOSES_AT_ONCE }, worker));
    if (failed || !this.started || directory.state.isOffline) return;
    this.guarded(directory, () => {
      if (directory.state.needsSync) this.runtime.disk.syncDirectorySync(directory.path);
      directory.writeCheckpoints(logs);
      directory.writeCleanShutdownMarker(brokerEpoch);
    });
  }
}

/** Whether `one` is to stay rather than `other`, which is of the same partition. */
function isBetterCopy(one: UnifiedLog, other: UnifiedLog, topicId: Uuid | undefined): boolean {
  const isOfTopic = one.topicId === topicId;
  if (isOfTopic !== (other.topicId === topicId)) return isOfTopic;
  const epochs = (one.latestEpoch ?? -1) - (other.latestEpoch ?? -1);
  return epochs !== 0 ? epochs > 0 : one.logEndOffset > other.logEndOffset;
}

function endsOf(kept: UnifiedLog, other: UnifiedLog) {
  return {
    usedEpoch: kept.latestEpoch,
    usedEnd: kept.logEndOffset,
    setAsideEpoch: other.latestEpoch,
    setAsideEnd: other.logEndOffset,
  };
}
