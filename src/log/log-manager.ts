import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import { KafkaError } from '../protocol/errors.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { CleanerConfig } from './cleaner/cleaner-config.ts';
import { LogCleaner } from './cleaner/log-cleaner.ts';
import { FileHandleCache } from './file-handle-cache.ts';
import { IndexMemory } from './index-memory.ts';
import { FutureLogs } from './future-logs.ts';
import { describeLogDir, type LogDirDescription } from './log-dir-description.ts';
import { type CheckpointKind, LogDirectories } from './log-directories.ts';
import type { LogDirectory } from './log-directory.ts';
import { loadLogDirectory } from './log-directory-loader.ts';
import type { LogEnvironment } from './log-environment.ts';
import { deleteDirectoryName, logDirectoryName, strayDirectoryName } from './log-file-names.ts';
import { loadLog } from './log-loader.ts';
import { LogRegistry } from './log-registry.ts';
import { LogWriter, type WriteMode } from './log-writer.ts';
import { writeTopicId } from './partition-metadata-file.ts';
import { Scheduler } from './scheduler.ts';
import { TailCache } from './tail-cache.ts';
import type { TopicPartition } from './topic-partition.ts';
import { UnifiedLog } from './unified-log.ts';

export type { LogDirDescription } from './log-dir-description.ts';

export interface LogManagerOptions {
  /** Absolute paths. */
  readonly logDirs: readonly string[];
  /** Of the partitions whose topic has no configuration of its own. */
  readonly defaultConfig: LogConfig;
  /** Configuration of a topic as it is now, for logs that are loaded. Default: `defaultConfig` for all. */
  readonly configOf?: (topic: string) => LogConfig;
  /** `directory.id` of each log directory (meta.properties). */
  readonly directoryIds?: ReadonlyMap<string, Uuid>;
  /** Those of `log.dirs` whose disk was found to fail before this. */
  readonly unreadable?: ReadonlyMap<string, Error>;
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
  /** log.dirs.min.free.bytes as it is now; default: 0, none. */
  readonly minFreeBytes?: () => number;
  /** cordoned.log.dirs as they are now: paths of {@link logDirs}. Default: none. */
  readonly cordonedLogDirs?: () => readonly string[];
  /** producer.id.expiration.ms as it is now. */
  readonly producerIdExpirationMs?: () => number;
  /** transaction.partition.verification.enable as it is now. Default: false. */
  readonly verifiesTransactions?: () => boolean;
  /** producer.id.expiration.check.interval.ms */
  readonly producerIdExpirationCheckMs?: number;
  /** The configuration of the cleaner as it is now. Default: nothing is compacted. */
  readonly cleanerConfig?: () => CleanerConfig;
  /** A log directory failed. `remaining`: those that still work; at 0 the broker has to stop. */
  readonly onLogDirFailure?: (logDir: string, error: Error, remaining: number) => void;
}

const DEFAULT_MAX_OPEN_FILES = 512;
const MIB = 1024 * 1024;
/** Logs to look at before other work gets its turn. */
const LOGS_PER_TURN = 64;
/** 16 us each, where every topic has values of its own. */
const CONFIGS_PER_TURN = 1_000;
const CLOSES_AT_ONCE = 8;
/** Other processes write to the disk too. */
const SPACE_CHECK_MS = 1_000;

/** All logs of a broker, over one or more log directories. */
export class LogManager {
  readonly environment: LogEnvironment;
  /** The logs of replicas that move between log directories. */
  readonly futures: FutureLogs;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: LogManagerOptions;
  private readonly directories: LogDirectories;
  private readonly registry = new LogRegistry();
  private readonly scheduler: Scheduler;
  private readonly cleaner: LogCleaner | undefined;
  private started = false;
  private stopped = false;

  constructor(runtime: Runtime, parentLogger: Logger, options: LogManagerOptions) {
    const logger = parentLogger.child('log');
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
      producerIdExpirationMs: options.producerIdExpirationMs ?? (() => 86_400_000),
      verifiesTransactions: options.verifiesTransactions ?? (() => false),
      writeCleanerCheckpoint: logDir => this.checkpointOf('writeCleanerOffsets', logDir),
      writeRecoveryPoints: logDir => this.checkpointOf('writeRecoveryPoints', logDir),
      verifyChecksumsOnRead: options.verifyChecksumsOnRead ?? false,
    };
    this.directories = new LogDirectories(
      runtime.disk,
      logger,
      options.logDirs,
      this.registry,
      options.minFreeBytes ?? (() => 0),
      options.onLogDirFailure,
    );
    this.directories.isCordoned = path => options.cordonedLogDirs?.().includes(path) ?? false;
    this.scheduler = new Scheduler(runtime.timers);
    this.futures = new FutureLogs(
      this.environment,
      this.directories,
      this.registry,
      (path, log, directory) => {
        this.removeLater(path, log.config.fileDeleteDelayMs, directory, () => log.releaseFiles());
      },
    );
    this.cleaner = options.cleanerConfig && this.createCleaner(options.cleanerConfig);
  }

  private createCleaner(config: () => CleanerConfig): LogCleaner {
    const { registry } = this;
    const logs = {
      get all() {
        return registry.current;
      },
      mayBeCleaned: (log: UnifiedLog) =>
        registry.get(log.topicPartition) === log && registry.get(log.topicPartition, true) === undefined,
      writeCheckpoint: (logDir: string) => this.checkpointOf('writeCleanerOffsets', logDir),
    };
    return new LogCleaner(this.environment, logs, config);
  }

  private checkpointOf(kind: CheckpointKind, logDir: string): void {
    this.directories.checkpoint(kind, new Set([logDir]));
  }

  // Start.

  /**
   * Takes the locks of all log directories, makes those that are missing. Called by {@link startup}; call
   * it before, where a metadata log in one of them is opened first. Throws `LockedError` (S12).
   */
  lockDirectories(): void {
    this.directories.lock(this.options.unreadable);
  }

  /** Loads every log, recovers those that need it, and begins the periodic work. */
  async startup(): Promise<void> {
    this.lockDirectories();
    for (const directory of this.directories.online) {
      try {
        await loadLogDirectory(this.environment, directory, topic => this.configOf(topic), {
          onLog: log => this.register(directory, log),
          onDeleted: path => this.removeLater(path, this.options.defaultConfig.fileDeleteDelayMs, directory),
        });
        // What was cut from a log by its recovery may not count as synced when it is written again.
        const logs = this.registry.checkpointedIn(directory.path);
        if (logs.some(log => log.checkpointedRecoveryPoint > log.recoveryPoint)) {
          this.checkpointOf('writeRecoveryPoints', directory.path);
        }
      } catch (error) {
        this.logger.error('a log directory cannot be loaded', { logDir: directory.path, error });
        directory.state.fail(error as Error);
      }
    }
    this.started = true;
    this.schedulePeriodicWork();
  }

  /** Begins to compact. Called when the logs have the configuration of their topics: compaction cannot be undone. */
  startCleaner(): void {
    this.cleaner?.startup();
  }

  /** Values that {@link LogManagerOptions} gives may be others now: what waits for a time that is over does not. */
  onConfigChanged(): void {
    if (!this.started) return;
    this.directories.checkSpace();
    this.cleaner?.onConfigChanged();
  }

  private register(directory: LogDirectory, log: UnifiedLog): void {
    directory.partitions++;
    this.registry.add(log);
  }

  /**
   * A partition has two directories when one in a log directory that had failed comes back, and the replica has been
   * placed anew meanwhile. One of them stays: that of the topic as it is now, with the records of the newest leader
   * epoch, and the most of them. By what leaders guarantee it holds all of the other, but for what was never committed.
   * The others get `-stray` names. Called before the first replica is opened.
   */
  setDuplicatesAside(topicIdOf: (topic: string) => Uuid | undefined): void {
    for (const duplicate of this.registry.takeDuplicates()) {
      const first = this.registry.get(duplicate.topicPartition, duplicate.isFuture);
      const topicId = topicIdOf(duplicate.topicPartition.topic);
      const isBetter = first === undefined || isBetterCopy(duplicate, first, topicId);
      const [kept, other] = isBetter ? [duplicate, first] : [first, duplicate];
      this.registry.set(kept);
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
    return this.registry.current;
  }

  get logCount(): number {
    return this.registry.size;
  }

  getLog(topicPartition: TopicPartition, isFuture = false): UnifiedLog | undefined {
    return this.registry.get(topicPartition, isFuture);
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
    const directory = this.directories.place(logDir);
    const { disk } = this.runtime;
    const path = `${directory.path}/${logDirectoryName(topicPartition)}`;
    try {
      if (directory.checkpointsAreStale) this.directories.writeCheckpoints(directory);
      const isNew = disk.statSync(path) === undefined;
      if (isNew) {
        disk.makeDirectorySync(path);
        directory.state.needsSync = true;
        if (topicId !== undefined) writeTopicId(disk, path, topicId);
      }
      const loaded = loadLog(this.environment, {
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
      const log = new UnifiedLog(this.environment, directory.state, loaded);
      if (!isNew && topicId !== undefined) log.assignTopicId(topicId);
      this.register(directory, log);
      return log;
    } catch (error) {
      // Without room for it there is no replica, and the directory stays.
      return directory.state.onDiskWithRoom(() => {
        throw error;
      });
    }
  }

  /**
   * Takes a partition out: its directory gets a `-delete` name now, and is removed after
   * `file.delete.delay.ms`. With `stray` it gets a `-stray` name and stays for somebody to look at.
   */
  asyncDelete(topicPartition: TopicPartition, options: { stray?: boolean; isFuture?: boolean } = {}): void {
    const log = this.registry.get(topicPartition, options.isFuture);
    if (log === undefined) return;
    this.registry.remove(log);
    this.retire(log, options.stray === true);
  }

  private retire(log: UnifiedLog, stray: boolean): void {
    const { topicPartition } = log;
    const directory = this.directories.find(log.logDirectory);
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
      if (!directory.checkpointsAreStale || this.stopped) return;
      this.directories.guarded(directory, () => this.directories.writeCheckpoints(directory));
    });
  }

  private removeLater(
    path: string,
    delayMs: number,
    directory: LogDirectory,
    before: () => void = () => {},
  ): void {
    this.scheduler.after(delayMs, () => {
      before();
      if (directory.state.isOffline) return;
      this.runtime.disk.removeTree(path).catch((error: Error) => directory.state.fail(error));
    });
  }

  /** Gives every log the configuration that its topic has now. Where there are very many, in several turns. */
  updateAllConfigs(): void {
    const logs = [...this.registry.all()];
    const next = (): void => {
      // Not kept for the next turn: by then a topic may have another one.
      const configs = new Map<string, LogConfig>();
      for (const log of logs.splice(0, CONFIGS_PER_TURN)) {
        const { topic } = log.topicPartition;
        const config = configs.get(topic) ?? this.configOf(topic);
        configs.set(topic, config);
        log.updateConfig(config);
      }
      if (logs.length > 0 && !this.stopped) this.runtime.timers.soon(next);
    };
    next();
  }

  updateTopicConfig(topic: string, config: LogConfig): void {
    for (const log of this.registry.ofTopic(topic)) log.updateConfig(config);
  }

  // Log directories.

  get onlineLogDirs(): string[] {
    return this.directories.online.map(directory => directory.path);
  }

  get hasOfflineLogDirs(): boolean {
    return this.directories.hasOffline;
  }

  isOffline(logDir: string): boolean {
    return this.directories.find(logDir)?.state.isOffline ?? false;
  }

  directoryIdOf(logDir: string): Uuid | undefined {
    return this.options.directoryIds?.get(logDir);
  }

  /** The broker epoch that all clean-shutdown markers name; -1 if one is missing or they differ. */
  get previousBrokerEpoch(): BrokerEpoch {
    return this.directories.previousBrokerEpoch;
  }

  describeLogDirs(): LogDirDescription[] {
    const { disk } = this.runtime;
    return this.directories.all.map(directory =>
      describeLogDir(disk, directory, this.directoryIdOf(directory.path), this.registry),
    );
  }

  // Periodic work.

  private schedulePeriodicWork(): void {
    const { directories, options, scheduler } = this;
    directories.checkSpace();
    scheduler.every(SPACE_CHECK_MS, () => directories.checkSpace());
    scheduler.every(options.flushSchedulerIntervalMs, () => void this.flushDirtyLogs());
    scheduler.every(options.flushOffsetCheckpointMs ?? 60_000, () =>
      directories.checkpoint('writeRecoveryPoints'),
    );
    scheduler.every(options.flushStartOffsetCheckpointMs ?? 60_000, () =>
      directories.checkpoint('writeLogStartOffsets'),
    );
    scheduler.every(options.highWatermarkCheckpointMs ?? 5_000, () =>
      directories.checkpoint('writeHighWatermarks'),
    );
    scheduler.every(options.retentionCheckMs ?? 300_000, () => void this.cleanupLogs());
    scheduler.every(options.producerIdExpirationCheckMs ?? 600_000, () => {
      const nowMs = this.runtime.clock.wallMs();
      for (const log of this.registry.current) log.producerState.removeExpiredProducers(nowMs);
    });
  }

  /** Writes the high watermarks now, as before a controlled stop. */
  checkpointHighWatermarks(): void {
    this.directories.checkpoint('writeHighWatermarks');
  }

  /** Writes the log start offsets in `logDirs` now, so that a DeleteRecords that was answered outlives the process. */
  checkpointStartOffsets(logDirs: ReadonlySet<string>): void {
    this.directories.checkpoint('writeLogStartOffsets', logDirs);
  }

  /** flush.ms: fsyncs the logs that have waited long enough. */
  async flushDirtyLogs(): Promise<void> {
    for (const log of [...this.registry.current]) {
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
    for (const log of [...this.registry.current]) {
      if (this.stopped) break;
      if (++seen % LOGS_PER_TURN === 0) await new Promise<void>(resolve => this.runtime.timers.soon(resolve));
      if (log.isOffline || this.getLog(log.topicPartition) !== log) continue;
      // The next time: what is deleted now would have been compacted for nothing.
      if (this.cleaner?.isCleaning(log) === true) continue;
      try {
        log.rollIfDue();
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
    this.scheduler.shutdown();
    await this.cleaner?.shutdown();
    for (const directory of this.directories.all) {
      if (directory.isLocked && !directory.state.isOffline) await this.closeDirectory(directory, brokerEpoch);
      directory.release();
    }
  }

  private async closeDirectory(directory: LogDirectory, brokerEpoch: BrokerEpoch): Promise<void> {
    const queue = this.registry.allIn(directory.path);
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
    this.directories.guarded(directory, () => {
      if (directory.state.needsSync) this.runtime.disk.syncDirectorySync(directory.path);
      this.directories.writeCheckpoints(directory);
      directory.writeCleanShutdownMarker(brokerEpoch);
    });
  }
}

/** Whether `one` is to stay rather than `other`, which is of the same partition. */
function isBetterCopy(one: UnifiedLog, other: UnifiedLog, topicId: Uuid | undefined): boolean {
  const isOfTopic = one.topicId === topicId;
  if (isOfTopic !== (other.topicId === topicId)) return isOfTopic;
  const epochs = (one.latestEpoch ?? -1) - (other.latestEpoch ?? -1);
  if (epochs !== 0) return epochs > 0;
  if (one.logEndOffset !== other.logEndOffset) return one.logEndOffset > other.logEndOffset;
  // A move between directories was broken off at its end: what was deleted before it stays so.
  return one.logStartOffset > other.logStartOffset;
}

function endsOf(kept: UnifiedLog, other: UnifiedLog) {
  return {
    usedEpoch: kept.latestEpoch,
    usedEnd: kept.logEndOffset,
    setAsideEpoch: other.latestEpoch,
    setAsideEnd: other.logEndOffset,
  };
}
