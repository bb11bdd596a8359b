import { connect, type Socket } from 'node:net';
import { ByteReader } from '../../src/base/byte-reader.ts';
import { ByteWriter } from '../../src/base/byte-writer.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import type { Infer, Input, Message } from '../../src/protocol/schema.ts';

const API_VERSIONS = 18;

/** The broker closed the connection or kept silent: the end of a case, and an answer too. */
export class NoAnswer extends Error {
  readonly kind: 'closed' | 'silence';

  constructor(kind: 'closed' | 'silence', what: string) {
    super(`${what}: ${kind}`);
    this.kind = kind;
  }
}

/** Decodes an answer, a frame without its size. */
export function decodeAnswer<R extends Message>(response: R, version: number, frame: Buffer): Infer<R> {
  const reader = new ByteReader(frame, 4);
  const codec = codecOf(response, version);
  if (codec.flexible && response.apiKey !== API_VERSIONS && reader.uvarint() !== 0) {
    throw new Error('tagged fields in a response header');
  }
  const value = codec.decode(reader);
  if (reader.remaining !== 0)
    throw new Error(`${reader.remaining} bytes behind ${response.name} v${version}`);
  return value;
}

/** Longer than any answer takes here; joins complete at once because the rebalance delay is 0. */
const SILENCE_MS = 4_000;

/** One connection that sends single requests, whole or raw, and waits for each answer. */
export class WireClient {
  private readonly socket: Socket;
  private readonly patienceMs: number;
  private received: Buffer = Buffer.alloc(0);
  private closed = false;
  private wake: () => void = () => {};
  private correlationId = 0;

  private constructor(socket: Socket, patienceMs: number) {
    this.socket = socket;
    this.patienceMs = patienceMs;
    socket.setNoDelay(true);
    socket.on('data', chunk => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    const close = () => {
      this.closed = true;
      this.wake();
    };
    socket.on('close', close);
    socket.on('error', close);
  }

  /** `patienceMs` is how long an answer may take before it counts as silence. */
  static async open(port: number, patienceMs = SILENCE_MS): Promise<WireClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new WireClient(socket, patienceMs);
  }

  close(): void {
    this.socket.destroy();
  }

  /** Sends a request and decodes its answer. Rejects with {@link NoAnswer} when none comes. */
  async send<Q extends Message, R extends Message>(
    request: Q,
    response: R,
    version: number,
    body: Input<Q>,
    clientId = 'wire',
  ): Promise<Infer<R>> {
    this.write(request, version, body, clientId);
    const answer = await this.frame();
    if (typeof answer === 'string') throw new NoAnswer(answer, `${request.name} v${version}`);
    return decodeAnswer(response, version, answer);
  }

  /** Sends a request that has no answer (acks=0). */
  write<Q extends Message>(request: Q, version: number, body: Input<Q>, clientId = 'wire'): void {
    const codec = codecOf(request, version);
    const writer = new ByteWriter();
    writer.int16(request.apiKey ?? -1);
    writer.int16(version);
    writer.int32(++this.correlationId);
    writer.int16(clientId.length);
    writer.bytes(Buffer.from(clientId));
    if (codec.flexible) writer.uvarint(0);
    codec.encode(writer, body);
    this.writeFrame(writer.concat());
  }

  writeFrame(frame: Buffer): void {
    const size = Buffer.alloc(4);
    size.writeInt32BE(frame.length);
    this.socket.write(Buffer.concat([size, frame]));
  }

  writeRaw(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** The next frame without its size. */
  async frame(timeoutMs = this.patienceMs): Promise<Buffer | 'closed' | 'silence'> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.received.length >= 4) {
        const end = 4 + this.received.readInt32BE(0);
        if (this.received.length >= end) {
          const frame = this.received.subarray(4, end);
          this.received = this.received.subarray(end);
          return frame;
        }
      }
      if (this.closed) return 'closed';
      const left = deadline - performance.now();
      if (left <= 0) return 'silence';
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
