import * as net from 'node:net';
import type { ListenOptions, Network, ServerSocket, Socket } from '../runtime.ts';
import { NodeSocket } from './node-socket.ts';

/** One read takes up to this much. */
const RECEIVE_BUFFER_BYTES = 256 * 1024;

/** TCP over `node:net`. */
export class NodeNetwork implements Network {
  private readonly onAcceptError: (error: Error) => void;
  /** All sockets read into it: a read and its callback are one step of the loop. */
  private readonly receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES);

  /**
   * `onAcceptError` hears of connections that could not be taken (EMFILE: no descriptors left). The listener stays
   * open: it goes on when descriptors are free again.
   */
  constructor(onAcceptError: (error: Error) => void = () => {}) {
    this.onAcceptError = onAcceptError;
  }

  listen(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<ServerSocket> {
    return new Promise((resolve, reject) => {
      const server = net.createServer({ noDelay: true, pauseOnConnect: true }, socket => {
        onConnection(takeOver(socket, this.receiveBuffer));
      });
      server.once('error', reject);
      server.listen(
        {
          host: options.host === '' ? undefined : options.host,
          port: options.port,
          backlog: options.backlog,
        },
        () => {
          server.off('error', reject);
          server.on('error', this.onAcceptError);
          resolve(new NodeServerSocket(server));
        },
      );
    });
  }

  connect(options: { host: string; port: number; timeoutMs: number }): Promise<Socket> {
    return new Promise((resolve, reject) => {
      let connected: NodeSocket | undefined;
      const buffer = this.receiveBuffer;
      const onread = {
        buffer,
        callback: (size: number): boolean => {
          connected?.receive(buffer.subarray(0, size));
          return true;
        },
      };
      const socket = net.connect({ host: options.host, port: options.port, noDelay: true, onread });
      const give = setTimeout(() => {
        const where = `${options.host}:${options.port}`;
        const error = new Error(`ETIMEDOUT: no connection to ${where} within ${options.timeoutMs} ms`);
        socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
      }, options.timeoutMs);
      const fail = (error: Error): void => {
        clearTimeout(give);
        reject(error);
      };
      socket.once('error', fail);
      socket.once('connect', () => {
        clearTimeout(give);
        socket.off('error', fail);
        connected = new NodeSocket(socket);
        resolve(connected);
      });
    });
  }
}

/**
 * Makes an accepted socket read into a buffer that is used again, as `net.connect` offers by `onread` and a server
 * does not: by itself Node allocates 64 KiB for each read, and the garbage of that costs a broker more than its work.
 * A Node whose sockets have no `_handle` to hand over goes on with one allocation for each read.
 */
function takeOver(accepted: net.Socket, buffer: Buffer): NodeSocket {
  const owner = accepted as unknown as { _handle: unknown };
  const handle = owner._handle;
  if (handle === null || handle === undefined) {
    const plain = new NodeSocket(accepted);
    accepted.on('data', chunk => plain.receive(chunk));
    return plain;
  }
  owner._handle = null;
  // Without its handle this only takes the socket off the server's count of open connections.
  accepted.destroy();
  let taken: NodeSocket | undefined;
  const options = {
    handle,
    onread: {
      buffer,
      callback: (size: number): boolean => {
        taken?.receive(buffer.subarray(0, size));
        return true;
      },
    },
  };
  taken = new NodeSocket(new net.Socket(options as unknown as net.SocketConstructorOpts));
  return taken;
}

class NodeServerSocket implements ServerSocket {
  readonly port: number;
  private readonly server: net.Server;

  constructor(server: net.Server) {
    this.server = server;
    this.port = (server.address() as net.AddressInfo).port;
  }

  /** The port is free when this returns; connections that were taken stay open. */
  close(): Promise<void> {
    this.server.close();
    return new Promise(resolve => setImmediate(resolve));
  }
}
