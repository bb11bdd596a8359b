import type { LogFields, Logger } from '../base/logger.ts';
import type {
  Clock,
  Disk,
  DiskEntry,
  DiskFile,
  DiskLock,
  DiskStat,
  Executor,
  ListenOptions,
  Network,
  OpenMode,
  Random,
  Runtime,
  ServerSocket,
  Socket,
  SocketHandlers,
  Timer,
  Timers,
} from '../runtime/runtime.ts';

/**
 * The effects of one life of a node, from its start to its end, which may be a `kill -9` in a process that goes on.
 *
 * After {@link kill} nothing of that life has an effect any more: its timers do not fire, its promises do not settle,
 * its sockets are destroyed, what it would still write is not written. Code that was about to run when it died may run
 * to its next `await`; it finds everything in order and changes nothing.
 */
export class Incarnation implements Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly executor: Executor;
  /** Drops what the dead would still say. */
  readonly logger: Logger;
  private readonly runtime: Runtime;
  private readonly life: Life;

  /**
   * `network` is where node `nodeId` is on; the rest of `runtime` and `logger`, which gets the node as a field of each
   * line, are shared by all nodes of the process.
   */
  constructor(nodeId: number, runtime: Runtime, network: Network, logger: Logger) {
    const life = new Life();
    this.life = life;
    this.runtime = runtime;
    this.clock = runtime.clock;
    this.random = runtime.random;
    this.timers = new MortalTimers(life, runtime.timers);
    this.disk = new MortalDisk(life, runtime.disk);
    this.network = new MortalNetwork(life, network);
    this.executor = {
      run: (task, input) => life.guard(runtime.executor.run(task, input)),
      // It is not this node's alone.
      close: () => Promise.resolve(),
    };
    this.logger = new MortalLogger(life, nodeId, logger);
  }

  get alive(): boolean {
    return this.life.alive;
  }

  /**
   * Ends this life. The effect is immediate; the promise resolves when the disk has done what it had already been given
   * and descriptors and locks are free, so that another life may begin.
   */
  async kill(): Promise<void> {
    this.life.end();
    // Code that the end has interrupted runs up to its next `await` before files are closed under it.
    await new Promise<void>(resolve => this.runtime.timers.soon(resolve));
    await this.life.drained();
    this.life.releaseAll();
  }
}

/** Whether the node lives, and what it holds. */
class Life {
  alive = true;
  readonly timers = new Set<Timer>();
  readonly sockets = new Set<Socket>();
  readonly servers = new Set<ServerSocket>();
  readonly files = new Set<DiskFile>();
  readonly locks = new Set<DiskLock>();
  private pending = 0;
  private onDrained: (() => void) | undefined;

  /** Passes on how `work` ends, unless the node has died meanwhile. */
  guard<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        value => {
          if (this.alive) resolve(value);
        },
        error => {
          if (this.alive) reject(error);
        },
      );
    });
  }

  /** As {@link guard}, for work on files: another life begins only when it is done. */
  guardDisk<T>(work: Promise<T>): Promise<T> {
    this.pending++;
    const settled = (): void => {
      if (--this.pending === 0) this.onDrained?.();
    };
    work.then(settled, settled);
    return this.guard(work);
  }

  end(): void {
    this.alive = false;
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    for (const server of this.servers) server.close();
    for (const socket of this.sockets) socket.destroy();
    this.servers.clear();
    this.sockets.clear();
  }

  /** Nothing that was given to the system is under way any more. */
  drained(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise(resolve => {
      this.onDrained = resolve;
    });
  }

  releaseAll(): void {
    for (const file of this.files) file.closeSync();
    for (const lock of this.locks) lock.release();
    this.files.clear();
    this.locks.clear();
  }
}

class MortalLogger implements Logger {
  private readonly life: Life;
  private readonly node: number;
  private readonly logger: Logger;

  constructor(life: Life, node: number, logger: Logger) {
    this.life = life;
    this.node = node;
    this.logger = logger;
  }

  debug(message: string, fields?: LogFields): void {
    if (this.life.alive) this.logger.debug(message, { node: this.node, ...fields });
  }

  info(message: string, fields?: LogFields): void {
    if (this.life.alive) this.logger.info(message, { node: this.node, ...fields });
  }

  warn(message: string, fields?: LogFields): void {
    if (this.life.alive) this.logger.warn(message, { node: this.node, ...fields });
  }

  error(message: string, fields?: LogFields): void {
    if (this.life.alive) this.logger.error(message, { node: this.node, ...fields });
  }

  child(name: string): Logger {
    return new MortalLogger(this.life, this.node, this.logger.child(name));
  }
}

class MortalTimers implements Timers {
  private readonly life: Life;
  private readonly timers: Timers;

  constructor(life: Life, timers: Timers) {
    this.life = life;
    this.timers = timers;
  }

  after(delayMs: number, callback: () => void): Timer {
    const { timers } = this.life;
    const timer = this.timers.after(delayMs, () => {
      timers.delete(timer);
      if (this.life.alive) callback();
    });
    if (this.life.alive) timers.add(timer);
    else timer.cancel();
    return {
      cancel() {
        timers.delete(timer);
        timer.cancel();
      },
    };
  }

  soon(callback: () => void): void {
    this.timers.soon(() => {
      if (this.life.alive) callback();
    });
  }
}

class MortalNetwork implements Network {
  private readonly life: Life;
  private readonly network: Network;

  constructor(life: Life, network: Network) {
    this.life = life;
    this.network = network;
  }

  async listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<ServerSocket> {
    const { life } = this;
    const listening = this.network.listen(options, socket => {
      if (life.alive) onConnection(new MortalSocket(life, socket));
      else socket.destroy();
    });
    // A listener that opens after the end closes again.
    listening.then(
      server => {
        if (life.alive) life.servers.add(server);
        else server.close();
      },
      () => {},
    );
    const server = await life.guard(listening);
    return {
      port: server.port,
      close: () => {
        life.servers.delete(server);
        return life.guard(server.close());
      },
    };
  }

  async connect(options: { host: string; port: number; timeoutMs: number }): Promise<Socket> {
    const { life } = this;
    const connecting = this.network.connect(options);
    connecting.then(
      socket => {
        if (!life.alive) socket.destroy();
      },
      () => {},
    );
    return new MortalSocket(life, await life.guard(connecting));
  }
}

class MortalSocket implements Socket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  private readonly life: Life;
  private readonly socket: Socket;

  constructor(life: Life, socket: Socket) {
    this.life = life;
    this.socket = socket;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.localAddress = socket.localAddress;
    this.localPort = socket.localPort;
    if (life.alive) life.sockets.add(socket);
    else socket.destroy();
  }

  get bufferedBytes(): number {
    return this.socket.bufferedBytes;
  }

  setHandlers(handlers: SocketHandlers): void {
    const { life, socket } = this;
    socket.setHandlers({
      onData(chunk) {
        if (life.alive) handlers.onData(chunk);
      },
      onDrain() {
        if (life.alive) handlers.onDrain();
      },
      onClose(error) {
        life.sockets.delete(socket);
        if (life.alive) handlers.onClose(error);
      },
    });
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.life.alive) this.socket.write(chunks);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Reads go on after the end, for what they give is of no consequence; nothing is changed any more. */
class MortalDisk implements Disk {
  private readonly life: Life;
  private readonly disk: Disk;

  constructor(life: Life, disk: Disk) {
    this.life = life;
    this.disk = disk;
  }

  openSync(path: string, mode: OpenMode): DiskFile {
    return new MortalFile(this.life, this.disk.openSync(path, this.life.alive ? mode : 'read'));
  }

  readFileSync(path: string): Buffer {
    return this.disk.readFileSync(path);
  }

  replaceFileSync(path: string, content: Uint8Array): void {
    if (this.life.alive) this.disk.replaceFileSync(path, content);
  }

  statSync(path: string): DiskStat | undefined {
    return this.disk.statSync(path);
  }

  readDirectorySync(path: string): DiskEntry[] {
    return this.disk.readDirectorySync(path);
  }

  makeDirectorySync(path: string): void {
    if (this.life.alive) this.disk.makeDirectorySync(path);
  }

  renameSync(from: string, to: string): void {
    if (this.life.alive) this.disk.renameSync(from, to);
  }

  removeFileSync(path: string): void {
    if (this.life.alive) this.disk.removeFileSync(path);
  }

  removeTreeSync(path: string): void {
    if (this.life.alive) this.disk.removeTreeSync(path);
  }

  removeTree(path: string): Promise<void> {
    return this.life.guardDisk(this.life.alive ? this.disk.removeTree(path) : Promise.resolve());
  }

  syncDirectorySync(path: string): void {
    if (this.life.alive) this.disk.syncDirectorySync(path);
  }

  spaceSync(path: string): { totalBytes: number; usableBytes: number } {
    return this.disk.spaceSync(path);
  }

  lockSync(path: string): DiskLock {
    const { life } = this;
    if (!life.alive) return { release() {} };
    const lock = this.disk.lockSync(path);
    life.locks.add(lock);
    return {
      release() {
        if (life.locks.delete(lock)) lock.release();
      },
    };
  }
}

class MortalFile implements DiskFile {
  readonly path: string;
  private readonly life: Life;
  private readonly file: DiskFile;

  constructor(life: Life, file: DiskFile) {
    this.life = life;
    this.file = file;
    this.path = file.path;
    life.files.add(file);
  }

  readSync(target: Buffer, offset: number, length: number, position: number): number {
    return this.file.readSync(target, offset, length, position);
  }

  read(target: Buffer, offset: number, length: number, position: number): Promise<number> {
    return this.life.guardDisk(this.file.read(target, offset, length, position));
  }

  writeSync(chunks: readonly Uint8Array[], position: number): void {
    if (this.life.alive) this.file.writeSync(chunks, position);
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    return this.life.guardDisk(this.life.alive ? this.file.write(chunks, position) : Promise.resolve());
  }

  truncateSync(size: number): void {
    if (this.life.alive) this.file.truncateSync(size);
  }

  sizeSync(): number {
    return this.file.sizeSync();
  }

  syncSync(): void {
    if (this.life.alive) this.file.syncSync();
  }

  sync(): Promise<void> {
    return this.life.guardDisk(this.life.alive ? this.file.sync() : Promise.resolve());
  }

  closeSync(): void {
    // A write under way when the node died must find its descriptor open: all are closed at the end of it.
    if (this.life.alive && this.life.files.delete(this.file)) this.file.closeSync();
  }
}
