import { ByteReader } from '../../src/base/byte-reader.ts';
import { ByteWriter } from '../../src/base/byte-writer.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import { RequestHeader } from '../../src/protocol/records/data.ts';
import { type Infer, type Input, inVersions, type Message } from '../../src/protocol/schema.ts';
import type { Socket, SocketHandlers } from '../../src/runtime/runtime.ts';

/** One end of a connection in the hands of a test. */
export class FakeSocket implements Socket {
  readonly remoteAddress: string;
  readonly remotePort = 50_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 9092;
  /** What each write held, joined. */
  readonly writes: Buffer[] = [];
  /** While false, nothing that is written leaves the buffer. */
  draining = true;
  bufferedBytes = 0;
  paused = false;
  ended = false;
  destroyed = false;
  private handlers: SocketHandlers | undefined;

  constructor(remoteAddress = '10.0.0.1') {
    this.remoteAddress = remoteAddress;
  }

  setHandlers(handlers: SocketHandlers): void {
    this.handlers = handlers;
  }

  write(chunks: readonly Uint8Array[]): void {
    const joined = Buffer.concat(chunks);
    this.writes.push(joined);
    if (!this.draining) this.bufferedBytes += joined.length;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.handlers?.onClose(undefined);
  }

  receive(...chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.handlers!.onData(Buffer.from(chunk));
  }

  drain(): void {
    this.bufferedBytes = 0;
    this.draining = true;
    this.handlers!.onDrain();
  }
}

/** A framed request. */
export function requestFrame<M extends Message>(
  message: M,
  version: number,
  body: Input<M>,
  correlationId = 1,
  clientId: string | null = 'test',
): Buffer {
  const writer = new ByteWriter();
  const headerVersion = inVersions(message.flexible, version) ? 2 : 1;
  codecOf(RequestHeader, headerVersion).encode(writer, {
    requestApiKey: message.apiKey!,
    requestApiVersion: version,
    correlationId,
    clientId,
  });
  codecOf(message, version).encode(writer, body);
  return framed(writer.concat());
}

/** The length and the bytes. */
export function framed(payload: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(payload.length);
  return Buffer.concat([length, payload]);
}

/** The correlation ids of the responses in `bytes`, in order. */
export function correlationIds(bytes: Buffer): number[] {
  const ids: number[] = [];
  for (let position = 0; position < bytes.length; position += 4 + bytes.readInt32BE(position)) {
    ids.push(bytes.readInt32BE(position + 4));
  }
  return ids;
}

/** Decodes the one response in `bytes`. */
export function responseBody<M extends Message>(message: M, version: number, bytes: Buffer): Infer<M> {
  if (bytes.readInt32BE(0) !== bytes.length - 4) throw new Error('not exactly one response');
  const flexibleHeader = message.apiKey !== 18 && inVersions(message.flexible, version);
  const reader = new ByteReader(bytes, flexibleHeader ? 9 : 8);
  const body = codecOf(message, version).decode(reader);
  if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes follow the response`);
  return body;
}
