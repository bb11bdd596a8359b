import type { Logger } from '../base/logger.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Disk } from '../runtime/runtime.ts';

/** How much above the reserve must be free before records are taken again: a tenth of it, and at least this, bytes. */
const MARGIN_MIN_BYTES = 1024 * 1024;

/**
 * | state | since                                   | what is refused                                                |
 * |-------|-----------------------------------------|----------------------------------------------------------------|
 * | ample |                                         | nothing                                                        |
 * | low   | less than the reserve is free           | records of producers, those of leaders but for internal topics |
 * | full  | the file system had no room for a write | every append                                                   |
 *
 * From `low` and `full` it goes back to `ample` by itself, when the reserve and a margin are free; from `full` to `low`
 * when there is any room.
 */
export type SpaceState = 'ample' | 'low' | 'full';

/**
 * The free space of the file system that holds a log directory, and whether records are taken there
 * (`log.dirs.min.free.bytes`). It asks the file system on a timer, and in between when what was written since could
 * have used up what lay above the reserve: not at each append.
 */
export class LogDirSpace {
  private readonly disk: Disk;
  private readonly logger: Logger;
  private readonly path: string;
  private readonly reserve: () => number;
  /** What {@link reserve} gave at the last look: it is not asked at each write. */
  private reserveBytes: number;
  private current: SpaceState = 'ample';
  /** When it was last asked for. Unknown before: the first write asks. */
  private usableBytes = 0;
  private writtenSince = 0;

  /** `reserve` is asked at each {@link check}: it may change. One of 0 refuses nothing before the file system does. */
  constructor(disk: Disk, logger: Logger, path: string, reserve: () => number) {
    this.disk = disk;
    this.logger = logger;
    this.path = path;
    this.reserve = reserve;
    this.reserveBytes = reserve();
  }

  get state(): SpaceState {
    return this.current;
  }

  /** Whether records of producers are refused, and those that followers would bring. */
  get isLow(): boolean {
    return this.current !== 'ample';
  }

  /** Throws KAFKA_STORAGE_ERROR where records of producers and leaders are refused. Clients try such a write again. */
  checkNotLow(): void {
    if (this.current === 'ample') return;
    throw new KafkaError(
      Errors.KAFKA_STORAGE_ERROR,
      `no records are taken in ${this.path}: its file system has less than log.dirs.min.free.bytes, ` +
        `${this.reserveBytes}, left`,
    );
  }

  /** Throws KAFKA_STORAGE_ERROR where nothing at all can be written. */
  checkNotFull(): void {
    if (this.current === 'full') {
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `the file system of ${this.path} is full`);
    }
  }

  /** `bytes` were written to a log. */
  onWritten(bytes: number): void {
    this.writtenSince += bytes;
    if (this.current !== 'ample' || this.reserveBytes === 0) return;
    if (this.usableBytes - this.writtenSince >= this.reserveBytes) return;
    try {
      this.check();
    } catch {
      // The next look on the timer meets the same error, and acts on it.
    }
  }

  /**
   * Asks the file system: on a timer, and when the reserve may have changed. Throws what {@link Disk.spaceSync}
   * throws.
   */
  check(): void {
    this.reserveBytes = this.reserve();
    if (this.reserveBytes === 0 && this.current === 'ample') return;
    this.usableBytes = this.disk.spaceSync(this.path).usableBytes;
    this.writtenSince = 0;
    const resumeBytes = this.reserveBytes + Math.max(this.reserveBytes / 10, MARGIN_MIN_BYTES);
    if (this.current === 'ample' && this.usableBytes < this.reserveBytes) this.enter('low');
    else if (this.current !== 'ample' && this.usableBytes >= resumeBytes) this.enter('ample');
    else if (this.current === 'full' && this.usableBytes >= MARGIN_MIN_BYTES) this.enter('low');
  }

  /** A write had no room: ENOSPC, EDQUOT. */
  onNoRoom(): void {
    this.enter('full');
  }

  private enter(state: SpaceState): void {
    if (this.current === state) return;
    this.current = state;
    const fields = { logDir: this.path, usableBytes: this.usableBytes, minFreeBytes: this.reserveBytes };
    if (state === 'ample') {
      this.logger.info('a log directory has room again: records are taken', fields);
    } else if (state === 'low') {
      this.logger.error(
        'a log directory is short of space: records of producers and leaders are refused, all else goes on',
        fields,
      );
    } else {
      this.logger.error('a log directory is full: nothing can be appended until there is room', fields);
    }
  }
}

/** Whether a disk refused a write because there is no room for it. Room may come back: nothing is lost by that. */
export function isNoRoom(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
