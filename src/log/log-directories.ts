import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { type Disk, LockedError } from '../runtime/runtime.ts';
import { LogDirectory } from './log-directory.ts';
import type { LogRegistry } from './log-registry.ts';

export type CheckpointKind =
  | 'writeRecoveryPoints'
  | 'writeLogStartOffsets'
  | 'writeHighWatermarks'
  | 'writeCleanerOffsets';

/** The `log.dirs` of a broker: their locks and checkpoints, where a new replica goes, and the failure of one (S8). */
export class LogDirectories {
  readonly all: readonly LogDirectory[];
  /** Of a path: whether it gets no new partitions (`cordoned.log.dirs`). */
  isCordoned: (path: string) => boolean = () => false;
  private readonly registry: LogRegistry;
  private readonly logger: Logger;
  private readonly onFailure: ((logDir: string, error: Error, remaining: number) => void) | undefined;

  /** `minFreeBytes`: `log.dirs.min.free.bytes` as it is now. `onFailure` is told the number of those that still work. */
  constructor(
    disk: Disk,
    logger: Logger,
    paths: readonly string[],
    registry: LogRegistry,
    minFreeBytes: () => number,
    onFailure?: (logDir: string, error: Error, remaining: number) => void,
  ) {
    this.registry = registry;
    this.logger = logger;
    this.onFailure = onFailure;
    this.all = paths.map(
      path => new LogDirectory(disk, logger, path, minFreeBytes, error => this.onFailed(path, error)),
    );
  }

  get online(): LogDirectory[] {
    return this.all.filter(directory => !directory.state.isOffline);
  }

  get hasOffline(): boolean {
    return this.all.some(directory => directory.state.isOffline);
  }

  find(path: string): LogDirectory | undefined {
    return this.all.find(directory => directory.path === path);
  }

  private onFailed(path: string, error: Error): void {
    this.logger.error('a log directory is offline', { logDir: path, error });
    for (const log of this.registry.allIn(path)) log.markOffline();
    this.onFailure?.(path, error, this.online.length);
  }

  /**
   * Takes the locks of all, makes those that are missing. `unreadable` have failed before that. Throws `LockedError`;
   * then none is locked (S12).
   */
  lock(unreadable: ReadonlyMap<string, Error> = new Map()): void {
    try {
      for (const directory of this.all) {
        const failure = unreadable.get(directory.path);
        if (failure !== undefined) directory.state.fail(failure);
        if (directory.state.isOffline) continue;
        try {
          directory.open();
        } catch (error) {
          if (error instanceof LockedError) throw error;
          directory.state.fail(error as Error);
        }
      }
    } catch (error) {
      for (const directory of this.all) directory.release();
      throw error;
    }
  }

  /** Looks how much space is left in each. */
  checkSpace(): void {
    for (const directory of this.all) this.guarded(directory, () => directory.space.check());
  }

  /**
   * `logDir`, or the one that has fewest partitions, of those that are not cordoned and take records if there are any.
   * Throws KAFKA_STORAGE_ERROR if none works.
   */
  place(logDir: string | undefined): LogDirectory {
    let best: LogDirectory | undefined;
    for (const directory of this.all) {
      if (directory.state.isOffline || (logDir !== undefined && directory.path !== logDir)) continue;
      if (best === undefined || this.isBetterPlace(directory, best)) best = directory;
    }
    if (best === undefined) throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, 'no log directory is online');
    return best;
  }

  private isBetterPlace(one: LogDirectory, other: LogDirectory): boolean {
    const isCordoned = this.isCordoned(one.path);
    if (isCordoned !== this.isCordoned(other.path)) return !isCordoned;
    if (one.space.isLow !== other.space.isLow) return other.space.isLow;
    return one.partitions < other.partitions;
  }

  /** The broker epoch that all clean-shutdown markers name; -1 if one is missing or they differ. */
  get previousBrokerEpoch(): BrokerEpoch {
    const [first, ...others] = this.all;
    if (first === undefined || this.hasOffline) return -1;
    const epoch = first.cleanShutdownBrokerEpoch;
    return others.every(directory => directory.cleanShutdownBrokerEpoch === epoch) ? epoch : -1;
  }

  // Checkpoints.

  /** Writes one checkpoint of each directory that works, or of those in `logDirs`. */
  checkpoint(kind: CheckpointKind, logDirs?: ReadonlySet<string>): void {
    for (const directory of this.all) {
      if (logDirs?.has(directory.path) === false) continue;
      this.guarded(directory, () => directory[kind](this.registry.checkpointedIn(directory.path)));
    }
  }

  writeCheckpoints(directory: LogDirectory): void {
    directory.writeCheckpoints(this.registry.checkpointedIn(directory.path));
  }

  /**
   * Work that nobody waits for: a failure of the disk takes the directory offline, and is not thrown. What a full disk
   * has no room for is done the next time.
   */
  guarded(directory: LogDirectory, work: () => void): void {
    if (directory.state.isOffline) return;
    try {
      directory.state.onDiskWithRoom(work);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
    }
  }
}
