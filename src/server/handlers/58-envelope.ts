import { MalformedError } from '../../base/byte-reader.ts';
import { addressText } from '../../base/ip-address.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { EnvelopeRequest, EnvelopeResponse } from '../../protocol/messages/58-envelope.ts';
import type { ControllerServices } from '../controller-services.ts';
import { defineControllerHandler, type Handler, type RequestContext } from '../handler.ts';
import type { HandlerTable } from '../handler-table.ts';
import { deserializePrincipal } from '../kafka-principal.ts';
import {
  apiKeyOf,
  apiVersionOf,
  decodeRequest,
  encodeResponse,
  isServedVersion,
  UnanswerableRequestError,
} from '../request-codec.ts';

/**
 * Envelope, 0 (KIP-590): a request that a broker passes on for a client, with the client's principal and address. It
 * is served as if the client had sent it here, and its answer goes back in the envelope; a failure of the envelope
 * itself, and NOT_CONTROLLER, are the envelope's own error codes, after which the broker may ask another controller.
 *
 * `forwardable` are the APIs that brokers pass on. Others in an envelope would run with rights of a client on a
 * listener that clients do not reach.
 */
export function envelopeHandler(forwardable: HandlerTable<ControllerServices>): Handler<ControllerServices> {
  return defineControllerHandler({
    request: EnvelopeRequest,
    response: EnvelopeResponse,
    authorize: ['ClusterAction Cluster'],
    async handle(context, { requestData, requestPrincipal, clientHostAddress }, controller) {
      const handler = embeddedHandler(requestData, forwardable);
      const { body, ...header } = decodeEmbedded(handler, requestData);
      const embedded: RequestContext = {
        ...header,
        apiKey: handler.apiKey,
        principal: principalOf(requestPrincipal),
        clientAddress: clientAddressOf(clientHostAddress),
        localAddress: context.localAddress,
        listenerName: context.listenerName,
        listenerKind: context.listenerKind,
        connectionId: context.connectionId,
        receivedMs: context.receivedMs,
        frame: requestData,
        onClose: callback => context.onClose(callback),
        // The broker mutes its client by what the answer says; other clients are behind this connection too.
        throttle() {},
      };
      const answer = await answerOf(handler, embedded, body, controller);
      const framed = encodeResponse(handler, header.apiVersion, header.correlationId, answer);
      // The length in front is the frame's and has no place inside another response.
      return { responseData: Buffer.concat(framed).subarray(4), errorCode: Errors.NONE };
    },
  });
}

function embeddedHandler(
  requestData: Buffer,
  forwardable: HandlerTable<ControllerServices>,
): Handler<ControllerServices> {
  let apiKey: number;
  try {
    apiKey = apiKeyOf(requestData);
  } catch (error) {
    throw invalid(error);
  }
  const handler = forwardable.find(apiKey);
  if (handler === undefined) {
    throw new KafkaError(Errors.INVALID_REQUEST, `API key ${apiKey} is not one that brokers pass on`);
  }
  const apiVersion = apiVersionOf(requestData);
  if (!isServedVersion(handler, apiVersion)) {
    throw new KafkaError(
      Errors.UNSUPPORTED_VERSION,
      `version ${apiVersion} of ${handler.name} is not served by this controller`,
    );
  }
  return handler;
}

function decodeEmbedded(handler: Handler<ControllerServices>, requestData: Buffer) {
  try {
    return decodeRequest(handler, requestData);
  } catch (error) {
    throw invalid(error);
  }
}

function invalid(error: unknown): unknown {
  if (!(error instanceof UnanswerableRequestError)) return error;
  return new KafkaError(Errors.INVALID_REQUEST, `the request in the envelope: ${error.message}`);
}

function principalOf(bytes: Buffer | null): string {
  try {
    if (bytes !== null) return deserializePrincipal(bytes);
  } catch (error) {
    if (!(error instanceof MalformedError) && !(error instanceof RangeError)) throw error;
  }
  throw new KafkaError(
    Errors.PRINCIPAL_DESERIALIZATION_FAILURE,
    'the principal in the envelope cannot be read',
  );
}

function clientAddressOf(bytes: Buffer): string {
  const address = addressText(bytes);
  if (address === undefined) {
    throw new KafkaError(Errors.INVALID_REQUEST, `an address of ${bytes.length} bytes is none`);
  }
  return address;
}

/** What the handler answers, or what it says of its failure. */
async function answerOf(
  handler: Handler<ControllerServices>,
  context: RequestContext,
  body: unknown,
  controller: ControllerServices,
): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await handler.handle(context, body, controller);
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code === Errors.NOT_CONTROLLER) throw error;
    answer = handler.failure(body, error.code, error.message, context);
  }
  if (answer === undefined) {
    throw new KafkaError(Errors.UNKNOWN_SERVER_ERROR, `${handler.name} has no answer`);
  }
  const { errorCode } = answer as { readonly errorCode?: unknown };
  if (errorCode === Errors.NOT_CONTROLLER) {
    throw new KafkaError(Errors.NOT_CONTROLLER, 'this node is not the active controller');
  }
  return answer;
}
