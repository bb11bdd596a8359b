import { invariant } from '../base/assert.ts';
import type { Offset } from '../base/int64.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogWriter } from './log-writer.ts';
import type { PendingAppend } from './pending-append.ts';

/** What a queue asks of its log. */
export interface AppendQueueOwner {
  /**
   * Whether appends wait for an fsync. `unsyncedRecords`: written and not synced, with those about to be
   * written.
   */
  mustSync(unsyncedRecords: number): boolean;
  /** So many more bytes are in the files. */
  onBytesWritten(bytes: number): void;
  /** Makes the names of new files durable, before the first fsync of their data is relied on. */
  syncNames(): void;
  /** `appends` are in their files: the log's end moves. Runs before their callbacks. */
  publish(appends: readonly PendingAppend[]): void;
  /** A write or fsync failed: the log directory is lost. The owner calls {@link AppendQueue.failAll}. */
  onError(error: Error): void;
  /**
   * A write failed, perhaps in its middle. `failed` is what it was to bring, and what was staged since; `endOffset` is
   * where the log ends in its files without it. If the log can be as it was before these, it is when this returns, with
   * the error that they get. Undefined: it cannot, and {@link onError} follows.
   */
  undoWrite(
    error: Error,
    failed: readonly PendingAppend[],
    endOffset: Offset | undefined,
  ): KafkaError | undefined;
}

/**
 * The staged appends of one log, in order:
 *
 *     staged ──write──▶ written ──(fsync)──▶ published, callbacks
 *
 * One gathered write takes all that is staged. Under the `fsync` policy one fsync is in flight at a time;
 * what is written meanwhile shares the next one.
 */
export class AppendQueue {
  private readonly owner: AppendQueueOwner;
  private readonly writer: LogWriter;
  private staged: PendingAppend[] = [];
  private unsynced: PendingAppend[] = [];
  private syncing = false;
  /** {@link finishNow} syncs by itself what is written. */
  private finishing = false;
  private writing = false;
  private scheduled = false;
  private unsyncedRecords = 0;
  private failure: KafkaError | undefined;
  private waiters: (() => void)[] = [];
  private afterSync: (() => void)[] = [];

  constructor(owner: AppendQueueOwner, writer: LogWriter) {
    this.owner = owner;
    this.writer = writer;
  }

  get isIdle(): boolean {
    return this.staged.length === 0 && this.unsynced.length === 0 && !this.writing && !this.syncing;
  }

  /** Nothing waits to be written, though an fsync may be on its way. */
  get isWritten(): boolean {
    return this.staged.length === 0 && !this.writing;
  }

  stage(append: PendingAppend): void {
    this.staged.push(append);
    if (this.scheduled || this.writing) return;
    this.scheduled = true;
    this.writer.schedule(this);
  }

  /** For {@link LogWriter}. */
  write(): void {
    this.scheduled = false;
    if (this.staged.length === 0 || this.writing) return;
    if (this.writer.mode === 'pooled') this.writePooled();
    else this.writeNow();
  }

  /** Writes on the event loop. With a pooled write in flight it does nothing: wait with {@link settled}. */
  writeNow(): void {
    if (this.staged.length === 0 || this.writing) return;
    const appends = this.staged;
    this.staged = [];
    try {
      for (const run of runsOf(appends)) run.segment.log.open().writeSync(run.chunks, run.position);
    } catch (error) {
      this.onWriteFailed(appends, error as Error);
      return;
    }
    this.onWritten(appends);
  }

  private onWriteFailed(appends: readonly PendingAppend[], error: Error): void {
    const failed = [...appends, ...this.staged];
    this.staged = [];
    const refusal = this.owner.undoWrite(error, failed, this.unsynced.at(-1)?.endOffset);
    if (refusal === undefined) {
      this.unsynced.push(...failed);
      this.owner.onError(error);
    } else {
      for (const append of failed) append.settle(refusal);
    }
    this.wake();
  }

  private writePooled(): void {
    const appends = this.staged;
    this.staged = [];
    this.writing = true;
    void this.runPooled(appends).then(
      () => {
        this.writing = false;
        this.onWritten(appends);
        this.write();
        this.wake();
      },
      error => {
        this.writing = false;
        this.onWriteFailed(appends, error as Error);
      },
    );
  }

  private async runPooled(appends: readonly PendingAppend[]): Promise<void> {
    for (const { segment, position, chunks } of runsOf(appends)) {
      const handle = segment.log.pin();
      try {
        await handle.write(chunks, position);
      } finally {
        segment.log.unpin();
      }
    }
  }

  private onWritten(appends: readonly PendingAppend[]): void {
    let bytes = 0;
    for (const append of appends) {
      const { segment } = append;
      if (segment === undefined) continue;
      segment.writtenBytes = append.position + append.validBytes;
      bytes += append.validBytes;
      this.unsyncedRecords += append.recordCount;
    }
    this.owner.onBytesWritten(bytes);
    if (!this.syncing && this.unsynced.length === 0 && !this.owner.mustSync(this.unsyncedRecords)) {
      this.complete(appends);
      this.wake();
      return;
    }
    this.unsynced.push(...appends);
    if (!this.syncing && !this.finishing) this.startSync();
  }

  private startSync(): void {
    const appends = [...this.unsynced];
    const segments = new Map<LogSegment, number>();
    for (const { segment, position, validBytes } of appends) {
      if (segment !== undefined) segments.set(segment, position + validBytes);
    }
    this.syncing = true;
    this.unsyncedRecords = 0;
    void this.sync(segments).then(
      () => {
        this.syncing = false;
        // A truncation may have taken appends out of the list meanwhile.
        const synced = new Set(appends);
        const done = this.unsynced.filter(append => synced.has(append));
        this.unsynced = this.unsynced.filter(append => !synced.has(append));
        this.complete(done);
        const { afterSync } = this;
        this.afterSync = [];
        for (const callback of afterSync) callback();
        if (this.unsynced.length > 0 && !this.syncing) this.startSync();
        this.wake();
      },
      error => {
        this.syncing = false;
        this.owner.onError(error as Error);
        this.wake();
      },
    );
  }

  private async sync(segments: ReadonlyMap<LogSegment, number>): Promise<void> {
    this.owner.syncNames();
    for (const [segment, bytes] of segments) {
      // While others were synced, a truncation or the end of the log may have taken its files.
      if (!segment.deleted) await segment.syncLog(bytes);
    }
  }

  private complete(appends: readonly PendingAppend[]): void {
    if (appends.length === 0) return;
    const { failure } = this;
    if (failure !== undefined) {
      for (const append of appends) append.settle(failure);
      return;
    }
    this.owner.publish(appends);
    for (const append of appends) append.settle();
  }

  /** Calls `callback` when no fsync is under way, at once if that is so now; never if the log is lost meanwhile. */
  whenNotSyncing(callback: () => void): void {
    if (this.syncing) this.afterSync.push(callback);
    else callback();
  }

  /**
   * Writes what is staged, and fsyncs what waits for that, on the event loop: all appends have come to their end. With
   * an fsync or a pooled write under way it does less.
   */
  finishNow(): void {
    this.finishing = true;
    this.writeNow();
    this.finishing = false;
    if (this.syncing || this.writing || this.unsynced.length === 0) return;
    const appends = this.unsynced;
    try {
      this.owner.syncNames();
      for (const segment of new Set(appends.map(append => append.segment))) segment?.flushSync();
    } catch (error) {
      this.owner.onError(error as Error);
      return;
    }
    this.unsynced = [];
    this.unsyncedRecords = 0;
    this.complete(appends);
    this.wake();
  }

  /** All has been synced by somebody else. */
  resetUnsyncedRecords(): void {
    this.unsyncedRecords = 0;
  }

  /** Resolves when nothing waits any more; `undefined` if that is so now. */
  settled(): Promise<void> | undefined {
    if (this.isIdle) return undefined;
    return new Promise(resolve => this.waiters.push(resolve));
  }

  private wake(): void {
    if (!this.isIdle || this.waiters.length === 0) return;
    const { waiters } = this;
    this.waiters = [];
    for (const wake of waiters) wake();
  }

  /**
   * A truncation removes what ends behind `offset`; it will never be durable. Everything staged has been
   * written.
   */
  dropFrom(offset: Offset): void {
    invariant(this.isWritten, 'truncate', 'a write is in flight');
    const dropped = this.unsynced.filter(append => append.endOffset > offset);
    if (dropped.length === 0) return;
    this.unsynced = this.unsynced.filter(append => append.endOffset <= offset);
    const error = new KafkaError(
      Errors.NOT_LEADER_OR_FOLLOWER,
      'the records were truncated before they were durable',
    );
    for (const append of dropped) append.settle(error);
  }

  /** The log is lost: nobody waits in vain. */
  failAll(error: KafkaError): void {
    this.failure = error;
    const appends = [...this.unsynced, ...this.staged];
    this.unsynced = [];
    this.staged = [];
    for (const append of appends) append.settle(error);
    this.wake();
  }
}

interface Run {
  readonly segment: LogSegment;
  readonly position: number;
  readonly chunks: Buffer[];
}

/** Joins appends that go to one place: a roll in between makes two runs, else there is one. */
function runsOf(appends: readonly PendingAppend[]): Run[] {
  const runs: Run[] = [];
  let last: Run | undefined;
  for (const { segment, position, records } of appends) {
    if (segment === undefined || records === undefined) continue;
    if (last === undefined || last.segment !== segment) {
      last = { segment, position, chunks: [] };
      runs.push(last);
    }
    last.chunks.push(records);
  }
  return runs;
}
