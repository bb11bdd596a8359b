import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import { WireClient } from '../oracle/wire-client.ts';
import { type BrokerLaunch, BrokerProcess } from './broker-process.ts';
import { freePort } from './free-ports.ts';

export type Role = 'broker' | 'controller';

/** One node of a cluster: its id, its roles and the program that runs it. */
export interface NodeOptions {
  readonly id: number;
  readonly roles: readonly Role[];
  readonly launch: BrokerLaunch;
  /** Follow those of the cluster. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface ClusterOptions {
  /** Each node has a folder of its own in it. */
  readonly workDirectory: string;
  readonly nodes: readonly NodeOptions[];
  /**
   * `static` (default): `controller.quorum.voters` names the voters. `dynamic`: they are records of the metadata log,
   * which can be changed (KIP-853).
   */
  readonly quorum?: 'static' | 'dynamic';
  /** For every node; follow the usual ones. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** A node that was made: its process, with what the cluster knows of it. */
export interface ClusterNode {
  readonly id: number;
  readonly roles: readonly Role[];
  readonly process: BrokerProcess;
}

export type ClusterMetadata = Infer<typeof MetadataResponse>;
export type TopicMetadata = ClusterMetadata['topics'][number];

/** Three nodes, each broker and controller. */
export function combinedNodes(launch: BrokerLaunch, ids: readonly number[] = [1, 2, 3]): NodeOptions[] {
  return ids.map(id => ({ id, roles: ['broker', 'controller'], launch }));
}

/** Brokers 1, 2, 3 and controllers 11, 12, 13 in processes of their own. */
export function separateNodes(launch: BrokerLaunch): NodeOptions[] {
  return [
    ...[11, 12, 13].map((id): NodeOptions => ({ id, roles: ['controller'], launch })),
    ...[1, 2, 3].map((id): NodeOptions => ({ id, roles: ['broker'], launch })),
  ];
}

/**
 * Short timeouts, alike for every kind of broker, so that a failure is noticed within seconds; each topic has three
 * replicas of which two must be in sync.
 */
const USUAL_PROPERTIES: Readonly<Record<string, string>> = {
  'broker.heartbeat.interval.ms': '500',
  'broker.session.timeout.ms': '3000',
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
};

/** Of the tool that formats: the node is no voter, or not yet one. */
export const NO_INITIAL_CONTROLLERS = '--no-initial-controllers';

const METADATA_VERSION = 12;
const PATIENCE_MS = 3_000;

/** A cluster of processes on 127.0.0.1, of one kind of broker or of several. */
export class ClusterProcess {
  readonly nodes: readonly ClusterNode[];

  private constructor(nodes: readonly ClusterNode[]) {
    this.nodes = nodes;
  }

  /** Writes the config files and formats the directories; starts nothing. */
  static async create(options: ClusterOptions): Promise<ClusterProcess> {
    const placed: { node: NodeOptions; port: number; controllerPort: number }[] = [];
    for (const node of options.nodes) {
      placed.push({ node, port: await freePort(), controllerPort: await freePort() });
    }
    const controllers = placed.filter(({ node }) => node.roles.includes('controller'));
    const quorum = (options.quorum === 'dynamic' ? dynamicQuorum : staticQuorum)(controllers);
    const nodes = placed.map(async ({ node, port, controllerPort }): Promise<ClusterNode> => {
      const process = await BrokerProcess.create(node.launch, {
        workDirectory: join(options.workDirectory, `node-${node.id}`),
        port,
        controllerPort,
        properties: {
          ...nodeProperties(node, port, controllerPort),
          ...quorum.properties,
          ...USUAL_PROPERTIES,
          ...options.properties,
          ...node.properties,
        },
        formatArguments: quorum.formatArguments(node),
        ready: () =>
          node.roles.includes('broker') ? listsBroker(port, node.id) : acceptsConnections(controllerPort),
      });
      return { id: node.id, roles: node.roles, process };
    });
    return new ClusterProcess(await Promise.all(nodes));
  }

  get brokers(): readonly ClusterNode[] {
    return this.nodes.filter(({ roles }) => roles.includes('broker'));
  }

  /** Every broker's address: clients must find a living one. */
  get bootstrap(): string {
    return this.brokers.map(({ process }) => process.bootstrap).join(',');
  }

  node(id: number): ClusterNode {
    const found = this.nodes.find(node => node.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  /** Starts every node at once. Returns the milliseconds until every broker knows itself to be one of the cluster. */
  async start(): Promise<number> {
    const startedAt = performance.now();
    await Promise.all(this.nodes.map(({ process }) => process.start()));
    return performance.now() - startedAt;
  }

  /** For afterAll: ends what runs, and never fails. */
  async dispose(): Promise<void> {
    // A clean stop may wait for a quorum that is being taken away: nothing here is kept, so no time is spent on it.
    await Promise.all(this.nodes.map(({ process }) => (process.running ? process.kill() : undefined)));
  }

  /** CPU seconds of all nodes so far. */
  cpuSeconds(): number {
    return this.nodes.reduce((sum, { process }) => sum + process.cpuSeconds(), 0);
  }

  /** Resident bytes of each broker. */
  residentBytes(): number[] {
    return this.brokers.map(({ process }) => process.residentBytes());
  }

  /** The last lines of every node's output, for the message of a failure. */
  logTails(): string {
    return this.nodes.map(({ id, process }) => `--- node ${id}\n${process.logTail()}`).join('\n');
  }

  /**
   * Asks living brokers in turn until one gives an answer that `ask` returns; `undefined` means not yet. Rejects after
   * `timeoutMs` with the last error.
   */
  async eventually<T>(
    what: string,
    timeoutMs: number,
    ask: (client: WireClient, node: ClusterNode) => Promise<T | undefined>,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    let last: unknown = 'no answer yet';
    for (let turn = 0; performance.now() < deadline; turn++) {
      const living = this.brokers.filter(({ process }) => process.responsive);
      const node = living[turn % Math.max(1, living.length)];
      try {
        if (node !== undefined) {
          const client = await WireClient.open(node.process.port, PATIENCE_MS);
          try {
            const answer = await ask(client, node);
            if (answer !== undefined) return answer;
          } finally {
            client.close();
          }
        }
      } catch (error) {
        last = error;
      }
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    const why = last instanceof Error ? last.message : String(last);
    throw new Error(`${what}: not within ${timeoutMs} ms (${why})\n${this.logTails()}`);
  }

  /** The metadata of some topics (all without names) as the first living broker sees it. */
  metadata(names?: readonly string[], timeoutMs = 30_000): Promise<ClusterMetadata> {
    return this.eventually('metadata', timeoutMs, client => askMetadata(client, names));
  }

  /**
   * Waits until every living broker sees every broker in the cluster, a leader of every partition of the topics, and
   * every replica in sync.
   */
  async waitUntilHealthy(names: readonly string[], timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    let last = '';
    while (performance.now() < deadline) {
      const problems = await Promise.all(this.brokers.map(node => this.problemSeenBy(node, names)));
      last = problems.find(problem => problem !== undefined) ?? '';
      if (last === '') return;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    throw new Error(`the cluster is not healthy after ${timeoutMs} ms: ${last}\n${this.logTails()}`);
  }

  private async problemSeenBy(node: ClusterNode, names: readonly string[]): Promise<string | undefined> {
    try {
      const client = await WireClient.open(node.process.port, PATIENCE_MS);
      try {
        const metadata = await askMetadata(client, names);
        const problem = problemIn(metadata, this.brokers.length);
        return problem === undefined ? undefined : `broker ${node.id} sees ${problem}`;
      } finally {
        client.close();
      }
    } catch (error) {
      return `broker ${node.id}: ${error instanceof Error ? error.message : error}`;
    }
  }
}

function problemIn(metadata: ClusterMetadata, brokers: number): string | undefined {
  if (metadata.brokers.length !== brokers) return `${metadata.brokers.length} of ${brokers} brokers`;
  for (const topic of metadata.topics) {
    if (topic.errorCode !== 0 || topic.partitions.length === 0) {
      return `topic ${topic.name} with error ${topic.errorCode}`;
    }
    for (const { partitionIndex, leaderId, replicaNodes, isrNodes } of topic.partitions) {
      if (leaderId >= 0 && isrNodes.length === replicaNodes.length) continue;
      return `${topic.name}-${partitionIndex} led by ${leaderId}, replicas ${replicaNodes}, in sync ${isrNodes}`;
    }
  }
  return undefined;
}

export function askMetadata(client: WireClient, names?: readonly string[]): Promise<ClusterMetadata> {
  return client.send(MetadataRequest, MetadataResponse, METADATA_VERSION, {
    topics: names === undefined ? null : names.map(name => ({ name })),
    allowAutoTopicCreation: false,
  });
}

interface PlacedNode {
  readonly node: NodeOptions;
  readonly controllerPort: number;
}

interface Quorum {
  readonly properties: Readonly<Record<string, string | null>>;
  formatArguments(node: NodeOptions): string[];
}

function staticQuorum(controllers: readonly PlacedNode[]): Quorum {
  const voters = controllers.map(({ node, controllerPort }) => `${node.id}@127.0.0.1:${controllerPort}`);
  return { properties: { 'controller.quorum.voters': voters.join(',') }, formatArguments: () => [] };
}

function dynamicQuorum(controllers: readonly PlacedNode[]): Quorum {
  const servers = controllers.map(({ controllerPort }) => `127.0.0.1:${controllerPort}`);
  const voters = controllers.map(({ node }, index) => `${node.id}@${servers[index]}:${newDirectoryId()}`);
  return {
    properties: {
      'controller.quorum.voters': null,
      'controller.quorum.bootstrap.servers': servers.join(','),
    },
    formatArguments: ({ roles }) =>
      roles.includes('controller') ? ['--initial-controllers', voters.join(',')] : [NO_INITIAL_CONTROLLERS],
  };
}

/** A random id as Kafka writes it; none of its ids begins with a dash. */
function newDirectoryId(): string {
  return `A${randomBytes(16).toString('base64url').slice(1)}`;
}

function nodeProperties(
  node: NodeOptions,
  port: number,
  controllerPort: number,
): Record<string, string | null> {
  const broker = node.roles.includes('broker');
  const controller = node.roles.includes('controller');
  const listeners = [
    ...(broker ? [`PLAINTEXT://127.0.0.1:${port}`] : []),
    ...(controller ? [`CONTROLLER://127.0.0.1:${controllerPort}`] : []),
  ];
  return {
    'process.roles': node.roles.join(','),
    'node.id': `${node.id}`,
    listeners: listeners.join(','),
    'advertised.listeners': broker ? `PLAINTEXT://127.0.0.1:${port}` : null,
    'inter.broker.listener.name': broker ? 'PLAINTEXT' : null,
  };
}

/** Whether the broker on the port is unfenced in its own eyes: its Metadata names it. Never rejects. */
async function listsBroker(port: number, id: number): Promise<boolean> {
  try {
    const client = await WireClient.open(port, 1_000);
    try {
      const { brokers } = await askMetadata(client, []);
      return brokers.some(({ nodeId }) => nodeId === id);
    } finally {
      client.close();
    }
  } catch {
    return false;
  }
}

async function acceptsConnections(port: number): Promise<boolean> {
  try {
    (await WireClient.open(port, 1_000)).close();
    return true;
  } catch {
    return false;
  }
}
