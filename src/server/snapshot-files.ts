import { compare64, max64, type Offset, parseInt64 } from '../base/int64.ts';
import { DELETED_SUFFIX } from '../log/log-file-names.ts';
import type { OffsetAndEpoch } from '../raft/raft-client.ts';
import type { RawSnapshotReader, RawSnapshotWriter } from '../raft/replicated-log.ts';
import type { Disk, DiskFile } from '../runtime/runtime.ts';

const CHECKPOINT_SUFFIX = '.checkpoint';
const PART_SUFFIX = '.part';
const NAME = /^(\d{20})-(\d{10})\.checkpoint$/;

/** The name of a snapshot's file: its end offset in 20 digits, its epoch in 10. */
export function snapshotFileName({ offset, epoch }: OffsetAndEpoch): string {
  return `${String(offset).padStart(20, '0')}-${String(epoch).padStart(10, '0')}${CHECKPOINT_SUFFIX}`;
}

export function parseSnapshotFileName(name: string): OffsetAndEpoch | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const offset = parseInt64(match[1]!);
  return offset === undefined ? undefined : { offset, epoch: Number(match[2]) };
}

/**
 * The snapshots in the directory of the metadata log. One being written is `<name>.part`; it gets its name
 * when it is complete and synced, so a crash leaves either all of it or nothing.
 */
export class SnapshotFiles {
  private readonly disk: Disk;
  private readonly directory: string;
  private snapshots: OffsetAndEpoch[];
  /** The log starts there, or later: no snapshot below it is kept. */
  private floor: Offset = 0;

  /** Removes what a crash has left unfinished. */
  constructor(disk: Disk, directory: string) {
    this.disk = disk;
    this.directory = directory;
    this.snapshots = [];
    for (const { name } of disk.readDirectorySync(directory)) {
      if (
        name.endsWith(CHECKPOINT_SUFFIX + PART_SUFFIX) ||
        name.endsWith(CHECKPOINT_SUFFIX + DELETED_SUFFIX)
      ) {
        disk.removeFileSync(`${directory}/${name}`);
        continue;
      }
      const id = parseSnapshotFileName(name);
      if (id !== undefined) this.snapshots.push(id);
    }
    this.sort();
  }

  /** By ascending offset. */
  get ids(): readonly OffsetAndEpoch[] {
    return this.snapshots;
  }

  get latest(): OffsetAndEpoch | undefined {
    return this.snapshots.at(-1);
  }

  has(id: OffsetAndEpoch): boolean {
    return this.snapshots.some(known => known.offset === id.offset && known.epoch === id.epoch);
  }

  sizeInBytes(id: OffsetAndEpoch): number {
    return this.disk.statSync(this.pathOf(id))?.size ?? 0;
  }

  /** `undefined` if there is one with that id. One that is overtaken while it is written goes when it is whole. */
  create(id: OffsetAndEpoch): RawSnapshotWriter | undefined {
    if (this.has(id)) return undefined;
    return new FileSnapshotWriter(this.disk, id, this.pathOf(id), () => {
      this.disk.syncDirectorySync(this.directory);
      this.snapshots.push(id);
      this.sort();
      this.deleteBelow(this.floor);
    });
  }

  open(id: OffsetAndEpoch): RawSnapshotReader | undefined {
    return this.has(id) ? new FileSnapshotReader(this.disk, id, this.pathOf(id)) : undefined;
  }

  /** Removes the snapshots whose end offset is below `offset`. Whether there were any. */
  deleteBelow(offset: Offset): boolean {
    this.floor = max64(this.floor, offset);
    const old = this.snapshots.filter(id => id.offset < offset);
    if (old.length === 0) return false;
    this.snapshots = this.snapshots.filter(id => id.offset >= offset);
    for (const id of old) this.disk.removeFileSync(this.pathOf(id));
    this.disk.syncDirectorySync(this.directory);
    return true;
  }

  private pathOf(id: OffsetAndEpoch): string {
    return `${this.directory}/${snapshotFileName(id)}`;
  }

  private sort(): void {
    this.snapshots.sort((a, b) => compare64(a.offset, b.offset) || a.epoch - b.epoch);
  }
}

class FileSnapshotWriter implements RawSnapshotWriter {
  readonly id: OffsetAndEpoch;
  private readonly disk: Disk;
  private readonly path: string;
  private readonly onFrozen: () => void;
  private readonly file: DiskFile;
  private size = 0;
  private state: 'open' | 'freezing' | 'closed' = 'open';

  constructor(disk: Disk, id: OffsetAndEpoch, path: string, onFrozen: () => void) {
    this.disk = disk;
    this.id = id;
    this.path = path;
    this.onFrozen = onFrozen;
    this.file = disk.openSync(path + PART_SUFFIX, 'write');
    this.file.truncateSync(0);
  }

  get sizeInBytes(): number {
    return this.size;
  }

  append(bytes: Buffer): void {
    this.file.writeSync([bytes], this.size);
    this.size += bytes.length;
  }

  read(position: number, length: number): Buffer {
    return readUpTo(this.file, position, Math.min(length, this.size - position));
  }

  async freeze(): Promise<void> {
    this.state = 'freezing';
    await this.file.sync();
    this.publish();
  }

  freezeSync(): void {
    this.state = 'freezing';
    this.file.syncSync();
    this.publish();
  }

  close(): void {
    if (this.state !== 'open') return;
    this.state = 'closed';
    this.file.closeSync();
    this.disk.removeFileSync(this.path + PART_SUFFIX);
  }

  private publish(): void {
    this.file.closeSync();
    this.state = 'closed';
    this.disk.renameSync(this.path + PART_SUFFIX, this.path);
    this.onFrozen();
  }
}

class FileSnapshotReader implements RawSnapshotReader {
  readonly id: OffsetAndEpoch;
  readonly sizeInBytes: number;
  private readonly file: DiskFile;

  constructor(disk: Disk, id: OffsetAndEpoch, path: string) {
    this.id = id;
    this.file = disk.openSync(path, 'read');
    this.sizeInBytes = this.file.sizeSync();
  }

  read(position: number, length: number): Buffer {
    return readUpTo(this.file, position, Math.min(length, this.sizeInBytes - position));
  }

  close(): void {
    this.file.closeSync();
  }
}

/** `length` bytes, or as many as there are. */
function readUpTo(file: DiskFile, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, length));
  let filled = 0;
  while (filled < bytes.length) {
    const count = file.readSync(bytes, filled, bytes.length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
