import { addressBytes } from '../base/ip-address.ts';
import { Errors, errorName, KafkaError } from '../protocol/errors.ts';
import { EnvelopeRequest, EnvelopeResponse } from '../protocol/messages/58-envelope.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';
import type { ControllerServices } from './controller-services.ts';
import type { Handler, RequestContext } from './handler.ts';
import { serializePrincipal } from './kafka-principal.ts';
import { decodeResponse, encodeRequest } from './request-codec.ts';

const ENVELOPE = { request: EnvelopeRequest, response: EnvelopeResponse };

export interface ForwardingOptions {
  /** For requests that say no time of their own, ms. */
  readonly defaultTimeoutMs: number;
}

/**
 * Passes requests of clients on to the active controller (KIP-590): the bytes that the client sent travel in an
 * Envelope with the client's principal and address, and what the controller answers goes back. Where the active
 * controller is in this process its handler is called, with the same effect.
 */
export class ForwardingManager {
  private readonly channel: BrokerToControllerChannel;
  private readonly localController: ControllerServices | undefined;
  private readonly options: ForwardingOptions;

  /** `localController`: that of this process, if it has one. */
  constructor(
    channel: BrokerToControllerChannel,
    localController: ControllerServices | undefined,
    options: ForwardingOptions,
  ) {
    this.channel = channel;
    this.localController = localController;
    this.options = options;
  }

  /**
   * Gives the body of the answer. While the same controller leads and the connection to it holds, it is asked once.
   * Rejects with `KafkaError`: what the controller's handler rejects with where it is in this process, or
   * REQUEST_TIMED_OUT when the request's own time is over and no controller has answered.
   */
  forward(context: RequestContext, request: unknown, handler: Handler<ControllerServices>): Promise<unknown> {
    return this.pass(context, request, handler, () => context.frame);
  }

  /** As {@link forward}, where `request` is not what the client has sent but a part of it. */
  forwardPart(
    context: RequestContext,
    request: unknown,
    handler: Handler<ControllerServices>,
  ): Promise<unknown> {
    return this.pass(context, request, handler, () => encodeRequest(handler, context, request));
  }

  private async pass(
    context: RequestContext,
    request: unknown,
    handler: Handler<ControllerServices>,
    frame: () => Buffer,
  ): Promise<unknown> {
    if (this.localController?.controller.isActive()) {
      try {
        return await handler.handle(context, request, this.localController);
      } catch (error) {
        // It has lost its leadership meanwhile: the next controller decides.
        if (!(error instanceof KafkaError) || error.code !== Errors.NOT_CONTROLLER) throw error;
      }
    }
    const { responseData, errorCode } = await this.channel.send(
      ENVELOPE,
      {
        requestData: frame(),
        requestPrincipal: serializePrincipal(context.principal),
        clientHostAddress: addressBytes(context.clientAddress),
      },
      { timeoutMs: this.timeoutOf(request), isTimedByController: true },
    );
    if (errorCode !== Errors.NONE || responseData === null) {
      throw new KafkaError(
        errorCode === Errors.UNSUPPORTED_VERSION ? errorCode : Errors.UNKNOWN_SERVER_ERROR,
        `the controller did not take the ${handler.name} request: ${errorName(errorCode)}`,
      );
    }
    return decodeResponse(handler, context.apiVersion, context.correlationId, responseData);
  }

  private timeoutOf(request: unknown): number {
    const { timeoutMs } = request as { readonly timeoutMs?: unknown };
    return typeof timeoutMs === 'number' && timeoutMs > 0 ? timeoutMs : this.options.defaultTimeoutMs;
  }
}
