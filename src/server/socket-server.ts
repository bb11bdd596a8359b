import { LimitedLogger, type Logger } from '../base/logger.ts';
import type { Runtime, ServerSocket, Socket, Timer } from '../runtime/runtime.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { ConnectionAcceptor } from './connection-acceptor.ts';
import { type ConnectionLimitOptions, ConnectionLimits } from './connection-limits.ts';
import type { ListenerKind } from './handler.ts';
import { ConnectionRates, NO_RATE_LIMITS } from './quotas/connection-rates.ts';
import type { RequestRouter } from './request-router.ts';

/** Where clients connect to. */
export interface Endpoint {
  readonly listenerName: string;
  readonly kind: ListenerKind;
  /** Empty for all interfaces. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

export interface SocketServerOptions extends ConnectionOptions, ConnectionLimitOptions {
  /** `socket.listen.backlog.size`. */
  readonly backlog: number;
}

/** How often deadlines of connections are looked at. */
const SWEEP_MS = 1_000;
const LOG_PERIOD_MS = 10_000;

/** Accepts connections on its endpoints and keeps account of them. */
export class SocketServer {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly limitedLogger: LimitedLogger;
  private readonly options: SocketServerOptions;
  private readonly limits: ConnectionLimits;
  private readonly rates: ConnectionRates;
  private readonly connections = new Set<Connection>();
  private readonly acceptors: ConnectionAcceptor[] = [];
  private readonly servers: ServerSocket[] = [];
  private sweepTimer: Timer | undefined;
  private accepted = 0;
  private serving = false;
  private stopping = false;
  private onEmpty: (() => void) | undefined;

  /** Without `rates` connections may come as fast as they do. */
  constructor(runtime: Runtime, logger: Logger, options: SocketServerOptions, rates?: ConnectionRates) {
    this.runtime = runtime;
    this.logger = logger.child('network');
    this.limitedLogger = new LimitedLogger(this.logger, () => runtime.clock.monotonicMs(), LOG_PERIOD_MS);
    this.options = options;
    this.limits = new ConnectionLimits(options);
    this.rates = rates ?? unlimitedRates(runtime, this.limitedLogger);
  }

  /** Other limits from now on, for connections that come. */
  setConnectionLimits(limits: ConnectionLimitOptions): void {
    this.limits.limits = limits;
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.limits.count;
  }

  /**
   * Opens `endpoint`, whose requests go to `router` once {@link serve} has been called. Gives the port in use. Throws
   * what the network throws.
   */
  async listen(endpoint: Endpoint, router: RequestRouter): Promise<number> {
    const { host, port } = endpoint;
    const { listenerName } = endpoint;
    const acceptor = new ConnectionAcceptor(this.runtime.timers, this.rates, listenerName, {
      open: socket => this.open(socket, endpoint, router),
      dropped: socket => this.limits.release(socket.remoteAddress, listenerName),
    });
    const server = await this.runtime.network.listen({ host, port, backlog: this.options.backlog }, socket =>
      this.accept(socket, listenerName, acceptor),
    );
    this.acceptors.push(acceptor);
    this.servers.push(server);
    this.sweepTimer ??= this.runtime.timers.after(SWEEP_MS, () => this.sweep());
    this.logger.info('listening', { listener: listenerName, host, port: server.port });
    return server.port;
  }

  /** Begins to take requests, from the connections that wait and from those that come. */
  serve(): void {
    this.serving = true;
    for (const connection of this.connections) connection.serve();
  }

  /**
   * Takes no more connections and requests, lets requests in flight be answered for up to `graceMs`, then closes what
   * is left.
   */
  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    this.sweepTimer?.cancel();
    const closed = this.servers.map(server => server.close());
    for (const acceptor of this.acceptors) acceptor.close();
    for (const connection of [...this.connections]) connection.shutdown();
    if (this.connections.size > 0) {
      await new Promise<void>(resolve => {
        const grace = this.runtime.timers.after(graceMs, resolve);
        this.onEmpty = () => {
          grace.cancel();
          resolve();
        };
      });
    }
    for (const connection of [...this.connections]) connection.destroy();
    await Promise.all(closed);
  }

  private accept(socket: Socket, listenerName: string, acceptor: ConnectionAcceptor): void {
    const address = socket.remoteAddress;
    const verdict = this.stopping ? 'stopping' : this.limits.admit(address, listenerName);
    if (verdict !== 'admitted') {
      socket.setHandlers({ onData() {}, onDrain() {}, onClose() {} });
      socket.destroy();
      this.limitedLogger.warn(`refused ${verdict}`, 'a connection is refused', { reason: verdict, address });
      return;
    }
    acceptor.accept(socket);
  }

  private open(socket: Socket, endpoint: Endpoint, router: RequestRouter): void {
    const { listenerName, kind } = endpoint;
    const address = socket.remoteAddress;
    const { localAddress, localPort, remotePort } = socket;
    const connectionId = `${localAddress}:${localPort}-${address}:${remotePort}-${this.accepted++}`;
    const connection = new Connection(
      this.runtime,
      socket,
      {
        listenerName,
        listenerKind: kind,
        clientAddress: address,
        localAddress: { host: localAddress, port: localPort },
        connectionId,
      },
      {
        router,
        logger: this.limitedLogger,
        options: this.options,
        isServing: this.serving,
        onClosed: closed => this.release(closed),
      },
    );
    this.connections.add(connection);
  }

  private release(connection: Connection): void {
    this.connections.delete(connection);
    this.limits.release(connection.clientAddress, connection.listenerName);
    if (this.connections.size === 0) this.onEmpty?.();
  }

  private sweep(): void {
    const now = this.runtime.clock.monotonicMs();
    for (const connection of this.connections) connection.checkDeadlines(now);
    this.sweepTimer = this.runtime.timers.after(SWEEP_MS, () => this.sweep());
  }
}

function unlimitedRates({ clock }: Runtime, logger: LimitedLogger): ConnectionRates {
  return new ConnectionRates(clock, logger, { samples: 1, sampleMs: 1_000 }, NO_RATE_LIMITS);
}
