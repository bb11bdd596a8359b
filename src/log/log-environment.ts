import type { Logger } from '../base/logger.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { isNoRoom, type LogDirSpace } from './log-dir-space.ts';
import type { FileHandleCache } from './file-handle-cache.ts';
import type { IndexMemory } from './index-memory.ts';
import type { LogWriter } from './log-writer.ts';
import type { SegmentEnvironment } from './log-segment.ts';
import type { TailCache } from './tail-cache.ts';

/** What all logs of a broker share. */
export interface LogEnvironment extends SegmentEnvironment {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly handles: FileHandleCache;
  readonly indexMemory: IndexMemory;
  readonly tailCache: TailCache;
  readonly writer: LogWriter;
  /** Asked when producers are looked at: it may change at any time. */
  readonly producerIdExpirationMs: () => number;
  /** Whether transactional records are taken only with a guard of the log; asked at each append. */
  readonly verifiesTransactions: () => boolean;
  /** Writes how far the logs of a log directory are compacted. */
  readonly writeCleanerCheckpoint?: (logDirectory: string) => void;
  /** Writes how far the logs of a log directory are known to be on disk. */
  readonly writeRecoveryPoints?: (logDirectory: string) => void;
  /** Whether reads from disk check each batch's checksum, not only its framing. */
  readonly verifyChecksumsOnRead: boolean;
}

/** One of `log.dirs`, as its logs see it. */
export class LogDirectoryState {
  readonly path: string;
  /** Undefined where nobody looks at it: then a full disk fails the directory as any error does. */
  readonly space: LogDirSpace | undefined;
  private readonly onFailure: (error: Error) => void;
  private failure: Error | undefined;
  /** It has directories, made by this process or an earlier one, that are not known to survive a power failure. */
  needsSync = true;

  constructor(path: string, onFailure: (error: Error) => void, space?: LogDirSpace) {
    this.path = path;
    this.onFailure = onFailure;
    this.space = space;
  }

  get isOffline(): boolean {
    return this.failure !== undefined;
  }

  /**
   * An operation on a file of it failed: the directory is offline from now on (S8). Nothing is tried again.
   */
  fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.onFailure(error);
  }

  /** Runs what touches the disk; a failure of that takes the directory offline. */
  onDisk<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.storageError(error);
    }
  }

  /**
   * As {@link onDisk}, for what may be left undone where there is no room for it: that throws KAFKA_STORAGE_ERROR, and
   * the directory stays.
   */
  onDiskWithRoom<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const { space } = this;
      if (space === undefined || !isNoRoom(error)) throw this.storageError(error);
      space.onNoRoom();
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `the file system of ${this.path} is full`);
    }
  }

  /** KAFKA_STORAGE_ERROR, and the directory offline, where `error` is one of the disk; else `error` itself. */
  storageError(error: unknown): unknown {
    if (error instanceof KafkaError || !isDiskError(error)) return error;
    this.fail(error);
    return new KafkaError(Errors.KAFKA_STORAGE_ERROR, `log directory ${this.path} failed: ${error.message}`);
  }
}

/** Errors of the disk have the name of an errno. */
export function isDiskError(error: unknown): error is Error {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}
