import type { Logger } from '../../base/logger.ts';
import { KafkaError } from '../../protocol/errors.ts';
import type { LogEnvironment } from '../log-environment.ts';
import type { UnifiedLog } from '../unified-log.ts';
import { type CleanableRange, cleanableRange } from './cleanable-log.ts';
import type { CleanerConfig } from './cleaner-config.ts';
import { CleanerThrottle, Sleepers } from './cleaner-throttle.ts';
import {
  CleaningAbortedError,
  type CleaningSummary,
  LogCleaning,
  MapMemory,
  UncleanableLogError,
} from './log-cleaning.ts';

/** Logs to look at before other work gets its turn. */
const LOGS_PER_TURN = 64;

/** The logs of a broker, as the cleaner sees them. */
export interface CleanedLogs {
  /** Without those that are on their way from another log directory. */
  readonly all: Iterable<UnifiedLog>;
  /**
   * Whether it is still the log of its partition, and not being copied: a copy could get a record and miss the
   * tombstone that deletes it.
   */
  mayBeCleaned(log: UnifiedLog): boolean;
  /** How far the logs of a log directory are compacted has changed. */
  writeCheckpoint(logDirectory: string): void;
}

/**
 * Compacts the logs whose cleanup.policy has `compact`: always the one with the largest dirty share, if that is above
 * min.cleanable.dirty.ratio, or with a record older than max.compaction.lag.ms. As many at the same time as there are
 * threads.
 *
 * A log with a damaged segment is left alone until the next start, and that is said once.
 */
export class LogCleaner {
  private readonly environment: LogEnvironment;
  private readonly logger: Logger;
  private readonly logs: CleanedLogs;
  private readonly config: () => CleanerConfig;
  /** The one that looks for logs, and those that are held back. */
  private readonly idle: Sleepers;
  private readonly throttled: Sleepers;
  private readonly throttle: CleanerThrottle;
  private readonly running = new Map<UnifiedLog, Promise<void>>();
  private readonly idleMemories: MapMemory[] = [];
  private readonly uncleanable = new WeakSet<UnifiedLog>();
  /** Logs whose cleaning has failed for now, with the time of the next try (monotonic). */
  private readonly postponed = new WeakMap<UnifiedLog, number>();
  private driving: Promise<void> | undefined;
  private stopped = false;

  constructor(environment: LogEnvironment, logs: CleanedLogs, config: () => CleanerConfig) {
    const { clock, timers } = environment.runtime;
    this.environment = environment;
    this.logger = environment.logger.child('cleaner');
    this.logs = logs;
    this.config = config;
    this.idle = new Sleepers(timers);
    this.throttled = new Sleepers(timers);
    this.throttle = new CleanerThrottle(clock, this.throttled, () => config().maxBytesPerSecond);
  }

  startup(): void {
    this.driving ??= this.drive();
  }

  /** Another rate or number of threads takes effect at once. What runs keeps its memory until it is done. */
  onConfigChanged(): void {
    this.throttle.forget();
    this.idle.wakeAll();
    this.throttled.wakeAll();
  }

  /** Ends what runs, after the present step of each: then nothing writes to a log directory any more. */
  async shutdown(): Promise<void> {
    this.stopped = true;
    this.idle.wakeAll();
    this.throttled.wakeAll();
    await this.driving;
    await Promise.all(this.running.values());
  }

  isCleaning(log: UnifiedLog): boolean {
    return this.running.has(log);
  }

  private async drive(): Promise<void> {
    while (!this.stopped) {
      const { threads, backoffMs } = this.config();
      const next = this.running.size < threads ? await this.dirtiest() : undefined;
      if (this.stopped) return;
      if (next === undefined) await this.idle.sleep(backoffMs);
      else this.start(next);
    }
  }

  private async dirtiest(): Promise<UnifiedLog | undefined> {
    const { timers } = this.environment.runtime;
    let dirtiest: UnifiedLog | undefined;
    let highestRatio = -1;
    let seen = 0;
    for (const log of [...this.logs.all]) {
      if (!log.config.cleanupPolicy.has('compact') || !this.isCandidate(log)) continue;
      if (++seen % LOGS_PER_TURN === 0) await new Promise<void>(resolve => timers.soon(resolve));
      if (!this.isWanted(log)) continue;
      const range = this.rangeOf(log);
      if (range === undefined || range.cleanableBytes === 0) continue;
      const { cleanableRatio, isOverdue } = range;
      if (!isOverdue && cleanableRatio <= log.config.minCleanableDirtyRatio) continue;
      if (cleanableRatio <= highestRatio) continue;
      dirtiest = log;
      highestRatio = cleanableRatio;
    }
    return dirtiest;
  }

  private isCandidate(log: UnifiedLog): boolean {
    if (log.isOffline || this.running.has(log) || this.uncleanable.has(log)) return false;
    const untilMs = this.postponed.get(log);
    return untilMs === undefined || untilMs <= this.environment.runtime.clock.monotonicMs();
  }

  private isWanted(log: UnifiedLog): boolean {
    return !this.stopped && !log.isOffline && this.logs.mayBeCleaned(log);
  }

  private rangeOf(log: UnifiedLog): CleanableRange | undefined {
    try {
      return cleanableRange(log, this.environment.runtime.clock.wallMs());
    } catch (error) {
      const storageError = log.storageError(error);
      if (!(storageError instanceof KafkaError)) throw storageError;
      return undefined;
    }
  }

  private start(log: UnifiedLog): void {
    // Other logs were looked at since it was chosen.
    const range = this.isWanted(log) ? this.rangeOf(log) : undefined;
    if (range === undefined || range.cleanableBytes === 0) return;
    if (log.cleanerCheckpoint === undefined) {
      // Between compacted segments are gaps. A start after a crash must know that they are no losses.
      log.cleanerCheckpoint = range.firstDirtyOffset;
      this.logs.writeCheckpoint(log.logDirectory);
    }
    const memory = this.idleMemories.pop() ?? new MapMemory();
    const { environment, throttle } = this;
    const config = this.config();
    const cleaning = new LogCleaning(
      { environment, config, throttle, memory, isWanted: wanted => this.isWanted(wanted) },
      log,
      range,
    );
    const startMs = environment.runtime.clock.monotonicMs();
    const finished = cleaning
      .run()
      .then(
        summary => this.finish(log, range, summary, startMs),
        error => this.fail(log, error),
      )
      .finally(() => {
        this.running.delete(log);
        this.idleMemories.push(memory);
        this.deleteOldSegments(log);
        this.idle.wakeAll();
      });
    this.running.set(log, finished);
  }

  /** Retention has left the log alone meanwhile, and may find it in compaction the next time too. */
  private deleteOldSegments(log: UnifiedLog): void {
    if (!this.isWanted(log)) return;
    try {
      log.deleteOldSegments();
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
    }
  }

  private finish(log: UnifiedLog, range: CleanableRange, summary: CleaningSummary, startMs: number): void {
    const { endOffset, ...counts } = summary;
    log.cleanerCheckpoint = endOffset;
    this.logs.writeCheckpoint(log.logDirectory);
    this.logger.info('a log was compacted', {
      log: log.directory,
      dirtyFrom: String(range.firstDirtyOffset),
      upTo: String(endOffset),
      ...counts,
      ms: Math.round(this.environment.runtime.clock.monotonicMs() - startMs),
    });
  }

  private fail(log: UnifiedLog, error: unknown): void {
    const { directory } = log;
    this.postponed.set(log, this.environment.runtime.clock.monotonicMs() + this.config().backoffMs);
    if (!this.isWanted(log) || error instanceof KafkaError) return;
    if (error instanceof CleaningAbortedError) {
      this.logger.warn('a log is compacted later', { log: directory, reason: error.message });
      return;
    }
    this.uncleanable.add(log);
    this.logger.error(
      'a log is not compacted any more, and nothing of it is removed: it grows until its disk is full. Repair it, for ' +
        'instance by having this replica made anew from another one, and start the broker again',
      error instanceof UncleanableLogError
        ? { log: directory, reason: error.message }
        : { log: directory, error },
    );
  }
}
