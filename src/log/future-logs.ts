import { invariant } from '../base/assert.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { LogDirectories } from './log-directories.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import { deleteDirectoryName, futureDirectoryName, logDirectoryName } from './log-file-names.ts';
import { loadLog } from './log-loader.ts';
import type { LogRegistry } from './log-registry.ts';
import { writeTopicId } from './partition-metadata-file.ts';
import type { TopicPartition } from './topic-partition.ts';
import { UnifiedLog } from './unified-log.ts';

/**
 * The logs of replicas that move from one log directory of this broker to another (KIP-113). Such a log is filled
 * beside the current one, and takes its place when it holds the same records:
 *
 * ```text
 *               old log directory                       new log directory
 *   copying     orders-0                                orders-0.<32 hex>-future
 *      1        orders-0                                orders-0                   renamed, and that is on disk
 *      2        orders-0.<32 hex>-delete                orders-0                   goes after file.delete.delay.ms
 * ```
 *
 * A start between 1 and 2 finds two equal logs and sets one aside; one before 1 finds both as they were, and the
 * copying goes on.
 */
export class FutureLogs {
  private readonly environment: LogEnvironment;
  private readonly directories: LogDirectories;
  private readonly registry: LogRegistry;
  private readonly removeLater: (path: string, log: UnifiedLog, directory: LogDirectory) => void;

  /** `removeLater` lets go of a log whose directory is now `path`, and removes that after `file.delete.delay.ms`. */
  constructor(
    environment: LogEnvironment,
    directories: LogDirectories,
    registry: LogRegistry,
    removeLater: (path: string, log: UnifiedLog, directory: LogDirectory) => void,
  ) {
    this.environment = environment;
    this.directories = directories;
    this.registry = registry;
    this.removeLater = removeLater;
  }

  get all(): UnifiedLog[] {
    return [...this.registry.future];
  }

  get(topicPartition: TopicPartition): UnifiedLog | undefined {
    return this.registry.get(topicPartition, true);
  }

  /**
   * Throws LOG_DIR_NOT_FOUND for a directory that is not one of `log.dirs`, KAFKA_STORAGE_ERROR for one that does not
   * work, INVALID_REPLICA_ASSIGNMENT for one that is cordoned, INVALID_TOPIC_EXCEPTION where the name of the topic
   * leaves no room for that of the directory.
   */
  checkDestination(topicPartition: TopicPartition, logDir: string): void {
    const directory = this.directories.find(logDir);
    if (directory === undefined) {
      throw new KafkaError(Errors.LOG_DIR_NOT_FOUND, `${logDir} is not one of log.dirs`);
    }
    if (directory.state.isOffline) {
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `log directory ${logDir} is offline`);
    }
    if (this.directories.isCordoned(logDir)) {
      const text = `log directory ${logDir} gets no new replicas: cordoned.log.dirs names it`;
      throw new KafkaError(Errors.INVALID_REPLICA_ASSIGNMENT, text);
    }
    if (this.nameFor(topicPartition) === undefined) {
      throw new KafkaError(Errors.INVALID_TOPIC_EXCEPTION, 'the name of the topic is too long for a move');
    }
  }

  private nameFor(topicPartition: TopicPartition): string | undefined {
    return futureDirectoryName(topicPartition, this.uniqueId());
  }

  private uniqueId(): string {
    return this.environment.runtime.random.bytes(16).toString('hex');
  }

  /** An empty log in `logDir`, to become that of `current`. Throws KAFKA_STORAGE_ERROR. */
  create(current: UnifiedLog, logDir: string): UnifiedLog {
    const { topicPartition, topicId, config } = current;
    const directory = this.directories.place(logDir);
    const { disk } = this.environment;
    if (disk.statSync(`${logDir}/${logDirectoryName(topicPartition)}`) !== undefined) {
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `${logDir} has a directory of that name already`);
    }
    const path = `${logDir}/${this.nameFor(topicPartition)}`;
    return directory.state.onDiskWithRoom(() => {
      disk.makeDirectorySync(path);
      directory.state.needsSync = true;
      if (topicId !== undefined) writeTopicId(disk, path, topicId);
      const loaded = loadLog(this.environment, {
        directory: path,
        topicPartition,
        isFuture: true,
        config,
        hadCleanShutdown: true,
        recoveryPoint: 0,
        logStartOffset: 0,
        isNew: true,
        topicId,
      });
      const log = new UnifiedLog(this.environment, directory.state, loaded);
      this.registry.add(log);
      directory.partitions++;
      return log;
    });
  }

  /**
   * `future`, which holds all that `current` does, takes its place; both have written what they have. `adopt` gets the
   * log that is the current one now: neither of the two may be used any more, but for reads of `current` that have
   * begun. Throws KAFKA_STORAGE_ERROR if the directory of `future` fails: `current` stays what it is then.
   */
  promote(current: UnifiedLog, future: UnifiedLog, adopt: (log: UnifiedLog) => void): void {
    const { topicPartition } = current;
    invariant(
      future.logEndOffset === current.logEndOffset && current.stagedEndOffset === current.logEndOffset,
      'R1',
      () => `the copy ends at ${future.logEndOffset}, ${current.directory} at ${current.stagedEndOffset}`,
    );
    const source = this.directories.find(current.logDirectory)!;
    const target = this.directories.find(future.logDirectory)!;
    const { disk } = this.environment;
    const path = `${target.path}/${logDirectoryName(topicPartition)}`;
    const log = target.state.onDisk(() => {
      future.closeNow();
      disk.renameSync(future.directory, path);
      disk.syncDirectorySync(target.path);
      const loaded = loadLog(this.environment, {
        directory: path,
        topicPartition,
        isFuture: false,
        config: current.config,
        hadCleanShutdown: true,
        recoveryPoint: future.logEndOffset,
        logStartOffset: current.logStartOffset,
      });
      const moved = new UnifiedLog(this.environment, target.state, loaded);
      takeOver(moved, current);
      return moved;
    });
    this.registry.remove(future);
    this.registry.set(log);
    source.partitions--;
    adopt(log);
    this.directories.guarded(target, () => this.directories.writeCheckpoints(target));
    this.setAside(current, source);
  }

  private setAside(log: UnifiedLog, directory: LogDirectory): void {
    const path = `${directory.path}/${deleteDirectoryName(log.topicPartition, this.uniqueId())}`;
    try {
      log.moveAside(path);
    } catch (error) {
      // Its directory is offline now. Whenever it comes back, the newer of the two logs is chosen.
      if (!(error instanceof KafkaError)) throw error;
      return;
    }
    this.removeLater(path, log, directory);
    this.directories.guarded(directory, () => this.directories.writeCheckpoints(directory));
  }
}

/** `from` is the log of the same records until now: `log` takes over what of it is kept in memory only. */
function takeOver(log: UnifiedLog, from: UnifiedLog): void {
  for (const { epoch, startOffset } of from.epochEntries) {
    if (epoch > (log.latestEpoch ?? -1)) log.assignEpochStartOffset(epoch, startOffset);
  }
  log.producerState.takeOver(from.producerState);
  log.cleanerCheckpoint = from.cleanerCheckpoint;
  log.updateHighWatermark(from.highWatermark);
}
