import type {
  Disk,
  DiskEntry,
  DiskError,
  DiskFile,
  DiskLock,
  DiskStat,
  OpenMode,
} from '../../src/runtime/runtime.ts';
import { LockedError } from '../../src/runtime/runtime.ts';

const SECTOR_BYTES = 512;

/** One file's bytes: what the page cache says, and what is on the platter. */
class Inode {
  bytes: Buffer = Buffer.alloc(0);
  size = 0;
  modifiedMs = 0;
  private durable: Buffer = Buffer.alloc(0);
  private durableSize = 0;
  /** Sectors that differ from the platter, with the number of the last write to each. */
  private readonly dirty = new Map<number, number>();
  private writes = 0;
  /** The writes that the last sync brought to the platter. */
  private syncedWrites = 0;

  get content(): Buffer {
    return this.bytes.subarray(0, this.size);
  }

  write(chunk: Uint8Array, position: number): void {
    if (chunk.length === 0) return;
    const end = position + chunk.length;
    if (end > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.bytes.length * 2, 64));
      this.bytes.copy(larger, 0, 0, this.size);
      this.bytes = larger;
    }
    if (position > this.size) {
      this.bytes.fill(0, this.size, position);
      this.touch(this.size, position);
    }
    this.bytes.set(chunk, position);
    this.size = Math.max(this.size, end);
    this.touch(position, end);
  }

  damage(position: number, chunk: Uint8Array): void {
    this.bytes.set(chunk.subarray(0, Math.max(0, this.size - position)), position);
    const durable = Math.max(0, this.durableSize - position);
    if (durable > 0) this.durable.set(chunk.subarray(0, durable), position);
  }

  truncate(size: number): void {
    if (size > this.size) this.write(Buffer.alloc(size - this.size), this.size);
    else this.touch(size, this.size);
    this.size = size;
  }

  private touch(from: number, end: number): void {
    this.writes++;
    for (let sector = Math.floor(from / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++)
      this.dirty.set(sector, this.writes);
  }

  sync(): void {
    this.beginSync()();
  }

  /** Takes what is to be synced now; the function that it gives brings that to the platter. */
  beginSync(): () => void {
    const { size, writes } = this;
    const sectors: [sector: number, bytes: Buffer][] = [];
    for (const sector of this.dirty.keys()) {
      const from = sector * SECTOR_BYTES;
      if (from < size)
        sectors.push([sector, Buffer.from(this.bytes.subarray(from, Math.min(from + SECTOR_BYTES, size)))]);
    }
    return () => {
      // A later sync may have been faster.
      if (writes < this.syncedWrites) return;
      this.syncedWrites = writes;
      if (size > this.durable.length) {
        const larger = Buffer.alloc(Math.max(size, this.durable.length * 2));
        this.durable.copy(larger, 0, 0, this.durableSize);
        this.durable = larger;
      }
      for (const [sector, bytes] of sectors) bytes.copy(this.durable, sector * SECTOR_BYTES);
      this.durableSize = size;
      this.forget(writes);
    };
  }

  /** What fsync does when it fails on Linux: the pages count as clean, and are not on the platter. */
  dropPages(): void {
    this.forget(this.writes);
  }

  private forget(writes: number): void {
    for (const [sector, number] of this.dirty) if (number <= writes) this.dirty.delete(sector);
  }

  /** The power failed: what was not synced is gone. */
  lose(): void {
    this.setTo(Buffer.from(this.durable.subarray(0, this.durableSize)));
  }

  /** The power failed: each sector that was not synced is there, as it was before, half written or zero. */
  tear(random: () => number): void {
    const { size, durableSize } = this;
    const choice = random();
    const between = Math.min(size, durableSize) + Math.floor(random() * (Math.abs(size - durableSize) + 1));
    const length = choice < 0.3 ? durableSize : choice < 0.6 ? size : between;
    const result = Buffer.alloc(length);
    this.durable.copy(result, 0, 0, Math.min(durableSize, length));
    for (const sector of [...this.dirty.keys()].sort((a, b) => a - b)) {
      const from = sector * SECTOR_BYTES;
      const end = Math.min(from + SECTOR_BYTES, length, size);
      if (from >= end) continue;
      const kind = random();
      if (kind < 0.5) this.bytes.copy(result, from, from, end);
      else if (kind < 0.7) this.bytes.copy(result, from, from, from + Math.floor(random() * (end - from)));
      // A sector that was on the platter keeps what it held: only new ones can be zero.
      else if (kind < 0.85) result.fill(0, Math.max(from, Math.min(durableSize, end)), end);
    }
    this.setTo(result);
  }

  private setTo(content: Buffer): void {
    this.bytes = content;
    this.size = content.length;
    this.durable = Buffer.from(content);
    this.durableSize = content.length;
    this.dirty.clear();
  }
}

type Entry = Inode | Directory;

/** Changes of names in one directory that the platter takes together. */
type NameChange = readonly (readonly [name: string, entry: Entry | undefined])[];

/** The names in a directory: as the page cache has them, as the platter has them, and what lies between. */
class Directory {
  readonly entries = new Map<string, Entry>();
  private durable = new Map<string, Entry>();
  private unsynced: NameChange[] = [];

  change(...changes: NameChange): void {
    for (const [name, entry] of changes) {
      if (entry === undefined) this.entries.delete(name);
      else this.entries.set(name, entry);
    }
    this.unsynced.push(changes);
  }

  sync(): void {
    this.durable = new Map(this.entries);
    this.unsynced = [];
  }

  /** One entry and no other is durable: who syncs a new directory has it in its parent too. */
  syncEntry(name: string): void {
    const entry = this.entries.get(name);
    if (entry !== undefined) this.durable.set(name, entry);
  }

  /** The power failed: of the changes that were not synced, the first few are there. */
  crash(random: (() => number) | undefined): void {
    const kept = random === undefined ? 0 : Math.floor(random() * (this.unsynced.length + 1));
    const entries = new Map(this.durable);
    for (const changes of this.unsynced.slice(0, kept)) {
      for (const [name, entry] of changes) {
        if (entry === undefined) entries.delete(name);
        else entries.set(name, entry);
      }
    }
    this.entries.clear();
    for (const [name, entry] of entries) {
      this.entries.set(name, entry);
      if (entry instanceof Directory) entry.crash(random);
      else if (random === undefined) entry.lose();
      else entry.tear(random);
    }
    this.sync();
  }
}

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'replace'
  | 'syncDirectory'
  | 'list';

/** What a fault does. */
export interface Fault {
  /** The errno. */
  readonly code: string;
  /** Of a write: how many bytes arrive before it. */
  readonly writtenBytes?: number;
  /** Of a sync: what was to be synced is lost, though it can still be read. */
  readonly dropPages?: boolean;
}

/**
 * How a crash treats what was not synced. `keep`: the process died, the page cache lives. `lose`: all of it
 * is gone, file names too. A function: the power failed; it gives a number in [0, 1) for each decision.
 */
export type CrashMode = 'keep' | 'lose' | (() => number);

function diskError(code: string, message: string): DiskError {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

/** The names on the way from the root. */
function namesOf(path: string): string[] {
  return path.split('/').filter(name => name !== '');
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * A disk in memory, with a page cache and a platter: file data is durable after a sync of the file, names
 * after a sync of their directory. {@link crash} and {@link fault} make it fail.
 */
export class MemoryDisk implements Disk {
  /** Asked before each operation; a fault makes it throw. */
  fault: ((operation: DiskOperation, path: string, bytes: number) => Fault | undefined) | undefined;
  nowMs: () => number = () => 0;
  /** Bytes that all files may have together; more is ENOSPC, in the middle of a write if it comes so. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** How often each operation was done. */
  readonly counts = new Map<DiskOperation | 'stat' | 'space', number>();
  openHandles = 0;
  maxOpenHandles = 0;

  private readonly root = new Directory();
  private locks = new Set<string>();

  private count(operation: DiskOperation | 'stat' | 'space'): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
  }

  /** The fault of this operation, if it is one that the operation itself must act on; others are thrown. */
  check(operation: DiskOperation, path: string, bytes = 0): Fault | undefined {
    this.count(operation);
    const fault = this.fault?.(operation, path, bytes) ?? this.noRoom(operation, bytes);
    if (fault !== undefined && fault.writtenBytes === undefined && fault.dropPages !== true)
      throw diskError(fault.code, `${operation} ${path}`);
    return fault;
  }

  /** As if every write were of new bytes: those of a log are. */
  private noRoom(operation: DiskOperation, bytes: number): Fault | undefined {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return undefined;
    if (operation !== 'write' && operation !== 'replace') return undefined;
    const left = Math.max(0, this.capacityBytes - this.usedBytes);
    if (bytes <= left) return undefined;
    return operation === 'write' ? { code: 'ENOSPC', writtenBytes: left } : { code: 'ENOSPC' };
  }

  private find(path: string): Entry | undefined {
    let at: Entry | undefined = this.root;
    for (const name of namesOf(path)) {
      if (!(at instanceof Directory)) return undefined;
      at = at.entries.get(name);
    }
    return at;
  }

  private file(path: string): Inode {
    const found = this.find(path);
    if (!(found instanceof Inode)) throw diskError(found === undefined ? 'ENOENT' : 'EISDIR', path);
    return found;
  }

  private directory(path: string): Directory {
    const found = this.find(path);
    if (!(found instanceof Directory)) throw diskError(found === undefined ? 'ENOENT' : 'ENOTDIR', path);
    return found;
  }

  openSync(path: string, mode: OpenMode): MemoryFile {
    this.check('open', path);
    let inode = this.find(path);
    if (inode instanceof Directory) throw diskError('EISDIR', path);
    if (inode === undefined) {
      if (mode === 'read' || mode === 'existing') throw diskError('ENOENT', path);
      const parent = this.directory(parentOf(path));
      inode = new Inode();
      inode.modifiedMs = this.nowMs();
      parent.change([nameOf(path), inode]);
    } else if (mode === 'create') {
      throw diskError('EEXIST', path);
    }
    this.openHandles++;
    this.maxOpenHandles = Math.max(this.maxOpenHandles, this.openHandles);
    return new MemoryFile(this, path, inode);
  }

  readFileSync(path: string): Buffer {
    this.check('read', path);
    return Buffer.from(this.file(path).content);
  }

  replaceFileSync(path: string, content: Uint8Array): void {
    this.check('replace', path, content.length);
    const inode = new Inode();
    inode.write(content, 0);
    inode.sync();
    inode.modifiedMs = this.nowMs();
    this.directory(parentOf(path)).change([nameOf(path), inode]);
    this.syncDirectorySync(parentOf(path));
  }

  statSync(path: string): DiskStat | undefined {
    this.count('stat');
    const found = this.find(path);
    if (found === undefined) return undefined;
    if (found instanceof Directory) return { isDirectory: true, size: 0, modifiedMs: 0 };
    return { isDirectory: false, size: found.size, modifiedMs: found.modifiedMs };
  }

  readDirectorySync(path: string): DiskEntry[] {
    this.check('list', path);
    return Array.from(this.directory(path).entries, ([name, entry]) => ({
      name,
      isDirectory: entry instanceof Directory,
    }));
  }

  makeDirectorySync(path: string): void {
    let at = this.root;
    for (const name of namesOf(path)) {
      let next = at.entries.get(name);
      if (next instanceof Inode) throw diskError('EEXIST', path);
      if (next === undefined) {
        next = new Directory();
        at.change([name, next]);
      }
      at = next;
    }
  }

  renameSync(from: string, to: string): void {
    this.check('rename', from);
    const entry = this.find(from);
    if (entry === undefined) throw diskError('ENOENT', from);
    const source = this.directory(parentOf(from));
    const target = this.directory(parentOf(to));
    if (source === target) {
      source.change([nameOf(from), undefined], [nameOf(to), entry]);
    } else {
      target.change([nameOf(to), entry]);
      source.change([nameOf(from), undefined]);
    }
  }

  removeFileSync(path: string): void {
    this.check('remove', path);
    if (this.find(path) instanceof Inode) this.directory(parentOf(path)).change([nameOf(path), undefined]);
  }

  removeTreeSync(path: string): void {
    this.check('remove', path);
    if (this.find(path) !== undefined) this.directory(parentOf(path)).change([nameOf(path), undefined]);
  }

  async removeTree(path: string): Promise<void> {
    this.removeTreeSync(path);
  }

  /** The names in the directory are durable, and its own on the way from the root. */
  syncDirectorySync(path: string): void {
    this.check('syncDirectory', path);
    this.directory(path).sync();
    let at: Entry | undefined = this.root;
    for (const name of namesOf(path)) {
      if (!(at instanceof Directory)) return;
      at.syncEntry(name);
      at = at.entries.get(name);
    }
  }

  spaceSync(_path: string): { totalBytes: number; usableBytes: number } {
    this.count('space');
    if (this.capacityBytes === Number.POSITIVE_INFINITY) {
      return { totalBytes: 1_000_000_000, usableBytes: 500_000_000 };
    }
    const usableBytes = Math.max(0, this.capacityBytes - this.usedBytes);
    return { totalBytes: this.capacityBytes, usableBytes };
  }

  lockSync(path: string): DiskLock {
    if (this.locks.has(path)) throw new LockedError(path, 4711);
    this.locks.add(path);
    return { release: () => this.locks.delete(path) };
  }

  /** The disk as the next process finds it. Handles of this one must not be used any more. */
  crash(mode: CrashMode): void {
    this.locks.clear();
    this.fault = undefined;
    this.openHandles = 0;
    if (mode !== 'keep') this.root.crash(mode === 'lose' ? undefined : mode);
  }

  // For tests that look at files or damage them.

  /** Of all files, sorted. */
  paths(): string[] {
    const paths: string[] = [];
    const walk = (directory: Directory, path: string): void => {
      for (const [name, entry] of directory.entries) {
        if (entry instanceof Directory) walk(entry, `${path}/${name}`);
        else paths.push(`${path}/${name}`);
      }
    };
    walk(this.root, '');
    return paths.sort();
  }

  /** Of all files together. */
  get usedBytes(): number {
    let bytes = 0;
    const walk = (directory: Directory): void => {
      for (const entry of directory.entries.values()) {
        if (entry instanceof Directory) walk(entry);
        else bytes += entry.size;
      }
    };
    walk(this.root);
    return bytes;
  }

  contentOf(path: string): Buffer {
    return this.file(path).content;
  }

  setContent(path: string, content: Buffer): void {
    const inode = new Inode();
    inode.write(content, 0);
    inode.sync();
    this.makeDirectorySync(parentOf(path));
    const parent = this.directory(parentOf(path));
    parent.change([nameOf(path), inode]);
    parent.syncEntry(nameOf(path));
  }

  /** Bytes change by themselves, in the page cache and on the platter: nobody has written them. */
  damage(path: string, position: number, bytes: Uint8Array): void {
    this.file(path).damage(position, bytes);
  }

  /** A disk with the same content, all of it durable. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    const walk = (directory: Directory, path: string): void => {
      copy.makeDirectorySync(path);
      for (const [name, entry] of directory.entries) {
        if (entry instanceof Directory) walk(entry, `${path}/${name}`);
        else copy.setContent(`${path}/${name}`, Buffer.from(entry.content));
      }
      copy.directory(path).sync();
    };
    walk(this.root, '');
    return copy;
  }
}

/** An open file of a {@link MemoryDisk}. */
export class MemoryFile implements DiskFile {
  readonly path: string;
  private readonly disk: MemoryDisk;
  private readonly inode: Inode;
  private closed = false;

  constructor(disk: MemoryDisk, path: string, inode: Inode) {
    this.disk = disk;
    this.path = path;
    this.inode = inode;
  }

  private checkOpen(): void {
    if (this.closed) throw diskError('EBADF', this.path);
  }

  readSync(target: Buffer, offset: number, length: number, position: number): number {
    this.checkOpen();
    this.disk.check('read', this.path, length);
    const end = Math.min(position + length, this.inode.size);
    return end <= position ? 0 : this.inode.bytes.copy(target, offset, position, end);
  }

  async read(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    await Promise.resolve();
    return this.readSync(target, offset, length, position);
  }

  writeSync(chunks: readonly Uint8Array[], position: number): void {
    this.checkOpen();
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const fault = this.disk.check('write', this.path, bytes);
    const all = Buffer.concat(chunks);
    if (fault !== undefined) {
      this.inode.write(all.subarray(0, fault.writtenBytes), position);
      throw diskError(fault.code, `write ${this.path}`);
    }
    this.inode.write(all, position);
    this.inode.modifiedMs = this.disk.nowMs();
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    await Promise.resolve();
    this.writeSync(chunks, position);
  }

  truncateSync(size: number): void {
    this.checkOpen();
    this.disk.check('truncate', this.path);
    this.inode.truncate(size);
  }

  sizeSync(): number {
    this.checkOpen();
    return this.inode.size;
  }

  syncSync(): void {
    this.checkOpen();
    this.finishSync(() => this.inode.sync());
  }

  private finishSync(sync: () => void): void {
    const fault = this.disk.check('sync', this.path);
    if (fault !== undefined) {
      this.inode.dropPages();
      throw diskError(fault.code, `sync ${this.path}`);
    }
    sync();
  }

  /** Takes what is to be synced now; the function that it gives syncs that, or throws. */
  beginSync(): () => void {
    this.checkOpen();
    const sync = this.inode.beginSync();
    return () => this.finishSync(sync);
  }

  async sync(): Promise<void> {
    // What was written before the call is synced, not what comes while it runs.
    const finish = this.beginSync();
    await Promise.resolve();
    finish();
  }

  closeSync(): void {
    if (this.closed) return;
    this.closed = true;
    this.disk.openHandles--;
  }
}
