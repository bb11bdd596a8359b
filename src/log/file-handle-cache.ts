import { invariant } from '../base/assert.ts';
import type { Disk, DiskFile } from '../runtime/runtime.ts';

/**
 * Keeps at most `maxOpenFiles` of the log's files open, however many there are: a broker with 10,000
 * partitions runs under `ulimit -n 1024`. Files are opened when first used; the ones not used lately are
 * closed (second chance).
 */
export class FileHandleCache {
  readonly disk: Disk;
  private readonly maxOpenFiles: number;
  private readonly open: LogFile[] = [];
  private hand = 0;

  constructor(disk: Disk, maxOpenFiles: number) {
    this.disk = disk;
    this.maxOpenFiles = Math.max(1, maxOpenFiles);
  }

  get openFiles(): number {
    return this.open.length;
  }

  /** For {@link LogFile}. */
  add(file: LogFile): void {
    // Files with I/O in flight cannot be closed: two rounds over all find one that can, or there is none.
    for (let steps = this.open.length * 2; this.open.length >= this.maxOpenFiles && steps > 0; steps--) {
      if (this.hand >= this.open.length) this.hand = 0;
      const candidate = this.open[this.hand]!;
      if (candidate.usedLately) {
        candidate.usedLately = false;
        this.hand++;
      } else if (candidate.pinned) {
        this.hand++;
      } else {
        candidate.close();
      }
    }
    this.open.push(file);
  }

  /** For {@link LogFile}. */
  remove(file: LogFile): void {
    const index = this.open.indexOf(file);
    if (index < 0) return;
    const last = this.open.pop()!;
    if (index < this.open.length) this.open[index] = last;
  }
}

/** A file of the log, by path; it has a handle only while {@link FileHandleCache} lets it. */
export class LogFile {
  usedLately = false;
  private readonly handles: FileHandleCache;
  private pathNow: string;
  private existsNow: boolean;
  private handle: DiskFile | undefined;
  private pins = 0;
  private closeWhenUnpinned = false;

  /** `exists`: whether the file is on disk. One that is not is created when it is first opened. */
  constructor(handles: FileHandleCache, path: string, exists: boolean) {
    this.handles = handles;
    this.pathNow = path;
    this.existsNow = exists;
  }

  get path(): string {
    return this.pathNow;
  }

  get exists(): boolean {
    return this.existsNow;
  }

  get pinned(): boolean {
    return this.pins > 0;
  }

  /** The handle, for use in this turn only. Throws `DiskError`: ENOENT if somebody has removed the file. */
  open(): DiskFile {
    this.usedLately = true;
    if (this.handle !== undefined) return this.handle;
    this.handles.add(this);
    try {
      this.handle = this.handles.disk.openSync(this.pathNow, this.existsNow ? 'existing' : 'write');
    } catch (error) {
      this.handles.remove(this);
      throw error;
    }
    this.existsNow = true;
    return this.handle;
  }

  /** The handle for I/O that outlives this turn: it stays open until {@link unpin}. */
  pin(): DiskFile {
    const handle = this.open();
    this.pins++;
    return handle;
  }

  unpin(): void {
    invariant(this.pins > 0, 'handle pins', `${this.pathNow} is not pinned`);
    this.pins--;
    if (this.pins === 0 && this.closeWhenUnpinned) this.close();
  }

  close(): void {
    if (this.pins > 0) {
      this.closeWhenUnpinned = true;
      return;
    }
    this.closeWhenUnpinned = false;
    if (this.handle === undefined) return;
    const { handle } = this;
    this.handle = undefined;
    this.handles.remove(this);
    handle.closeSync();
  }

  /** Moves the file. An open handle goes on showing the same bytes. */
  rename(path: string): void {
    if (this.existsNow) this.handles.disk.renameSync(this.pathNow, path);
    this.pathNow = path;
  }

  /** The directory that holds the file has been renamed. */
  relocate(path: string): void {
    this.pathNow = path;
  }

  remove(): void {
    this.close();
    this.handles.disk.removeFileSync(this.pathNow);
    this.existsNow = false;
  }

  removeAside(): Promise<void> {
    this.close();
    this.existsNow = false;
    return this.handles.disk.removeTree(this.pathNow);
  }
}
