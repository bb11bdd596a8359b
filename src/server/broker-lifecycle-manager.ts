import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { MetadataDelta } from '../metadata/metadata-delta.ts';
import { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import { Errors, errorName, KafkaError } from '../protocol/errors.ts';
import {
  BrokerRegistrationRequest,
  BrokerRegistrationResponse,
} from '../protocol/messages/62-broker-registration.ts';
import { BrokerHeartbeatRequest, BrokerHeartbeatResponse } from '../protocol/messages/63-broker-heartbeat.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';

const BROKER_REGISTRATION = { request: BrokerRegistrationRequest, response: BrokerRegistrationResponse };
const BROKER_HEARTBEAT = { request: BrokerHeartbeatRequest, response: BrokerHeartbeatResponse };

export interface BrokerLifecycleOptions {
  readonly brokerId: number;
  readonly clusterId: string;
  /** Asked for at each attempt to register. */
  readonly registration: () => BrokerRegistrationRequest;
  /** Of the log directories that get no new partitions, as they are now. */
  readonly cordonedDirectories: () => readonly Uuid[];
  /** Whether the active controller can be told of them. */
  readonly isCordoningKnown: () => boolean;
  /** `broker.heartbeat.interval.ms`. */
  readonly heartbeatIntervalMs: number;
  /** `broker.session.timeout.ms`: the controller fences a broker that it has not heard of for so long. */
  readonly sessionTimeoutMs: number;
  /** `initial.broker.registration.timeout.ms`: how long a controller may refuse the registration. */
  readonly registrationTimeoutMs: number;
}

/** How long a broker waits for the leave to stop, ms. */
export interface ShutdownPatience {
  readonly totalMs: number;
  /** While no controller answers. */
  readonly silenceMs: number;
  /** While no controller answers and {@link isHopeless}. */
  readonly hopelessMs: number;
  /** Whether there can be no active controller, as far as this node sees. */
  isHopeless(): boolean;
}

/** How often a broker that waits for the leave to stop looks whether it should go on. */
const PATIENCE_CHECK_MS = 250;
/** After a failed attempt to register, and between heartbeats of a broker that waits to be let go. */
const RETRY_MS = 50;
/** Between heartbeats of a broker that waits to be let in. */
const FENCED_HEARTBEAT_MS = 100;
/** While another process holds this node's id, or a controller cannot take the registration yet. */
const REFUSED_RETRY_MS = 500;
const WARN_PERIOD_MS = 5_000;

/** Nothing but another configuration or another program helps against these. */
const FATAL_REGISTRATION_ERRORS: ReadonlySet<number> = new Set([
  Errors.INCONSISTENT_CLUSTER_ID,
  Errors.INVALID_REGISTRATION,
  Errors.UNSUPPORTED_VERSION,
  Errors.CLUSTER_AUTHORIZATION_FAILED,
]);

/**
 * Keeps this broker in the cluster:
 *
 * ```
 * STARTING            register, and read the registration back;
 *                     only now the broker acts on metadata               -> FENCED
 * FENCED              heartbeats; the controller lets it in              -> RUNNING
 * RUNNING             heartbeats; the controller has fenced it           -> FENCED
 * CONTROLLED_SHUTDOWN heartbeats that ask to go, until it may            -> STOPPED
 * EXPELLED            its registration is gone, or another process has it: no heartbeats;
 *                     the process goes on, so that somebody can look at it, and needs no leave to stop
 * ```
 */
export class BrokerLifecycleManager implements MetadataPublisher {
  readonly name = 'broker-lifecycle';
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly channel: BrokerToControllerChannel;
  private readonly options: BrokerLifecycleOptions;
  private state: 'STARTING' | 'FENCED' | 'RUNNING' | 'CONTROLLED_SHUTDOWN' | 'EXPELLED' | 'STOPPED' =
    'STARTING';
  private epoch: BrokerEpoch = -1;
  private image: MetadataImage = MetadataImage.EMPTY;
  private readonly offlineDirectories = new Set<Uuid>();
  private timer: Timer | undefined;
  private patienceTimer: Timer | undefined;
  private heartbeatInFlight = false;
  /** Since when a controller refuses the registration, monotonic ms. */
  private refusedSinceMs: number | undefined;
  private warnedMs = Number.NEGATIVE_INFINITY;
  /** When a controller has last answered a heartbeat, monotonic ms. */
  private answeredMs = 0;
  private onCaughtUp: () => void = () => {};
  private onRunning: { resolve(): void; reject(error: unknown): void } | undefined;
  private onStopped: (() => void) | undefined;

  /** The channel is this manager's own: nothing else of the broker holds up a heartbeat. */
  constructor(
    runtime: Runtime,
    logger: Logger,
    channel: BrokerToControllerChannel,
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

  /** Whether the controller has let this broker in and not fenced it since. */
  get isRunning(): boolean {
    return this.state === 'RUNNING' || this.state === 'CONTROLLED_SHUTDOWN';
  }

  /** What a start waits for now, in words; `undefined` once the broker is in. */
  get waitsFor(): string | undefined {
    if (this.isRunning || this.state === 'EXPELLED' || this.state === 'STOPPED') return undefined;
    if (this.state === 'FENCED') return 'the controller has not let this broker in yet';
    return this.epoch === -1
      ? 'this broker is not registered with the controller yet'
      : "this broker has not read its registration in the cluster's metadata yet";
  }

  /**
   * Registers, and resolves when the controller has let the broker in. Rejects if it never will.
   *
   * `onCaughtUp` is called when the metadata holds this life's registration, before the first heartbeat. What the node
   * knew before that is of an earlier life: the controller may have taken leaderships away since, and must take those
   * away whose records a crash has cost. To act on it would be to lead with another log in an epoch that has one.
   */
  start(onCaughtUp: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onCaughtUp = onCaughtUp;
      this.onRunning = { resolve, reject };
      this.register();
    });
  }

  onMetadataUpdate(_delta: MetadataDelta, image: MetadataImage): void {
    this.image = image;
    this.advance();
  }

  /** Other directories may be cordoned: the next heartbeat tells, at once. */
  onConfigChanged(): void {
    if (this.state !== 'FENCED' && this.state !== 'RUNNING') return;
    const told = this.image.cluster.broker(this.options.brokerId)?.cordonedDirectories ?? [];
    if ([...told].sort().join() !== [...this.options.cordonedDirectories()].sort().join()) this.heartbeat();
  }

  /** Null where the controller knows of none and there are none. */
  private cordonedToTell(): Uuid[] | null {
    const cordoned = [...this.options.cordonedDirectories()];
    const isKnown = (this.image.cluster.broker(this.options.brokerId)?.cordonedDirectories ?? []).length > 0;
    return (cordoned.length > 0 || isKnown) && this.options.isCordoningKnown() ? cordoned : null;
  }

  /** A log directory has failed: the next heartbeat tells, at once. */
  propagateDirectoryFailure(directoryId: Uuid): void {
    this.offlineDirectories.add(directoryId);
    if (this.state === 'FENCED' || this.state === 'RUNNING') this.heartbeat();
  }

  /**
   * Asks the controller to move leaders away, and resolves when the broker may stop, or when `patience` is over.
   */
  async controlledShutdown(patience: ShutdownPatience): Promise<void> {
    if (this.state === 'RUNNING' || this.state === 'FENCED') {
      this.state = 'CONTROLLED_SHUTDOWN';
      this.answeredMs = this.runtime.clock.monotonicMs();
      const deadlineMs = this.answeredMs + patience.totalMs;
      await new Promise<void>(resolve => {
        this.onStopped = resolve;
        this.giveUpLater(deadlineMs, patience);
        this.timer?.cancel();
        this.heartbeat();
      });
      this.patienceTimer?.cancel();
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

  private giveUpLater(deadlineMs: number, patience: ShutdownPatience): void {
    const now = this.runtime.clock.monotonicMs();
    const limitMs = patience.isHopeless() ? patience.hopelessMs : patience.silenceMs;
    const leftMs = Math.min(deadlineMs, this.answeredMs + limitMs) - now;
    if (leftMs > 0) {
      this.patienceTimer = this.runtime.timers.after(Math.min(leftMs, PATIENCE_CHECK_MS), () =>
        this.giveUpLater(deadlineMs, patience),
      );
      return;
    }
    this.logger.warn('stopping without the leave of the controller: clients notice when its session ends', {
      reason: now < deadlineMs ? `no controller has answered for ${limitMs} ms` : 'it took too long',
    });
    this.onStopped?.();
  }

  // Registration.

  private register(): void {
    if (this.state !== 'STARTING') return;
    const { registration, sessionTimeoutMs } = this.options;
    this.channel.send(BROKER_REGISTRATION, registration(), { timeoutMs: sessionTimeoutMs }).then(
      ({ errorCode, brokerEpoch }) => {
        if (errorCode !== Errors.NONE) {
          this.refused(errorCode);
          return;
        }
        this.epoch = brokerEpoch;
        this.logger.info('registered', { epoch: brokerEpoch });
        this.advance();
      },
      (error: unknown) => {
        const isFatal = !(error instanceof KafkaError) || FATAL_REGISTRATION_ERRORS.has(error.code);
        if (isFatal) this.fail(error);
        else this.registerLater(RETRY_MS);
      },
    );
  }

  /** A controller has answered, and not taken the registration. */
  private refused(errorCode: number): void {
    const { registrationTimeoutMs } = this.options;
    const now = this.runtime.clock.monotonicMs();
    this.refusedSinceMs ??= now;
    const text = this.refusalText(errorCode);
    if (FATAL_REGISTRATION_ERRORS.has(errorCode) || now - this.refusedSinceMs >= registrationTimeoutMs) {
      this.fail(new KafkaError(errorCode, text));
      return;
    }
    if (now - this.warnedMs >= WARN_PERIOD_MS) {
      this.warnedMs = now;
      this.logger.warn('the registration was refused; trying again', {
        error: errorName(errorCode),
        reason: text,
      });
    }
    this.registerLater(REFUSED_RETRY_MS);
  }

  private refusalText(errorCode: number): string {
    const { brokerId, clusterId, sessionTimeoutMs } = this.options;
    switch (errorCode) {
      case Errors.INCONSISTENT_CLUSTER_ID:
        return (
          `the controller is of another cluster than this node, whose directories are of ${clusterId}: ` +
          'check controller.quorum.voters or controller.quorum.bootstrap.servers, and cluster.id in meta.properties'
        );
      case Errors.DUPLICATE_BROKER_REGISTRATION: {
        const holder = this.image.cluster.broker(brokerId);
        const where =
          holder === undefined
            ? ''
            : ` (incarnation ${holder.incarnationId}, at ` +
              `${[...holder.listeners.values()].map(({ host, port }) => `${host}:${port}`).join(', ')})`;
        return (
          `another process is registered as broker ${brokerId}${where}. If it is this node's last one, its session ` +
          `ends ${sessionTimeoutMs} ms after its last heartbeat; if it runs, one of the two needs another node.id`
        );
      }
      case Errors.INVALID_REGISTRATION:
        return 'the controller does not take the listeners or directories of this broker; its log says which';
      case Errors.UNSUPPORTED_VERSION:
        return 'this program does not support the feature levels that the cluster runs at: it needs a newer version';
      default:
        return `the controller answered ${errorName(errorCode)}`;
    }
  }

  private registerLater(delayMs: number): void {
    if (this.state !== 'STARTING') return;
    this.timer = this.runtime.timers.after(delayMs, () => this.register());
  }

  private fail(error: unknown): void {
    this.onRunning?.reject(error);
    this.onRunning = undefined;
  }

  /** What follows from the registration as the image has it. */
  private advance(): void {
    const registration = this.image.cluster.broker(this.options.brokerId);
    if (this.epoch === -1) return;
    if (registration?.epoch !== this.epoch) {
      if (this.state !== 'STARTING') this.expelled(registration !== undefined);
      return;
    }
    if (this.state === 'STARTING') {
      this.state = 'FENCED';
      this.onCaughtUp();
      this.heartbeat();
    }
    if (this.state === 'FENCED' && !registration.fenced) {
      this.state = 'RUNNING';
      this.logger.info('the controller has let this broker in', { epoch: this.epoch });
      this.onRunning?.resolve();
      this.onRunning = undefined;
    } else if (this.state === 'RUNNING' && registration.fenced) {
      this.state = 'FENCED';
      this.logger.warn('the controller has fenced this broker: it was not heard of in time', {
        sessionTimeoutMs: this.options.sessionTimeoutMs,
      });
      this.heartbeat();
    }
  }

  /**
   * The metadata says that the registration is gone. It is for good, for this process never asks for another: a node
   * that was taken out must not come back by itself. All leaderships are gone with it, so that a stop needs nobody's
   * leave.
   */
  private expelled(isReplaced: boolean): void {
    if (this.state === 'EXPELLED' || this.state === 'STOPPED') return;
    const { brokerId } = this.options;
    const text = isReplaced
      ? `another process has registered as broker ${brokerId} since: this one leads nothing any more and its clients ` +
        'are sent elsewhere. Stop it; if both should run, one needs another node.id and log directories of its own'
      : `broker ${brokerId} was unregistered from the cluster (odradek cluster decommission, or UnregisterBroker): it ` +
        'leads nothing any more, follows nobody and is in no answer to clients. Stop it if that was the intent; if ' +
        'not, start it again: it registers anew and catches up with the replicas that are still assigned to it';
    this.logger.error(text, { epoch: this.epoch });
    this.state = 'EXPELLED';
    this.timer?.cancel();
    const code = isReplaced ? Errors.STALE_BROKER_EPOCH : Errors.BROKER_ID_NOT_REGISTERED;
    this.fail(new KafkaError(code, text));
    this.onStopped?.();
  }

  // Heartbeats.

  private heartbeat(): void {
    if (this.heartbeatInFlight || !this.beats) return;
    this.timer?.cancel();
    this.heartbeatInFlight = true;
    const wantShutDown = this.state === 'CONTROLLED_SHUTDOWN';
    const request = {
      brokerId: this.options.brokerId,
      brokerEpoch: this.epoch,
      currentMetadataOffset: this.image.highestOffset,
      wantFence: false,
      wantShutDown,
      offlineLogDirs: [...this.offlineDirectories],
      cordonedLogDirs: this.cordonedToTell(),
    };
    this.channel.send(BROKER_HEARTBEAT, request, { timeoutMs: this.options.sessionTimeoutMs }).then(
      ({ errorCode, shouldShutDown }) => {
        this.heartbeatInFlight = false;
        this.answeredMs = this.runtime.clock.monotonicMs();
        // Not yet the last word, even if it says that the registration is gone: that may never be committed.
        if (errorCode !== Errors.NONE)
          this.heartbeatFailed(`the controller answered ${errorName(errorCode)}`);
        if (wantShutDown && shouldShutDown && errorCode === Errors.NONE) this.onStopped?.();
        else this.scheduleHeartbeat(wantShutDown);
      },
      (error: unknown) => {
        this.heartbeatInFlight = false;
        if (!this.beats) return;
        this.heartbeatFailed(error instanceof Error ? error.message : String(error));
        this.scheduleHeartbeat(wantShutDown);
      },
    );
  }

  private get beats(): boolean {
    return this.state === 'FENCED' || this.state === 'RUNNING' || this.state === 'CONTROLLED_SHUTDOWN';
  }

  private heartbeatFailed(reason: string): void {
    const now = this.runtime.clock.monotonicMs();
    if (now - this.warnedMs < WARN_PERIOD_MS) return;
    this.warnedMs = now;
    this.logger.warn('a heartbeat to the controller failed', { reason });
  }

  private scheduleHeartbeat(wantedShutDown: boolean): void {
    if (!this.beats) return;
    const isStopping = this.state === 'CONTROLLED_SHUTDOWN';
    if (isStopping && !wantedShutDown) {
      this.heartbeat();
      return;
    }
    const waitingMs = isStopping ? RETRY_MS : FENCED_HEARTBEAT_MS;
    const delayMs = isStopping || this.state === 'FENCED' ? waitingMs : this.options.heartbeatIntervalMs;
    this.timer = this.runtime.timers.after(delayMs, () => this.heartbeat());
  }
}
