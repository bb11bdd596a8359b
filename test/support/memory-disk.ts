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

/** One file's bytes: what the page cache says, and what is on the platter. */
class Inode {
  bytes: Buffer = Buffer.alloc(0);
  size = 0;
  modifiedMs = 0;
  durable: Buffer = Buffer.alloc(0);

  get content(): Buffer {
    return this.bytes.subarray(0, this.size);
  }

  write(chunk: Uint8Array, position: number): void {
    const end = position + chunk.length;
    if (end > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.bytes.length * 2, 64));
      this.bytes.copy(larger, 0, 0, this.size);
      this.bytes = larger;
    }
    if (position > this.size) this.bytes.fill(0, this.size, position);
    this.bytes.set(chunk, position);
    this.size = Math.max(this.size, end);
  }

  truncate(size: number): void {
    if (size > this.size) this.write(Buffer.alloc(size - this.size), this.size);
    this.size = size;
  }

  sync(): void {
    this.durable = Buffer.from(this.content);
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

/** What a fault does: the errno, and for a write how many bytes arrive before it. */
export interface Fault {
  readonly code: string;
  readonly writtenBytes?: number;
}

/**
 * How a crash treats what was not synced. `keep`: the process died, the page cache lives. `lose`: all of it
 * is gone, file names too. A function: the power failed; it gives a number in [0, 1) for each decision.
 */
export type CrashMode = 'keep' | 'lose' | (() => number);

function diskError(code: string, message: string): DiskError {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/**
 * A disk in memory, with a page cache and a platter: file data is durable after a sync of the file, names
 * after a sync of their directory. {@link crash} and {@link fault} make it fail.
 */
export class MemoryDisk implements Disk {
  /** Asked before each operation; a fault makes it throw. */
  fault: ((operation: DiskOperation, path: string, bytes: number) => Fault | undefined) | undefined;
  nowMs: () => number = () => 0;
  /** How often each operation was done. */
  readonly counts = new Map<DiskOperation | 'stat', number>();
  openHandles = 0;
  maxOpenHandles = 0;

  private files = new Map<string, Inode>();
  private directories = new Set<string>(['']);
  private durableFiles = new Map<string, Inode>();
  private durableDirectories = new Set<string>(['']);
  private locks = new Set<string>();

  private count(operation: DiskOperation | 'stat'): void {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
  }

  check(operation: DiskOperation, path: string, bytes = 0): Fault | undefined {
    this.count(operation);
    const fault = this.fault?.(operation, path, bytes);
    if (fault !== undefined && fault.writtenBytes === undefined)
      throw diskError(fault.code, `${operation} ${path}`);
    return fault;
  }

  openSync(path: string, mode: OpenMode): DiskFile {
    this.check('open', path);
    let inode = this.files.get(path);
    if (inode === undefined) {
      if (mode === 'read' || mode === 'existing') throw diskError('ENOENT', path);
      if (!this.directories.has(parentOf(path))) throw diskError('ENOENT', parentOf(path));
      inode = new Inode();
      inode.modifiedMs = this.nowMs();
      this.files.set(path, inode);
    } else if (mode === 'create') {
      throw diskError('EEXIST', path);
    }
    this.openHandles++;
    this.maxOpenHandles = Math.max(this.maxOpenHandles, this.openHandles);
    return new MemoryFile(this, path, inode);
  }

  readFileSync(path: string): Buffer {
    this.check('read', path);
    const inode = this.files.get(path);
    if (inode === undefined) throw diskError('ENOENT', path);
    return Buffer.from(inode.content);
  }

  replaceFileSync(path: string, content: Uint8Array): void {
    this.check('replace', path);
    const inode = new Inode();
    inode.write(content, 0);
    inode.sync();
    inode.modifiedMs = this.nowMs();
    if (!this.directories.has(parentOf(path))) throw diskError('ENOENT', parentOf(path));
    this.files.set(path, inode);
    this.syncDirectorySync(parentOf(path));
  }

  statSync(path: string): DiskStat | undefined {
    this.count('stat');
    if (this.directories.has(path)) return { isDirectory: true, size: 0, modifiedMs: 0 };
    const inode = this.files.get(path);
    return inode === undefined
      ? undefined
      : { isDirectory: false, size: inode.size, modifiedMs: inode.modifiedMs };
  }

  readDirectorySync(path: string): DiskEntry[] {
    this.check('list', path);
    if (!this.directories.has(path)) throw diskError('ENOENT', path);
    const entries: DiskEntry[] = [];
    for (const name of this.files.keys())
      if (parentOf(name) === path) entries.push({ name: name.slice(path.length + 1), isDirectory: false });
    for (const name of this.directories) {
      if (name !== '' && parentOf(name) === path)
        entries.push({ name: name.slice(path.length + 1), isDirectory: true });
    }
    return entries;
  }

  makeDirectorySync(path: string): void {
    for (let at = path; !this.directories.has(at); at = parentOf(at)) this.directories.add(at);
  }

  renameSync(from: string, to: string): void {
    this.check('rename', from);
    const inode = this.files.get(from);
    if (inode !== undefined) {
      this.files.delete(from);
      this.files.set(to, inode);
      return;
    }
    if (!this.directories.has(from)) throw diskError('ENOENT', from);
    for (const [path, file] of [...this.files]) {
      if (!path.startsWith(`${from}/`)) continue;
      this.files.delete(path);
      this.files.set(to + path.slice(from.length), file);
    }
    for (const path of [...this.directories]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.directories.delete(path);
      this.directories.add(to + path.slice(from.length));
    }
  }

  removeFileSync(path: string): void {
    this.check('remove', path);
    this.files.delete(path);
  }

  removeTreeSync(path: string): void {
    this.check('remove', path);
    for (const name of [...this.files.keys()]) if (name.startsWith(`${path}/`)) this.files.delete(name);
    for (const name of [...this.directories])
      if (name === path || name.startsWith(`${path}/`)) this.directories.delete(name);
  }

  async removeTree(path: string): Promise<void> {
    this.removeTreeSync(path);
  }

  syncDirectorySync(path: string): void {
    this.check('syncDirectory', path);
    for (const name of [...this.durableFiles.keys()]) {
      if (parentOf(name) === path && !this.files.has(name)) this.durableFiles.delete(name);
    }
    for (const [name, inode] of this.files) if (parentOf(name) === path) this.durableFiles.set(name, inode);
    for (const name of [...this.durableDirectories]) {
      if (name === '' || parentOf(name) !== path || this.directories.has(name)) continue;
      this.durableDirectories.delete(name);
      for (const file of [...this.durableFiles.keys()])
        if (file.startsWith(`${name}/`)) this.durableFiles.delete(file);
    }
    for (const name of this.directories) if (parentOf(name) === path) this.durableDirectories.add(name);
    for (let at = path; !this.durableDirectories.has(at) && at !== ''; at = parentOf(at))
      this.durableDirectories.add(at);
  }

  spaceSync(): { totalBytes: number; usableBytes: number } {
    return { totalBytes: 1_000_000_000, usableBytes: 500_000_000 };
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
    if (mode === 'keep') return;
    if (mode === 'lose') {
      this.files = new Map(this.durableFiles);
      this.directories = new Set(this.durableDirectories);
      for (const inode of this.files.values()) {
        inode.bytes = Buffer.from(inode.durable);
        inode.size = inode.durable.length;
      }
      return;
    }
    for (const [path, inode] of [...this.files]) {
      if (!this.durableFiles.has(path) && mode() < 0.2) this.files.delete(path);
      else tear(inode, mode);
    }
  }

  // For tests that look at files or damage them.

  paths(): string[] {
    return [...this.files.keys()].sort();
  }

  contentOf(path: string): Buffer {
    const inode = this.files.get(path);
    if (inode === undefined) throw diskError('ENOENT', path);
    return inode.content;
  }

  setContent(path: string, content: Buffer): void {
    const inode = new Inode();
    inode.write(content, 0);
    inode.sync();
    this.files.set(path, inode);
    this.durableFiles.set(path, inode);
  }

  /** A disk with the same content, all of it durable. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.directories = new Set(this.directories);
    copy.durableDirectories = new Set(this.directories);
    for (const [path, inode] of this.files) copy.setContent(path, Buffer.from(inode.content));
    return copy;
  }
}

/** A power failure: sectors behind or beside what was synced are there, gone or zero. */
function tear(inode: Inode, random: () => number): void {
  const live = Buffer.from(inode.content);
  const { durable } = inode;
  const length =
    live.length <= durable.length
      ? live.length
      : durable.length + Math.floor(random() * (live.length - durable.length + 1));
  const result = Buffer.alloc(length);
  live.copy(result, 0, 0, length);
  for (let sector = 0; sector < length; sector += 512) {
    const end = Math.min(sector + 512, length);
    if (end <= durable.length && live.subarray(sector, end).equals(durable.subarray(sector, end))) continue;
    if (random() < 0.3) {
      const from = Math.max(sector, Math.min(durable.length, end));
      result.fill(0, from, end);
    }
  }
  inode.bytes = result;
  inode.size = length;
  inode.durable = Buffer.from(result);
}

class MemoryFile implements DiskFile {
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
    this.disk.check('sync', this.path);
    this.inode.sync();
  }

  async sync(): Promise<void> {
    // What was written before the call is synced, not what comes while it runs.
    this.checkOpen();
    const content = Buffer.from(this.inode.content);
    await Promise.resolve();
    this.disk.check('sync', this.path);
    this.inode.durable = content;
  }

  closeSync(): void {
    if (this.closed) return;
    this.closed = true;
    this.disk.openHandles--;
  }
}
