import type { Logger } from '../base/logger.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { UnifiedLog } from '../log/unified-log.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { Partition } from './partition.ts';

export interface ReplicaAlterLogDirsOptions {
  readonly logManager: LogManager;
  /** `replica.alter.log.dirs.io.max.bytes.per.second`, of all moves together. */
  readonly bytesPerSecond: () => number;
  /** The partition has `log` as its log now. */
  readonly onMoved: (partition: Partition, log: UnifiedLog) => void;
}

/** A replica on its way to another log directory. */
interface Move {
  readonly partition: Partition;
  readonly current: UnifiedLog;
  readonly future: UnifiedLog;
  isEnded: boolean;
  /** The last copy took all that there was: what has come since is little, and still in memory. */
  isClose: boolean;
  /** All but the last records of the copy are on disk. */
  isFlushed: boolean;
}

/** Bytes that are copied in one go. A larger batch is copied whole. */
const CHUNK_BYTES = 1024 * 1024;
/** Before a move goes on that found no room, or could not read, ms. */
const RETRY_MS = 1_000;

/**
 * Moves replicas between the log directories of this broker, while they are written and read (KIP-113).
 *
 * ```text
 *            ┌─────────────── more to copy ──────────────┐
 *            ▼                                           │
 *   align: what the current log no longer has is cut ─► copy ─► all copied, flushed ─► the rest, in one turn ─► swap
 * ```
 *
 * The swap waits for no lock: appends to the current log, the copy of the last of them and the swap happen in one turn
 * of the event loop. A move goes on after a restart, for as long as there is a `-future` directory.
 */
export class ReplicaAlterLogDirsManager {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: ReplicaAlterLogDirsOptions;
  private readonly moves = new Map<Partition, Move>();
  private readonly waits = new Map<Timer, () => void>();
  /** When what was copied last has used up its time, monotonic, ms. */
  private paidUntilMs = 0;

  constructor(runtime: Runtime, logger: Logger, options: ReplicaAlterLogDirsOptions) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
  }

  get size(): number {
    return this.moves.size;
  }

  /**
   * Has the replica move to `logDir`; or stay, where it is on its way from there. Throws LOG_DIR_NOT_FOUND,
   * KAFKA_STORAGE_ERROR, INVALID_TOPIC_EXCEPTION.
   */
  alter(partition: Partition, logDir: string): void {
    const { topicPartition } = partition;
    const { futures } = this.options.logManager;
    futures.checkDestination(topicPartition, logDir);
    const current = partition.anyLog();
    const future = futures.get(topicPartition);
    if (future !== undefined && future.logDirectory !== logDir) this.cancel(partition);
    if (current.logDirectory === logDir) return;
    this.begin(partition, futures.get(topicPartition) ?? futures.create(current, logDir));
  }

  /** Goes on with a move that an earlier process had begun. */
  resume(partition: Partition): void {
    const future = this.options.logManager.futures.get(partition.topicPartition);
    if (future === undefined) return;
    const isOfTopic = future.topicId === partition.topicId;
    if (isOfTopic && future.logDirectory !== partition.log?.logDirectory) this.begin(partition, future);
    else this.cancel(partition);
  }

  private begin(partition: Partition, future: UnifiedLog): void {
    const current = partition.log;
    if (current === undefined || this.moves.has(partition)) return;
    const move = { partition, current, future, isEnded: false, isClose: false, isFlushed: false };
    this.moves.set(partition, move);
    this.logger.info('a replica moves to another log directory', fieldsOf(move));
    void this.run(move);
  }

  /** Ends the move of `partition`, if there is one. What was copied stays where it is. */
  end(partition: Partition): void {
    const move = this.moves.get(partition);
    if (move === undefined) return;
    move.isEnded = true;
    this.moves.delete(partition);
  }

  /** Ends the move of `partition`, and what was copied goes. */
  cancel(partition: Partition): void {
    this.end(partition);
    this.options.logManager.asyncDelete(partition.topicPartition, { isFuture: true });
  }

  /** Ends the moves that come from `logDir`, which may go on after a restart, and those that lead there. */
  onLogDirFailure(logDir: string): void {
    for (const { partition, current, future } of [...this.moves.values()]) {
      if (future.logDirectory === logDir) this.cancel(partition);
      else if (current.logDirectory === logDir) this.end(partition);
    }
  }

  /** The rate may be another: what was copied counted at the old one. */
  onConfigChanged(): void {
    this.paidUntilMs = 0;
    this.wakeAll();
  }

  shutdown(): void {
    for (const partition of [...this.moves.keys()]) this.end(partition);
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const [timer, resolve] of this.waits) {
      timer.cancel();
      resolve();
    }
    this.waits.clear();
  }

  private async run(move: Move): Promise<void> {
    while (!move.isEnded) {
      try {
        if (await this.step(move)) return;
        await this.nextTurn();
      } catch (error) {
        if (move.isEnded || move.current.isOffline || move.future.isOffline) break;
        const fields = { ...fieldsOf(move), error: String(error) };
        this.logger.error('a replica cannot be copied to another log directory and is tried again', fields);
        await this.pause(RETRY_MS);
      }
    }
    this.end(move.partition);
  }

  /** Whether the move is done. */
  private async step(move: Move): Promise<boolean> {
    const { current, future } = move;
    if (future.isShortOfSpace) {
      await this.pause(RETRY_MS);
      return false;
    }
    align(current, future);
    if (future.logEndOffset < current.logEndOffset && !move.isClose) {
      await this.copy(move);
      return false;
    }
    if (!move.isFlushed) {
      await future.flush();
      move.isFlushed = true;
      return false;
    }
    // It has to be read from files again if this is not the end.
    move.isClose = false;
    return await new Promise<boolean>((resolve, reject) => {
      current.whenNotSyncing(() => {
        try {
          resolve(!move.isEnded && this.finish(move));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  private async copy(move: Move): Promise<void> {
    const { current, future } = move;
    const maxBytes = Math.min(CHUNK_BYTES, this.options.bytesPerSecond());
    const { logEndOffset } = current;
    const { slices } = current.read(future.logEndOffset, maxBytes, 'logEnd', true);
    const parts = await Promise.all(slices.map(slice => slice.load()));
    // The current log may have been cut meanwhile: what it has no more is cut from the copy before that is used.
    if (move.isEnded) return;
    const bytes = await appended(future, parts);
    move.isClose = future.logEndOffset >= logEndOffset;
    await this.pay(bytes);
  }

  /** Copies what is left, if it is in memory, and swaps; all in this turn. Whether it has. */
  private finish(move: Move): boolean {
    const { partition, current, future } = move;
    if (partition.log !== current || current.isOffline) return false;
    current.finishAppends();
    align(current, future);
    while (future.logEndOffset < current.logEndOffset) {
      const { slices } = current.read(future.logEndOffset, CHUNK_BYTES, 'logEnd', true);
      const parts: Buffer[] = [];
      for (const slice of slices) {
        const loaded = slice.load();
        if (loaded instanceof Promise) {
          loaded.catch(() => {});
          return false;
        }
        parts.push(loaded);
      }
      const before = future.logEndOffset;
      future.appendAsFollower(Buffer.concat(parts));
      future.finishAppends();
      if (future.logEndOffset === before) return false;
    }
    if (current.stagedEndOffset !== future.logEndOffset) return false;
    const fields = fieldsOf(move);
    this.options.logManager.futures.promote(current, future, log => {
      this.end(partition);
      partition.replaceLog(log);
      this.logger.info('a replica has moved to another log directory', fields);
      this.options.onMoved(partition, log);
    });
    return true;
  }

  /** Waits for as long as `bytes` take at the rate that is set. */
  private async pay(bytes: number): Promise<void> {
    const rate = this.options.bytesPerSecond();
    if (rate >= Number.MAX_SAFE_INTEGER) return;
    const nowMs = this.runtime.clock.monotonicMs();
    this.paidUntilMs = Math.max(this.paidUntilMs, nowMs) + (bytes * 1_000) / Math.max(1, rate);
    await this.pause(Math.min(this.paidUntilMs - nowMs, 0x7fff_ffff));
  }

  private nextTurn(): Promise<void> {
    return new Promise(resolve => this.runtime.timers.soon(resolve));
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.runtime.timers.after(delayMs, () => {
        this.waits.delete(timer);
        resolve();
      });
      this.waits.set(timer, resolve);
    });
  }
}

/** Appends to `future` what was read of the current log. Resolves with the count of bytes when that is written. */
function appended(future: UnifiedLog, parts: readonly Buffer[]): Promise<number> {
  // A copy: the bytes are those of the current log's own memory.
  const records = Buffer.concat(parts);
  return new Promise((resolve, reject) => {
    const info = future.appendAsFollower(records);
    future.writeStaged();
    info.onWritten(error => (error === undefined ? resolve(records.length) : reject(error)));
  });
}

/**
 * Cuts from `future` what `current` does not have: records that were deleted at its start, and those that it has cut
 * off at its end since they were copied. The leader epochs tell where the two part, as between replicas.
 */
function align(current: UnifiedLog, future: UnifiedLog): void {
  if (future.logEndOffset < current.logStartOffset) future.truncateFullyAndStartAt(current.logStartOffset);
  const epoch = future.latestEpoch;
  if (epoch === undefined) {
    if (future.logEndOffset > current.logEndOffset) {
      future.truncateFullyAndStartAt(current.logStartOffset);
    }
    return;
  }
  const end = current.endOffsetForEpoch(epoch);
  if (end === undefined) {
    future.truncateFullyAndStartAt(current.logStartOffset);
    return;
  }
  const own = future.endOffsetForEpoch(end.leaderEpoch)?.offset ?? future.logStartOffset;
  const offset = own < end.offset ? own : end.offset;
  if (end.leaderEpoch === epoch && offset >= future.logEndOffset) return;
  if (offset < future.logStartOffset) future.truncateFullyAndStartAt(current.logStartOffset);
  else future.truncateTo(offset);
}

function fieldsOf({ partition, current, future }: Move) {
  return { partition: partition.name, from: current.logDirectory, to: future.logDirectory };
}
