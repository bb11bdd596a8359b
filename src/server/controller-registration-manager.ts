import type { Logger } from '../base/logger.ts';
import type { MetadataDelta } from '../metadata/metadata-delta.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import { metadataVersionSupports } from '../metadata/metadata-version.ts';
import { Errors, errorName } from '../protocol/errors.ts';
import {
  ControllerRegistrationRequest,
  ControllerRegistrationResponse,
} from '../protocol/messages/70-controller-registration.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';

const CONTROLLER_REGISTRATION = {
  request: ControllerRegistrationRequest,
  response: ControllerRegistrationResponse,
};
const SEND_TIMEOUT_MS = 30_000;
const RETRY_MS = 1_000;

/**
 * Keeps the registration of this controller in the metadata, where others read its address and what it supports: sends
 * it whenever the image holds none of this process, once the metadata version knows such registrations.
 */
export class ControllerRegistrationManager implements MetadataPublisher {
  readonly name = 'controller-registration';
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly channel: BrokerToControllerChannel;
  private readonly registration: ControllerRegistrationRequest;
  private wanted = false;
  private inFlight = false;
  private timer: Timer | undefined;
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    channel: BrokerToControllerChannel,
    registration: ControllerRegistrationRequest,
  ) {
    this.runtime = runtime;
    this.logger = logger.child('controller-registration');
    this.channel = channel;
    this.registration = registration;
  }

  onMetadataUpdate(_delta: MetadataDelta, { cluster, features }: MetadataImage): void {
    const { controllerId, incarnationId } = this.registration;
    this.wanted =
      metadataVersionSupports.controllerRegistration(features.metadataVersion) &&
      cluster.controllers.get(controllerId)?.incarnationId !== incarnationId;
    this.send();
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }

  private send(): void {
    if (!this.wanted || this.inFlight || this.closed) return;
    this.inFlight = true;
    this.timer?.cancel();
    this.channel.send(CONTROLLER_REGISTRATION, this.registration, { timeoutMs: SEND_TIMEOUT_MS }).then(
      ({ errorCode, errorMessage }) => {
        if (errorCode === Errors.NONE) this.logger.debug('registered this controller');
        else
          this.logger.warn('the registration was refused', { error: errorMessage ?? errorName(errorCode) });
        this.sent();
      },
      (error: unknown) => {
        if (!this.closed) this.logger.warn('could not register this controller', { reason: String(error) });
        this.sent();
      },
    );
  }

  /** The image tells whether it has worked; if it does not by then, the registration is sent again. */
  private sent(): void {
    this.inFlight = false;
    if (!this.closed) this.timer = this.runtime.timers.after(RETRY_MS, () => this.send());
  }
}
