import * as fs from 'node:fs';
import type { DiskError, DiskFile } from '../runtime.ts';

/** Chunks in one system call; Linux takes 1024 at most. */
const GATHER_MAX = 1024;

/**
 * A file descriptor. The system may read or write less than it was asked for; every method goes on until all is done,
 * so a count below what was asked means the end of the file.
 */
export class NodeDiskFile implements DiskFile {
  readonly path: string;
  private readonly fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  readSync(target: Buffer, offset: number, length: number, position: number): number {
    let done = 0;
    while (done < length) {
      const count = fs.readSync(this.fd, target, offset + done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async read(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    let done = 0;
    while (done < length) {
      const count = await this.readOnce(target, offset + done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  private readOnce(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.fd, target, offset, length, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }

  writeSync(chunks: readonly Uint8Array[], position: number): void {
    let rest = nonEmpty(chunks);
    let at = position;
    while (rest.length > 0) {
      const first = rest[0]!;
      const count =
        rest.length === 1
          ? fs.writeSync(this.fd, first, 0, first.length, at)
          : fs.writevSync(this.fd, rest.length > GATHER_MAX ? rest.slice(0, GATHER_MAX) : rest, at);
      if (count === 0) throw stuckError(this.path);
      at += count;
      rest = afterBytes(rest, count);
    }
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let rest = nonEmpty(chunks);
    let at = position;
    while (rest.length > 0) {
      const count = await this.writeOnce(rest.length > GATHER_MAX ? rest.slice(0, GATHER_MAX) : rest, at);
      if (count === 0) throw stuckError(this.path);
      at += count;
      rest = afterBytes(rest, count);
    }
  }

  private writeOnce(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.writev(this.fd, chunks, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }

  truncateSync(size: number): void {
    fs.ftruncateSync(this.fd, size);
  }

  sizeSync(): number {
    return fs.fstatSync(this.fd).size;
  }

  syncSync(): void {
    fs.fsyncSync(this.fd);
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fsync(this.fd, error => (error === null ? resolve() : reject(error)));
    });
  }

  closeSync(): void {
    fs.closeSync(this.fd);
  }
}

/** Empty chunks are left out: a write of nothing but these would look like a disk that takes no bytes. */
function nonEmpty(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  for (const chunk of chunks) if (chunk.length === 0) return chunks.filter(each => each.length > 0);
  return chunks;
}

/** What is left of `chunks` after their first `count` bytes. */
function afterBytes(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let index = 0;
  let left = count;
  while (index < chunks.length && left >= chunks[index]!.length) left -= chunks[index++]!.length;
  if (index === chunks.length) return [];
  const rest = chunks.slice(index);
  if (left > 0) rest[0] = rest[0]!.subarray(left);
  return rest;
}

function stuckError(path: string): DiskError {
  return Object.assign(new Error(`EIO: the file system took no bytes of a write to '${path}'`), {
    code: 'EIO',
  });
}
