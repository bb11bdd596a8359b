import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryLogger } from '../../src/base/logger.ts';
import { randomUuid } from '../../src/base/uuid.ts';
import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { KafkaRaftServer } from '../../src/server/kafka-raft-server.ts';
import { formatStorage } from '../../src/tools/storage-formatter.ts';
import { freePorts } from './free-ports.ts';

const HOST = '127.0.0.1';

export interface TestClusterOptions {
  /** The roles of each node; node ids count from 1. */
  readonly roles: readonly ('broker' | 'controller' | 'broker,controller')[];
  /** Keys of `server.properties` for all nodes. */
  readonly properties?: Readonly<Record<string, string>>;
  /** How many `log.dirs` each broker has, named `1`, `2`, ... in its directory; without it that directory. */
  readonly logDirs?: number;
  /** Nodes whose storage is formatted with an id of another cluster. */
  readonly strangers?: readonly number[];
  /** Nodes that are configured with the id of another one. */
  readonly sameIds?: readonly (readonly [node: number, as: number])[];
}

const DEFAULTS: Readonly<Record<string, string>> = {
  'controller.listener.names': 'CONTROLLER',
  'offsets.topic.num.partitions': '6',
  'group.initial.rebalance.delay.ms': '0',
  'controller.quorum.election.timeout.ms': '300',
  'controller.quorum.fetch.timeout.ms': '600',
  'broker.heartbeat.interval.ms': '200',
  'broker.session.timeout.ms': '3000',
};

/** One node of a {@link TestCluster}. */
export class TestNode {
  readonly id: number;
  readonly config: KafkaConfig;
  readonly directory: string;
  readonly logger = new MemoryLogger();
  server: KafkaRaftServer;
  private readonly runtime = new NodeRuntime();

  constructor(id: number, config: KafkaConfig, directory: string) {
    this.id = id;
    this.config = config;
    this.directory = directory;
    this.server = new KafkaRaftServer(this.runtime, config, this.logger);
  }

  format(clusterId: string): void {
    formatStorage(this.runtime, this.config, {
      clusterId,
      initialVoters: { kind: 'fixed' },
      ignoreFormatted: false,
    });
  }

  get port(): number {
    return this.server.port('PLAINTEXT')!;
  }

  get bootstrap(): string {
    return `${HOST}:${this.port}`;
  }

  get isActiveController(): boolean {
    return this.server.controllerServices?.controller.isActive() === true;
  }

  /** Starts a new process of the node, so to speak, on the same directories. */
  async restart(): Promise<void> {
    await this.server.stop();
    this.server = new KafkaRaftServer(this.runtime, this.config, this.logger);
    await this.server.start();
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.runtime.executor.close();
  }
}

/** Several nodes in this process, each on a temporary directory of its own, over the real network and disk. */
export class TestCluster {
  readonly nodes: readonly TestNode[];
  readonly clusterId: string;
  private readonly directory: string;

  private constructor(nodes: readonly TestNode[], clusterId: string, directory: string) {
    this.nodes = nodes;
    this.clusterId = clusterId;
    this.directory = directory;
  }

  /** Formats the nodes and starts none. */
  static async create({
    roles,
    properties,
    logDirs,
    strangers = [],
    sameIds = [],
  }: TestClusterOptions): Promise<TestCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'odradek-cluster-'));
    const ports = await freePorts(2 * roles.length);
    const voters = roles.flatMap((role, i) =>
      role.includes('controller') ? [`${i + 1}@${HOST}:${ports[i]}`] : [],
    );
    const clusterId = uuid();
    const nodes = roles.map((role, i) => {
      const nodeDirectory = join(directory, `node-${i + 1}`);
      const listeners = [
        ...(role.includes('broker') ? [`PLAINTEXT://${HOST}:${ports[roles.length + i]}`] : []),
        ...(role.includes('controller') ? [`CONTROLLER://${HOST}:${ports[i]}`] : []),
      ];
      const { config } = loadKafkaConfig({
        file: undefined,
        overrides: Object.entries({
          ...DEFAULTS,
          'process.roles': role,
          'node.id': String(new Map(sameIds).get(i + 1) ?? i + 1),
          listeners: listeners.join(','),
          'controller.quorum.voters': voters.join(','),
          'log.dirs': logDirsOf(nodeDirectory, logDirs),
          'metadata.log.dir': logDirs === undefined ? nodeDirectory : join(nodeDirectory, 'metadata'),
          ...properties,
        }),
        workingDirectory: directory,
        hostName: HOST,
      });
      const node = new TestNode(i + 1, config, nodeDirectory);
      node.format(strangers.includes(i + 1) ? uuid() : clusterId);
      return node;
    });
    return new TestCluster(nodes, clusterId, directory);
  }

  static async start(options: TestClusterOptions): Promise<TestCluster> {
    const cluster = await TestCluster.create(options);
    await Promise.all(cluster.nodes.map(node => node.server.start()));
    return cluster;
  }

  node(id: number): TestNode {
    return this.nodes[id - 1]!;
  }

  get brokers(): readonly TestNode[] {
    return this.nodes.filter(node => node.config.processRoles.has('broker'));
  }

  /** The node that leads the quorum and knows it. */
  get activeController(): TestNode | undefined {
    return this.nodes.find(node => node.isActiveController);
  }

  async close(): Promise<void> {
    // Brokers are let go by a controller.
    await Promise.all(this.brokers.map(node => node.close()));
    await Promise.all(this.nodes.map(node => node.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Resolves when `condition` holds; rejects with `what` after `timeoutMs`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

function logDirsOf(directory: string, count: number | undefined): string {
  if (count === undefined) return directory;
  return Array.from({ length: count }, (_, i) => join(directory, String(i + 1))).join(',');
}

function uuid(): string {
  const { random } = new NodeRuntime();
  return randomUuid(size => random.bytes(size));
}
