import type {
  ListenOptions,
  Network,
  Runtime,
  ServerSocket,
  Socket,
  SocketHandlers,
} from '../runtime/runtime.ts';

/** Connections that wait to be accepted by the system, on each port. */
const BACKLOG = 511;

/**
 * Where ports are taken from: below the ones that systems give to outgoing connections, so that none of those takes the
 * port of a node while it is down.
 */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;
const PORT_ATTEMPTS_MAX = 100;

/** A port that the cluster keeps for one listener of a node. */
interface Reservation {
  readonly nodeId: number;
  /** `undefined` while the node is down: connections are refused then. */
  server: ServerSocket | undefined;
  /** The end of the last one: the port is free when it resolves. */
  closed: Promise<void>;
  /** `undefined` before the node listens for the first time: who connects then is cut off at once. */
  accept: ((socket: Socket) => void) | undefined;
}

/**
 * The network that the nodes of one process share: TCP, with faults between nodes.
 *
 * Ports are bound before any node starts, so that configurations can name them. Faults act on the bytes that a node
 * sends:
 *
 * - A *partition* withholds them, as a network does that drops packets: nothing is refused and nothing closes, bytes
 *   that were sent arrive when it heals, connections that are tried time out.
 * - A *delay* lets each byte arrive later. Order stays.
 */
export class FaultNetwork {
  private readonly runtime: Runtime;
  private readonly host: string;
  private readonly reservations = new Map<number, Reservation>();
  /** By its own port, which node opened a connection that is now open. */
  private readonly openedBy = new Map<number, number>();
  /** Pairs of nodes as `from>to`. */
  private readonly cuts = new Set<string>();
  private readonly sockets = new Set<FaultSocket>();
  private readonly onHeal = new Set<() => void>();
  private delayMs = 0;

  constructor(runtime: Runtime, host: string) {
    this.runtime = runtime;
    this.host = host;
  }

  /** Binds a free port for a listener of `nodeId`. */
  async reserve(nodeId: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const port = FIRST_PORT + this.runtime.random.below(LAST_PORT - FIRST_PORT);
      const reservation: Reservation = {
        nodeId,
        server: undefined,
        closed: Promise.resolve(),
        accept: undefined,
      };
      try {
        await this.bind(reservation, port);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EADDRINUSE' || attempt === PORT_ATTEMPTS_MAX) throw error;
        continue;
      }
      this.reservations.set(port, reservation);
      return port;
    }
  }

  private async bind(reservation: Reservation, port: number): Promise<void> {
    reservation.server = await this.runtime.network.listen(
      { host: this.host, port, backlog: BACKLOG },
      socket => {
        if (reservation.accept !== undefined) reservation.accept(socket);
        else refuse(socket);
      },
    );
  }

  /** The network as `nodeId` sees it. */
  viewOf(nodeId: number): Network {
    return {
      listen: (options, onConnection) => this.listen(nodeId, options, onConnection),
      connect: options => this.connect(nodeId, options),
    };
  }

  /** Withholds what `a` and `b` send each other. */
  partition(a: number, b: number): void {
    if (a === b) return;
    this.cuts.add(`${a}>${b}`);
    this.cuts.add(`${b}>${a}`);
  }

  /** Ends all partitions, or the one between two nodes. */
  heal(a?: number, b?: number): void {
    if (a === undefined || b === undefined) {
      this.cuts.clear();
    } else {
      this.cuts.delete(`${a}>${b}`);
      this.cuts.delete(`${b}>${a}`);
    }
    for (const socket of this.sockets) socket.flush();
    for (const listener of [...this.onHeal]) listener();
  }

  /** What a node sends from now on arrives `ms` later. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  isCut(from: number, to: number | undefined): boolean {
    return to !== undefined && this.cuts.has(`${from}>${to}`);
  }

  /** Frees the ports. */
  async close(): Promise<void> {
    this.heal();
    const closed = [...this.reservations.values()].map(closeServer);
    this.reservations.clear();
    for (const socket of [...this.sockets]) socket.abandon();
    await Promise.all(closed);
  }

  private async listen(
    nodeId: number,
    options: ListenOptions,
    onConnection: (socket: Socket) => void,
  ): Promise<ServerSocket> {
    const reservation = this.reservations.get(options.port);
    if (reservation?.nodeId !== nodeId) {
      throw new Error(`port ${options.port} is not one of those that the cluster keeps for node ${nodeId}`);
    }
    const accept = (socket: Socket): void => {
      onConnection(this.track(socket, nodeId, () => this.openedBy.get(socket.remotePort)));
    };
    reservation.accept = accept;
    await reservation.closed;
    if (reservation.server === undefined) await this.bind(reservation, options.port);
    return {
      port: options.port,
      close: () => (reservation.accept === accept ? closeServer(reservation) : Promise.resolve()),
    };
  }

  private async connect(
    from: number,
    options: { host: string; port: number; timeoutMs: number },
  ): Promise<Socket> {
    const to = this.reservations.get(options.port)?.nodeId;
    if (this.delayMs > 0) await this.pass(this.delayMs);
    if (this.isCut(from, to)) await this.healed(from, to, options);
    const socket = await this.runtime.network.connect(options);
    const port = socket.localPort;
    this.openedBy.set(port, from);
    return this.track(
      socket,
      from,
      () => to,
      () => {
        this.openedBy.delete(port);
      },
    );
  }

  private track(
    socket: Socket,
    from: number,
    to: () => number | undefined,
    onGone: () => void = () => {},
  ): FaultSocket {
    const link: Link = {
      isCut: () => this.isCut(from, to()),
      delayMs: () => this.delayMs,
      onGone: () => {
        this.sockets.delete(faulty);
        onGone();
      },
    };
    const faulty = new FaultSocket(this.runtime, socket, link);
    this.sockets.add(faulty);
    return faulty;
  }

  /** Waits for the end of a partition, as long as a connection may take to open. */
  private healed(
    from: number,
    to: number | undefined,
    { host, port, timeoutMs }: { host: string; port: number; timeoutMs: number },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        timer.cancel();
        this.onHeal.delete(look);
      };
      const look = (): void => {
        if (this.isCut(from, to)) return;
        stop();
        resolve();
      };
      const timer = this.runtime.timers.after(timeoutMs, () => {
        stop();
        const error = new Error(`ETIMEDOUT: no connection to ${host}:${port} within ${timeoutMs} ms`);
        reject(Object.assign(error, { code: 'ETIMEDOUT' }));
      });
      this.onHeal.add(look);
    });
  }

  private pass(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.runtime.timers.after(ms, resolve);
    });
  }
}

function closeServer(reservation: Reservation): Promise<void> {
  if (reservation.server !== undefined) reservation.closed = reservation.server.close();
  reservation.server = undefined;
  return reservation.closed;
}

function refuse(socket: Socket): void {
  socket.setHandlers({ onData() {}, onDrain() {}, onClose() {} });
  socket.destroy();
}

/** What a socket has to know of the way to its peer. */
interface Link {
  isCut(): boolean;
  delayMs(): number;
  /** The connection is closed on both sides. */
  onGone(): void;
}

interface Held {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly dueMs: number;
}

/**
 * ```text
 *            write                       due and not cut
 *   owner ──────────► held (a queue) ─────────────────────► the real socket
 *            end      waits for the queue ─────────────────► end
 *            destroy  drops the queue; while cut the real socket stays open: the peer must not notice
 * ```
 */
class FaultSocket implements Socket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  private readonly runtime: Runtime;
  private readonly socket: Socket;
  private readonly link: Link;
  private handlers: SocketHandlers | undefined;
  private readonly held: Held[] = [];
  private heldBytes = 0;
  private timerRuns = false;
  private ending = false;
  /** The owner has destroyed it, or has been told of its end. */
  private over = false;

  constructor(runtime: Runtime, socket: Socket, link: Link) {
    this.runtime = runtime;
    this.socket = socket;
    this.link = link;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.localAddress = socket.localAddress;
    this.localPort = socket.localPort;
    socket.setHandlers({
      onData: chunk => {
        if (!this.over) this.handlers?.onData(chunk);
      },
      onDrain: () => {
        if (!this.over && this.held.length === 0) this.handlers?.onDrain();
      },
      onClose: error => {
        link.onGone();
        this.close(error);
      },
    });
  }

  get bufferedBytes(): number {
    return this.heldBytes + this.socket.bufferedBytes;
  }

  setHandlers(handlers: SocketHandlers): void {
    this.handlers = handlers;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.over || this.ending) return;
    const delayMs = this.link.delayMs();
    if (this.held.length === 0 && delayMs === 0 && !this.link.isCut()) {
      this.socket.write(chunks);
      return;
    }
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    this.heldBytes += bytes;
    this.held.push({ chunks, bytes, dueMs: this.runtime.clock.monotonicMs() + delayMs });
    this.flush();
  }

  /** Sends what is due; called again when a partition heals. */
  flush(): void {
    if (this.link.isCut()) return;
    if (this.over) {
      this.socket.destroy();
      return;
    }
    const now = this.runtime.clock.monotonicMs();
    const hadSome = this.held.length > 0;
    while (this.held.length > 0 && this.held[0]!.dueMs <= now) {
      const { chunks, bytes } = this.held.shift()!;
      this.heldBytes -= bytes;
      this.socket.write(chunks);
    }
    if (this.held.length > 0) this.flushAfter(this.held[0]!.dueMs - now);
    else if (this.ending) this.socket.end();
    else if (hadSome && this.socket.bufferedBytes === 0) this.handlers?.onDrain();
  }

  private flushAfter(ms: number): void {
    if (this.timerRuns) return;
    this.timerRuns = true;
    this.runtime.timers.after(ms, () => {
      this.timerRuns = false;
      this.flush();
    });
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    if (this.over || this.ending) return;
    this.ending = true;
    this.flush();
  }

  destroy(): void {
    if (this.over) return;
    this.held.length = 0;
    this.heldBytes = 0;
    if (!this.link.isCut()) {
      this.socket.destroy();
      return;
    }
    this.runtime.timers.soon(() => this.close(undefined));
  }

  /** Destroys the real socket, whatever is between it and the peer. */
  abandon(): void {
    this.socket.destroy();
  }

  private close(error: Error | undefined): void {
    if (this.over) return;
    this.over = true;
    this.handlers?.onClose(error);
  }
}
