import type { Logger } from '../base/logger.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Infer, Input, Message } from '../protocol/schema.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ClientConnection, type ClientConnectionOptions, type VersionRange } from './client-connection.ts';

export type { HostAndPort } from '../config/listeners.ts';
export { ConnectionRefusedError, type VersionRange } from './client-connection.ts';

/** An API as a client uses it: the two halves of `src/protocol/messages/`. */
export interface Api<Req extends Message, Res extends Message> {
  readonly request: Req;
  readonly response: Res;
}

export interface SendOptions {
  /** From the call to the answer, connecting counted. */
  readonly timeoutMs: number;
  /** Where an earlier version cannot say it. The first one if left out. */
  readonly minVersion?: number;
  /** Where a later version means something that the caller does not do. The last stable one if left out. */
  readonly maxVersion?: number;
}

export type NetworkClientOptions = ClientConnectionOptions;

/**
 * Requests to other nodes. There is one connection to each address, opened on first use; which versions the peer
 * speaks is asked once a connection. Requests are pipelined: any number may be in flight, and they are answered in
 * order, so a long poll holds up what is sent after it. Who sends both has a client for each.
 *
 * Nothing is repeated and nothing waits before the next attempt: that is the caller's, who knows what may be repeated.
 */
export class NetworkClient {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: NetworkClientOptions;
  private readonly connections = new Map<string, ClientConnection>();
  private closed = false;

  constructor(runtime: Runtime, logger: Logger, options: NetworkClientOptions) {
    this.runtime = runtime;
    this.logger = logger;
    this.options = options;
  }

  /**
   * Sends at the highest version that both sides know. `body` may be a function of that version; what it throws
   * rejects the promise. Rejects with `KafkaError`:
   *
   * - NETWORK_EXCEPTION: no connection, or it closed before the answer, which may or may not have taken effect.
   *   {@link ConnectionRefusedError} if the peer's host says that nobody listens there.
   * - REQUEST_TIMED_OUT: no answer in time. The connection is closed, and with it what was sent after this request.
   * - UNSUPPORTED_VERSION: the peer does not serve the API in a version of ours. Nothing was sent.
   *
   * Bytes and records of the answer are views of its own frame, which they keep alive.
   */
  send<Req extends Message, Res extends Message>(
    to: HostAndPort,
    api: Api<Req, Res>,
    body: Input<Req> | ((version: number) => Input<Req>),
    { timeoutMs, minVersion, maxVersion }: SendOptions,
  ): Promise<Infer<Res>> {
    return new Promise<Infer<Res>>((resolve, reject) => {
      if (this.closed) {
        reject(new KafkaError(Errors.NETWORK_EXCEPTION, 'this client is closed'));
        return;
      }
      const { request, response } = api;
      const lastStable = request.latestVersionUnstable ? request.maxVersion - 1 : request.maxVersion;
      this.connection(to).send({
        request,
        response,
        minVersion: Math.max(minVersion ?? 0, request.minVersion),
        maxVersion: Math.min(maxVersion ?? lastStable, request.maxVersion),
        body: typeof body === 'function' ? body : () => body,
        deadlineMs: this.runtime.clock.monotonicMs() + timeoutMs,
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
    });
  }

  /** What the node at an address serves, by API key; `undefined` without a connection to it on which it has said so. */
  versionsOf(to: HostAndPort): ReadonlyMap<number, VersionRange> | undefined {
    return this.connections.get(keyOf(to))?.peerVersions;
  }

  /** Closes the connection to an address, if there is one. Its requests are rejected with NETWORK_EXCEPTION. */
  disconnect(to: HostAndPort): void {
    this.connections.get(keyOf(to))?.close(Errors.NETWORK_EXCEPTION, 'was disconnected by this node');
  }

  /** Closes all connections; later requests are rejected. */
  close(): void {
    this.closed = true;
    for (const connection of [...this.connections.values()]) {
      connection.close(Errors.NETWORK_EXCEPTION, 'was disconnected by this node, which closes its client');
    }
  }

  private connection(to: HostAndPort): ClientConnection {
    const key = keyOf(to);
    let connection = this.connections.get(key);
    if (connection === undefined) {
      connection = new ClientConnection(this.runtime, this.logger, to, this.options, gone => {
        if (this.connections.get(key) === gone) this.connections.delete(key);
      });
      this.connections.set(key, connection);
    }
    return connection;
  }
}

function keyOf({ host, port }: HostAndPort): string {
  return `${host}:${port}`;
}
