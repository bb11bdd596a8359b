import type { Logger } from '../base/logger.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { Policies } from '../controller/policies.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RequestContext } from '../server/handler.ts';
import { KafkaRaftServer } from '../server/kafka-raft-server.ts';
import type { NodeState } from './cluster.ts';
import type { FaultNetwork } from './fault-network.ts';
import { Incarnation } from './incarnation.ts';

export interface NodeSettings {
  readonly config: KafkaConfig;
  /** Where clients find it: of its client listener, or of its controller listener if it is no broker. */
  readonly host: string;
  readonly port: number;
  readonly directory: string;
}

/** What a node has of the cluster that it is in. */
export interface NodeSurroundings {
  readonly runtime: Runtime;
  readonly network: FaultNetwork;
  readonly logger: Logger;
  /** An error code to answer a request with, in place of what it asks for. */
  intercept(nodeId: number, context: RequestContext): number | undefined;
  /** Resolves when the node is known to the others as one that may lead. */
  whenKnown(node: ClusterNode): Promise<void>;
  /** The modules that the configuration of the node names. */
  readonly policies: Policies | undefined;
}

/** One node of a cluster in this process: a broker, a controller, or both. */
export class ClusterNode {
  readonly id: number;
  readonly rack: string | undefined;
  readonly isBroker: boolean;
  readonly isController: boolean;
  readonly host: string;
  readonly port: number;
  /** `host:port` */
  readonly address: string;
  /** Holds its logs. */
  readonly directory: string;
  private readonly config: KafkaConfig;
  private readonly surroundings: NodeSurroundings;
  private life: { readonly incarnation: Incarnation; readonly server: KafkaRaftServer } | undefined;
  private current: NodeState = 'stopped';
  private onKilled: (() => void) | undefined;
  /** One change of state after the other. */
  private queue: Promise<void> = Promise.resolve();

  constructor({ config, host, port, directory }: NodeSettings, surroundings: NodeSurroundings) {
    this.id = config.nodeId;
    this.rack = config.optionalString('broker.rack') ?? undefined;
    this.isBroker = config.processRoles.has('broker');
    this.isController = config.processRoles.has('controller');
    this.host = host;
    this.port = port;
    this.address = `${host}:${port}`;
    this.directory = directory;
    this.config = config;
    this.surroundings = surroundings;
  }

  get state(): NodeState {
    return this.current;
  }

  /** The newest metadata that the node has seen; `undefined` while it does not run. */
  get metadata(): MetadataImage | undefined {
    return this.life?.server.metadata();
  }

  /** Whom the node takes for the active controller; `undefined` if it knows none, or does not run. */
  get activeController(): number | undefined {
    return this.life?.server.quorum?.leaderAndEpoch().leaderId;
  }

  /** Starts a node that does not run; resolves when it serves and the others know it. Rejects with what it fails of. */
  start(): Promise<void> {
    return this.enqueue(async () => {
      if (this.life === undefined) await this.begin();
    });
  }

  /** Stops as an operator does: leadership is handed over first, then everything is written and closed. */
  stop(): Promise<void> {
    return this.enqueue(() => this.end());
  }

  /**
   * Ends as by `kill -9`, at once: connections break off, nothing is written or said any more. The promise resolves when
   * its files are closed.
   */
  kill(): Promise<void> {
    const { life } = this;
    if (life === undefined) return Promise.resolve();
    this.life = undefined;
    this.current = 'killed';
    const ended = life.incarnation.kill();
    // A start or stop under way never ends by itself now.
    this.onKilled?.();
    return this.enqueue(() => ended);
  }

  /** Stops if need be, and starts again on the same directory and ports. */
  restart(): Promise<void> {
    return this.enqueue(async () => {
      await this.end();
      await this.begin();
    });
  }

  private enqueue(change: () => Promise<void>): Promise<void> {
    const done = this.queue.then(change);
    this.queue = done.catch(() => {});
    return done;
  }

  private async begin(): Promise<void> {
    const { runtime, network, logger, intercept, whenKnown, policies } = this.surroundings;
    const incarnation = new Incarnation(this.id, runtime, network.viewOf(this.id), logger);
    const server = new KafkaRaftServer(incarnation, this.config, incarnation.logger, {
      interceptRequest: context => intercept(this.id, context),
      policies,
    });
    const life = { incarnation, server };
    this.life = life;
    this.current = 'starting';
    server.failed.then(() => {
      // It has logged why, and stops by itself.
      if (this.life === life) this.stop().catch(() => {});
    });
    try {
      await this.unlessKilled(server.start());
      await this.unlessKilled(whenKnown(this));
    } catch (error) {
      if (this.life === life) {
        this.life = undefined;
        this.current = 'stopped';
        await incarnation.kill();
      }
      throw error;
    }
    this.current = 'running';
  }

  private async end(): Promise<void> {
    const { life } = this;
    if (life === undefined) return;
    await this.unlessKilled(life.server.stop()).catch((error: unknown) => {
      if (this.life === life) throw error;
    });
    if (this.life !== life) return;
    this.life = undefined;
    this.current = 'stopped';
    await life.incarnation.kill();
  }

  /** `work`, or a rejection when the node is killed before it is done. */
  private async unlessKilled(work: Promise<void>): Promise<void> {
    const killed = new Promise<void>((_, reject) => {
      this.onKilled = () => reject(new Error(`node ${this.id} was killed`));
    });
    try {
      await Promise.race([work, killed]);
    } finally {
      this.onKilled = undefined;
    }
  }
}
