import type { HostAndPort } from '../config/listeners.ts';
import { type Infer, type Input, inVersions, type Message, parseVersions } from '../protocol/schema.ts';
import type { BrokerServices } from './broker-services.ts';
import type { ControllerServices } from './controller-services.ts';
import type { NodeServices } from './node-services.ts';

/** Whom an endpoint serves: clients and other brokers, or the members of the metadata quorum. */
export type ListenerKind = 'broker' | 'controller';

export type ResourceType = 'Cluster' | 'DelegationToken' | 'Group' | 'Topic' | 'TransactionalId' | 'User';
export type AclOperation =
  | 'Alter'
  | 'AlterConfigs'
  | 'ClusterAction'
  | 'Create'
  | 'CreateTokens'
  | 'Delete'
  | 'Describe'
  | 'DescribeConfigs'
  | 'DescribeTokens'
  | 'IdempotentWrite'
  | 'Read'
  | 'TwoPhaseCommit'
  | 'Write';

/** A right that some version of a request asks for, as `operation resource` in Kafka's nouns: `'Write Topic'`. */
export type Access = `${AclOperation} ${ResourceType}`;

/** What a handler knows of a request besides its body. */
export interface RequestContext {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** As the client sent it: null, empty or any text. */
  readonly clientId: string | null;
  /** `User:name`, or `User:ANONYMOUS` where nobody has authenticated. */
  readonly principal: string;
  readonly listenerName: string;
  readonly listenerKind: ListenerKind;
  /** The client's IP address. */
  readonly clientAddress: string;
  /** Where the client has dialled this node, as far as this node can see it: its end of the connection. */
  readonly localAddress: HostAndPort;
  /** Names the connection in this process. */
  readonly connectionId: string;
  /** When the frame was complete, on the monotonic clock, ms. */
  readonly receivedMs: number;
  /** Header and body as they were received. The memory is the request's: it lives until the request is answered. */
  readonly frame: Buffer;
  /**
   * Calls `callback` if the connection closes before this request is answered (Fetch ends its wait). At most once a
   * request.
   */
  onClose(callback: () => void): void;
  /**
   * Mutes the connection for `forMs` from when the request is done: the client has used more than its quota allows. An
   * answer with a throttle time does so by itself.
   */
  throttle(forMs: number): void;
}

/** The body of an answer, or `undefined` for a request that wants none (Produce with acks=0). */
export type Answer<Response> = Response | undefined;

export interface HandlerDefinition<Request extends Message, Response extends Message, Services> {
  readonly request: Request;
  readonly response: Response;
  /** The first version served; the first one defined if left out. */
  readonly minVersion?: number;
  /** The last version served; the last stable one defined if left out. */
  readonly maxVersion?: number;
  /**
   * At most one request of this API is in flight on a connection, because its answers may be large (Fetch). False if
   * left out.
   */
  readonly largeAnswers?: boolean;
  /**
   * Whether a request is the cluster's own work, which no quota of a client's request time counts. Left out: of an API
   * that takes ClusterAction and no other right every request is, of others none.
   */
  isExempt?(context: RequestContext, request: Infer<Request>): boolean;
  /** Every right that a request of this API may need; empty if it needs none. */
  readonly authorize: readonly Access[];
  /**
   * Serves one request. The synchronous half runs inside the call: when it returns, the effect of the request has its
   * place before that of the connection's next request. The answer may come later. A `KafkaError`, thrown or as a
   * rejection, is answered with its code as {@link failure} says.
   *
   * `request` and what it refers to may be views of the received frame: copy what outlives the request.
   */
  handle(
    context: RequestContext,
    request: Infer<Request>,
    services: Services,
  ): Answer<Input<Response>> | Promise<Answer<Input<Response>>>;
  /**
   * The answer of a request that failed as a whole. Needed only where the response has no top-level `errorCode`;
   * `undefined` closes the connection.
   */
  failure?(
    request: Infer<Request>,
    errorCode: number,
    message: string | null,
    context: RequestContext,
  ): Answer<Input<Response>>;
}

/** An API as it is served: what ApiVersions and `docs/PROTOCOL.md` say of it. */
export interface ServedApi {
  readonly apiKey: number;
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly authorize: readonly Access[];
  /** The active controller serves it; this node passes it on. */
  readonly forwarded: boolean;
}

/**
 * A registered API: to have a handler is to be advertised. `Services` is what it works with: those of the broker, of
 * the controller, or what every node has.
 */
export interface Handler<Services> extends ServedApi {
  readonly largeAnswers: boolean;
  isExempt(context: RequestContext, request: unknown): boolean;
  readonly request: Message;
  readonly response: Message;
  handle(context: RequestContext, request: unknown, services: Services): unknown;
  failure(request: unknown, errorCode: number, message: string | null, context: RequestContext): unknown;
}

/** A handler of broker listeners. */
export function defineHandler<Request extends Message, Response extends Message>(
  definition: HandlerDefinition<Request, Response, BrokerServices>,
): Handler<BrokerServices> {
  return makeHandler(definition);
}

/** A handler of controller listeners; {@link forwarded} puts it on those of brokers too. */
export function defineControllerHandler<Request extends Message, Response extends Message>(
  definition: HandlerDefinition<Request, Response, ControllerServices>,
): Handler<ControllerServices> {
  return makeHandler(definition);
}

/** A handler of either kind of listener, which needs only what every node has. */
export function defineNodeHandler<Request extends Message, Response extends Message>(
  definition: HandlerDefinition<Request, Response, NodeServices>,
): Handler<NodeServices> {
  return makeHandler(definition);
}

/**
 * The handler of a broker for an API of the controller: it passes requests on to the active controller, and what that
 * answers back to the client.
 */
export function forwarded(handler: Handler<ControllerServices>): Handler<BrokerServices> {
  return {
    ...handler,
    forwarded: true,
    handle: (context, request, broker) => broker.forwarding.forward(context, request, handler),
  };
}

/**
 * Makes a {@link Handler} of its definition. The types of request and response tie `handle` to the tables; the table
 * of handlers forgets them.
 */
function makeHandler<Request extends Message, Response extends Message, Services>(
  definition: HandlerDefinition<Request, Response, Services>,
): Handler<Services> {
  const { request, response } = definition;
  if (request.apiKey === undefined) throw new Error(`${request.name} has no API key`);
  const { authorize } = definition;
  const isClusterAction =
    authorize.length > 0 && authorize.every(access => access === 'ClusterAction Cluster');
  const failure = definition.failure ?? topLevelFailure<Response>(response);
  return {
    apiKey: request.apiKey,
    name: request.name.replace(/Request$/, ''),
    minVersion: definition.minVersion ?? request.minVersion,
    maxVersion: definition.maxVersion ?? lastStableVersion(request),
    largeAnswers: definition.largeAnswers ?? false,
    isExempt: (context, body) => definition.isExempt?.(context, body as Infer<Request>) ?? isClusterAction,
    authorize,
    forwarded: false,
    request,
    response,
    handle: (context, body, services) => definition.handle(context, body as Infer<Request>, services),
    failure: (body, errorCode, message, context) =>
      failure(body as Infer<Request>, errorCode, message, context),
  };
}

/** The last version of `request` that will not change any more. */
export function lastStableVersion(request: Message): number {
  return request.latestVersionUnstable ? request.maxVersion - 1 : request.maxVersion;
}

/**
 * Answers a failure with the response's own `errorCode` and `errorMessage`, and all else at its default; not at all in
 * the versions that have no such field.
 */
function topLevelFailure<Response extends Message>(response: Message) {
  const { errorCode: codeField, errorMessage: messageField } = response.fields;
  const codeVersions = parseVersions(codeField?.versions);
  const messageVersions = parseVersions(messageField?.versions);
  return (
    _request: unknown,
    errorCode: number,
    message: string | null,
    { apiVersion }: RequestContext,
  ): Answer<Input<Response>> => {
    if (!inVersions(codeVersions, apiVersion)) return undefined;
    const body: Record<string, unknown> = { errorCode };
    if (message !== null && inVersions(messageVersions, apiVersion)) body['errorMessage'] = message;
    return body as Input<Response>;
  };
}
