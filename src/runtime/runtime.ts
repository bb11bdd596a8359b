/**
 * The effects of a broker, as interfaces. Everything outside `runtime/node/` reaches time, timers, randomness, files,
 * sockets and workers only through one {@link Runtime} value, so that a whole cluster can run in one process on a
 * virtual clock, a simulated network and a simulated disk.
 */
export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly executor: Executor;
}

export interface Clock {
  /** Wall clock, ms since the epoch (an integer). It may jump. */
  wallMs(): number;
  /** Monotonic, ms since some fixed moment, with a fraction. For durations and deadlines. */
  monotonicMs(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls `callback` once, after at least `delayMs`. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls `callback` once when the present turn of the event loop has handled its I/O (Node: `setImmediate`). */
  soon(callback: () => void): void;
}

export interface Random {
  /** Cryptographically strong. */
  bytes(size: number): Buffer;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/** An error of the disk. `code` is the errno name (`ENOENT`, `ENOSPC`, `EIO`, `EEXIST`, ...). */
export interface DiskError extends Error {
  readonly code?: string;
}

/**
 * `read`: exists, read only. `write`: read and write, created if missing. `create`: read and write, EEXIST if it is
 * there. `existing`: read and write, ENOENT if missing.
 */
export type OpenMode = 'read' | 'write' | 'create' | 'existing';

/** An open file. Positions and sizes are bytes. Writes give all bytes or throw. */
export interface DiskFile {
  readonly path: string;
  /** Reads up to `length` bytes at `position` into `target` at `offset`; returns the count, 0 at the end. */
  readSync(target: Buffer, offset: number, length: number, position: number): number;
  read(target: Buffer, offset: number, length: number, position: number): Promise<number>;
  /** One gathered write of `chunks` at `position`. */
  writeSync(chunks: readonly Uint8Array[], position: number): void;
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  truncateSync(size: number): void;
  sizeSync(): number;
  /** fsync: data and size are durable when it returns; the file's name only after {@link Disk.syncDirectorySync}. */
  syncSync(): void;
  sync(): Promise<void>;
  closeSync(): void;
}

export interface DiskEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

export interface DiskStat {
  readonly isDirectory: boolean;
  /** Bytes. */
  readonly size: number;
  readonly modifiedMs: number;
}

/** A held directory lock. */
export interface DiskLock {
  release(): void;
}

/** The file system. Paths are absolute. All methods throw {@link DiskError}. */
export interface Disk {
  openSync(path: string, mode: OpenMode): DiskFile;
  /** Whole content of a small file. */
  readFileSync(path: string): Buffer;
  /**
   * Replaces a small file as one step that survives a crash: writes `path` + `.tmp`, fsyncs it, renames it over
   * `path`, fsyncs the directory.
   */
  replaceFileSync(path: string, content: Uint8Array): void;
  /** `undefined` if there is nothing at `path`. */
  statSync(path: string): DiskStat | undefined;
  readDirectorySync(path: string): DiskEntry[];
  /** With missing parents. */
  makeDirectorySync(path: string): void;
  renameSync(from: string, to: string): void;
  /** A file; no error if it is not there. */
  removeFileSync(path: string): void;
  /** A directory with all that is in it; no error if it is not there. */
  removeTreeSync(path: string): void;
  /** A file too; off the event loop. */
  removeTree(path: string): Promise<void>;
  /** fsync of a directory: creations, renames and removals in it are durable. */
  syncDirectorySync(path: string): void;
  /** Total and usable bytes of the file system that holds `path`. */
  spaceSync(path: string): { totalBytes: number; usableBytes: number };
  /**
   * Takes the lock file at `path` for this process, or throws a {@link LockedError} that names the holder. A lock
   * goes with its process, however that ends.
   */
  lockSync(path: string): DiskLock;
}

/** Somebody else holds a directory. */
export class LockedError extends Error {
  readonly path: string;
  /** The process id of the holder, if it is known. */
  readonly holderPid: number | undefined;

  constructor(path: string, holderPid: number | undefined) {
    super(`${path} is locked by ${holderPid === undefined ? 'another process' : `process ${holderPid}`}`);
    this.name = 'LockedError';
    this.path = path;
    this.holderPid = holderPid;
  }
}

/** One end of a byte stream. */
export interface Socket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** One gathered write; the chunks may not be changed afterwards. */
  write(chunks: readonly Uint8Array[]): void;
  /** Bytes handed to {@link write} that the peer's side has not taken yet. */
  readonly bufferedBytes: number;
  pause(): void;
  resume(): void;
  /** Sends what is buffered, then closes. */
  end(): void;
  /** Closes at once; `onClose` follows. */
  destroy(): void;
  /** The owner's callbacks, set before the first turn ends. */
  setHandlers(handlers: SocketHandlers): void;
}

export interface SocketHandlers {
  /** The chunk may be read until this returns: its memory serves the next read. */
  onData(chunk: Buffer): void;
  /** `bufferedBytes` has come down to 0 after a write that was buffered. */
  onDrain(): void;
  /** Called once, after which nothing else is called. */
  onClose(error: Error | undefined): void;
}

export interface ServerSocket {
  /** The port in use: the one asked for, or the one given for 0. */
  readonly port: number;
  close(): Promise<void>;
}

export interface ListenOptions {
  /** Empty for all interfaces. */
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
}

export interface Network {
  listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<ServerSocket>;
  connect(options: { host: string; port: number; timeoutMs: number }): Promise<Socket>;
}

/** What a task of an {@link Executor} may reach besides its input. */
export interface TaskEffects {
  readonly disk: Disk;
}

/** A task of an {@link Executor}: gives its output or a Promise of it, and keeps nothing for the next time. */
export type ExecutorTask = (input: never, effects: TaskEffects) => unknown;

/** Work off the event loop. */
export interface Executor {
  /**
   * Runs a registered task in a worker (Node) or at a later moment of the same loop (simulator). `input` and output
   * are structured-cloneable; a `SharedArrayBuffer` in them is shared, not copied.
   */
  run(task: string, input: unknown): Promise<unknown>;
  close(): Promise<void>;
}
