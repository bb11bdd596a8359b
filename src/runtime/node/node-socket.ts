import type * as net from 'node:net';
import type { Socket, SocketHandlers } from '../runtime.ts';

/** A connected TCP socket. */
export class NodeSocket implements Socket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  private readonly socket: net.Socket;
  private handlers: SocketHandlers | undefined;
  private error: Error | undefined;
  private draining = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    // Once the socket is closed Node no longer knows them.
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = plainAddress(socket.localAddress);
    this.localPort = socket.localPort ?? 0;
    socket.on('error', error => {
      this.error = error;
    });
  }

  setHandlers(handlers: SocketHandlers): void {
    const first = this.handlers === undefined;
    this.handlers = handlers;
    if (!first) return;
    this.socket.on('close', () => this.handlers!.onClose(this.error));
  }

  /** Called by who made the socket, for each chunk that it reads. */
  receive(chunk: Buffer): void {
    this.handlers?.onData(chunk);
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  write(chunks: readonly Uint8Array[]): void {
    const { socket } = this;
    if (chunks.length === 0 || !socket.writable) return;
    const last = chunks.length - 1;
    if (last === 0) {
      socket.write(chunks[0]!, this.written);
    } else {
      // Corked chunks leave as one writev.
      socket.cork();
      for (let index = 0; index < last; index++) socket.write(chunks[index]!);
      socket.write(chunks[last]!, this.written);
      socket.uncork();
    }
    // What the system took at once is not counted here any more.
    if (socket.writableLength > 0) this.draining = true;
  }

  private readonly written = (): void => {
    if (!this.draining || this.socket.writableLength > 0) return;
    this.draining = false;
    if (!this.socket.destroyed) this.handlers?.onDrain();
  };

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

/** A listener on all interfaces sees IPv4 peers as IPv6 addresses. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
