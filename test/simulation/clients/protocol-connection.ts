import { ByteReader } from '../../../src/base/byte-reader.ts';
import { ByteWriter } from '../../../src/base/byte-writer.ts';
import type { Int64 } from '../../../src/base/int64.ts';
import type { HostAndPort } from '../../../src/config/listeners.ts';
import { codecOf } from '../../../src/protocol/codec.ts';
import { FrameDecoder } from '../../../src/protocol/frame-decoder.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../../src/protocol/messages/18-api-versions.ts';
import { RequestHeader } from '../../../src/protocol/records/data.ts';
import { type Infer, type Input, inVersions, type Message } from '../../../src/protocol/schema.ts';
import type { Runtime, Socket, Timer } from '../../../src/runtime/runtime.ts';
import { SimSocket } from '../sim-connection.ts';

/** A request and its response. */
export interface Api<Req extends Message, Res extends Message> {
  readonly request: Req;
  readonly response: Res;
}

/** No answer: the request may have had its effect, unless it never left. */
export class Unanswered extends Error {
  /** Whether any byte of the request may have reached the broker. */
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean) {
    super(message);
    this.name = 'Unanswered';
    this.wasSent = wasSent;
  }
}

/** What a broker says of the features of its cluster. */
export interface FinalizedFeatures {
  /** Of the metadata that say so; -1 if it does not know any. */
  readonly epoch: Int64;
  readonly levels: ReadonlyMap<string, number>;
}

/** What a connection that was cut still delivers. */
export interface LateBytes {
  /** Some of it is on its way. */
  readonly isPending: boolean;
  /** It arrives now. */
  release(): void;
}

interface InFlight {
  readonly correlationId: number;
  readonly timer: Timer | undefined;
  answer(frame: Buffer): void;
  fail(error: Error): void;
}

const API_VERSIONS = 18;
const API_VERSIONS_VERSION = 3;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/**
 * One connection of a simulated client, which says exactly when which bytes leave. Requests are pipelined and answered
 * in order. A request that is not answered in time takes the connection with it, as no later answer can come before it.
 */
export class ProtocolConnection {
  readonly address: HostAndPort;
  private readonly runtime: Runtime;
  private readonly clientId: string;
  private readonly socket: Socket;
  private readonly decoder = new FrameDecoder(MAX_FRAME_BYTES);
  private readonly inFlight: InFlight[] = [];
  private readonly versions = new Map<number, { min: number; max: number }>();
  /** The levels that the cluster agrees on, as the broker knew them when this connection was made. */
  features: FinalizedFeatures = { epoch: -1, levels: new Map() };
  private nextCorrelationId: number;
  private closedBy: string | undefined;
  /** Told of bytes that are no answer, or not the right one. */
  private readonly onProtocolError: (problem: string) => void;

  private constructor(
    runtime: Runtime,
    address: HostAndPort,
    clientId: string,
    socket: Socket,
    onProtocolError: (problem: string) => void,
  ) {
    this.runtime = runtime;
    this.address = address;
    this.clientId = clientId;
    this.socket = socket;
    this.onProtocolError = onProtocolError;
    this.nextCorrelationId = runtime.random.below(0x7fff_0000);
    socket.setHandlers({
      onData: chunk => this.onData(chunk),
      onDrain: () => {},
      onClose: error => this.onClosed(error?.message ?? 'closed by the peer'),
    });
  }

  /** Connects and learns the broker's versions. Throws {@link Unanswered}. */
  static async open(
    runtime: Runtime,
    address: HostAndPort,
    clientId: string,
    timeoutMs: number,
    onProtocolError: (problem: string) => void,
  ): Promise<ProtocolConnection> {
    let socket: Socket;
    try {
      socket = await runtime.network.connect({ ...address, timeoutMs });
    } catch (error) {
      throw new Unanswered(`no connection to ${address.host}:${address.port}: ${String(error)}`, false);
    }
    const connection = new ProtocolConnection(runtime, address, clientId, socket, onProtocolError);
    const api = { request: ApiVersionsRequest, response: ApiVersionsResponse };
    const answer = await connection.requestAt(
      api,
      API_VERSIONS_VERSION,
      { clientSoftwareName: 'sim', clientSoftwareVersion: '1' },
      timeoutMs,
    );
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys) {
      connection.versions.set(apiKey, { min: minVersion, max: maxVersion });
    }
    const { finalizedFeaturesEpoch: epoch, finalizedFeatures } = answer;
    const levels = new Map(finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]));
    connection.features = { epoch, levels };
    return connection;
  }

  get isClosed(): boolean {
    return this.closedBy !== undefined;
  }

  get pending(): number {
    return this.inFlight.length;
  }

  /** The highest version of `api` that both sides know, `maxVersion` at most; undefined if there is none. */
  versionOf(api: Api<Message, Message>, maxVersion = Number.POSITIVE_INFINITY): number | undefined {
    const { request } = api;
    const known = this.versions.get(request.apiKey ?? -1);
    if (known === undefined) return undefined;
    const version = Math.min(known.max, request.maxVersion, maxVersion);
    return version < Math.max(known.min, request.minVersion) ? undefined : version;
  }

  /** Sends at the highest common version up to `maxVersion`. Rejects with {@link Unanswered}. */
  request<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: (version: number) => Input<Req>,
    timeoutMs: number,
    maxVersion?: number,
  ): Promise<Infer<Res>> {
    const version = this.versionOf(api, maxVersion);
    if (version === undefined) {
      return Promise.reject(new Unanswered(`${api.request.name} has no version in common`, false));
    }
    return this.requestAt(api, version, body(version), timeoutMs);
  }

  /** As {@link request}, in a version of the caller's choice. */
  requestAt<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    version: number,
    body: Input<Req>,
    timeoutMs: number,
  ): Promise<Infer<Res>> {
    const { request, response } = api;
    if (this.closedBy !== undefined) return Promise.reject(new Unanswered(this.closedBy, false));
    const correlationId = this.nextCorrelationId++;
    return new Promise((resolve, reject) => {
      this.inFlight.push({
        correlationId,
        timer: this.runtime.timers.after(timeoutMs, () =>
          this.destroy(`no answer to ${request.name} within ${timeoutMs} ms`),
        ),
        answer: frame => {
          const flexibleHeader = request.apiKey !== API_VERSIONS && inVersions(response.flexible, version);
          const reader = new ByteReader(frame, flexibleHeader ? 5 : 4);
          const value = codecOf(response, version).decode(reader);
          if (reader.remaining !== 0) throw new Error(`${reader.remaining} bytes behind ${response.name}`);
          resolve(value);
        },
        fail: reject,
      });
      this.socket.write([encodeRequest(request, version, correlationId, this.clientId, body)]);
    });
  }

  /** Sends a request that has no answer (Produce with acks=0). */
  send<Req extends Message>(request: Req, version: number, body: Input<Req>): void {
    if (this.closedBy !== undefined) return;
    this.socket.write([encodeRequest(request, version, this.nextCorrelationId++, this.clientId, body)]);
  }

  /** Sends bytes as they are: a frame in pieces, or no frame at all. */
  sendRaw(bytes: Uint8Array): void {
    if (this.closedBy === undefined) this.socket.write([bytes]);
  }

  /** Closes at once. What was not answered fails. */
  destroy(reason: string): void {
    if (this.closedBy !== undefined) return;
    this.onClosed(reason);
    this.socket.destroy();
  }

  /**
   * Closes at once, in the middle of a request: what was sent and has not arrived does so after `lateMs`, as out of a
   * proxy or a network that knows nothing of the end. `undefined` if it was closed.
   */
  cut(lateMs: number): LateBytes | undefined {
    const { socket } = this;
    if (this.closedBy !== undefined || !(socket instanceof SimSocket)) return undefined;
    this.onClosed('cut by the client');
    const { outgoing } = socket;
    socket.connection.resetWithLateBytes(lateMs);
    return {
      get isPending() {
        return !outgoing.isDone && outgoing.queuedBytes > 0;
      },
      release: () => outgoing.release(),
    };
  }

  private onData(chunk: Buffer): void {
    try {
      this.decoder.push(chunk);
      for (let frame = this.decoder.next(); frame !== undefined; frame = this.decoder.next()) {
        const oldest = this.inFlight.shift();
        if (oldest === undefined) throw new Error('an answer to no request');
        oldest.timer?.cancel();
        if (frame.readInt32BE(0) !== oldest.correlationId) {
          oldest.fail(new Error('the answer of another request'));
          throw new Error('the answer of another request');
        }
        oldest.answer(frame);
      }
    } catch (error) {
      this.onProtocolError(String(error));
      this.destroy(String(error));
    }
  }

  private onClosed(reason: string): void {
    if (this.closedBy !== undefined) return;
    this.closedBy = reason;
    for (const request of this.inFlight.splice(0)) {
      request.timer?.cancel();
      request.fail(new Unanswered(reason, true));
    }
  }
}

function encodeRequest<Req extends Message>(
  request: Req,
  version: number,
  correlationId: number,
  clientId: string,
  body: Input<Req>,
): Buffer {
  const writer = new ByteWriter();
  writer.int32(0);
  const headerVersion = inVersions(request.flexible, version) ? 2 : 1;
  codecOf(RequestHeader, headerVersion).encode(writer, {
    requestApiKey: request.apiKey!,
    requestApiVersion: version,
    correlationId,
    clientId,
  });
  codecOf(request, version).encode(writer, body);
  const frame = writer.concat();
  frame.writeInt32BE(frame.length - 4, 0);
  return frame;
}
