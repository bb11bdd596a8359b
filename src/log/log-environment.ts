import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../runtime/runtime.ts';
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
  readonly producerIdExpirationMs: number;
  /** Whether reads from disk check each batch's checksum, not only its framing. */
  readonly verifyChecksumsOnRead: boolean;
}

/** One of `log.dirs`, as its logs see it. */
export class LogDirectoryState {
  readonly path: string;
  private readonly onFailure: (error: Error) => void;
  private failure: Error | undefined;
  /** Directories were made in it that are not known to survive a power failure. */
  needsSync = false;

  constructor(path: string, onFailure: (error: Error) => void) {
    this.path = path;
    this.onFailure = onFailure;
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
}
