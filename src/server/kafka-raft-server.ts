import type { Logger } from '../base/logger.ts';
import { LoggingController } from '../base/logging-controller.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { Policies } from '../controller/policies.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { BrokerServer } from './broker-server.ts';
import type { BrokerServices } from './broker-services.ts';
import { ControllerServer } from './controller-server.ts';
import type { ControllerServices } from './controller-services.ts';
import type { QuorumAccess } from './quorum-access.ts';
import type { RequestInterceptor } from './request-router.ts';
import { RuntimeLoggerManager } from './runtime-logger-manager.ts';
import { loadIdentity, type NodeIdentity, SharedServer } from './shared-server.ts';
import { StartupWatch } from './startup-watch.ts';

export interface KafkaRaftServerOptions {
  /** Asked before each request is handled, on every listener: see {@link RequestInterceptor}. */
  readonly interceptRequest?: RequestInterceptor;
  /**
   * Has the levels of the given logger, its root. Left out: the node makes one over that logger, which lets everything
   * through until somebody changes a level.
   */
  readonly logging?: LoggingController;
  /** What the controller asks before topics are created and configurations set. */
  readonly policies?: Policies | undefined;
}

/**
 * One node: a broker, a controller, or both in one process.
 *
 * ```
 * start   directories locked and checked ─ metadata log opened ─ controller listener bound ─ quorum joined ┐
 *           ┌──────────────────────────────────────────────────────────────────────────────────────────────┘
 *           ├ controller: metadata read ─ registered
 *           └ broker: metadata read ─ logs loaded ─ listeners bound ─ registered ─ let in ─ requests served
 * stop    broker: let go by the controller ─ listeners and coordinators closed
 *           ─ leadership of the quorum handed over ─ controller listener closed ─ logs closed, locks released
 * ```
 */
export class KafkaRaftServer {
  private readonly runtime: Runtime;
  private readonly config: KafkaConfig;
  private readonly logger: Logger;
  private readonly options: KafkaRaftServerOptions;
  private readonly loggers: RuntimeLoggerManager;
  private shared: SharedServer | undefined;
  private controllerServer: ControllerServer | undefined;
  private brokerServer: BrokerServer | undefined;
  private watch: StartupWatch | undefined;
  private phase: 'new' | 'starting' | 'started' | 'stopping' = 'new';
  private stopped: Promise<void> | undefined;
  private reportFailure: (error: Error) => void = () => {};
  private rejectStart: (error: unknown) => void = () => {};

  /** Resolves with the cause when the node has failed for good and is stopping: the process should end. */
  readonly failed: Promise<Error> = new Promise(resolve => {
    this.reportFailure = resolve;
  });

  constructor(runtime: Runtime, config: KafkaConfig, logger: Logger, options: KafkaRaftServerOptions = {}) {
    this.runtime = runtime;
    this.config = config;
    const logging = options.logging ?? new LoggingController(logger, 'DEBUG');
    this.logger = logging.root;
    this.loggers = new RuntimeLoggerManager(config.nodeId, logging);
    this.options = options;
  }

  /** The port of a listener, which its configuration may have left open; `undefined` before it is bound. */
  port(listenerName: string): number | undefined {
    return this.brokerServer?.ports.get(listenerName) ?? this.controllerServer?.ports.get(listenerName);
  }

  /** What handlers of the broker's listeners work with; `undefined` without a broker, or before it has its parts. */
  get services(): BrokerServices | undefined {
    return this.brokerServer?.services;
  }

  /** What handlers of the controller's listeners work with; `undefined` without a controller, or before the start. */
  get controllerServices(): ControllerServices | undefined {
    return this.controllerServer?.services;
  }

  get quorum(): QuorumAccess | undefined {
    return this.shared?.quorum;
  }

  /** The parts that both roles share; `undefined` before the start and after the stop. */
  get sharedServer(): SharedServer | undefined {
    return this.shared;
  }

  /** The latest committed metadata that this node has seen; `undefined` before the start and after the stop. */
  metadata(): MetadataImage | undefined {
    return this.shared?.loader.image();
  }

  /**
   * Resolves when the node does its work: a broker when the controller has let it in and requests are served, a
   * controller when it has read the metadata. Without a quorum it waits, and says every few seconds what is missing.
   *
   * Rejects with `LockedError`, `MetaPropertiesError`, errors of the disk or the network, or `KafkaError` where the
   * cluster does not take the node; what was started is stopped then. BROKER_NOT_AVAILABLE: {@link stop} was called.
   */
  async start(): Promise<void> {
    if (this.phase !== 'new') throw new Error('a node is started once');
    this.phase = 'starting';
    const startMs = this.runtime.clock.monotonicMs();
    const interrupted = new Promise<never>((_resolve, reject) => {
      this.rejectStart = reject;
    });
    try {
      await Promise.race([this.startParts(), interrupted]);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.phase = 'started';
    this.watch?.close();
    this.logger.info('started', {
      nodeId: this.config.nodeId,
      roles: [...this.config.processRoles].join(','),
      ports: Object.fromEntries([
        ...(this.brokerServer?.ports ?? []),
        ...(this.controllerServer?.ports ?? []),
      ]),
      ms: Math.round(this.runtime.clock.monotonicMs() - startMs),
    });
  }

  /** Resolves when everything is on disk and closed. Calls after the first wait for it. */
  stop(): Promise<void> {
    this.stopped ??= this.stopParts();
    return this.stopped;
  }

  private async startParts(): Promise<void> {
    const { runtime, config, logger, loggers, options } = this;
    const identity = loadIdentity(runtime, logger, config);
    if (config.processRoles.has('broker')) {
      this.brokerServer = new BrokerServer(runtime, config, logger, identity, {
        loggers,
        interceptRequest: options.interceptRequest,
        onFatal: error => this.fail(error),
      });
      this.brokerServer.lockDirectories();
    }
    const shared = this.openShared(identity);
    if (config.processRoles.has('controller')) {
      this.controllerServer = new ControllerServer(runtime, config, logger, shared, {
        loggers,
        interceptRequest: options.interceptRequest,
        policies: options.policies,
      });
    }
    const { brokerServer, controllerServer } = this;
    await controllerServer?.listen();
    if (this.isStopping()) return;
    await shared.start(controllerServer?.endpoints() ?? [], controllerServer?.ownAddress());
    if (this.isStopping()) return;
    controllerServer?.serve();
    this.watch = new StartupWatch(runtime, logger, config, shared, {
      waitsFor: () => brokerServer?.waitsFor,
      onFatal: error => this.rejectStart(error),
    });
    this.watch.start();
    await Promise.all([controllerServer?.whenCaughtUp(), brokerServer?.start(shared, controllerServer)]);
  }

  private openShared(identity: NodeIdentity): SharedServer {
    const { runtime, config, logger } = this;
    const locked = this.brokerServer === undefined ? [] : config.logDirs;
    const shared = new SharedServer(runtime, logger, config, identity, locked, error => this.fail(error));
    this.shared = shared;
    return shared;
  }

  private isStopping(): boolean {
    return this.phase === 'stopping';
  }

  private async stopParts(): Promise<void> {
    const wasStarted = this.phase === 'started';
    this.phase = 'stopping';
    this.rejectStart(new KafkaError(Errors.BROKER_NOT_AVAILABLE, 'the node stops before it has started'));
    this.watch?.close();
    const { brokerServer, controllerServer, shared } = this;
    await this.stopPart('broker', () => brokerServer?.stop());
    await this.stopPart('metadata quorum', () => shared?.stop());
    await this.stopPart('controller', () => controllerServer?.stop());
    await this.stopPart('logs', () => brokerServer?.closeLogs());
    await this.stopPart('metadata directory lock', () => shared?.releaseLock());
    this.brokerServer = undefined;
    this.controllerServer = undefined;
    this.shared = undefined;
    this.logger.info(wasStarted ? 'stopped' : 'stopped before the start was done');
  }

  private async stopPart(part: string, run: () => Promise<void> | void): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.logger.error('a part of the node did not stop well', { part, error: String(error) });
    }
  }

  /** A failure that the node cannot live with. */
  private fail(error: Error): void {
    this.logger.error('the node stops because of a failure', { error: error.message });
    this.reportFailure(error);
    this.rejectStart(error);
    this.stop();
  }
}
