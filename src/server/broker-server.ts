import { LimitedLogger, type Logger } from '../base/logger.ts';
import { NetworkClient } from '../client/network-client.ts';
import { prepareCodecs } from '../compression/codecs.ts';
import { DynamicBrokerConfig } from '../config/dynamic-broker-config.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { groupCoordinatorConfigOf } from '../coordinator/group/group-coordinator-config.ts';
import { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import { ProducerIdManager } from '../coordinator/transaction/producer-id-manager.ts';
import { transactionCoordinatorConfigOf } from '../coordinator/transaction/transaction-coordinator-config.ts';
import { TransactionCoordinator } from '../coordinator/transaction-coordinator.ts';
import { cleanerConfigOf } from '../log/cleaner/cleaner-config.ts';
import { LogManager } from '../log/log-manager.ts';
import { FeatureName } from '../metadata/features.ts';
import { MetadataImage } from '../metadata/metadata-image.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { AlterPartitionRequest, AlterPartitionResponse } from '../protocol/messages/56-alter-partition.ts';
import { RemoteLeaderEndPoint } from '../replication/leader-end-point.ts';
import { ReplicaManager } from '../replication/replica-manager.ts';
import { brokerEndPoint } from '../replication/replication-options.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { checkAdvertisedListeners } from './advertised-listener-check.ts';
import { AssignmentsManager } from './assignments-manager.ts';
import { AutoTopicCreator } from './auto-topic-creator.ts';
import { BrokerLifecycleManager } from './broker-lifecycle-manager.ts';
import { applyDynamicConfig } from './apply-dynamic-config.ts';
import { BrokerMetadataPublisher } from './broker-metadata-publisher.ts';
import type { BrokerServices } from './broker-services.ts';
import type { BrokerToControllerChannel } from './broker-to-controller-channel.ts';
import { allocateProducerIds, createTopicsOnDemand } from './controller-requests.ts';
import type { ControllerServer } from './controller-server.ts';
import { ForwardingManager } from './forwarding-manager.ts';
import { AdvertisedApis, HandlerTable } from './handler-table.ts';
import { brokerHandlers } from './handlers/index.ts';
import { connectionRateLimits, listenerLimits } from './listener-limits.ts';
import { registeredListener, supportedFeatures } from './node-endpoints.ts';
import { ReplicaPartitionWriter } from './partition-writer.ts';
import { type RequestInterceptor, RequestRouter } from './request-router.ts';
import type { RuntimeLoggerManager } from './runtime-logger-manager.ts';
import { QuotaManagers } from './quotas/quota-managers.ts';
import type { NodeIdentity, SharedServer } from './shared-server.ts';
import { SocketServer } from './socket-server.ts';
import { TransactionChannels } from './transaction-channels.ts';

/** Requests in flight have this long to be answered when the broker stops. */
const STOP_GRACE_MS = 2_000;
/** The controller has this long to let the broker go. A sole broker is let go at once. */
const CONTROLLED_SHUTDOWN_MS = 30_000;
/** A controller that does not answer for this long is not waited for: the quorum may be gone for good. */
const CONTROLLED_SHUTDOWN_SILENCE_MS = 5_000;
/** The same where too few voters can be reached for there to be one: this is the last node of a cluster to stop. */
const CONTROLLED_SHUTDOWN_HOPELESS_MS = 1_500;
const ALTER_PARTITION_TIMEOUT_MS = 60_000;
const LOG_PERIOD_MS = 10_000;
/** The largest answer to a fetch of records: a leader sends a batch that is larger than what was asked for whole. */
const FETCH_FRAME_MAX_BYTES = 0x7fff_ffff;

/** From its version 2 on a heartbeat names cordoned directories. */
const BROKER_HEARTBEAT_API = 63;
const ALTER_PARTITION = { request: AlterPartitionRequest, response: AlterPartitionResponse };

export interface BrokerServerOptions {
  readonly loggers: RuntimeLoggerManager;
  readonly interceptRequest: RequestInterceptor | undefined;
  /** The node cannot go on. */
  readonly onFatal: (error: Error) => void;
}

/** What a broker has from its start to its stop. */
interface BrokerParts {
  readonly services: BrokerServices;
  readonly lifecycle: BrokerLifecycleManager;
  readonly assignments: AssignmentsManager;
  readonly socketServer: SocketServer;
  readonly transactionChannels: TransactionChannels;
  readonly channels: readonly BrokerToControllerChannel[];
}

/**
 * The broker of a node: logs and their replicas, coordinators, the listeners of clients and other brokers. It registers
 * with the active controller, wherever that is, and acts on the metadata that the node reads.
 */
export class BrokerServer {
  /** By listener name. */
  readonly ports = new Map<string, number>();
  private readonly runtime: Runtime;
  private readonly staticConfig: KafkaConfig;
  private readonly logger: Logger;
  private readonly limitedLogger: LimitedLogger;
  private readonly identity: NodeIdentity;
  private readonly options: BrokerServerOptions;
  private readonly logManager: LogManager;
  private readonly dynamicConfig: DynamicBrokerConfig;
  private metadata: () => MetadataImage = () => MetadataImage.EMPTY;
  private parts: BrokerParts | undefined;
  private isLoading = false;
  /** Logs that are being loaded are not closed under those who load them. */
  private loading: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(
    runtime: Runtime,
    config: KafkaConfig,
    logger: Logger,
    identity: NodeIdentity,
    options: BrokerServerOptions,
  ) {
    this.runtime = runtime;
    this.staticConfig = config;
    this.logger = logger;
    this.limitedLogger = new LimitedLogger(
      logger.child('requests'),
      () => runtime.clock.monotonicMs(),
      LOG_PERIOD_MS,
    );
    this.identity = identity;
    this.options = options;
    this.dynamicConfig = new DynamicBrokerConfig(config);
    this.logManager = this.createLogManager();
  }

  /** What handlers work with; `undefined` before the broker has its parts and after its stop. */
  get services(): BrokerServices | undefined {
    return this.parts?.services;
  }

  /** What the start waits for now, in words. */
  get waitsFor(): string | undefined {
    if (this.parts !== undefined) return this.parts.lifecycle.waitsFor;
    return this.isLoading ? 'logs are being loaded' : "the cluster's metadata is being read";
  }

  /** Throws `LockedError`. */
  lockDirectories(): void {
    this.logManager.lockDirectories();
  }

  /** Resolves when the controller has let the broker in and requests are served. */
  async start(shared: SharedServer, controllerServer: ControllerServer | undefined): Promise<void> {
    const { logManager } = this;
    // Compiled beside the rest: loading logs needs no codec; coordinators, which read records, come later.
    const codecsReady = prepareCodecs();
    // A log is loaded with the configuration of its topic. The image is the one that this node has read last.
    await shared.loader.whenCaughtUp();
    if (this.stopping) return;
    this.metadata = () => shared.loader.image();
    applyDynamicConfig(this.logger, this.dynamicConfig, this.identity.nodeId, this.metadata());
    this.isLoading = true;
    this.loading = logManager.startup();
    await this.loading;
    await codecsReady;
    if (this.stopping) return;
    const { services, lifecycle, socketServer, publisher, listen } = this.createParts(
      shared,
      controllerServer,
    );
    await listen();
    if (this.stopping) return;
    // The controller of this node, if it has one, answers when an image is published: after these have acted on it.
    shared.loader.addPublisher(lifecycle, controllerServer?.lastPublisher);
    await lifecycle.start(() => {
      shared.loader.addPublisher(services.quotas, lifecycle);
      shared.loader.addPublisher(publisher, lifecycle);
    });
    if (this.stopping) return;
    services.replicaManager.startup();
    this.logManager.startCleaner();
    socketServer.serve();
    if (!this.staticConfig.advertisesDialledAddress) this.checkAdvertised();
  }

  /** Beside everything else: the start does not wait for it. */
  private checkAdvertised(): void {
    const addresses = this.advertised().map(({ name, host, port }) => ({ listenerName: name, host, port }));
    checkAdvertisedListeners(this.runtime, this.logger, this.identity, addresses);
  }

  private advertised() {
    return this.staticConfig.advertisedListeners.map(endPoint => registeredListener(endPoint, this.ports));
  }

  /** Has the controller take leaderships away, then closes listeners, coordinators and replicas. */
  async stop(): Promise<void> {
    this.stopping = true;
    const { parts } = this;
    if (parts === undefined) return;
    const { services, lifecycle, assignments, socketServer, transactionChannels, channels } = parts;
    if (this.staticConfig.boolean('controlled.shutdown.enable')) {
      await lifecycle.controlledShutdown({
        totalMs: CONTROLLED_SHUTDOWN_MS,
        silenceMs: CONTROLLED_SHUTDOWN_SILENCE_MS,
        hopelessMs: CONTROLLED_SHUTDOWN_HOPELESS_MS,
        isHopeless: () => services.quorum.isMajorityUnreachable(),
      });
    }
    lifecycle.close();
    assignments.close();
    await socketServer.stop(STOP_GRACE_MS);
    services.transactionCoordinator.shutdown();
    transactionChannels.close();
    services.groupCoordinator.shutdown();
    await services.replicaManager.shutdown();
    for (const channel of channels) channel.close();
  }

  /** The last of this broker: its logs are closed and their directories are left to others. */
  async closeLogs(): Promise<void> {
    await this.loading.catch(() => {
      // Whoever has started the broker hears of it.
    });
    const { previousBrokerEpoch } = this.logManager;
    const brokerEpoch = this.parts?.lifecycle.brokerEpoch ?? -1;
    // A life that never registered has written nothing: the logs are still those of the life before.
    await this.logManager.shutdown(brokerEpoch === -1 ? previousBrokerEpoch : brokerEpoch);
    this.parts = undefined;
  }

  private createLogManager(): LogManager {
    const { staticConfig: config, dynamicConfig } = this;
    return new LogManager(this.runtime, this.logger, {
      logDirs: config.logDirs,
      defaultConfig: dynamicConfig.logConfig(new Map()),
      configOf: topic => dynamicConfig.logConfig(this.metadata().configs.topic(topic)),
      directoryIds: this.identity.directoryIds,
      unreadable: this.identity.unreadable,
      flushSchedulerIntervalMs: config.long('log.flush.scheduler.interval.ms'),
      flushOffsetCheckpointMs: config.int('log.flush.offset.checkpoint.interval.ms'),
      flushStartOffsetCheckpointMs: config.int('log.flush.start.offset.checkpoint.interval.ms'),
      highWatermarkCheckpointMs: config.long('replica.high.watermark.checkpoint.interval.ms'),
      retentionCheckMs: config.long('log.retention.check.interval.ms'),
      minFreeBytes: () => dynamicConfig.current.long('log.dirs.min.free.bytes'),
      cordonedLogDirs: () => dynamicConfig.current.cordonedLogDirs,
      producerIdExpirationMs: () => dynamicConfig.current.int('producer.id.expiration.ms'),
      verifiesTransactions: () => dynamicConfig.current.boolean('transaction.partition.verification.enable'),
      producerIdExpirationCheckMs: config.int('producer.id.expiration.check.interval.ms'),
      cleanerConfig: () => cleanerConfigOf(dynamicConfig.current),
      onLogDirFailure: (logDir, error, remaining) => this.onLogDirFailure(logDir, error, remaining),
    });
  }

  private onLogDirFailure(logDir: string, error: Error, remaining: number): void {
    this.parts?.services.replicaManager.onLogDirFailure(logDir);
    const directoryId = this.identity.directoryIds.get(logDir);
    if (directoryId !== undefined) this.parts?.lifecycle.propagateDirectoryFailure(directoryId);
    if (remaining === 0 || logDir === this.staticConfig.metadataLogDir) this.options.onFatal(error);
  }

  private createParts(shared: SharedServer, controllerServer: ControllerServer | undefined) {
    const { runtime, logger, logManager, staticConfig, dynamicConfig } = this;
    const { nodeId, clusterId } = this.identity;
    const { loader, quorum } = shared;
    const metadata = () => loader.image();
    const requestTimeoutMs = staticConfig.int('request.timeout.ms');
    const controllerChannel = shared.controllerChannel(`broker-${nodeId}`);
    const forwardingChannel = shared.controllerChannel(`broker-${nodeId}-forwarding`);
    const heartbeatChannel = shared.controllerChannel(`broker-${nodeId}-heartbeat`);
    const lifecycle = this.createLifecycle(heartbeatChannel);
    const assignments = new AssignmentsManager(
      runtime,
      logger,
      controllerChannel,
      nodeId,
      () => lifecycle.brokerEpoch,
    );

    const transactionChannels = new TransactionChannels(runtime, logger, staticConfig, () => services);
    const replicaManager = new ReplicaManager(runtime, logger, logManager, {
      brokerId: nodeId,
      topicConfig: topic => dynamicConfig.logConfig(metadata().configs.topic(topic)),
      metadata,
      config: () => dynamicConfig.current,
      brokerEpoch: () => lifecycle.brokerEpoch,
      leaderEndPoint: (leaderId, fetcherId) =>
        new RemoteLeaderEndPoint(
          leaderId,
          this.fetcherClient(fetcherId),
          () => brokerEndPoint(metadata(), leaderId, staticConfig.interBrokerListenerName),
          () => staticConfig.int('replica.socket.timeout.ms'),
        ),
      transactionVerifier: transactionChannels.verifier,
      alterPartition: body =>
        controllerChannel.send(ALTER_PARTITION, body, { timeoutMs: ALTER_PARTITION_TIMEOUT_MS }),
      onDirectoryAssigned: (topicId, partition, directoryId) =>
        assignments.assign(topicId, partition, directoryId),
    });
    const writer = new ReplicaPartitionWriter(replicaManager, transactionChannels.verifier);
    const groupCoordinator = new GroupCoordinator(runtime, logger, {
      config: groupCoordinatorConfigOf(staticConfig),
      writer,
      reader: writer,
      partitionCount: () => metadata().topics.topic(InternalTopic.CONSUMER_OFFSETS)?.partitions.length,
    });
    const transactionCoordinator = new TransactionCoordinator(runtime, logger, {
      config: transactionCoordinatorConfigOf(staticConfig),
      writer,
      reader: writer,
      markerWriter: transactionChannels.markers,
      producerIds: new ProducerIdManager(() =>
        allocateProducerIds(controllerChannel, nodeId, lifecycle.brokerEpoch, requestTimeoutMs),
      ),
      partitionCount: () => metadata().topics.topic(InternalTopic.TRANSACTION_STATE)?.partitions.length,
      transactionVersion: () => metadata().features.level(FeatureName.TRANSACTION_VERSION),
    });
    const topicCreator = new AutoTopicCreator(
      names => createTopicsOnDemand(controllerChannel, names, staticConfig, requestTimeoutMs),
      this.limitedLogger,
    );
    const handlers = new HandlerTable(brokerHandlers);
    const quotas = new QuotaManagers(runtime.clock, logger, staticConfig, connectionRateLimits(staticConfig));
    const services: BrokerServices = {
      runtime,
      logger,
      loggers: this.options.loggers,
      nodeId,
      clusterId,
      // Heartbeats keep that channel connected.
      apis: new AdvertisedApis(handlers, () => heartbeatChannel.controllerVersions()),
      get config() {
        return dynamicConfig.current;
      },
      metadata,
      kraftVersion: () => shared.kraftVersion.level,
      quorum,
      quotas,
      controllerChannel,
      forwarding: new ForwardingManager(forwardingChannel, controllerServer?.services, {
        defaultTimeoutMs: requestTimeoutMs,
      }),
      autoCreateTopics: names => topicCreator.request(names),
      replicaManager,
      logManager,
      groupCoordinator,
      transactionCoordinator,
    };
    const publisher = new BrokerMetadataPublisher(logger, dynamicConfig, {
      nodeId,
      logManager,
      replicaManager,
      groupCoordinator,
      transactionCoordinator,
    });
    const socketServer = new SocketServer(
      runtime,
      logger,
      listenerLimits(runtime, staticConfig),
      quotas.connections,
    );
    const router = new RequestRouter(handlers, services, this.limitedLogger, {
      intercept: this.options.interceptRequest,
      requestQuota: quotas.request,
    });
    dynamicConfig.subscribe(config => {
      socketServer.setConnectionLimits(listenerLimits(runtime, config));
      quotas.connections.setLimits(connectionRateLimits(config));
      logManager.onConfigChanged();
      lifecycle.onConfigChanged();
      replicaManager.onConfigChanged();
    });
    const channels = [controllerChannel, forwardingChannel, heartbeatChannel];
    this.parts = { services, lifecycle, assignments, socketServer, transactionChannels, channels };
    return { ...this.parts, publisher, listen: () => this.listen(socketServer, router) };
  }

  /** Binds the listeners; connections wait until the broker serves. */
  private async listen(socketServer: SocketServer, router: RequestRouter<BrokerServices>): Promise<void> {
    for (const { listenerName, host, port } of this.staticConfig.brokerListeners) {
      const endpoint = { listenerName, kind: 'broker' as const, host, port };
      this.ports.set(listenerName, await socketServer.listen(endpoint, router));
    }
  }

  private createLifecycle(channel: BrokerToControllerChannel): BrokerLifecycleManager {
    const { staticConfig: config } = this;
    const { nodeId, clusterId, directoryIds, incarnationId } = this.identity;
    return new BrokerLifecycleManager(this.runtime, this.logger, channel, {
      brokerId: nodeId,
      clusterId,
      // Asked for when the listeners are bound.
      registration: () => ({
        brokerId: nodeId,
        clusterId,
        incarnationId,
        listeners: this.advertised(),
        features: supportedFeatures(),
        rack: config.optionalString('broker.rack'),
        isMigratingZkBroker: false,
        logDirs: config.logDirs.flatMap(logDir => directoryIds.get(logDir) ?? []),
        previousBrokerEpoch: this.logManager.previousBrokerEpoch,
      }),
      cordonedDirectories: () =>
        this.dynamicConfig.current.cordonedLogDirs.flatMap(logDir => directoryIds.get(logDir) ?? []),
      isCordoningKnown: () => (channel.controllerVersions()?.get(BROKER_HEARTBEAT_API)?.maxVersion ?? 0) >= 2,
      heartbeatIntervalMs: config.int('broker.heartbeat.interval.ms'),
      sessionTimeoutMs: config.int('broker.session.timeout.ms'),
      registrationTimeoutMs: config.int('initial.broker.registration.timeout.ms'),
    });
  }

  private fetcherClient(fetcherId: number): NetworkClient {
    const { runtime, logger, staticConfig: config, identity } = this;
    return new NetworkClient(runtime, logger, {
      clientId: `broker-${identity.nodeId}-fetcher-${fetcherId}`,
      connectTimeoutMs: config.long('socket.connection.setup.timeout.ms'),
      maxFrameBytes: FETCH_FRAME_MAX_BYTES,
    });
  }
}
