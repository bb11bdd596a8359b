import type {
  Disk,
  DiskEntry,
  DiskError,
  DiskFile,
  DiskLock,
  DiskStat,
  OpenMode,
} from '../../src/runtime/runtime.ts';
import { type DiskOperation, type Fault, MemoryDisk, type MemoryFile } from '../support/memory-disk.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimRandom } from './sim-random.ts';

/** Operations that change something. */
const CHANGES: ReadonlySet<DiskOperation> = new Set<DiskOperation>([
  'open',
  'write',
  'truncate',
  'rename',
  'remove',
  'replace',
]);

/** How the disk of a node misbehaves from now on. Everything is off at first. */
export interface DiskFaults {
  /** So many more bytes can be written, then ENOSPC, in the middle of a write if it comes so. */
  bytesLeft: number;
  /** What is written under this path does not count: it is as if on a disk of its own. Undefined: all counts. */
  sparedPath: string | undefined;
  /** EIO for what is done under this path; undefined for none. */
  failingPath: string | undefined;
  /** The next so many syncs fail, and what they were to sync is lost. */
  failingSyncs: number;
  /** An operation off the loop takes this long at most, one on the loop keeps the loop busy so long. */
  slowMs: number;
  /** The process dies before the operation that changes something of this number from now on. */
  crashAfterChanges: number;
}

/** The disk of one node, which outlives the processes on it. */
export class SimDisk {
  readonly storage = new MemoryDisk();
  readonly faults: DiskFaults = {
    bytesLeft: Number.POSITIVE_INFINITY,
    sparedPath: undefined,
    failingPath: undefined,
    failingSyncs: 0,
    slowMs: 0,
    crashAfterChanges: Number.POSITIVE_INFINITY,
  };
  /** Called when {@link DiskFaults.crashAfterChanges} has run down: the process dies in the middle of its turn. */
  onCrashPoint: (() => void) | undefined;
  private readonly random: SimRandom;

  constructor(random: SimRandom, nowMs: () => number) {
    this.random = random;
    this.storage.nowMs = nowMs;
    this.mount();
  }

  private mount(): void {
    this.storage.fault = (operation, path, bytes) => this.fault(operation, path, bytes);
  }

  /** Everything works from now on; what is lost stays lost. */
  heal(): void {
    this.faults.bytesLeft = Number.POSITIVE_INFINITY;
    this.faults.sparedPath = undefined;
    this.faults.failingPath = undefined;
    this.faults.failingSyncs = 0;
    this.faults.slowMs = 0;
    this.faults.crashAfterChanges = Number.POSITIVE_INFINITY;
  }

  /** Whether operations fail, or are about to. */
  get isFailing(): boolean {
    const { bytesLeft, failingPath, failingSyncs } = this.faults;
    return bytesLeft < Number.POSITIVE_INFINITY || failingPath !== undefined || failingSyncs > 0;
  }

  /** Whether the process on it is to die between two operations. */
  get isDoomed(): boolean {
    return this.faults.crashAfterChanges < Number.POSITIVE_INFINITY;
  }

  /** The process has died: the page cache lives. */
  processDied(): void {
    this.storage.crash('keep');
    this.mount();
  }

  /** Each unsynced sector and name is there or not. `losesAll`: none of them. */
  losePower(losesAll: boolean): void {
    this.storage.crash(losesAll ? 'lose' : this.random.next);
    this.mount();
  }

  /** An empty disk in its place. */
  wipe(): void {
    for (const { name, isDirectory } of this.storage.readDirectorySync('')) {
      if (isDirectory) this.storage.removeTreeSync(`/${name}`);
      else this.storage.removeFileSync(`/${name}`);
    }
    this.storage.syncDirectorySync('');
  }

  /** Of all files, sorted. */
  paths(): string[] {
    return this.storage.paths();
  }

  contentOf(path: string): Buffer {
    return this.storage.contentOf(path);
  }

  private fault(operation: DiskOperation, path: string, bytes: number): Fault | undefined {
    const { faults } = this;
    if (CHANGES.has(operation) && faults.crashAfterChanges !== Number.POSITIVE_INFINITY) {
      if (--faults.crashAfterChanges < 0) {
        faults.crashAfterChanges = Number.POSITIVE_INFINITY;
        this.onCrashPoint?.();
        throw diedError(path);
      }
    }
    if (faults.failingPath !== undefined && path.startsWith(faults.failingPath)) return { code: 'EIO' };
    if (operation === 'sync' && faults.failingSyncs > 0) {
      faults.failingSyncs--;
      return { code: 'EIO', dropPages: true };
    }
    const isSpared = faults.sparedPath !== undefined && path.startsWith(faults.sparedPath);
    if ((operation === 'write' || operation === 'replace') && !isSpared) {
      if (bytes > faults.bytesLeft) {
        const writtenBytes = faults.bytesLeft;
        faults.bytesLeft = 0;
        return operation === 'write' ? { code: 'ENOSPC', writtenBytes } : { code: 'ENOSPC' };
      }
      faults.bytesLeft -= bytes;
    }
    return undefined;
  }
}

function diedError(path: string): DiskError {
  return Object.assign(new Error(`EIO: the process is dead and has no file ${path}`), { code: 'EIO' });
}

/** The disk as one incarnation of a process reaches it. After its death every call throws, and no promise settles. */
export class MountedDisk implements Disk {
  readonly process: SimProcess;
  readonly disk: SimDisk;
  readonly incarnation: number;

  constructor(process: SimProcess, disk: SimDisk, incarnation: number) {
    this.process = process;
    this.disk = disk;
    this.incarnation = incarnation;
  }

  /** What runs on the loop: on a slow disk it keeps the loop from all else. */
  private get storage(): MemoryDisk {
    return this.use('/', true);
  }

  use(path: string, stalls: boolean): MemoryDisk {
    if (!this.process.isCurrent(this.incarnation)) throw diedError(path);
    const { slowMs } = this.disk.faults;
    if (stalls && slowMs > 0) this.process.stall(this.process.random.next() * slowMs * 0.1);
    return this.disk.storage;
  }

  /** What runs off the loop: it takes effect, and `run`'s result is handed over, some time from now. */
  later<Value>(label: string, run: () => Value): Promise<Value> {
    const { process, incarnation } = this;
    const { slowMs } = this.disk.faults;
    const delayMs = 0.03 + process.random.next() * (slowMs > 0 ? slowMs : 0.4);
    return new Promise((resolve, reject) => {
      process.scheduler.after(delayMs, `${process.name} disk ${label}`, () => {
        if (!process.isCurrent(incarnation)) return;
        let settle: () => void;
        try {
          const value = run();
          settle = () => resolve(value);
        } catch (error) {
          settle = () => reject(error as Error);
        }
        process.deliver(incarnation, settle);
      });
    });
  }

  openSync(path: string, mode: OpenMode): DiskFile {
    return new MountedFile(this, this.storage.openSync(path, mode));
  }

  readFileSync(path: string): Buffer {
    return this.storage.readFileSync(path);
  }

  replaceFileSync(path: string, content: Uint8Array): void {
    this.storage.replaceFileSync(path, content);
  }

  statSync(path: string): DiskStat | undefined {
    return this.use(path, false).statSync(path);
  }

  readDirectorySync(path: string): DiskEntry[] {
    return this.use(path, false).readDirectorySync(path);
  }

  makeDirectorySync(path: string): void {
    this.storage.makeDirectorySync(path);
  }

  renameSync(from: string, to: string): void {
    this.storage.renameSync(from, to);
  }

  removeFileSync(path: string): void {
    this.storage.removeFileSync(path);
  }

  removeTreeSync(path: string): void {
    this.storage.removeTreeSync(path);
  }

  removeTree(path: string): Promise<void> {
    this.use(path, false);
    return this.later('removeTree', () => this.disk.storage.removeTreeSync(path));
  }

  syncDirectorySync(path: string): void {
    this.storage.syncDirectorySync(path);
  }

  spaceSync(path: string): { totalBytes: number; usableBytes: number } {
    const { totalBytes, usableBytes } = this.use(path, false).spaceSync(path);
    return { totalBytes, usableBytes: Math.min(usableBytes, this.disk.faults.bytesLeft) };
  }

  lockSync(path: string): DiskLock {
    return this.storage.lockSync(path);
  }
}

class MountedFile implements DiskFile {
  readonly path: string;
  private readonly mount: MountedDisk;
  private readonly file: MemoryFile;

  constructor(mount: MountedDisk, file: MemoryFile) {
    this.mount = mount;
    this.file = file;
    this.path = file.path;
  }

  private use(): MemoryFile {
    this.mount.use(this.path, true);
    return this.file;
  }

  readSync(target: Buffer, offset: number, length: number, position: number): number {
    this.mount.use(this.path, false);
    return this.file.readSync(target, offset, length, position);
  }

  read(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    this.mount.use(this.path, false);
    return this.mount.later('read', () => this.file.readSync(target, offset, length, position));
  }

  writeSync(chunks: readonly Uint8Array[], position: number): void {
    this.use().writeSync(chunks, position);
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    this.mount.use(this.path, false);
    return this.mount.later('write', () => this.file.writeSync(chunks, position));
  }

  truncateSync(size: number): void {
    this.use().truncateSync(size);
  }

  sizeSync(): number {
    this.mount.use(this.path, false);
    return this.file.sizeSync();
  }

  syncSync(): void {
    this.use().syncSync();
  }

  sync(): Promise<void> {
    this.mount.use(this.path, false);
    return this.mount.later('sync', this.file.beginSync());
  }

  closeSync(): void {
    // A dead process has closed everything.
    if (this.mount.process.isCurrent(this.mount.incarnation)) this.file.closeSync();
  }
}
