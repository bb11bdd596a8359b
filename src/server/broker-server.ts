import { join } from 'node:path';
import type { BrokerEpoch } from '../base/int64.ts';
import { LimitedLogger, type Logger } from '../base/logger.ts';
import { randomUuid, type Uuid, ZERO_UUID } from '../base/uuid.ts';
import { prepareCodecs } from '../compression/codecs.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { EndPoint } from '../config/listeners.ts';
import { logConfigOf } from '../config/topic-config.ts';
import { QuorumController } from '../controller/quorum-controller.ts';
import { groupCoordinatorConfigOf } from '../coordinator/group/group-coordinator-config.ts';
import { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import { ProducerIdManager } from '../coordinator/transaction/producer-id-manager.ts';
import { LOCK_FILE } from '../log/log-file-names.ts';
import { LogManager } from '../log/log-manager.ts';
import { loadMetaProperties, type MetaPropertiesEnsemble } from '../log/meta-properties.ts';
import { readBootstrapMetadata } from '../metadata/bootstrap-metadata.ts';
import { SUPPORTED_FEATURES } from '../metadata/features.ts';
import { MetadataLoader } from '../metadata/metadata-loader.ts';
import { metadataVersionSupports } from '../metadata/metadata-version.ts';
import { SnapshotGenerator } from '../metadata/snapshot-generator.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { FileQuorumStateStore } from '../raft/quorum-state-store.ts';
import { RaftDriver } from '../raft/raft-driver.ts';
import { noTransport } from '../raft/raft-transport.ts';
import { VoterSet } from '../raft/voter-set.ts';
import { ReplicaManager } from '../replication/replica-manager.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { AutoTopicCreator } from './auto-topic-creator.ts';
import { BrokerLifecycleManager } from './broker-lifecycle-manager.ts';
import { BrokerMetadataPublisher } from './broker-metadata-publisher.ts';
import type { BrokerServices } from './broker-services.ts';
import { descriptorLimit } from './descriptor-limit.ts';
import type { ListenerKind } from './handler.ts';
import { HandlerTable } from './handler-table.ts';
import { allHandlers } from './handlers/index.ts';
import { KafkaMetadataLog } from './kafka-metadata-log.ts';
import { QUORUM_STATE_FILE } from './metadata-log-names.ts';
import { KRaftVersionListener } from './kraft-version-listener.ts';
import { ReplicaPartitionWriter } from './partition-writer.ts';
import { RequestRouter } from './request-router.ts';
import { SocketServer } from './socket-server.ts';

/** Requests in flight have this long to be answered when the broker stops. */
const STOP_GRACE_MS = 2_000;
/** The controller has this long to let the broker go. A sole broker is let go at once. */
const CONTROLLED_SHUTDOWN_MS = 30_000;
const LOG_PERIOD_MS = 10_000;
/** Open files of the log manager (512) and of the metadata log, listeners, pipes, and room for what comes and goes. */
const RESERVED_DESCRIPTORS = 640;
const MIN_CONNECTIONS = 64;
/** How long a leader of the quorum holds a fetch that it has nothing for. */
const RAFT_FETCH_MAX_WAIT_MS = 500;

const SECURITY_PROTOCOL_NUMBERS = { PLAINTEXT: 0, SSL: 1, SASL_PLAINTEXT: 2, SASL_SSL: 3 } as const;

/** The quorum and what decides and reads the metadata. */
interface QuorumParts {
  readonly raft: RaftDriver;
  readonly kraftVersion: KRaftVersionListener;
  readonly loader: MetadataLoader;
  readonly controller: QuorumController;
}

/**
 * One node: a broker and a member of the metadata quorum in one process.
 *
 * Start: directories locked and checked, logs loaded, quorum joined, metadata read, listeners bound, broker registered
 * and let in, requests served. Each step leaves behind how it is undone, and a stop goes back through them.
 */
export class BrokerServer {
  private readonly runtime: Runtime;
  private readonly staticConfig: KafkaConfig;
  private readonly logger: Logger;
  private readonly limitedLogger: LimitedLogger;
  private readonly incarnationId: Uuid;
  private readonly ports = new Map<string, number>();
  private readonly undo: { readonly step: string; run(): void | Promise<void> }[] = [];
  private stopped: Promise<void> | undefined;
  private broker: BrokerServices | undefined;
  private lifecycle: BrokerLifecycleManager | undefined;
  private reportFailure: (error: Error) => void = () => {};

  /** Resolves with the cause when the node has failed for good and is stopping: the process should end. */
  readonly failed: Promise<Error> = new Promise(resolve => {
    this.reportFailure = resolve;
  });

  constructor(runtime: Runtime, config: KafkaConfig, logger: Logger) {
    this.runtime = runtime;
    this.staticConfig = config;
    this.logger = logger;
    this.limitedLogger = new LimitedLogger(logger, () => runtime.clock.monotonicMs(), LOG_PERIOD_MS);
    this.incarnationId = randomUuid(size => runtime.random.bytes(size));
  }

  /** The port of a listener, which its configuration may have left open; `undefined` before it is bound. */
  port(listenerName: string): number | undefined {
    return this.ports.get(listenerName);
  }

  /** What handlers work with; `undefined` before the broker has its parts. */
  get services(): BrokerServices | undefined {
    return this.broker;
  }

  /**
   * Resolves when requests are served. Throws `LockedError`, `MetaPropertiesError`, errors of the disk or the network;
   * what was started is stopped then.
   */
  async start(): Promise<void> {
    const startMs = this.runtime.clock.monotonicMs();
    try {
      await this.startParts();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.logger.info('started', {
      nodeId: this.staticConfig.nodeId,
      ports: Object.fromEntries(this.ports),
      ms: Math.round(this.runtime.clock.monotonicMs() - startMs),
    });
  }

  /** Resolves when everything is on disk and closed. Calls after the first wait for it. */
  stop(): Promise<void> {
    this.stopped ??= this.stopParts();
    return this.stopped;
  }

  private async startParts(): Promise<void> {
    const { runtime, staticConfig: config } = this;
    checkRoles(config);
    this.lockMetadataDirectory();
    const directories = new Set([config.metadataLogDir, ...config.logDirs]);
    const ensemble = loadMetaProperties(runtime.disk, directories, config.nodeId);

    // Compiled beside the loading of logs, which needs no codec; coordinators, which read records, come later.
    const codecsReady = prepareCodecs();
    const logManager = this.createLogManager(ensemble);
    await logManager.startup();
    const quorum = await this.startQuorum(ensemble);
    await codecsReady;
    const broker = this.createBroker(ensemble, logManager, quorum);
    this.broker = broker.services;
    const socketServer = await this.listen(broker.services);
    const lifecycle = this.createLifecycle(ensemble, quorum.controller, logManager.previousBrokerEpoch);

    const { raft, loader, controller } = quorum;
    loader.addPublisher(broker.publisher);
    loader.addPublisher(lifecycle);
    loader.addPublisher(
      new SnapshotGenerator(runtime, this.logger, raft, {
        maxBytesBetweenSnapshots: config.long('metadata.log.max.record.bytes.between.snapshots'),
        maxIntervalMs: config.long('metadata.log.max.snapshot.interval.ms'),
      }),
    );
    // The controller answers when an image is published: after the others have acted on it.
    loader.addPublisher(controller);
    raft.register(loader);
    await controller.whenActive();
    await Promise.all([this.registerController(controller), lifecycle.start()]);
    socketServer.serve();
  }

  private async stopParts(): Promise<void> {
    for (let last = this.undo.pop(); last !== undefined; last = this.undo.pop()) {
      try {
        await last.run();
      } catch (error) {
        this.logger.error('a part of the broker did not stop well', {
          part: last.step,
          error: String(error),
        });
      }
    }
    this.broker = undefined;
    this.logger.info('stopped');
  }

  /** A failure that the node cannot live with. */
  private fail(error: Error): void {
    this.logger.error('the node stops because of a failure', { error: error.message });
    this.reportFailure(error);
    this.stop();
  }

  /** The log manager locks its own directories; the metadata log may have one to itself. */
  private lockMetadataDirectory(): void {
    const { metadataLogDir, logDirs } = this.staticConfig;
    if (logDirs.includes(metadataLogDir)) return;
    const lock = this.runtime.disk.lockSync(join(metadataLogDir, LOCK_FILE));
    this.undo.push({ step: 'metadata directory lock', run: () => lock.release() });
  }

  private createLogManager(ensemble: MetaPropertiesEnsemble): LogManager {
    const { staticConfig: config } = this;
    const logManager = new LogManager(this.runtime, this.logger, {
      logDirs: config.logDirs,
      defaultConfig: logConfigOf(config, new Map()),
      directoryIds: ensemble.directoryIds,
      flushSchedulerIntervalMs: config.long('log.flush.scheduler.interval.ms'),
      flushOffsetCheckpointMs: config.int('log.flush.offset.checkpoint.interval.ms'),
      flushStartOffsetCheckpointMs: config.int('log.flush.start.offset.checkpoint.interval.ms'),
      highWatermarkCheckpointMs: config.long('replica.high.watermark.checkpoint.interval.ms'),
      retentionCheckMs: config.long('log.retention.check.interval.ms'),
      producerIdExpirationMs: config.int('producer.id.expiration.ms'),
      producerIdExpirationCheckMs: config.int('producer.id.expiration.check.interval.ms'),
      onLogDirFailure: (logDir, error, remaining) => this.onLogDirFailure(logDir, error, remaining, ensemble),
    });
    this.undo.push({ step: 'log manager', run: () => logManager.shutdown(this.lifecycle?.brokerEpoch) });
    return logManager;
  }

  private onLogDirFailure(
    logDir: string,
    error: Error,
    remaining: number,
    ensemble: MetaPropertiesEnsemble,
  ): void {
    this.broker?.replicaManager.onLogDirFailure(logDir);
    const directoryId = ensemble.directoryIds.get(logDir);
    if (directoryId !== undefined) this.lifecycle?.propagateDirectoryFailure(directoryId);
    if (remaining === 0 || logDir === this.staticConfig.metadataLogDir) this.fail(error);
  }

  /** Joins the metadata quorum. Nothing is published before {@link startParts} has added the publishers. */
  private async startQuorum({ clusterId, directoryIds }: MetaPropertiesEnsemble): Promise<QuorumParts> {
    const { runtime, logger, staticConfig: config } = this;
    const { nodeId, metadataLogDir } = config;
    const log = KafkaMetadataLog.open(runtime, logger, {
      metadataLogDir,
      baseConfig: logConfigOf(config, new Map()),
      segmentBytes: config.int('metadata.log.segment.bytes'),
      segmentMs: config.long('metadata.log.segment.ms'),
      retentionBytes: config.long('metadata.max.retention.bytes'),
      retentionMs: config.long('metadata.max.retention.ms'),
    });
    const raft = new RaftDriver(
      runtime,
      logger,
      {
        self: { id: nodeId, directoryId: directoryIds.get(metadataLogDir) ?? ZERO_UUID },
        staticVoters: staticVotersOf(config),
        electionTimeoutMs: config.int('controller.quorum.election.timeout.ms'),
        electionBackoffMaxMs: config.int('controller.quorum.election.backoff.max.ms'),
        fetchTimeoutMs: config.int('controller.quorum.fetch.timeout.ms'),
        requestTimeoutMs: config.int('controller.quorum.request.timeout.ms'),
        retryBackoffMs: config.int('controller.quorum.retry.backoff.ms'),
        fetchMaxWaitMs: RAFT_FETCH_MAX_WAIT_MS,
        onFatal: error => this.fail(error),
      },
      {
        log,
        store: new FileQuorumStateStore(runtime.disk, join(log.directory, QUORUM_STATE_FILE)),
        transport: noTransport,
      },
    );
    await raft.start();
    this.undo.push({ step: 'metadata quorum', run: () => raft.shutdown() });
    const loader = new MetadataLoader(logger, raft);
    const controller = new QuorumController(runtime, logger, raft, loader, {
      config,
      clusterId,
      bootstrapRecords: readBootstrapMetadata(runtime.disk, metadataLogDir),
    });
    const kraftVersion = new KRaftVersionListener();
    raft.register(kraftVersion);
    return { raft, kraftVersion, loader, controller };
  }

  private createBroker(
    { clusterId }: MetaPropertiesEnsemble,
    logManager: LogManager,
    { raft, kraftVersion, loader, controller }: QuorumParts,
  ): { services: BrokerServices; publisher: BrokerMetadataPublisher } {
    const { runtime, logger, staticConfig } = this;
    const { nodeId } = staticConfig;
    let config = staticConfig;
    const metadata = () => loader.image();
    const replicaManager = new ReplicaManager(runtime, logger, logManager, {
      brokerId: nodeId,
      topicConfig: topic => logConfigOf(config, metadata().configs.topic(topic)),
      metadata,
      fetchSessionSlots: config.int('max.incremental.fetch.session.cache.slots'),
    });
    const writer = new ReplicaPartitionWriter(replicaManager);
    const groupCoordinator = new GroupCoordinator(runtime, logger, {
      config: groupCoordinatorConfigOf(config),
      writer,
      reader: writer,
      partitionCount: () => metadata().topics.topic(InternalTopic.CONSUMER_OFFSETS)?.partitions.length,
    });
    this.undo.push({ step: 'group coordinator', run: () => groupCoordinator.shutdown() });
    const topicCreator = new AutoTopicCreator(
      names => controller.autoCreateTopics(names),
      this.limitedLogger,
    );
    const services: BrokerServices = {
      runtime,
      logger,
      nodeId,
      clusterId,
      handlers: new HandlerTable(allHandlers),
      get config() {
        return config;
      },
      metadata,
      controller,
      kraftVersion: () => kraftVersion.level,
      activeControllerId: () => raft.leaderAndEpoch().leaderId,
      autoCreateTopics: names => topicCreator.request(names),
      replicaManager,
      logManager,
      groupCoordinator,
      producerIdManager: new ProducerIdManager(() =>
        controller.allocateProducerIds(nodeId, this.lifecycle?.brokerEpoch ?? -1),
      ),
    };
    const publisher = new BrokerMetadataPublisher(staticConfig, {
      nodeId,
      logManager,
      replicaManager,
      groupCoordinator,
      setConfig(changed) {
        config = changed;
      },
    });
    return { services, publisher };
  }

  /** Binds the listeners; connections wait until the broker serves. */
  private async listen(broker: BrokerServices): Promise<SocketServer> {
    const { staticConfig: config } = this;
    const server = new SocketServer(this.runtime, this.logger, {
      maxFrameBytes: config.int('socket.request.max.bytes'),
      maxIdleMs: config.long('connections.max.idle.ms'),
      maxConnections: Math.min(config.int('max.connections'), this.connectionRoom()),
      maxConnectionsPerIp: config.int('max.connections.per.ip'),
      perIpOverrides: config.maxConnectionsPerIpOverrides,
      backlog: config.int('socket.listen.backlog.size'),
    });
    this.undo.push({ step: 'socket server', run: () => server.stop(STOP_GRACE_MS) });
    const router = new RequestRouter(broker.handlers, broker, this.limitedLogger);
    const open = async (kind: ListenerKind, { listenerName, host, port }: EndPoint): Promise<void> => {
      this.ports.set(listenerName, await server.listen({ listenerName, kind, host, port }, router));
    };
    for (const endPoint of config.brokerListeners) await open('broker', endPoint);
    for (const endPoint of config.controllerListeners) await open('controller', endPoint);
    return server;
  }

  /** How many connections leave enough descriptors for logs and all else. */
  private connectionRoom(): number {
    const limit = descriptorLimit(this.runtime.disk);
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(MIN_CONNECTIONS, limit - RESERVED_DESCRIPTORS);
  }

  private createLifecycle(
    { clusterId, directoryIds }: MetaPropertiesEnsemble,
    controller: QuorumController,
    previousBrokerEpoch: BrokerEpoch,
  ): BrokerLifecycleManager {
    const { staticConfig: config } = this;
    const lifecycle = new BrokerLifecycleManager(
      this.runtime,
      this.logger,
      {
        registerBroker: request => controller.registerBroker(request),
        brokerHeartbeat: request => controller.processBrokerHeartbeat(request),
      },
      {
        registration: {
          brokerId: config.nodeId,
          clusterId,
          incarnationId: this.incarnationId,
          listeners: config.advertisedListeners.map(endPoint => this.advertised(endPoint)),
          features: supportedFeatures(),
          rack: config.optionalString('broker.rack'),
          isMigratingZkBroker: false,
          logDirs: [...directoryIds.values()],
          previousBrokerEpoch,
        },
        heartbeatIntervalMs: config.int('broker.heartbeat.interval.ms'),
      },
    );
    this.lifecycle = lifecycle;
    this.undo.push({
      step: 'broker lifecycle',
      run: () => lifecycle.controlledShutdown(CONTROLLED_SHUTDOWN_MS),
    });
    return lifecycle;
  }

  /** Tells the quorum where this controller listens, if its metadata version knows controllers. */
  private async registerController(controller: QuorumController): Promise<void> {
    if (!metadataVersionSupports.controllerRegistration(controller.image().features.metadataVersion)) return;
    await controller.registerController({
      controllerId: this.staticConfig.nodeId,
      incarnationId: this.incarnationId,
      zkMigrationReady: false,
      listeners: this.staticConfig.advertisedControllerListeners.map(endPoint => this.advertised(endPoint)),
      features: supportedFeatures(),
    });
  }

  private advertised({ listenerName, host, port, securityProtocol }: EndPoint) {
    return {
      name: listenerName,
      host,
      port: port === 0 ? (this.ports.get(listenerName) ?? 0) : port,
      securityProtocol: SECURITY_PROTOCOL_NUMBERS[securityProtocol],
    };
  }
}

function supportedFeatures() {
  return Array.from(SUPPORTED_FEATURES, ([name, { min, max }]) => ({
    name,
    minSupportedVersion: min,
    maxSupportedVersion: max,
  }));
}

/** `controller.quorum.voters`; empty where the log itself says who votes. */
function staticVotersOf({ quorumVoters }: KafkaConfig): VoterSet {
  return VoterSet.ofIds(quorumVoters.map(voter => voter.nodeId));
}

/** What this version runs: a node that is broker and controller, alone in its quorum. */
function checkRoles({ processRoles, quorumVoters, nodeId }: KafkaConfig): void {
  if (!processRoles.has('broker') || !processRoles.has('controller')) {
    throw new Error(
      "process.roles must be 'broker,controller': a node of one role needs other nodes, which it cannot reach yet",
    );
  }
  if (quorumVoters.some(voter => voter.nodeId !== nodeId)) {
    throw new Error('controller.quorum.voters names other nodes, which this one cannot reach yet');
  }
}
