import { DiskBytes } from './disk-bytes.ts';
import type { FileHandleCache, LogFile } from './file-handle-cache.ts';

const EMPTY = Buffer.alloc(0);
const INITIAL_ENTRIES = 32;

/** An index that says what cannot be. The segment rebuilds it from its batches. */
export class CorruptIndexError extends Error {
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'CorruptIndexError';
  }
}

/**
 * A file of entries of one size, held in memory while it is in use and read from disk when first asked for.
 * New entries wait in memory until {@link persist}: a crash in between loses nothing, because the segments
 * behind the recovery point get their indexes rebuilt.
 */
export class IndexFile {
  readonly file: LogFile;
  readonly entrySize: number;
  private bytes: Buffer = EMPTY;
  private count = 0;
  private loaded: boolean;
  /** Entries that the file holds as the memory does. */
  private persisted = 0;
  /** The length of the file; Kafka leaves zeros behind the entries after a crash. */
  private fileBytes = 0;
  private unsynced = false;

  constructor(file: LogFile, entrySize: number) {
    this.file = file;
    this.entrySize = entrySize;
    this.loaded = !file.exists;
  }

  get isLoaded(): boolean {
    return this.loaded;
  }

  /** Memory that {@link unload} would give back. */
  get memoryBytes(): number {
    return this.bytes.length;
  }

  /** Valid once loaded. */
  get entries(): number {
    return this.count;
  }

  /** The entries, `entries * entrySize` bytes of it. */
  get buffer(): Buffer {
    return this.bytes;
  }

  /**
   * Reads the file. `countUsed` gives the number of entries that are not padding. Throws {@link
   * CorruptIndexError} if the size is no multiple of an entry's.
   */
  load(handles: FileHandleCache, countUsed: (bytes: Buffer, slots: number) => number): void {
    if (this.loaded) return;
    const bytes = DiskBytes.readWhole(handles, this.file);
    if (bytes.length % this.entrySize !== 0) {
      throw new CorruptIndexError(
        this.file.path,
        `${bytes.length} bytes are no multiple of ${this.entrySize}`,
      );
    }
    this.count = countUsed(bytes, bytes.length / this.entrySize);
    // Padding is not kept in memory.
    const used = this.count * this.entrySize;
    this.bytes = used * 2 < bytes.length ? Buffer.from(bytes.subarray(0, used)) : bytes;
    this.fileBytes = bytes.length;
    this.persisted = this.count;
    this.loaded = true;
  }

  /** Starts anew, as for a rebuild. */
  reset(): void {
    this.bytes = EMPTY;
    this.count = 0;
    this.loaded = true;
    this.persisted = 0;
    // Whatever is on disk is cut away by the next persist.
    this.fileBytes = this.file.exists ? Number.MAX_SAFE_INTEGER : 0;
  }

  /** Room for one more entry: where to write it. */
  reserve(): number {
    const at = this.count * this.entrySize;
    if (at + this.entrySize > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(INITIAL_ENTRIES * this.entrySize, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    this.count++;
    return at;
  }

  truncateToEntries(count: number): void {
    if (count >= this.count) return;
    this.count = count;
    this.persisted = Math.min(this.persisted, count);
  }

  /**
   * Writes what the file lacks and cuts what it has too much. Creates an empty file too, as Kafka expects
   * one.
   */
  persist(): void {
    if (!this.loaded) return;
    const used = this.count * this.entrySize;
    if (this.persisted === this.count && this.fileBytes === used && this.file.exists) return;
    const handle = this.file.open();
    if (this.fileBytes > used) handle.truncateSync(used);
    // How long it is after a write that fails is not known: the next one cuts it.
    this.fileBytes = Number.MAX_SAFE_INTEGER;
    if (this.persisted < this.count) {
      const from = this.persisted * this.entrySize;
      handle.writeSync([this.bytes.subarray(from, used)], from);
    }
    this.persisted = this.count;
    this.fileBytes = used;
    this.unsynced = true;
  }

  /** fsyncs what {@link persist} wrote. */
  async sync(): Promise<void> {
    if (!this.unsynced) return;
    this.unsynced = false;
    const handle = this.file.pin();
    try {
      await handle.sync();
    } finally {
      this.file.unpin();
    }
  }

  syncSync(): void {
    if (!this.unsynced) return;
    this.unsynced = false;
    this.file.open().syncSync();
  }

  /** Gives the memory back; the next use reads the file again. Only what is persisted can go. */
  unload(): void {
    if (!this.loaded || !this.file.exists || this.persisted !== this.count) return;
    if (this.fileBytes !== this.count * this.entrySize) return;
    this.bytes = EMPTY;
    this.count = 0;
    this.persisted = 0;
    this.loaded = false;
  }
}
