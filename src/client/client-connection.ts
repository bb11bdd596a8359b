import { ByteReader } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import type { Logger } from '../base/logger.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { ApiKeys } from '../protocol/api-keys.ts';
import { codecOf } from '../protocol/codec.ts';
import { errorName, Errors, KafkaError } from '../protocol/errors.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import { RequestHeader } from '../protocol/records/data.ts';
import { inVersions, type Message } from '../protocol/schema.ts';
import { isConnectionRefused } from '../runtime/connection-refused.ts';
import type { Runtime, Socket, Timer } from '../runtime/runtime.ts';

/** NETWORK_EXCEPTION: the host of the peer says that nobody listens there. */
export class ConnectionRefusedError extends KafkaError {
  constructor(message: string) {
    super(Errors.NETWORK_EXCEPTION, message);
  }
}

export interface ClientConnectionOptions {
  readonly clientId: string;
  /** For the connection and the exchange of versions together. */
  readonly connectTimeoutMs: number;
  /** The largest answer. */
  readonly maxFrameBytes: number;
}

/** A request on its way. The body is made when the version is known. */
export interface PendingRequest {
  readonly request: Message;
  readonly response: Message;
  readonly minVersion: number;
  readonly maxVersion: number;
  body(version: number): unknown;
  /** Monotonic, ms. */
  readonly deadlineMs: number;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** One that was written. */
interface InFlight {
  readonly correlationId: number;
  readonly version: number;
  readonly pending: PendingRequest;
}

/** The versions of an API that a node serves, both inclusive. */
export interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** How the client names itself (KIP-511). */
const SOFTWARE_NAME = 'odradek';
const SOFTWARE_VERSION = '1';
/** The answer to ApiVersions begins with correlation id and error code, in every version. */
const API_VERSIONS_ERROR_AT = 4;
const NO_TAGGED_FIELDS = 0;

/**
 * One connection to a node.
 *
 * ```text
 *  connecting ──► exchanging versions ──► ready
 *      │                  │                 │ closed by the peer, junk, or an answer that does not come in time
 *      └──────────────────┴────────►  closed: all that wait are rejected
 * ```
 *
 * Requests leave in the order in which they were given and their answers must come in the same order. An answer that
 * does not match the oldest request, is too large, or cannot be decoded, ends the connection: what follows it could
 * not be told apart.
 */
export class ClientConnection {
  readonly to: HostAndPort;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: ClientConnectionOptions;
  private readonly onClosed: (connection: ClientConnection) => void;
  private readonly decoder: FrameDecoder;

  private state: 'connecting' | 'negotiating' | 'ready' | 'closed' = 'connecting';
  private socket: Socket | undefined;
  private versions: ReadonlyMap<number, VersionRange> = new Map();
  private versionsAsked = ApiVersionsRequest.maxVersion;
  private nextCorrelationId = 0;
  /** Those given before the connection was ready. */
  private waiting: PendingRequest[] = [];
  private inFlight: InFlight[] = [];
  /** Index of the oldest one that is not answered. */
  private head = 0;
  private timer: Timer | undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;
  private readonly readyByMs: number;

  /** Connects at once. `onClosed` is called before the first request is rejected. */
  constructor(
    runtime: Runtime,
    logger: Logger,
    to: HostAndPort,
    options: ClientConnectionOptions,
    onClosed: (connection: ClientConnection) => void,
  ) {
    this.runtime = runtime;
    this.logger = logger;
    this.to = to;
    this.options = options;
    this.onClosed = onClosed;
    this.decoder = new FrameDecoder(options.maxFrameBytes);
    const { connectTimeoutMs } = options;
    this.readyByMs = runtime.clock.monotonicMs() + connectTimeoutMs;
    runtime.network.connect({ host: to.host, port: to.port, timeoutMs: connectTimeoutMs }).then(
      socket => this.connected(socket),
      (error: unknown) => {
        const reason = `cannot be reached: ${messageOf(error)}`;
        this.closeWith(
          isConnectionRefused(error)
            ? new ConnectionRefusedError(this.sentence(reason))
            : new KafkaError(Errors.NETWORK_EXCEPTION, this.sentence(reason)),
        );
      },
    );
  }

  /** What the peer serves, by API key; `undefined` while it has not said so. */
  get peerVersions(): ReadonlyMap<number, VersionRange> | undefined {
    return this.state === 'ready' ? this.versions : undefined;
  }

  send(pending: PendingRequest): void {
    if (this.state === 'ready') {
      this.write(pending);
      return;
    }
    this.waiting.push(pending);
    this.armTimer(pending.deadlineMs);
  }

  /** Rejects all requests with `errorCode` and a sentence that ends in `reason`, and closes the socket. */
  close(errorCode: number, reason: string): void {
    this.closeWith(new KafkaError(errorCode, this.sentence(reason)));
  }

  private sentence(reason: string): string {
    return `${this.to.host}:${this.to.port} ${reason}`;
  }

  private closeWith(error: KafkaError): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.timer?.cancel();
    this.socket?.destroy();
    this.onClosed(this);
    const { waiting, head } = this;
    const unanswered = this.inFlight.slice(head).map(({ pending }) => pending);
    this.waiting = [];
    this.inFlight = [];
    this.head = 0;
    for (const { reject } of unanswered) reject(error);
    for (const { reject } of waiting) reject(error);
  }

  private connected(socket: Socket): void {
    if (this.state === 'closed') {
      socket.destroy();
      return;
    }
    this.socket = socket;
    this.state = 'negotiating';
    socket.setHandlers({
      onData: chunk => this.onData(chunk),
      onDrain: () => {},
      onClose: error =>
        this.close(
          Errors.NETWORK_EXCEPTION,
          error === undefined ? 'closed the connection' : `broke off: ${messageOf(error)}`,
        ),
    });
    this.askVersions();
  }

  private askVersions(): void {
    const version = this.versionsAsked;
    this.writeRequest(
      {
        request: ApiVersionsRequest,
        response: ApiVersionsResponse,
        minVersion: version,
        maxVersion: version,
        body: () => ({ clientSoftwareName: SOFTWARE_NAME, clientSoftwareVersion: SOFTWARE_VERSION }),
        deadlineMs: this.readyByMs,
        resolve: answer => this.gotVersions(answer as ApiVersionsResponse),
        reject: () => {},
      },
      version,
    );
  }

  private gotVersions({ errorCode, apiKeys }: ApiVersionsResponse): void {
    const ranges = new Map<number, VersionRange>();
    for (const { apiKey, minVersion, maxVersion } of apiKeys) ranges.set(apiKey, { minVersion, maxVersion });
    if (errorCode === Errors.UNSUPPORTED_VERSION && this.versionsAsked > 0) {
      const highest = ranges.get(ApiKeys.API_VERSIONS)?.maxVersion ?? 0;
      // A peer that names a version which it has just refused would be asked for ever.
      this.versionsAsked = highest < this.versionsAsked ? Math.max(0, highest) : 0;
      this.askVersions();
      return;
    }
    if (errorCode !== Errors.NONE) {
      this.close(Errors.NETWORK_EXCEPTION, `does not say which versions it speaks: ${errorName(errorCode)}`);
      return;
    }
    this.versions = ranges;
    this.state = 'ready';
    const { waiting } = this;
    this.waiting = [];
    for (const pending of waiting) this.write(pending);
  }

  /** Writes a request at the highest version that both sides know. */
  private write(pending: PendingRequest): void {
    const { request } = pending;
    const range = this.versions.get(request.apiKey!);
    const version = Math.min(pending.maxVersion, range?.maxVersion ?? -1);
    const lowest = Math.max(pending.minVersion, range?.minVersion ?? 0);
    if (version < lowest) {
      const { host, port } = this.to;
      pending.reject(
        new KafkaError(
          Errors.UNSUPPORTED_VERSION,
          range === undefined
            ? `${host}:${port} does not serve ${request.name}`
            : `${host}:${port} serves ${request.name} in versions ${range.minVersion} to ${range.maxVersion}, ` +
                `this node needs one of ${pending.minVersion} to ${pending.maxVersion}`,
        ),
      );
      return;
    }
    this.writeRequest(pending, version);
  }

  private writeRequest(pending: PendingRequest, version: number): void {
    const { request } = pending;
    const correlationId = this.nextCorrelationId;
    const writer = new ByteWriter();
    try {
      writer.int32(0);
      codecOf(RequestHeader, inVersions(request.flexible, version) ? 2 : 1).encode(writer, {
        requestApiKey: request.apiKey!,
        requestApiVersion: version,
        correlationId,
        clientId: this.options.clientId,
      });
      codecOf(request, version).encode(writer, pending.body(version) as never);
    } catch (error) {
      pending.reject(error);
      return;
    }
    writer.patchInt32(0, writer.size - 4);
    this.nextCorrelationId = (correlationId + 1) & 0x7fff_ffff;
    this.inFlight.push({ correlationId, version, pending });
    this.armTimer(pending.deadlineMs);
    this.socket!.write(writer.chunks());
  }

  private onData(chunk: Buffer): void {
    if (this.state === 'closed') return;
    this.decoder.push(chunk);
    try {
      while (!this.isClosed()) {
        const frame = this.decoder.next();
        if (frame === undefined) return;
        this.onFrame(frame);
      }
    } catch (error) {
      const reason = messageOf(error);
      const { host, port } = this.to;
      this.logger.warn('a peer sent what is no answer; the connection is closed', { host, port, reason });
      this.close(Errors.NETWORK_EXCEPTION, `sent what is no answer: ${reason}`);
    }
  }

  private isClosed(): boolean {
    return this.state === 'closed';
  }

  private onFrame(frame: Buffer): void {
    const oldest = this.inFlight[this.head];
    if (oldest === undefined) throw new Error('an answer came to no request');
    const reader = new ByteReader(frame);
    const correlationId = reader.int32();
    if (correlationId !== oldest.correlationId) {
      throw new Error(`answer ${correlationId} came where ${oldest.correlationId} was due`);
    }
    const { pending } = oldest;
    const { response } = pending;
    let { version } = oldest;
    if (response.apiKey === ApiKeys.API_VERSIONS) {
      // A peer that does not know the version answers with version 0. The header is the same in all.
      const refused =
        frame.length >= API_VERSIONS_ERROR_AT + 2 &&
        frame.readInt16BE(API_VERSIONS_ERROR_AT) === Errors.UNSUPPORTED_VERSION;
      if (refused) version = 0;
    } else if (inVersions(response.flexible, version)) {
      skipTaggedFields(reader);
    }
    const answer = codecOf(response, version).decode(reader);
    if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes follow a ${response.name}`);
    this.head++;
    if (this.head === this.inFlight.length) {
      this.inFlight = [];
      this.head = 0;
    } else if (this.head > 64) {
      this.inFlight.splice(0, this.head);
      this.head = 0;
    }
    pending.resolve(answer);
  }

  // Deadlines: one timer for all, which is not touched when an answer comes in time.

  private armTimer(atMs: number): void {
    if (atMs >= this.timerAtMs) return;
    this.timer?.cancel();
    this.timerAtMs = atMs;
    const delayMs = Math.max(0, atMs - this.runtime.clock.monotonicMs());
    this.timer = this.runtime.timers.after(delayMs, () => {
      this.timerAtMs = Number.POSITIVE_INFINITY;
      this.checkDeadlines();
    });
  }

  private checkDeadlines(): void {
    const now = this.runtime.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (let index = this.head; index < this.inFlight.length; index++) {
      const { deadlineMs, request } = this.inFlight[index]!.pending;
      if (deadlineMs <= now) {
        this.close(Errors.REQUEST_TIMED_OUT, `did not answer ${request.name} in time`);
        return;
      }
      nextMs = Math.min(nextMs, deadlineMs);
    }
    // Those that have not left hold up nobody.
    const late = this.waiting.filter(({ deadlineMs }) => deadlineMs <= now);
    this.waiting = this.waiting.filter(({ deadlineMs }) => deadlineMs > now);
    for (const { deadlineMs } of this.waiting) nextMs = Math.min(nextMs, deadlineMs);
    if (nextMs < Number.POSITIVE_INFINITY) this.armTimer(nextMs);
    for (const { request, reject } of late) {
      const { host, port } = this.to;
      reject(
        new KafkaError(
          Errors.REQUEST_TIMED_OUT,
          `${host}:${port} was not connected in time for ${request.name}`,
        ),
      );
    }
  }
}

/** The header of a response holds nothing that this client knows beside the correlation id. */
function skipTaggedFields(reader: ByteReader): void {
  for (let count = reader.uvarint(); count > NO_TAGGED_FIELDS; count--) {
    reader.uvarint();
    reader.skip(reader.uvarint());
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
