import { ByteReader, MalformedError } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import type { LimitedLogger } from '../base/logger.ts';
import { ApiKeys } from '../protocol/api-keys.ts';
import { codecOf } from '../protocol/codec.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { RequestHeader } from '../protocol/records/data.ts';
import { inVersions } from '../protocol/schema.ts';
import type { BrokerServices } from './broker-services.ts';
import type { Handler, ListenerKind, RequestContext } from './handler.ts';
import type { HandlerTable } from './handler-table.ts';

/** The other end of a connection, as far as requests are concerned. */
export interface Peer {
  readonly principal: string;
  readonly listenerName: string;
  readonly listenerKind: ListenerKind;
  readonly clientAddress: string;
  readonly connectionId: string;
}

/** A decoded request that waits for its turn. */
export interface RoutedRequest {
  readonly handler: Handler;
  readonly context: RoutedContext;
  readonly body: unknown;
  /** There already if the request is answered without its handler. */
  readonly outcome: Outcome | undefined;
}

/** What goes back: the chunks of a framed response; nothing; or the end of the connection. */
export type Outcome = readonly Buffer[] | 'none' | 'close';

/** A request that has no answer: its connection has to close. */
export class UnanswerableRequestError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnanswerableRequestError';
  }
}

/** The first 8 bytes are the same in every request header: API key, version, correlation id. */
const FIXED_HEADER_BYTES = 8;

/** Between frames and handlers: decodes headers and bodies, calls the handler, encodes what it answers. */
export class RequestRouter {
  private readonly handlers: HandlerTable;
  private readonly broker: BrokerServices;
  private readonly logger: LimitedLogger;

  constructor(handlers: HandlerTable, broker: BrokerServices, logger: LimitedLogger) {
    this.handlers = handlers;
    this.broker = broker;
    this.logger = logger;
  }

  /**
   * Decodes the request in `frame`. Throws {@link UnanswerableRequestError} for an API or version that the listener
   * does not serve and for bytes that do not match their definition.
   */
  decode(frame: Buffer, peer: Peer, receivedMs: number): RoutedRequest {
    if (frame.length < FIXED_HEADER_BYTES) {
      throw new UnanswerableRequestError(`a request of ${frame.length} bytes has no header`);
    }
    const apiKey = frame.readInt16BE(0);
    const apiVersion = frame.readInt16BE(2);
    const handler = this.handlers.find(apiKey, peer.listenerKind);
    if (handler === undefined) throw new UnanswerableRequestError(`API key ${apiKey} is not served`);
    if (apiVersion < handler.minVersion || apiVersion > handler.maxVersion) {
      if (apiKey === ApiKeys.API_VERSIONS) return this.refuseApiVersions(handler, frame, peer, receivedMs);
      throw new UnanswerableRequestError(`version ${apiVersion} of ${handler.name} is not served`);
    }
    try {
      const reader = new ByteReader(frame);
      const header = codecOf(RequestHeader, requestHeaderVersion(handler, apiVersion)).decode(reader);
      const body = codecOf(handler.request, apiVersion).decode(reader);
      if (reader.remaining > 0) throw new MalformedError(`${reader.remaining} bytes follow the request`);
      const context = new RoutedContext(
        apiKey,
        apiVersion,
        header.correlationId,
        header.clientId,
        peer,
        receivedMs,
      );
      return { handler, context, body, outcome: undefined };
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      throw new UnanswerableRequestError(`malformed ${handler.name} version ${apiVersion}: ${error.message}`);
    }
  }

  /**
   * Starts a request; its synchronous half has run when this returns. Neither throws nor rejects: whatever goes wrong
   * becomes an error response, or the end of the connection where the API has none.
   */
  dispatch(request: RoutedRequest): Outcome | Promise<Outcome> {
    if (request.outcome !== undefined) return request.outcome;
    const { handler, context, body } = request;
    let answer: unknown;
    try {
      answer = handler.handle(context, body, this.broker);
    } catch (error) {
      return this.failed(request, error);
    }
    if (answer instanceof Promise) {
      return answer.then(
        value => this.encoded(request, value),
        error => this.failed(request, error),
      );
    }
    return this.encoded(request, answer);
  }

  private encoded({ handler, context }: RoutedRequest, answer: unknown): Outcome {
    if (answer === undefined) return 'none';
    try {
      return encodeResponse(handler, context.apiVersion, context.correlationId, answer);
    } catch (error) {
      this.logUnexpected('a response could not be encoded', handler, context, error);
      return 'close';
    }
  }

  private failed(request: RoutedRequest, error: unknown): Outcome {
    const { handler, context, body } = request;
    const known = error instanceof KafkaError;
    if (!known) this.logUnexpected('a request failed unexpectedly', handler, context, error);
    const code = known ? error.code : Errors.UNKNOWN_SERVER_ERROR;
    // The text of an unexpected error may hold what is no business of the client's.
    const message = known ? error.message : null;
    let answer: unknown;
    try {
      answer = handler.failure(body, code, message, context);
    } catch (secondError) {
      this.logUnexpected('an error response could not be made', handler, context, secondError);
    }
    return answer === undefined ? 'close' : this.encoded(request, answer);
  }

  private logUnexpected(message: string, handler: Handler, context: RequestContext, error: unknown): void {
    const { apiVersion, connectionId } = context;
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.logger.error(`${message} ${handler.name}`, message, {
      api: handler.name,
      apiVersion,
      connectionId,
      error: detail,
    });
  }

  /**
   * A client that asks for a version of ApiVersions newer than ours gets version 0 with UNSUPPORTED_VERSION and the
   * versions of ApiVersions that it may ask for (KIP-511).
   */
  private refuseApiVersions(handler: Handler, frame: Buffer, peer: Peer, receivedMs: number): RoutedRequest {
    const correlationId = frame.readInt32BE(4);
    const { apiKey, minVersion, maxVersion } = handler;
    const answer = {
      errorCode: Errors.UNSUPPORTED_VERSION,
      apiKeys: [{ apiKey, minVersion, maxVersion }],
    };
    const context = new RoutedContext(apiKey, 0, correlationId, null, peer, receivedMs);
    return {
      handler,
      context,
      body: undefined,
      outcome: encodeResponse(handler, 0, correlationId, answer),
    };
  }
}

/** The context of a request; the connection reports its end to it. */
export class RoutedContext implements RequestContext {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly principal: string;
  readonly listenerName: string;
  readonly listenerKind: ListenerKind;
  readonly clientAddress: string;
  readonly connectionId: string;
  readonly receivedMs: number;
  private closeCallback: (() => void) | undefined;

  constructor(
    apiKey: number,
    apiVersion: number,
    correlationId: number,
    clientId: string | null,
    peer: Peer,
    receivedMs: number,
  ) {
    this.apiKey = apiKey;
    this.apiVersion = apiVersion;
    this.correlationId = correlationId;
    this.clientId = clientId;
    this.principal = peer.principal;
    this.listenerName = peer.listenerName;
    this.listenerKind = peer.listenerKind;
    this.clientAddress = peer.clientAddress;
    this.connectionId = peer.connectionId;
    this.receivedMs = receivedMs;
  }

  onClose(callback: () => void): void {
    this.closeCallback = callback;
  }

  /** The connection has closed before the request was answered. */
  closed(): void {
    const callback = this.closeCallback;
    this.closeCallback = undefined;
    callback?.();
  }
}

function requestHeaderVersion(handler: Handler, apiVersion: number): number {
  return inVersions(handler.request.flexible, apiVersion) ? 2 : 1;
}

/** ApiVersions answers keep the old header: the client does not know yet what the broker speaks. */
function responseHeaderVersion(handler: Handler, apiVersion: number): number {
  if (handler.apiKey === ApiKeys.API_VERSIONS) return 0;
  return inVersions(handler.response.flexible, apiVersion) ? 1 : 0;
}

const NO_TAGGED_FIELDS = 0;

/** Length, header and body; large byte strings stay chunks of their own. */
function encodeResponse(
  handler: Handler,
  apiVersion: number,
  correlationId: number,
  answer: unknown,
): Buffer[] {
  const writer = new ByteWriter();
  writer.int32(0);
  writer.int32(correlationId);
  if (responseHeaderVersion(handler, apiVersion) === 1) writer.uvarint(NO_TAGGED_FIELDS);
  codecOf(handler.response, apiVersion).encode(writer, answer as never);
  const size = writer.size;
  writer.patchInt32(0, size - 4);
  return writer.chunks();
}
