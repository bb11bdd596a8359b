import { LimitedLogger, type Logger, silentLogger } from '../base/logger.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { DynamicBrokerConfig } from '../config/dynamic-broker-config.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { Policies } from '../controller/policies.ts';
import { QuorumController } from '../controller/quorum-controller.ts';
import { readBootstrapMetadata } from '../metadata/bootstrap-metadata.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import type { VoterEndpoint } from '../raft/voter-set.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { applyDynamicConfig } from './apply-dynamic-config.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';
import { ControllerRegistrationManager } from './controller-registration-manager.ts';
import type { ControllerServices } from './controller-services.ts';
import { HandlerTable } from './handler-table.ts';
import { controllerHandlers } from './handlers/index.ts';
import { connectionRateLimits, listenerLimits } from './listener-limits.ts';
import { registeredListener, supportedFeatures } from './node-endpoints.ts';
import { QuotaManagers } from './quotas/quota-managers.ts';
import { type RequestInterceptor, RequestRouter } from './request-router.ts';
import type { RuntimeLoggerManager } from './runtime-logger-manager.ts';
import type { SharedServer } from './shared-server.ts';
import { SocketServer } from './socket-server.ts';

/** Requests in flight have this long to be answered when the controller stops. */
const STOP_GRACE_MS = 2_000;
const LOG_PERIOD_MS = 10_000;

export interface ControllerServerOptions {
  readonly loggers: RuntimeLoggerManager;
  readonly interceptRequest: RequestInterceptor | undefined;
  readonly policies: Policies | undefined;
}

/**
 * The controller of a node: decides over the metadata while the node leads the quorum, and serves what members of the
 * quorum, brokers and administrators ask at the controller listeners. These open before the quorum has formed, since
 * it forms through them; what only the active controller decides is answered NOT_CONTROLLER until then.
 */
export class ControllerServer {
  readonly services: ControllerServices;
  /** By listener name. */
  readonly ports = new Map<string, number>();
  private readonly config: KafkaConfig;
  private readonly shared: SharedServer;
  private readonly controller: QuorumController;
  private readonly socketServer: SocketServer;
  private readonly router: RequestRouter<ControllerServices>;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private channel: BrokerToControllerChannel | undefined;
  private caughtUp: () => void = () => {};
  private readonly whenPublished = new Promise<void>(resolve => {
    this.caughtUp = resolve;
  });

  constructor(
    runtime: Runtime,
    config: KafkaConfig,
    logger: Logger,
    shared: SharedServer,
    { loggers, interceptRequest, policies }: ControllerServerOptions,
  ) {
    const { identity, loader, network, raft } = shared;
    const { nodeId, clusterId } = identity;
    this.runtime = runtime;
    this.logger = logger;
    this.config = config;
    this.shared = shared;
    const controller = new QuorumController(runtime, logger, raft, loader, {
      config,
      clusterId,
      bootstrapRecords: readBootstrapMetadata(runtime.disk, config.metadataLogDir),
      kraftVersion: {
        finalized: () => network.membership.finalizedKRaftVersion(),
        upgrade: (level, validateOnly) => network.membership.upgradeKRaftVersion(level, validateOnly),
      },
      voterIds: () => raft.voters.ids,
      policies,
    });
    this.controller = controller;
    const dynamicConfig = new DynamicBrokerConfig(config);
    const handlers = new HandlerTable(controllerHandlers);
    const quotas = new QuotaManagers(runtime.clock, logger, config, connectionRateLimits(config));
    this.services = {
      runtime,
      logger,
      loggers,
      nodeId,
      clusterId,
      get config() {
        return dynamicConfig.current;
      },
      apis: handlers,
      metadata: () => loader.image(),
      kraftVersion: () => shared.kraftVersion.level,
      quorum: shared.quorum,
      quotas,
      controller,
      raft: network,
    };
    const limitedLogger = new LimitedLogger(
      logger.child('requests'),
      () => runtime.clock.monotonicMs(),
      LOG_PERIOD_MS,
    );
    this.router = new RequestRouter(handlers, this.services, limitedLogger, {
      intercept: interceptRequest,
      requestQuota: quotas.request,
    });
    this.socketServer = new SocketServer(
      runtime,
      logger,
      listenerLimits(runtime, config),
      quotas.connections,
    );
    // It answers when an image is published, and so comes after all others of this node.
    loader.addPublisher(controller);
    loader.addPublisher(quotas, controller);
    loader.addPublisher(this.configPublisher(dynamicConfig, quotas), controller);
  }

  private configPublisher(
    dynamicConfig: DynamicBrokerConfig,
    { connections }: QuotaManagers,
  ): MetadataPublisher {
    const { runtime, logger, shared, socketServer } = this;
    const { nodeId } = shared.identity;
    dynamicConfig.subscribe(config => {
      socketServer.setConnectionLimits(listenerLimits(runtime, config));
      connections.setLimits(connectionRateLimits(config));
    });
    // A broker in this process says what has changed.
    const quiet = dynamicConfig.staticConfig.processRoles.has('broker') ? silentLogger : logger;
    return {
      name: 'controller-config',
      onMetadataUpdate: ({ configs }, image) => {
        if (configs !== undefined) applyDynamicConfig(quiet, dynamicConfig, nodeId, image);
      },
    };
  }

  /** The publisher that answers requests when metadata is published: others of the node are told before it. */
  get lastPublisher(): QuorumController {
    return this.controller;
  }

  /** Binds the listeners; connections wait for {@link serve}. */
  async listen(): Promise<void> {
    for (const { listenerName, host, port } of this.config.controllerListeners) {
      const endpoint = { listenerName, kind: 'controller' as const, host, port };
      this.ports.set(listenerName, await this.socketServer.listen(endpoint, this.router));
    }
  }

  /** Where other nodes reach this controller. */
  endpoints(): VoterEndpoint[] {
    return this.registeredListeners().map(({ name, host, port }) => ({ name, host, port }));
  }

  /** Where this process reaches its own controller listener, whatever it advertises. */
  ownAddress(): HostAndPort {
    const { listenerName, host } = this.config.controllerListeners[0]!;
    const isWildcard = host === '' || host === '0.0.0.0' || host === '::';
    return { host: isWildcard ? '127.0.0.1' : host, port: this.ports.get(listenerName)! };
  }

  /** Takes requests, and registers this controller when there is a quorum. */
  serve(): void {
    const { runtime, logger, shared } = this;
    const { nodeId, incarnationId } = shared.identity;
    this.channel = shared.controllerChannel(`controller-${nodeId}-registration`);
    const registration = new ControllerRegistrationManager(runtime, logger, this.channel, {
      controllerId: nodeId,
      incarnationId,
      zkMigrationReady: false,
      listeners: this.registeredListeners(),
      features: supportedFeatures(),
    });
    shared.loader.addPublisher(registration, this.controller);
    shared.loader.addPublisher(
      { name: 'controller-start', onMetadataUpdate: () => this.caughtUp() },
      this.controller,
    );
    this.socketServer.serve();
  }

  /** Resolves when this node has read the metadata that the quorum has committed. */
  whenCaughtUp(): Promise<void> {
    return this.whenPublished;
  }

  /** After the node has left the quorum. */
  async stop(): Promise<void> {
    this.channel?.close();
    this.controller.close();
    await this.socketServer.stop(STOP_GRACE_MS);
  }

  private registeredListeners() {
    return this.config.advertisedControllerListeners.map(endPoint =>
      registeredListener(endPoint, this.ports),
    );
  }
}
