import type { ListenOptions, Network, ServerSocket, Socket } from '../../src/runtime/runtime.ts';
import { type NetworkOptions, SimConnection, type SimSocket } from './sim-connection.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimRandom } from './sim-random.ts';
import type { SimScheduler } from './sim-scheduler.ts';

/** How long after a lost SYN the next one follows; each time twice as long. */
const SYN_RETRY_MS = 1_000;
const FIRST_EPHEMERAL_PORT = 32_768;

/** What lies between two hosts, in one direction. */
export interface Link {
  /** Nothing arrives; what is sent waits, and arrives when this ends. */
  isBlocked: boolean;
  /** Added to the latency of everything. */
  extraDelayMs: number;
}

interface Listener {
  readonly process: SimProcess;
  readonly incarnation: number;
  readonly port: number;
  onConnection(socket: Socket): void;
}

function networkError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

/**
 * Connections between processes, as TCP makes them: two byte streams, each in order and without loss while the
 * connection lives. What goes wrong are the connections themselves, and time.
 */
export class SimNetwork {
  readonly scheduler: SimScheduler;
  readonly random: SimRandom;
  readonly options: NetworkOptions;
  readonly connections = new Set<SimConnection>();
  /** Bytes that were handed to sockets, of all connections. */
  sentBytes = 0;
  /** Processes that read from here: a read and its callback are one step. */
  readonly receiveBuffer = Buffer.alloc(256 * 1024);
  private readonly processes = new Map<string, SimProcess>();
  private readonly listeners = new Map<string, Listener>();
  private readonly links = new Map<string, Link>();
  private nextPort = FIRST_EPHEMERAL_PORT;
  private connectionCount = 0;

  constructor(scheduler: SimScheduler, random: SimRandom, options: NetworkOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.options = options;
  }

  addProcess(process: SimProcess): void {
    this.processes.set(process.host, process);
  }

  processAt(host: string): SimProcess | undefined {
    return this.processes.get(host);
  }

  link(fromHost: string, toHost: string): Link {
    const key = `${fromHost}>${toHost}`;
    let link = this.links.get(key);
    if (link === undefined) {
      link = { isBlocked: false, extraDelayMs: 0 };
      this.links.set(key, link);
    }
    return link;
  }

  /** Nothing of what `from` sends arrives at `to`, until {@link unblock}. */
  block(fromHost: string, toHost: string): void {
    this.link(fromHost, toHost).isBlocked = true;
  }

  unblock(fromHost: string, toHost: string): void {
    this.link(fromHost, toHost).isBlocked = false;
    for (const connection of this.connections) connection.linkChanged();
  }

  /** All links work, at their usual speed. */
  heal(): void {
    for (const link of this.links.values()) {
      link.isBlocked = false;
      link.extraDelayMs = 0;
    }
    for (const connection of this.connections) connection.linkChanged();
  }

  /** Time from one host to another, drawn anew for each piece. */
  latencyMs(fromHost: string, toHost: string): number {
    const { latencyMinMs, latencyMaxMs } = this.options;
    const base =
      fromHost === toHost ? 0.03 : latencyMinMs + this.random.next() * (latencyMaxMs - latencyMinMs);
    return base + this.link(fromHost, toHost).extraDelayMs * this.random.next();
  }

  processStarted(process: SimProcess): void {
    for (const connection of this.connections) connection.hostStarted(process.host);
  }

  processEnded(process: SimProcess, how: 'killed' | 'powerLost'): void {
    for (const [address, listener] of this.listeners)
      if (listener.process === process) this.listeners.delete(address);
    for (const connection of [...this.connections]) connection.processEnded(process, how);
  }

  listen(listener: Omit<Listener, 'port'>, wantedPort: number): number {
    const port = wantedPort === 0 ? this.nextPort++ : wantedPort;
    const address = `${listener.process.host}:${port}`;
    if (this.listeners.has(address)) throw networkError('EADDRINUSE', address);
    this.listeners.set(address, { ...listener, port });
    return port;
  }

  closeListener(host: string, port: number): void {
    this.listeners.delete(`${host}:${port}`);
  }

  connect(
    process: SimProcess,
    incarnation: number,
    options: { host: string; port: number; timeoutMs: number },
  ): Promise<Socket> {
    const isLocal = options.host === 'localhost' || options.host === '127.0.0.1';
    const host = isLocal ? process.host : options.host;
    const where = `${host}:${options.port}`;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const settle = (delayMs: number, label: string, run: () => void): void => {
        process.schedule(incarnation, delayMs, label, () => {
          if (isOver) return;
          isOver = true;
          run();
        });
      };
      const target = this.processes.get(host);
      if (target === undefined) {
        settle(1, 'lookup failed', () => reject(networkError('ENOTFOUND', host)));
        return;
      }
      settle(options.timeoutMs, `connect ${where} late`, () =>
        reject(networkError('ETIMEDOUT', `no connection to ${where} within ${options.timeoutMs} ms`)),
      );
      const knock = (retryMs: number): void => {
        this.scheduler.after(this.latencyMs(process.host, host), `syn ${process.name} ${where}`, () => {
          if (isOver || !process.isCurrent(incarnation)) return;
          const isLost =
            this.link(process.host, host).isBlocked ||
            this.link(host, process.host).isBlocked ||
            !target.isPowered;
          if (isLost) {
            this.scheduler.after(retryMs, `syn again ${process.name} ${where}`, () => knock(retryMs * 2));
            return;
          }
          const backMs = this.latencyMs(host, process.host);
          const listener = this.listeners.get(where);
          if (listener === undefined) {
            settle(backMs, `refused ${where}`, () => reject(networkError('ECONNREFUSED', where)));
            return;
          }
          const connection = this.open(process, incarnation, listener);
          const { client } = connection;
          process.schedule(incarnation, backMs, `connected ${connection.id}`, () => {
            if (isOver) {
              client.destroy();
            } else if (client.isClosed) {
              isOver = true;
              reject(networkError('ECONNRESET', where));
            } else {
              isOver = true;
              resolve(client);
            }
          });
        });
      };
      knock(SYN_RETRY_MS);
    });
  }

  private open(process: SimProcess, incarnation: number, listener: Listener): SimConnection {
    const connection = new SimConnection(this, `c${this.connectionCount++}`, {
      client: { process, incarnation, port: this.nextPort++ },
      server: { process: listener.process, incarnation: listener.incarnation, port: listener.port },
    });
    this.connections.add(connection);
    const { server } = connection;
    // The system takes connections for a process that is busy or paused.
    listener.process.schedule(listener.incarnation, 0, `accept ${connection.id}`, () => {
      if (!server.isClosed) listener.onConnection(server);
    });
    return connection;
  }

  /** The open connections between processes of which one is `host`, or all. */
  connectionsOf(host?: string): SimConnection[] {
    return [...this.connections].filter(
      ({ client, server }) =>
        host === undefined || client.process.host === host || server.process.host === host,
    );
  }
}

/** The network as one incarnation of a process reaches it. */
export class ProcessNetwork implements Network {
  private readonly process: SimProcess;
  private readonly network: SimNetwork;
  private readonly incarnation: number;

  constructor(process: SimProcess, network: SimNetwork, incarnation: number) {
    this.process = process;
    this.network = network;
    this.incarnation = incarnation;
  }

  listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<ServerSocket> {
    const { process, network, incarnation } = this;
    return new Promise((resolve, reject) => {
      process.schedule(incarnation, 0.05, `listen ${options.port}`, () => {
        try {
          const port = network.listen({ process, incarnation, onConnection }, options.port);
          resolve({
            port,
            close: () => {
              if (process.isCurrent(incarnation)) network.closeListener(process.host, port);
              return new Promise(closed => process.schedule(incarnation, 0.02, 'listener closed', closed));
            },
          });
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  connect(options: { host: string; port: number; timeoutMs: number }): Promise<SimSocket> {
    return this.network.connect(this.process, this.incarnation, options) as Promise<SimSocket>;
  }
}
