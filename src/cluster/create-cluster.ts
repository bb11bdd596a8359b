import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Logger, silentLogger } from '../base/logger.ts';
import { randomUuid } from '../base/uuid.ts';
import { loadKafkaConfig } from '../config/config-loader.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { readMetaProperties } from '../log/meta-properties.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { NodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { WORKER_TASKS } from '../server/worker-tasks.ts';
import { loadPolicies } from '../tools/policy-loader.ts';
import { formatStorage } from '../tools/storage-formatter.ts';
import type { Cluster, ClusterOptions, ErrorName, FailNextOptions, Node } from './cluster.ts';
import { ClusterNode } from './cluster-node.ts';
import { FailingRequests } from './failing-requests.ts';
import { FaultNetwork } from './fault-network.ts';

/* What the package exports. */

export type { LogFields, Logger } from '../base/logger.ts';
export type {
  AlterConfigPolicy,
  AlterConfigRequestMetadata,
  CreateTopicPolicy,
  CreateTopicRequestMetadata,
} from '../controller/policies.ts';
export type { Cluster, ClusterOptions, ErrorName, FailNextOptions, Node, NodeState } from './cluster.ts';

const HOST = '127.0.0.1';
const CLIENT_LISTENER = 'PLAINTEXT';
const INTERNAL_LISTENER = 'INTERNAL';
const CONTROLLER_LISTENER = 'CONTROLLER';
const FIRST_BROKER_ID = 1;
const FIRST_CONTROLLER_ID = 101;
const NODES_MAX = 100;
const COMBINED_CONTROLLERS_MAX = 5;
/** For whatever the cluster has to reach by itself. */
const PATIENCE_MS = 30_000;
const POLL_MS = 5;

/** Nothing is far away here: failures are noticed in a second, and what is done now and then is done more often. */
const TIMINGS: Readonly<Record<string, string>> = {
  'controller.quorum.election.timeout.ms': '300',
  'controller.quorum.election.backoff.max.ms': '100',
  'controller.quorum.fetch.timeout.ms': '1000',
  'controller.quorum.request.timeout.ms': '1000',
  'controller.quorum.retry.backoff.ms': '20',
  'broker.heartbeat.interval.ms': '100',
  'broker.session.timeout.ms': '1500',
  'replica.lag.time.max.ms': '3000',
  'replica.socket.timeout.ms': '3000',
  'replica.fetch.backoff.ms': '50',
  'group.initial.rebalance.delay.ms': '0',
};

/** What {@link createCluster} must choose itself. */
const CHOSEN_KEYS: ReadonlySet<string> = new Set([
  'process.roles',
  'node.id',
  'broker.id',
  'broker.rack',
  'listeners',
  'advertised.listeners',
  'listener.security.protocol.map',
  'inter.broker.listener.name',
  'controller.listener.names',
  'controller.quorum.voters',
  'controller.quorum.bootstrap.servers',
  'log.dir',
  'log.dirs',
  'metadata.log.dir',
]);

/**
 * Starts a cluster in this process, for tests of what talks to one.
 *
 * ```ts
 * import { createCluster } from 'odradek';
 *
 * const cluster = await createCluster({ brokers: 3 });
 * const kafka = new Kafka({ brokers: cluster.bootstrapServers.split(',') });
 * // ...
 * const leader = await cluster.leaderOf('orders', 0);
 * await leader.kill();
 * // ...
 * await cluster.close();
 * ```
 *
 * It is the server itself, on a disk and a network of its own: timeouts are shorter than Kafka's so that tests are
 * short, topics have three replicas (as many as there are brokers, if less) of which two must be in sync, and internal
 * topics have few partitions. `properties` overrides all of that.
 *
 * Resolves when all brokers serve. Rejects with `RangeError` for options that make no sense, with `ConfigError` for
 * properties that are wrong, and with what keeps a node from starting.
 */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const plan = planNodes(options);
  const cluster = new LocalCluster(options);
  try {
    await cluster.start(plan, options);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

interface PlannedNode {
  readonly id: number;
  readonly isBroker: boolean;
  readonly isController: boolean;
  readonly rack: string | undefined;
}

function planNodes({
  brokers = 3,
  controllers = 'combined',
  racks = [],
  properties = {},
}: ClusterOptions): PlannedNode[] {
  if (!Number.isInteger(brokers) || brokers < 1 || brokers > NODES_MAX) {
    throw new RangeError(`brokers: ${brokers}: a cluster has between 1 and ${NODES_MAX} brokers`);
  }
  if (
    controllers !== 'combined' &&
    !(Number.isInteger(controllers) && controllers >= 1 && controllers <= NODES_MAX)
  ) {
    throw new RangeError(
      `controllers: ${String(controllers)}: it is 'combined' or a number between 1 and ${NODES_MAX}`,
    );
  }
  for (const key of Object.keys(properties)) {
    if (CHOSEN_KEYS.has(key)) {
      throw new RangeError(
        `properties: ${key} is chosen by createCluster, which has options for what may be chosen`,
      );
    }
  }
  const odd = Math.min(brokers, COMBINED_CONTROLLERS_MAX);
  const combined = controllers === 'combined' ? odd - (1 - (odd % 2)) : 0;
  const nodes = Array.from({ length: brokers }, (_, index) => ({
    id: FIRST_BROKER_ID + index,
    isBroker: true,
    isController: index < combined,
    rack: racks.length === 0 ? undefined : racks[index % racks.length],
  }));
  const separate = Array.from({ length: controllers === 'combined' ? 0 : controllers }, (_, index) => ({
    id: FIRST_CONTROLLER_ID + index,
    isBroker: false,
    isController: true,
    rack: undefined,
  }));
  return [...nodes, ...separate];
}

interface NodePorts {
  readonly node: PlannedNode;
  readonly client: number;
  readonly internal: number;
  readonly controller: number;
}

class LocalCluster implements Cluster {
  readonly clusterId: string;
  private readonly runtime: Runtime = new NodeRuntime({ tasks: WORKER_TASKS });
  private readonly logger: Logger;
  private readonly network: FaultNetwork;
  private readonly failing = new FailingRequests();
  private readonly directory: string;
  private readonly isTemporary: boolean;
  private nodes: readonly ClusterNode[] = [];
  private closing: Promise<void> | undefined;

  constructor({ logger = silentLogger, directory }: ClusterOptions) {
    const random = (size: number): Buffer => this.runtime.random.bytes(size);
    this.logger = logger;
    this.network = new FaultNetwork(this.runtime, HOST);
    this.isTemporary = directory === undefined;
    this.directory = resolve(directory ?? join(tmpdir(), `odradek-cluster-${randomUuid(random)}`));
    const earlier = readMetaProperties(this.runtime.disk, nodeDirectory(this.directory, FIRST_BROKER_ID));
    this.clusterId = earlier?.clusterId ?? randomUuid(random);
  }

  get brokers(): readonly ClusterNode[] {
    return this.nodes.filter(node => node.isBroker);
  }

  get controllers(): readonly ClusterNode[] {
    return this.nodes.filter(node => node.isController);
  }

  get bootstrapServers(): string {
    return this.brokers.map(({ address }) => address).join(',');
  }

  async start(plan: readonly PlannedNode[], { properties = {} }: ClusterOptions): Promise<void> {
    const ports = await Promise.all(plan.map(node => this.reservePorts(node)));
    const voters = ports
      .filter(({ node }) => node.isController)
      .map(({ node, controller }) => `${node.id}@${HOST}:${controller}`)
      .join(',');
    const given = Object.entries(properties).map(([key, value]): [string, string] => [key, String(value)]);
    const brokers = plan.filter(({ isBroker }) => isBroker).length;
    const build = async ({ node, client, internal, controller }: NodePorts): Promise<ClusterNode> => {
      const directory = nodeDirectory(this.directory, node.id);
      const chosen = propertiesOf({ node, client, internal, controller }, voters, directory, brokers);
      const { config } = loadKafkaConfig({
        file: undefined,
        overrides: [...chosen, ...given],
        workingDirectory: this.directory,
        hostName: HOST,
      });
      this.format(config);
      // Relative to where the test runs, as the server's own are to where it is started.
      const policies = await loadPolicies(this.runtime, this.logger, config, resolve());
      const settings = { config, host: HOST, port: node.isBroker ? client : controller, directory };
      return new ClusterNode(settings, {
        runtime: this.runtime,
        network: this.network,
        logger: this.logger,
        intercept: (id, context) =>
          context.listenerName === CLIENT_LISTENER ? this.failing.take(id, context) : undefined,
        whenKnown: each => this.whenKnown(each),
        policies,
      });
    };
    this.nodes = await Promise.all(ports.map(build));
    await Promise.all(this.nodes.map(node => node.start()));
    await this.eventually('not all brokers know each other', () =>
      this.brokers.every(one => this.brokers.every(other => isActiveIn(one.metadata, other)))
        ? true
        : undefined,
    );
  }

  async activeController(): Promise<ClusterNode> {
    return this.eventually('the nodes that run know no active controller', () => {
      const running = this.nodes.filter(({ state }) => state === 'running');
      // A controller that was cut off takes itself for active for a while: the word of most counts.
      return this.controllers.find(controller => {
        const followers = running.filter(node => node.activeController === controller.id);
        return controller.state === 'running' && followers.length > running.length / 2;
      });
    });
  }

  async leaderOf(topic: string, partition = 0): Promise<ClusterNode> {
    return this.eventually(`no broker that runs leads ${topic}-${partition}`, () => {
      const id = this.newestMetadata()?.topics.partition(topic, partition)?.leader;
      return this.brokers.find(broker => broker.id === id && broker.state === 'running');
    });
  }

  async inSync(): Promise<void> {
    await this.eventually('not all replicas are in sync', () => {
      const metadata = this.newestMetadata();
      if (metadata === undefined) return undefined;
      for (const topic of metadata.topics.topics()) {
        for (const { leader, replicas, isr } of topic.partitions) {
          const leads = this.brokers.some(broker => broker.id === leader && broker.state === 'running');
          if (!leads || isr.length < replicas.length) return undefined;
        }
      }
      return true;
    });
  }

  partition(
    a: Node | number | readonly (Node | number)[],
    b: Node | number | readonly (Node | number)[],
  ): void {
    const right = this.idsOf(b);
    for (const left of this.idsOf(a)) for (const other of right) this.network.partition(left, other);
  }

  heal(): void {
    this.network.heal();
  }

  delay(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`delay: ${ms}: it is a number of milliseconds`);
    this.network.delay(ms);
  }

  failNext(api: string | number, error: ErrorName | number, options?: FailNextOptions): void {
    this.failing.add(api, error, options);
  }

  close(): Promise<void> {
    this.closing ??= this.closeParts();
    return this.closing;
  }

  private async closeParts(): Promise<void> {
    this.network.heal();
    this.network.delay(0);
    // Nobody will read what is in a temporary directory.
    await Promise.all(this.nodes.map(node => (this.isTemporary ? node.kill() : node.stop())));
    await this.network.close();
    await this.runtime.executor.close();
    if (this.isTemporary) await this.runtime.disk.removeTree(this.directory);
  }

  private async reservePorts(node: PlannedNode): Promise<NodePorts> {
    const reserve = async (needed: boolean): Promise<number> =>
      needed ? await this.network.reserve(node.id) : 0;
    const client = await reserve(node.isBroker);
    const internal = await reserve(node.isBroker);
    const controller = await reserve(node.isController);
    return { node, client, internal, controller };
  }

  private format(config: KafkaConfig): void {
    formatStorage(this.runtime, config, {
      clusterId: this.clusterId,
      initialVoters: { kind: 'fixed' },
      ignoreFormatted: true,
    });
  }

  /** Waits until the cluster has let a broker in and the broker knows it. */
  private async whenKnown(node: ClusterNode): Promise<void> {
    if (!node.isBroker) return;
    await this.eventually(`broker ${node.id} has started, but the cluster has not let it in`, () =>
      isActiveIn(this.newestMetadata(), node) && isActiveIn(node.metadata, node) ? true : undefined,
    );
  }

  private newestMetadata(): MetadataImage | undefined {
    let newest: MetadataImage | undefined;
    for (const { metadata } of this.nodes) {
      if (metadata === undefined) continue;
      const offset = metadata.provenance.lastContainedOffset;
      if (newest === undefined || offset > newest.provenance.lastContainedOffset) newest = metadata;
    }
    return newest;
  }

  /** What `look` gives once it gives something. Rejects with `problem` if it does not for long. */
  private async eventually<T>(problem: string, look: () => T | undefined): Promise<T> {
    const { clock, timers } = this.runtime;
    const deadline = clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.closing !== undefined) throw new Error(`${problem}: the cluster is closed`);
      if (clock.monotonicMs() > deadline) throw new Error(`${problem} after ${PATIENCE_MS / 1000} s`);
      await new Promise<void>(resolve => timers.after(POLL_MS, resolve));
    }
  }

  private idsOf(nodes: Node | number | readonly (Node | number)[]): number[] {
    const list = Array.isArray(nodes) ? (nodes as readonly (Node | number)[]) : [nodes as Node | number];
    return list.map(node => {
      const id = typeof node === 'number' ? node : node.id;
      if (!this.nodes.some(each => each.id === id))
        throw new RangeError(`there is no node ${id} in this cluster`);
      return id;
    });
  }
}

function nodeDirectory(directory: string, nodeId: number): string {
  return join(directory, `node-${nodeId}`);
}

function isActiveIn(metadata: MetadataImage | undefined, { id }: ClusterNode): boolean {
  return metadata?.cluster.isActive(id) === true;
}

/** The configuration of a node, as far as {@link createCluster} chooses it. */
function propertiesOf(
  { node, client, internal, controller }: NodePorts,
  voters: string,
  directory: string,
  brokers: number,
): [string, string][] {
  const roles: string[] = [];
  const listeners: string[] = [];
  if (node.isBroker) {
    roles.push('broker');
    listeners.push(`${CLIENT_LISTENER}://${HOST}:${client}`, `${INTERNAL_LISTENER}://${HOST}:${internal}`);
  }
  if (node.isController) {
    roles.push('controller');
    listeners.push(`${CONTROLLER_LISTENER}://${HOST}:${controller}`);
  }
  const names = [CLIENT_LISTENER, INTERNAL_LISTENER, CONTROLLER_LISTENER];
  const replicas = String(Math.min(3, brokers));
  const minInSync = brokers >= 3 ? '2' : '1';
  const properties: Record<string, string> = {
    'process.roles': roles.join(','),
    'node.id': String(node.id),
    listeners: listeners.join(','),
    'listener.security.protocol.map': names.map(name => `${name}:PLAINTEXT`).join(','),
    'controller.listener.names': CONTROLLER_LISTENER,
    'controller.quorum.voters': voters,
    'log.dirs': directory,
    'default.replication.factor': replicas,
    'min.insync.replicas': minInSync,
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minInSync,
    ...TIMINGS,
  };
  if (node.isBroker) properties['inter.broker.listener.name'] = INTERNAL_LISTENER;
  if (node.rack !== undefined) properties['broker.rack'] = node.rack;
  return Object.entries(properties);
}
