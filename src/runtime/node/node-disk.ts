import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Disk, DiskEntry, DiskFile, DiskLock, DiskStat, OpenMode } from '../runtime.ts';
import { takeLock } from './node-disk-lock.ts';
import { NodeDiskFile } from './node-disk-file.ts';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  write: O_RDWR | O_CREAT,
  create: O_RDWR | O_CREAT | O_EXCL,
  existing: O_RDWR,
};

/** The file system of the machine. */
export class NodeDisk implements Disk {
  openSync(path: string, mode: OpenMode): DiskFile {
    return new NodeDiskFile(path, fs.openSync(path, OPEN_FLAGS[mode], 0o644));
  }

  readFileSync(path: string): Buffer {
    return fs.readFileSync(path);
  }

  replaceFileSync(path: string, content: Uint8Array): void {
    const temporary = `${path}.tmp`;
    const fd = fs.openSync(temporary, 'w', 0o644);
    try {
      let done = 0;
      while (done < content.length) done += fs.writeSync(fd, content, done, content.length - done, done);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path);
    this.syncDirectorySync(dirname(path));
  }

  statSync(path: string): DiskStat | undefined {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return { isDirectory: stat.isDirectory(), size: stat.size, modifiedMs: Math.floor(stat.mtimeMs) };
  }

  readDirectorySync(path: string): DiskEntry[] {
    return fs.readdirSync(path, { withFileTypes: true }).map(entry => ({
      name: entry.name,
      isDirectory: entry.isSymbolicLink()
        ? (this.statSync(join(path, entry.name))?.isDirectory ?? false)
        : entry.isDirectory(),
    }));
  }

  makeDirectorySync(path: string): void {
    fs.mkdirSync(path, { recursive: true });
  }

  renameSync(from: string, to: string): void {
    fs.renameSync(from, to);
  }

  removeFileSync(path: string): void {
    fs.rmSync(path, { force: true });
  }

  removeTreeSync(path: string): void {
    fs.rmSync(path, { force: true, recursive: true });
  }

  removeTree(path: string): Promise<void> {
    return fs.promises.rm(path, { force: true, recursive: true });
  }

  syncDirectorySync(path: string): void {
    // Windows has no handle of a directory that could be synced.
    if (process.platform === 'win32') return;
    const fd = fs.openSync(path, O_RDONLY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  spaceSync(path: string): { totalBytes: number; usableBytes: number } {
    const stat = fs.statfsSync(path);
    return { totalBytes: stat.blocks * stat.bsize, usableBytes: stat.bavail * stat.bsize };
  }

  lockSync(path: string): DiskLock {
    return takeLock(path);
  }
}
