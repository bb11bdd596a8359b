import { join } from 'node:path';
import type { Logger } from '../base/logger.ts';
import { randomUuid, type Uuid, ZERO_UUID } from '../base/uuid.ts';
import { NetworkClient } from '../client/network-client.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { logConfigOf } from '../config/topic-config.ts';
import { LOCK_FILE } from '../log/log-file-names.ts';
import { loadMetaProperties, MetaPropertiesError, writeMetaProperties } from '../log/meta-properties.ts';
import { MetadataLoader } from '../metadata/metadata-loader.ts';
import { SnapshotGenerator } from '../metadata/snapshot-generator.ts';
import { FileQuorumStateStore } from '../raft/quorum-state-store.ts';
import { RaftDriver } from '../raft/raft-driver.ts';
import type { VoterEndpoint } from '../raft/voter-set.ts';
import type { DiskLock, Runtime } from '../runtime/runtime.ts';
import { BrokerToControllerChannel } from './broker-to-controller-channel.ts';
import { KafkaMetadataLog } from './kafka-metadata-log.ts';
import { KRaftVersionListener } from './kraft-version-listener.ts';
import { QUORUM_STATE_FILE } from './metadata-log-names.ts';
import type { QuorumAccess } from './quorum-access.ts';
import { RaftNetwork } from './raft-network.ts';

/** How long a leader of the quorum holds a fetch that it has nothing for. */
const RAFT_FETCH_MAX_WAIT_MS = 500;
/** Before the active controller is looked for again, where nothing tells of another one. */
const CHANNEL_BACKOFF_MS = 50;

/** Whose this process is, as its disks say. */
export interface NodeIdentity {
  readonly nodeId: number;
  /** 22 characters, as `meta.properties` has it. */
  readonly clusterId: Uuid;
  /** By log directory; that of the metadata log among them. */
  readonly directoryIds: ReadonlyMap<string, Uuid>;
  /** Log directories whose disk fails at the start. */
  readonly unreadable: ReadonlyMap<string, Error>;
  /** Tells this process from the node's earlier ones. */
  readonly incarnationId: Uuid;
}

/**
 * What the broker and the controller of one process share: the identity on its disks, the metadata log with its part in
 * the quorum, and the loader that makes images of it. A node that is only a broker observes the quorum and keeps a copy
 * of the log likewise.
 */
export class SharedServer {
  readonly identity: NodeIdentity;
  readonly network: RaftNetwork;
  readonly raft: RaftDriver;
  readonly loader: MetadataLoader;
  readonly kraftVersion = new KRaftVersionListener();
  /** Where the active controller is; where that is this process, the address that needs no name to be resolved. */
  readonly quorum: QuorumAccess;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly config: KafkaConfig;
  private readonly lock: DiskLock | undefined;
  private ownAddress: HostAndPort | undefined;
  private phase: 'open' | 'running' | 'stopped' = 'open';

  /**
   * Opens the metadata log. `directoriesLocked`: those that the broker has locked. Throws `LockedError`, errors of the
   * disk.
   */
  constructor(
    runtime: Runtime,
    logger: Logger,
    config: KafkaConfig,
    identity: NodeIdentity,
    directoriesLocked: readonly string[],
    onFatal: (error: Error) => void,
  ) {
    const { metadataLogDir } = config;
    this.runtime = runtime;
    this.logger = logger;
    this.config = config;
    this.identity = identity;
    this.lock = directoriesLocked.includes(metadataLogDir)
      ? undefined
      : runtime.disk.lockSync(join(metadataLogDir, LOCK_FILE));
    try {
      const log = openMetadataLog(runtime, logger, config);
      const directoryId = identity.directoryIds.get(metadataLogDir) ?? ZERO_UUID;
      this.network = new RaftNetwork(runtime, logger, config, { clusterId: identity.clusterId, directoryId });
      this.raft = new RaftDriver(
        runtime,
        logger,
        {
          self: { id: identity.nodeId, directoryId },
          staticVoters: this.network.staticVoters,
          bootstrapIds: this.network.bootstrapIds,
          electionTimeoutMs: config.int('controller.quorum.election.timeout.ms'),
          electionBackoffMaxMs: config.int('controller.quorum.election.backoff.max.ms'),
          fetchTimeoutMs: config.int('controller.quorum.fetch.timeout.ms'),
          requestTimeoutMs: config.int('controller.quorum.request.timeout.ms'),
          retryBackoffMs: config.int('controller.quorum.retry.backoff.ms'),
          fetchMaxWaitMs: RAFT_FETCH_MAX_WAIT_MS,
          onFatal,
        },
        {
          log,
          store: new FileQuorumStateStore(runtime.disk, join(log.directory, QUORUM_STATE_FILE)),
          transport: this.network,
        },
      );
    } catch (error) {
      this.lock?.release();
      throw error;
    }
    this.quorum = this.quorumFromHere();
    this.loader = new MetadataLoader(logger, this.raft);
    this.loader.addPublisher(
      new SnapshotGenerator(runtime, logger, this.raft, {
        maxBytesBetweenSnapshots: config.long('metadata.log.max.record.bytes.between.snapshots'),
        maxIntervalMs: config.long('metadata.log.max.snapshot.interval.ms'),
      }),
    );
  }

  /**
   * Takes part in the quorum. `endpoints`: where other nodes reach the controller of this process, `ownAddress`: where
   * it does so itself; none if it has no controller.
   */
  async start(endpoints: readonly VoterEndpoint[], ownAddress: HostAndPort | undefined): Promise<void> {
    this.phase = 'running';
    this.ownAddress = ownAddress;
    this.network.attach(this.raft, endpoints);
    await this.raft.start();
    this.raft.register(this.kraftVersion);
    this.raft.register(this.loader);
  }

  /** A way to the active controller with connections of its own. `clientId` names it to the other side. */
  controllerChannel(clientId: string): BrokerToControllerChannel {
    const { runtime, logger, config } = this;
    const client = new NetworkClient(runtime, logger, {
      clientId,
      connectTimeoutMs: config.long('socket.connection.setup.timeout.ms'),
      maxFrameBytes: config.int('socket.request.max.bytes'),
    });
    return new BrokerToControllerChannel(runtime, logger, client, this.quorum, {
      retryBackoffMs: CHANNEL_BACKOFF_MS,
      // Several attempts fit into a session, so that one lost answer does not end it.
      attemptTimeoutMs: Math.ceil(config.int('broker.session.timeout.ms') / 3),
    });
  }

  /** Hands over leadership, if this node has it, and leaves the quorum. */
  async stop(): Promise<void> {
    if (this.phase === 'running') await this.raft.shutdown();
    this.phase = 'stopped';
    this.network.close();
  }

  private quorumFromHere(): QuorumAccess {
    const { network, identity } = this;
    return {
      leaderAndEpoch: () => network.leaderAndEpoch(),
      leaderEndpoint: () => {
        const { leaderId } = network.leaderAndEpoch();
        const own = this.ownAddress;
        if (leaderId === identity.nodeId && own !== undefined) return { id: leaderId, ...own };
        return network.leaderEndpoint();
      },
      voterEndpoints: () => network.voterEndpoints(),
      isMajorityUnreachable: () => network.isMajorityUnreachable(),
      onLeaderChange: listener => network.onLeaderChange(listener),
      status: () => network.status(),
    };
  }

  /** After everything else has stopped: another process may take the directories from here on. */
  releaseLock(): void {
    this.lock?.release();
  }
}

/**
 * Reads whose the directories of this node are. A directory that is new beside formatted ones becomes this node's.
 * Throws `MetaPropertiesError`.
 */
export function loadIdentity(runtime: Runtime, logger: Logger, config: KafkaConfig): NodeIdentity {
  const { nodeId, metadataLogDir, logDirs } = config;
  const { disk, random } = runtime;
  const ensemble = loadMetaProperties(disk, new Set([metadataLogDir, ...logDirs]), nodeId);
  const { clusterId } = ensemble;
  if (ensemble.unformatted.includes(metadataLogDir)) {
    // A voter that has forgotten its votes could vote twice.
    throw new MetaPropertiesError(
      `${metadataLogDir}: not formatted, while other directories of this node are. The metadata log of node ${nodeId} ` +
        'was here: mount its disk again, or remove the node from the quorum and format all of its directories',
    );
  }
  const failure = ensemble.unreadable.get(metadataLogDir);
  if (failure !== undefined) throw failure;
  const directoryIds = new Map(ensemble.directoryIds);
  for (const logDir of ensemble.unformatted) {
    const directoryId = randomUuid(size => random.bytes(size));
    try {
      disk.makeDirectorySync(logDir);
      writeMetaProperties(disk, logDir, { clusterId, nodeId, directoryId });
    } catch (error) {
      // The log manager finds it offline too, and goes on with the others.
      logger.error('a new log directory cannot be written to', { logDir, error: String(error) });
      continue;
    }
    directoryIds.set(logDir, directoryId);
    logger.info('took a new log directory into use', { logDir, directoryId });
  }
  const { unreadable } = ensemble;
  const incarnationId = randomUuid(size => random.bytes(size));
  return { nodeId, clusterId, directoryIds, unreadable, incarnationId };
}

function openMetadataLog(runtime: Runtime, logger: Logger, config: KafkaConfig): KafkaMetadataLog {
  return KafkaMetadataLog.open(runtime, logger, {
    metadataLogDir: config.metadataLogDir,
    baseConfig: logConfigOf(config, new Map()),
    segmentBytes:
      config.optionalNumber('internal.metadata.log.segment.bytes') ??
      config.int('metadata.log.segment.bytes'),
    segmentMs: config.long('metadata.log.segment.ms'),
    retentionBytes: config.long('metadata.max.retention.bytes'),
    retentionMs: config.long('metadata.max.retention.ms'),
  });
}
