import type { LimitedLogger } from '../base/logger.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { ApiKeys } from '../protocol/api-keys.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Handler, ListenerKind, RequestContext } from './handler.ts';
import type { HandlerTable } from './handler-table.ts';
import type { RequestTimeQuota } from './quotas/request-time-quota.ts';
import {
  apiKeyOf,
  apiVersionOf,
  correlationIdOf,
  decodeRequest,
  encodeResponse,
  isServedVersion,
  UnanswerableRequestError,
} from './request-codec.ts';

/** The other end of a connection, as far as requests are concerned. */
export interface Peer {
  readonly principal: string;
  readonly listenerName: string;
  readonly listenerKind: ListenerKind;
  readonly clientAddress: string;
  readonly localAddress: HostAndPort;
  readonly connectionId: string;
}

/** A decoded request that waits for its turn. */
export interface RoutedRequest {
  readonly handler: Handler<unknown>;
  readonly context: RoutedContext;
  readonly body: unknown;
  /** There already if the request is answered without its handler. */
  readonly outcome: Outcome | undefined;
}

/** What goes back: the chunks of a framed response; nothing; or the end of the connection. */
export type Outcome = readonly Buffer[] | 'none' | 'close';

/**
 * Asked before each request is handled: an error code is answered in its stead, and nothing is done. For the tests of
 * those who want to see their client meet errors.
 */
export type RequestInterceptor = (context: RequestContext, api: string) => number | undefined;

export interface RouterOptions {
  readonly intercept?: RequestInterceptor | undefined;
  /** Left out where the time of requests is nobody's to count. */
  readonly requestQuota?: RequestTimeQuota;
}

/**
 * Between the frames of one kind of listener and its handlers: decodes headers and bodies, calls the handler, encodes
 * what it answers.
 */
export class RequestRouter<Services = unknown> {
  private readonly handlers: HandlerTable<Services>;
  private readonly services: Services;
  private readonly logger: LimitedLogger;
  private readonly intercept: RequestInterceptor | undefined;
  private readonly requestQuota: RequestTimeQuota | undefined;

  constructor(
    handlers: HandlerTable<Services>,
    services: Services,
    logger: LimitedLogger,
    { intercept, requestQuota }: RouterOptions = {},
  ) {
    this.handlers = handlers;
    this.services = services;
    this.logger = logger;
    this.intercept = intercept;
    this.requestQuota = requestQuota;
  }

  /**
   * Decodes the request in `frame`. Throws {@link UnanswerableRequestError} for an API or version that the listener
   * does not serve and for bytes that do not match their definition.
   */
  decode(frame: Buffer, peer: Peer, receivedMs: number): RoutedRequest {
    // Asking the clock at each request would cost those who count nothing.
    const quota = this.requestQuota?.isEnabled ? this.requestQuota : undefined;
    const begunMs = quota?.nowMs() ?? 0;
    const apiKey = apiKeyOf(frame);
    const handler = this.handlers.find(apiKey);
    if (handler === undefined) throw new UnanswerableRequestError(`API key ${apiKey} is not served`);
    const version = apiVersionOf(frame);
    if (!isServedVersion(handler, version)) {
      if (apiKey === ApiKeys.API_VERSIONS) return this.refuseApiVersions(handler, frame, peer, receivedMs);
      throw new UnanswerableRequestError(`version ${version} of ${handler.name} is not served`);
    }
    const { apiVersion, correlationId, clientId, body } = decodeRequest(handler, frame);
    const context = new RoutedContext(apiKey, apiVersion, correlationId, clientId, peer, receivedMs, frame);
    if (quota !== undefined && !handler.isExempt(context, body)) {
      context.isMeasured = true;
      context.busyMs = quota.nowMs() - begunMs;
    }
    return { handler, context, body, outcome: undefined };
  }

  /**
   * Starts a request; its synchronous half has run when this returns. Neither throws nor rejects: whatever goes wrong
   * becomes an error response, or the end of the connection where the API has none.
   */
  dispatch(request: RoutedRequest): Outcome | Promise<Outcome> {
    if (request.outcome !== undefined) return request.outcome;
    const { handler, context, body } = request;
    const intercepted = this.intercept?.(context, handler.name);
    if (intercepted !== undefined) return this.failed(request, new KafkaError(intercepted));
    const quota = context.isMeasured ? this.requestQuota : undefined;
    const begunMs = quota?.nowMs() ?? 0;
    let answer: unknown;
    try {
      answer = handler.handle(context, body, this.services);
    } catch (error) {
      if (quota !== undefined) context.busyMs += quota.nowMs() - begunMs;
      return this.failed(request, error);
    }
    if (quota !== undefined) context.busyMs += quota.nowMs() - begunMs;
    if (answer instanceof Promise) {
      return answer.then(
        value => this.encoded(request, value),
        error => this.failed(request, error),
      );
    }
    return this.encoded(request, answer);
  }

  private encoded(request: RoutedRequest, answer: unknown): Outcome {
    if (answer === undefined) return 'none';
    const { context } = request;
    const quota = context.isMeasured ? this.requestQuota : undefined;
    const told = quota === undefined ? answer : charged(context, answer, quota);
    const { throttleTimeMs } = told as { readonly throttleTimeMs?: number };
    if (throttleTimeMs !== undefined && throttleTimeMs > 0) context.throttle(throttleTimeMs);
    const begunMs = quota?.nowMs() ?? 0;
    const outcome = this.encode(request, told);
    quota?.record(context, quota.nowMs() - begunMs);
    return outcome;
  }

  private encode({ handler, context }: RoutedRequest, answer: unknown): Outcome {
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

  private logUnexpected(
    message: string,
    handler: Handler<unknown>,
    context: RequestContext,
    error: unknown,
  ): void {
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
  private refuseApiVersions(
    handler: Handler<unknown>,
    frame: Buffer,
    peer: Peer,
    receivedMs: number,
  ): RoutedRequest {
    const correlationId = correlationIdOf(frame);
    const { apiKey, minVersion, maxVersion } = handler;
    const answer = {
      errorCode: Errors.UNSUPPORTED_VERSION,
      apiKeys: [{ apiKey, minVersion, maxVersion }],
    };
    const context = new RoutedContext(apiKey, 0, correlationId, null, peer, receivedMs, frame);
    return {
      handler,
      context,
      body: undefined,
      outcome: encodeResponse(handler, 0, correlationId, answer),
    };
  }
}

/** The answer with the longest of its throttle times: what it says itself, or that for the time the request took. */
function charged(context: RoutedContext, answer: unknown, quota: RequestTimeQuota): unknown {
  const throttleMs = quota.recordAndGetThrottleMs(context, context.busyMs);
  const { throttleTimeMs = 0 } = answer as { readonly throttleTimeMs?: number };
  return throttleMs > throttleTimeMs ? { ...(answer as object), throttleTimeMs: throttleMs } : answer;
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
  readonly localAddress: HostAndPort;
  readonly connectionId: string;
  readonly receivedMs: number;
  readonly frame: Buffer;
  /** Whether the time that the request takes counts against a quota. */
  isMeasured = false;
  /** That time so far, ms. */
  busyMs = 0;
  private closeCallback: (() => void) | undefined;
  private throttledForMs = 0;

  constructor(
    apiKey: number,
    apiVersion: number,
    correlationId: number,
    clientId: string | null,
    peer: Peer,
    receivedMs: number,
    frame: Buffer,
  ) {
    this.apiKey = apiKey;
    this.apiVersion = apiVersion;
    this.correlationId = correlationId;
    this.clientId = clientId;
    this.principal = peer.principal;
    this.listenerName = peer.listenerName;
    this.listenerKind = peer.listenerKind;
    this.clientAddress = peer.clientAddress;
    this.localAddress = peer.localAddress;
    this.connectionId = peer.connectionId;
    this.receivedMs = receivedMs;
    this.frame = frame;
  }

  onClose(callback: () => void): void {
    this.closeCallback = callback;
  }

  /** For how long the connection is to be muted once the request is done, ms. */
  get throttleMs(): number {
    return this.throttledForMs;
  }

  throttle(forMs: number): void {
    this.throttledForMs = Math.max(this.throttledForMs, forMs);
  }

  /** The connection has closed before the request was answered. */
  closed(): void {
    const callback = this.closeCallback;
    this.closeCallback = undefined;
    callback?.();
  }
}
