import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { MetadataDelta } from '../metadata/metadata-delta.ts';
import { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { BrokerRegistrationRequest } from '../protocol/messages/62-broker-registration.ts';
import type { BrokerHeartbeatRequest } from '../protocol/messages/63-broker-heartbeat.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';

/** The way to the active controller. Both reject with `KafkaError`; NOT_CONTROLLER while there is none. */
export interface BrokerControllerChannel {
  /** Gives the epoch of this life of the broker. */
  registerBroker(request: BrokerRegistrationRequest): Promise<BrokerEpoch>;
  brokerHeartbeat(request: BrokerHeartbeatRequest): Promise<{ readonly shouldShutDown: boolean }>;
}

export interface BrokerLifecycleOptions {
  readonly registration: BrokerRegistrationRequest;
  /** `broker.heartbeat.interval.ms`. */
  readonly heartbeatIntervalMs: number;
}

/** After a failed attempt to register. */
const REGISTRATION_RETRY_MS = 50;
/** Between heartbeats of a broker that waits to be let go. */
const SHUTDOWN_HEARTBEAT_MS = 50;

const RETRIABLE_REGISTRATION_ERRORS: ReadonlySet<number> = new Set([
  Errors.NOT_CONTROLLER,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.REQUEST_TIMED_OUT,
  // The session of the process before this one has to end.
  Errors.DUPLICATE_BROKER_REGISTRATION,
]);

/**
 * Keeps this broker in the cluster:
 *
 * ```
 * STARTING            register, and read the registration back           -> FENCED
 * FENCED              heartbeats; the controller lets it in              -> RUNNING
 * RUNNING             heartbeats
 * CONTROLLED_SHUTDOWN heartbeats that ask to go, until it may            -> STOPPED
 * ```
 */
export class BrokerLifecycleManager implements MetadataPublisher {
  readonly name = 'broker-lifecycle';
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly channel: BrokerControllerChannel;
  private readonly options: BrokerLifecycleOptions;
  private state: 'STARTING' | 'FENCED' | 'RUNNING' | 'CONTROLLED_SHUTDOWN' | 'STOPPED' = 'STARTING';
  private epoch: BrokerEpoch = -1;
  private image: MetadataImage = MetadataImage.EMPTY;
  private readonly offlineDirectories = new Set<Uuid>();
  private timer: Timer | undefined;
  private heartbeatInFlight = false;
  private onRunning: { resolve(): void; reject(error: unknown): void } | undefined;
  private onStopped: (() => void) | undefined;

  constructor(
    runtime: Runtime,
    logger: Logger,
    channel: BrokerControllerChannel,
    options: BrokerLifecycleOptions,
  ) {
    this.runtime = runtime;
    this.logger = logger.child('broker-lifecycle');
    this.channel = channel;
    this.options = options;
  }

  /** Of this life; -1 before it is registered. */
  get brokerEpoch(): BrokerEpoch {
    return this.epoch;
  }

  /** Registers, and resolves when the controller has let the broker in. Rejects if it never will. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onRunning = { resolve, reject };
      this.register();
    });
  }

  onMetadataUpdate(_delta: MetadataDelta, image: MetadataImage): void {
    this.image = image;
    this.advance();
  }

  /** A log directory has failed: the next heartbeat tells, at once. */
  propagateDirectoryFailure(directoryId: Uuid): void {
    this.offlineDirectories.add(directoryId);
    if (this.state === 'FENCED' || this.state === 'RUNNING') this.heartbeat();
  }

  /** Asks the controller to move leaders away, and resolves when the broker may stop, or after `timeoutMs`. */
  async controlledShutdown(timeoutMs: number): Promise<void> {
    if (this.state === 'RUNNING') {
      this.state = 'CONTROLLED_SHUTDOWN';
      await new Promise<void>(resolve => {
        const deadline = this.runtime.timers.after(timeoutMs, () => {
          this.logger.warn('stopping without the leave of the controller', { timeoutMs });
          resolve();
        });
        this.onStopped = () => {
          deadline.cancel();
          resolve();
        };
        this.heartbeat();
      });
    }
    this.close();
  }

  close(): void {
    this.state = 'STOPPED';
    this.timer?.cancel();
    this.onRunning?.reject(
      new KafkaError(Errors.BROKER_NOT_AVAILABLE, 'the broker stops before it has started'),
    );
    this.onRunning = undefined;
  }

  private register(): void {
    if (this.state !== 'STARTING') return;
    this.channel.registerBroker(this.options.registration).then(
      epoch => {
        this.epoch = epoch;
        this.logger.info('registered', { epoch });
        this.advance();
      },
      error => {
        if (error instanceof KafkaError && RETRIABLE_REGISTRATION_ERRORS.has(error.code)) {
          this.logger.debug('registering again', { reason: error.message });
          this.timer = this.runtime.timers.after(REGISTRATION_RETRY_MS, () => this.register());
          return;
        }
        this.onRunning?.reject(error);
        this.onRunning = undefined;
      },
    );
  }

  /** What follows from the registration as the image has it. */
  private advance(): void {
    const registration = this.image.cluster.broker(this.options.registration.brokerId);
    if (this.epoch === -1 || registration?.epoch !== this.epoch) return;
    if (this.state === 'STARTING') {
      this.state = 'FENCED';
      this.heartbeat();
    }
    if (this.state === 'FENCED' && !registration.fenced) {
      this.state = 'RUNNING';
      this.onRunning?.resolve();
      this.onRunning = undefined;
    }
  }

  private heartbeat(): void {
    this.timer?.cancel();
    if (this.heartbeatInFlight || this.state === 'STOPPED') return;
    this.heartbeatInFlight = true;
    const wantShutDown = this.state === 'CONTROLLED_SHUTDOWN';
    this.channel
      .brokerHeartbeat({
        brokerId: this.options.registration.brokerId,
        brokerEpoch: this.epoch,
        currentMetadataOffset: this.image.highestOffset,
        wantFence: false,
        wantShutDown,
        offlineLogDirs: [...this.offlineDirectories],
        cordonedLogDirs: null,
      })
      .then(
        reply => {
          this.heartbeatInFlight = false;
          if (wantShutDown && reply.shouldShutDown) this.onStopped?.();
          else this.scheduleHeartbeat(wantShutDown);
        },
        error => {
          this.heartbeatInFlight = false;
          this.logger.warn('a heartbeat to the controller failed', { reason: String(error) });
          this.scheduleHeartbeat(wantShutDown);
        },
      );
  }

  private scheduleHeartbeat(wantedShutDown: boolean): void {
    if (this.state === 'STOPPED') return;
    const isStopping = this.state === 'CONTROLLED_SHUTDOWN';
    if (isStopping && !wantedShutDown) {
      this.heartbeat();
      return;
    }
    const delayMs = isStopping ? SHUTDOWN_HEARTBEAT_MS : this.options.heartbeatIntervalMs;
    this.timer = this.runtime.timers.after(delayMs, () => this.heartbeat());
  }
}
