import type { Logger } from '../base/logger.ts';
import type { Api, HostAndPort, NetworkClient, VersionRange } from '../client/network-client.ts';
import { Errors, errorName, KafkaError } from '../protocol/errors.ts';
import type { Infer, Input, Message } from '../protocol/schema.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { QuorumAccess } from './quorum-access.ts';

export interface ChannelSendOptions {
  /** All attempts together, ms. */
  readonly timeoutMs: number;
  /** Where a later version means something that the caller does not do. The last stable one if left out. */
  readonly maxVersion?: number;
  /**
   * The controller itself says when the time of the request is over, and may take all of it. To ask it again before
   * that would have it decide twice, and to break the connection off would do so to what others wait for. So an attempt
   * is given up only when the controller is silent beyond that time, though the caller is told at its end.
   */
  readonly isTimedByController?: boolean;
}

export interface BrokerToControllerChannelOptions {
  /** Before another attempt while no other leader becomes known, ms. */
  readonly retryBackoffMs: number;
  /** An attempt that is not answered in this time is given up, ms; the controller may be somebody else meanwhile. */
  readonly attemptTimeoutMs: number;
}

/** For the answers of a controller that is one no more, ms. */
const LAST_ANSWER_MS = 100;

/** What attempts ended with that another one may do better than. */
const RETRIABLE: ReadonlySet<number> = new Set([
  Errors.NOT_CONTROLLER,
  Errors.NETWORK_EXCEPTION,
  Errors.REQUEST_TIMED_OUT,
]);

/**
 * Requests of this node to whoever is the active controller. It asks the quorum who that is before each attempt, and
 * tries again after NOT_CONTROLLER, a lost connection or an attempt without an answer: a request may take effect more
 * than once, as with Kafka's own channel, and those who use it send what may be repeated. What clients ask for is not
 * always so: see {@link ChannelSendOptions.isTimedByController}.
 */
export class BrokerToControllerChannel {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly client: NetworkClient;
  private readonly quorum: QuorumAccess;
  private readonly options: BrokerToControllerChannelOptions;
  private readonly waiting = new Set<() => void>();
  private readonly unsubscribe: () => void;
  /** Of the last attempt. */
  private asked: HostAndPort | undefined;
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    client: NetworkClient,
    quorum: QuorumAccess,
    options: BrokerToControllerChannelOptions,
  ) {
    this.runtime = runtime;
    this.logger = logger.child('controller-channel');
    this.client = client;
    this.quorum = quorum;
    this.options = options;
    this.unsubscribe = quorum.onLeaderChange(() => this.leaderChanged());
  }

  /**
   * Gives the answer, whatever error code it has except NOT_CONTROLLER in its top-level field. Rejects with
   * `KafkaError`: REQUEST_TIMED_OUT when no controller has answered in time, with what went wrong last;
   * UNSUPPORTED_VERSION; BROKER_NOT_AVAILABLE when this node stops.
   */
  async send<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req> | ((version: number) => Input<Req>),
    { timeoutMs, maxVersion, isTimedByController = false }: ChannelSendOptions,
  ): Promise<Infer<Res>> {
    const { clock } = this.runtime;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    let problem = 'no node is known to lead the quorum';
    for (;;) {
      if (this.closed) throw new KafkaError(Errors.BROKER_NOT_AVAILABLE, 'this node stops');
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) {
        throw new KafkaError(
          Errors.REQUEST_TIMED_OUT,
          `no active controller answered ${api.request.name} within ${timeoutMs} ms: ${problem}`,
        );
      }
      const endpoint = this.quorum.leaderEndpoint();
      if (endpoint !== undefined) {
        const { id, host, port } = endpoint;
        this.asked = { host, port };
        const { attemptTimeoutMs } = this.options;
        const attempt = this.client.send({ host, port }, api, body, {
          timeoutMs: isTimedByController ? timeoutMs + attemptTimeoutMs : Math.min(leftMs, attemptTimeoutMs),
          ...(maxVersion === undefined ? {} : { maxVersion }),
        });
        try {
          const answer = await (isTimedByController ? this.within(leftMs, attempt) : attempt);
          if (topLevelErrorCode(answer) !== Errors.NOT_CONTROLLER) return answer;
          problem = `node ${id} is not the active controller`;
        } catch (error) {
          if (!(error instanceof KafkaError) || !RETRIABLE.has(error.code)) throw error;
          problem = `node ${id}: ${error.message} (${errorName(error.code)})`;
        }
        this.logger.debug('asking the controller again', { api: api.request.name, problem });
      }
      await this.pause(Math.min(this.options.retryBackoffMs, deadlineMs - clock.monotonicMs()));
    }
  }

  /** What the active controller serves, by API key; `undefined` while this channel has no connection to it. */
  controllerVersions(): ReadonlyMap<number, VersionRange> | undefined {
    const endpoint = this.quorum.leaderEndpoint();
    return endpoint === undefined ? undefined : this.client.versionsOf(endpoint);
  }

  /** Requests on their way are rejected with BROKER_NOT_AVAILABLE. */
  close(): void {
    this.closed = true;
    this.unsubscribe();
    this.client.close();
    this.wake();
  }

  /** What the attempt gives, or REQUEST_TIMED_OUT after `delayMs`, when it goes on without anybody who waits for it. */
  private within<T>(delayMs: number, attempt: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.runtime.timers.after(delayMs, () =>
        reject(new KafkaError(Errors.REQUEST_TIMED_OUT, 'it has not answered yet')),
      );
      attempt.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Resolves after `delayMs`, or when another leader is known. */
  private pause(delayMs: number): Promise<void> {
    if (delayMs <= 0 || this.closed) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        timer.cancel();
        this.waiting.delete(done);
        resolve();
      };
      const timer = this.runtime.timers.after(delayMs, done);
      this.waiting.add(done);
    });
  }

  /** An attempt at a controller that is one no more need not wait for its time to be over: it may be frozen. */
  private leaderChanged(): void {
    if (this.quorum.leaderEndpoint() === undefined) return;
    const { asked } = this;
    if (asked !== undefined && this.isElsewhere(asked)) {
      this.asked = undefined;
      // What it did last may be what made it go: the word of its successor can be faster than its answer.
      this.runtime.timers.after(LAST_ANSWER_MS, () => {
        if (!this.closed && this.isElsewhere(asked)) this.client.disconnect(asked);
      });
    }
    this.wake();
  }

  private isElsewhere({ host, port }: HostAndPort): boolean {
    const endpoint = this.quorum.leaderEndpoint();
    return endpoint !== undefined && (endpoint.host !== host || endpoint.port !== port);
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}

function topLevelErrorCode(answer: object): unknown {
  return 'errorCode' in answer ? answer.errorCode : undefined;
}
