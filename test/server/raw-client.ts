import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Infer, Input, Message } from '../../src/protocol/schema.ts';
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts';
import { framed, requestFrame, responseBody } from './fake-network.ts';

/** A connection on which a test says exactly which bytes it sends, and sees what comes back or that it closed. */
export class RawClient {
  readonly socket: Socket;
  private readonly decoder = new FrameDecoder(0x7fff_ffff);
  private readonly frames: Buffer[] = [];
  private waiter: (() => void) | undefined;
  private correlationId = 0;
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', chunk => {
      this.decoder.push(chunk);
      for (let frame = this.decoder.next(); frame !== undefined; frame = this.decoder.next())
        this.frames.push(frame);
      this.wake();
    });
    // A reset is one of the ways in which a broker closes.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.socket.write(chunk);
  }

  /** The next response without its length; `undefined` if the connection closed before one came. */
  async receive(): Promise<Buffer | undefined> {
    while (this.frames.length === 0 && !this.closed) {
      await new Promise<void>(resolve => {
        this.waiter = resolve;
      });
    }
    return this.frames.shift();
  }

  /** Sends a request and decodes its answer; `undefined` if the connection closed. */
  async ask<Q extends Message, A extends Message>(
    [request, response]: readonly [Q, A],
    version: number,
    body: Input<Q>,
    clientId: string | null = 'raw',
  ): Promise<Infer<A> | undefined> {
    this.send(requestFrame(request, version, body, ++this.correlationId, clientId));
    const frame = await this.receive();
    if (frame === undefined) return undefined;
    if (frame.readInt32BE(0) !== this.correlationId) throw new Error('the answer of another request');
    return responseBody(response, version, framed(frame));
  }

  /** Resolves when the broker has closed the connection. Responses that come before it are an error. */
  async expectClosed(): Promise<void> {
    const frame = await this.receive();
    if (frame !== undefined) throw new Error(`an answer came: ${frame.subarray(0, 100).toString('hex')}`);
  }

  close(): void {
    this.socket.destroy();
  }

  private wake(): void {
    const { waiter } = this;
    this.waiter = undefined;
    waiter?.();
  }
}

/** One request on a connection of its own. */
export async function askOnce<Q extends Message, A extends Message>(
  port: number,
  messages: readonly [Q, A],
  version: number,
  body: Input<Q>,
): Promise<Infer<A>> {
  const client = await RawClient.connect(port);
  try {
    return (await client.ask(messages, version, body))!;
  } finally {
    client.close();
  }
}
