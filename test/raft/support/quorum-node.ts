import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LimitedLogger, MemoryLogger } from '../../../src/base/logger.ts';
import { randomUuid } from '../../../src/base/uuid.ts';
import { loadKafkaConfig } from '../../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../../src/config/kafka-config.ts';
import { logConfigOf } from '../../../src/config/topic-config.ts';
import { loadMetaProperties } from '../../../src/log/meta-properties.ts';
import { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import { FileQuorumStateStore } from '../../../src/raft/quorum-state-store.ts';
import type {
  CommittedBatch,
  LeaderAndEpoch,
  RaftListener,
  SnapshotReader,
} from '../../../src/raft/raft-client.ts';
import { RaftDriver } from '../../../src/raft/raft-driver.ts';
import { NodeRuntime } from '../../../src/runtime/node/node-runtime.ts';
import type { ControllerServices } from '../../../src/server/controller-services.ts';
import { HandlerTable } from '../../../src/server/handler-table.ts';
import { fetchMetadataLog } from '../../../src/server/handlers/01-fetch-metadata-log.ts';
import { apiVersions } from '../../../src/server/handlers/18-api-versions.ts';
import { vote } from '../../../src/server/handlers/52-vote.ts';
import { beginQuorumEpoch } from '../../../src/server/handlers/53-begin-quorum-epoch.ts';
import { endQuorumEpoch } from '../../../src/server/handlers/54-end-quorum-epoch.ts';
import { describeQuorum } from '../../../src/server/handlers/55-describe-quorum.ts';
import { fetchSnapshot } from '../../../src/server/handlers/59-fetch-snapshot.ts';
import { addRaftVoter } from '../../../src/server/handlers/80-add-raft-voter.ts';
import { removeRaftVoter } from '../../../src/server/handlers/81-remove-raft-voter.ts';
import { updateRaftVoter } from '../../../src/server/handlers/82-update-raft-voter.ts';
import { KafkaMetadataLog } from '../../../src/server/kafka-metadata-log.ts';
import { RaftNetwork } from '../../../src/server/raft-network.ts';
import { RequestRouter } from '../../../src/server/request-router.ts';
import { SocketServer } from '../../../src/server/socket-server.ts';
import { formatStorage, type InitialVoters } from '../../../src/tools/storage-formatter.ts';
import { freePort } from '../../support/free-ports.ts';

export interface QuorumNodeOptions {
  readonly id: number;
  readonly port: number;
  readonly roles?: string;
  readonly clusterId: string;
  readonly initialVoters: InitialVoters;
  /** `controller.quorum.voters` or `controller.quorum.bootstrap.servers`, and whatever else. */
  readonly properties: Readonly<Record<string, string>>;
}

const TIMEOUTS = {
  'controller.quorum.election.timeout.ms': '300',
  'controller.quorum.election.backoff.max.ms': '100',
  'controller.quorum.fetch.timeout.ms': '500',
  'controller.quorum.request.timeout.ms': '1000',
};

/** What a member of the quorum is without controller and broker: log, core, network and listener, over real TCP. */
export class QuorumNode implements RaftListener {
  readonly id: number;
  readonly port: number;
  readonly directory: string;
  readonly config: KafkaConfig;
  readonly logger = new MemoryLogger();
  /** Values of committed records, in order. */
  values: string[] = [];
  heardLeader: LeaderAndEpoch = { leaderId: undefined, epoch: -1 };
  snapshotsLoaded = 0;
  fatal: Error | undefined;
  driver!: RaftDriver;
  network!: RaftNetwork;
  running = false;
  private server: SocketServer | undefined;
  private readonly isController: boolean;
  private readonly runtime = new NodeRuntime();

  constructor(options: QuorumNodeOptions) {
    this.id = options.id;
    this.port = options.port;
    const roles = options.roles ?? 'controller';
    this.isController = roles === 'controller';
    this.directory = mkdtempSync(join(tmpdir(), `odradek-quorum-${options.id}-`));
    const properties: Record<string, string> = {
      'process.roles': roles,
      'node.id': String(options.id),
      listeners: this.isController ? `CONTROLLER://127.0.0.1:${options.port}` : 'PLAINTEXT://127.0.0.1:0',
      'controller.listener.names': 'CONTROLLER',
      'log.dirs': this.directory,
      ...TIMEOUTS,
      ...options.properties,
    };
    this.config = loadKafkaConfig({
      file: undefined,
      overrides: Object.entries(properties),
      workingDirectory: this.directory,
      hostName: '127.0.0.1',
    }).config;
    const { clusterId, initialVoters } = options;
    formatStorage(this.runtime, this.config, { clusterId, initialVoters, ignoreFormatted: false });
  }

  get directoryId(): string {
    return this.identity().directoryIds.get(this.config.metadataLogDir)!;
  }

  private identity() {
    return loadMetaProperties(this.runtime.disk, new Set([this.directory]), this.id);
  }

  async start(): Promise<void> {
    const { runtime, config, logger } = this;
    this.values = [];
    const { clusterId } = this.identity();
    const log = KafkaMetadataLog.open(runtime, logger, {
      metadataLogDir: config.metadataLogDir,
      baseConfig: logConfigOf(config, new Map()),
      segmentBytes: 1024 * 1024,
      segmentMs: 600_000,
      retentionBytes: 64 * 1024,
      retentionMs: 600_000,
    });
    const self = { id: this.id, directoryId: this.directoryId };
    this.network = new RaftNetwork(runtime, logger, config, { clusterId, directoryId: self.directoryId });
    this.driver = new RaftDriver(
      runtime,
      logger,
      {
        self,
        staticVoters: this.network.staticVoters,
        bootstrapIds: this.network.bootstrapIds,
        electionTimeoutMs: config.int('controller.quorum.election.timeout.ms'),
        electionBackoffMaxMs: config.int('controller.quorum.election.backoff.max.ms'),
        fetchTimeoutMs: config.int('controller.quorum.fetch.timeout.ms'),
        requestTimeoutMs: config.int('controller.quorum.request.timeout.ms'),
        retryBackoffMs: config.int('controller.quorum.retry.backoff.ms'),
        fetchMaxWaitMs: 200,
        onFatal: error => {
          this.fatal = error;
        },
      },
      {
        log,
        store: new FileQuorumStateStore(runtime.disk, join(log.directory, 'quorum-state')),
        transport: this.network,
      },
    );
    if (this.isController) await this.listen(clusterId);
    const endpoints = this.isController ? [{ name: 'CONTROLLER', host: '127.0.0.1', port: this.port }] : [];
    this.network.attach(this.driver, endpoints);
    await this.driver.start();
    this.driver.register(this);
    this.server?.serve();
    this.running = true;
  }

  private async listen(clusterId: string): Promise<void> {
    const { runtime, logger, config } = this;
    const handlers = new HandlerTable<ControllerServices>([
      fetchMetadataLog,
      apiVersions,
      vote,
      beginQuorumEpoch,
      endQuorumEpoch,
      describeQuorum,
      fetchSnapshot,
      addRaftVoter,
      removeRaftVoter,
      updateRaftVoter,
    ]);
    // These handlers ask for nothing else.
    const services = {
      runtime,
      logger,
      config,
      nodeId: this.id,
      clusterId,
      apis: handlers,
      metadata: () => MetadataImage.EMPTY,
      kraftVersion: () => this.driver.kraftVersion,
      quorum: this.network,
      raft: this.network,
    } as unknown as ControllerServices;
    this.server = new SocketServer(runtime, logger, {
      maxFrameBytes: 1024 * 1024,
      maxIdleMs: 60_000,
      maxConnections: 100,
      maxConnectionsPerIp: 100,
      perIpOverrides: new Map(),
      backlog: 50,
    });
    const router = new RequestRouter(
      handlers,
      services,
      new LimitedLogger(logger, () => runtime.clock.monotonicMs(), 1000),
    );
    const endpoint = {
      listenerName: 'CONTROLLER',
      kind: 'controller' as const,
      host: '127.0.0.1',
      port: this.port,
    };
    await this.server.listen(endpoint, router);
  }

  /** Hands over leadership and stops. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.running = false;
    await this.driver.shutdown();
    this.network.close();
    await this.server?.stop(100);
  }

  /** Is gone for the others at once, without a word. */
  async kill(): Promise<void> {
    if (!this.running) return;
    this.running = false;
    this.network.close();
    await this.server?.stop(0);
    await this.driver.shutdown();
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  handleCommit(batches: readonly CommittedBatch[]): void {
    for (const { records } of batches) this.values.push(...records.map(record => record.toString()));
  }

  handleLoadSnapshot(reader: SnapshotReader): void {
    this.snapshotsLoaded++;
    this.values = [...reader.batches()].flatMap(batch => batch.records.map(record => record.toString()));
  }

  handleLeaderChange(leader: LeaderAndEpoch): void {
    this.heardLeader = leader;
  }
}

/** Several nodes and what tests ask of them all. */
export class Quorum {
  readonly nodes: QuorumNode[] = [];
  readonly clusterId = randomUuid(size => new NodeRuntime().random.bytes(size));

  async add(options: Omit<QuorumNodeOptions, 'clusterId' | 'port'> & { port?: number }): Promise<QuorumNode> {
    const port = options.port ?? (await freePort());
    const node = new QuorumNode({ ...options, port, clusterId: this.clusterId });
    this.nodes.push(node);
    return node;
  }

  node(id: number): QuorumNode {
    return this.nodes.find(node => node.id === id)!;
  }

  /** Waits until `condition` gives something. Fails with the state of all nodes after 20 s. */
  async until<T>(what: string, condition: () => T | undefined | false): Promise<T> {
    const endMs = Date.now() + 20_000;
    for (;;) {
      for (const { id, fatal } of this.nodes)
        if (fatal !== undefined) throw new Error(`node ${id}: ${fatal.stack}`);
      const value = condition();
      if (value !== undefined && value !== false) return value;
      if (Date.now() > endMs) throw new Error(`not reached: ${what}\n${this.describe()}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  /** The node that leads, once all running nodes follow it. */
  leader(): Promise<QuorumNode> {
    return this.until('one leader that all follow', () => {
      const running = this.nodes.filter(node => node.running);
      const leaders = new Set(running.map(node => node.driver.leaderAndEpoch().leaderId));
      const [id] = leaders;
      if (leaders.size !== 1 || id === undefined) return undefined;
      return running.find(node => node.id === id && node.heardLeader.leaderId === id);
    });
  }

  /** Has the leader append `values`, and waits until all running nodes have them at their end. */
  async replicate(...values: string[]): Promise<void> {
    const leader = await this.leader();
    const { epoch } = leader.driver.leaderAndEpoch();
    leader.driver.scheduleAppend(
      epoch,
      values.map(value => Buffer.from(value)),
    );
    await this.until(`${values.length} records everywhere`, () =>
      this.nodes
        .filter(node => node.running)
        .every(node => node.values.slice(-values.length).join() === values.join()),
    );
  }

  describe(): string {
    return this.nodes
      .map(node => {
        if (!node.running) return `${node.id}: down`;
        const { state, epoch, leaderId, highWatermark, voters } = node.driver.status();
        const lines = node.logger.entries
          .filter(entry => entry.level !== 'debug')
          .slice(-8)
          .map(entry => `    ${entry.message} ${JSON.stringify(entry.fields)}`);
        return [
          `${node.id}: ${state} epoch ${epoch} leader ${leaderId} hw ${highWatermark} voters ${voters.ids.join()}`,
          ...lines,
        ].join('\n');
      })
      .join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()));
    for (const node of this.nodes) node.remove();
  }
}
