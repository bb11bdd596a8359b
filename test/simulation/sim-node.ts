import type { Uuid } from '../../src/base/uuid.ts';
import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import type { LogEnvironment } from '../../src/log/log-environment.ts';
import { FeatureName } from '../../src/metadata/features.ts';
import { KafkaRaftServer } from '../../src/server/kafka-raft-server.ts';
import { formatStorage, type InitialVoters } from '../../src/tools/storage-formatter.ts';
import type { NodeServer } from './node-server.ts';
import type { SimDisk } from './sim-disk.ts';
import { SimLogger } from './sim-logger.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimNode } from './simulation-types.ts';
import type { NodeOptions, WorldOptions } from './world-options.ts';

export const BROKER_PORT = 9092;
export const CONTROLLER_PORT = 9093;

export function hostOfNode(id: number): string {
  return `10.0.0.${id}`;
}

/** What all nodes of a cluster agree on before the first start. */
export interface ClusterIdentity {
  readonly clusterId: Uuid;
  /** By node id: the directory of its metadata log. */
  readonly directoryIds: ReadonlyMap<number, Uuid>;
}

/** What a node tells the world. */
export interface NodeEvents {
  onUp(node: ClusterNode): void;
  /** Its server cannot start, has failed, or has stopped: the process is over. */
  onExit(node: ClusterNode, why: string): void;
}

/** A node of the cluster: its disk, its process, and the production server that runs in it. */
export class ClusterNode implements SimNode {
  readonly id: number;
  readonly isBroker: boolean;
  readonly isController: boolean;
  readonly config: KafkaConfig;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  server: NodeServer | undefined;
  isUp = false;
  endedUncleanly = false;
  /** How often the disk was replaced by an empty one. */
  wipes = 0;
  /** A fault of the disk has been on since the process started. */
  diskFailed = false;
  /** Bytes on its disk have changed by themselves, and the disk is still in use. */
  isRotten = false;
  /** A sync of its disk has failed, or is to, and with it what was written: its machine starts anew when that fault ends. */
  awaitsPowerLoss = false;
  /** Unsynced data was lost, and the node has not been in all its ISRs since. */
  isTainted = false;
  /**
   * It was killed or lost its power, and has not registered since. Its replicas may count as in sync until then, but the
   * controller will trust none of them.
   */
  diedUnnoticed = false;
  private readonly world: WorldOptions;
  private readonly identity: ClusterIdentity;
  private readonly events: NodeEvents;

  constructor(
    process: SimProcess,
    disk: SimDisk,
    options: NodeOptions,
    world: WorldOptions,
    identity: ClusterIdentity,
    events: NodeEvents,
  ) {
    this.id = options.id;
    this.isBroker = options.isBroker;
    this.isController = options.isController;
    this.process = process;
    this.disk = disk;
    this.world = world;
    this.identity = identity;
    this.events = events;
    this.config = configOf(options, world);
  }

  get host(): string {
    return this.process.host;
  }

  get logDirs(): readonly string[] {
    return this.config.logDirs;
  }

  /** Starts the process, on a formatted disk. {@link NodeEvents} say what becomes of it. */
  start(): void {
    const runtime = this.process.start();
    const { incarnation } = this.process;
    const isCurrent = (): boolean => this.process.isCurrent(incarnation);
    const logger = new SimLogger(this.process.scheduler, this.process.name, isCurrent);
    // Another fault may have ended the process before: its disk is then as bad as it was.
    this.diskFailed = this.disk.isFailing;
    const exit = (why: string): void => {
      if (isCurrent()) this.events.onExit(this, why);
    };
    try {
      formatStorage(runtime, this.config, {
        clusterId: this.identity.clusterId,
        features: new Map([[FeatureName.TRANSACTION_VERSION, this.world.transactionVersion]]),
        initialVoters: this.initialVoters(),
        ignoreFormatted: true,
      });
    } catch (error) {
      exit(`cannot be formatted: ${String(error)}`);
      return;
    }
    const server = new KafkaRaftServer(runtime, this.config, logger);
    this.server = server;
    void server.failed.then(error => exit(`failed: ${error.message}`));
    server.start().then(
      () => {
        if (!isCurrent()) return;
        this.isUp = true;
        if (this.world.tailCacheBytes !== undefined) this.limitTailCache(this.world.tailCacheBytes);
        this.events.onUp(this);
      },
      error => exit(`did not start: ${String(error)}`),
    );
  }

  /**
   * Sets how much is kept of the ends of logs, until the returned function is called. The size is no configuration:
   * nothing in production depends on it.
   */
  limitTailCache(maxBytes: number): () => void {
    const { services } = this.server ?? {};
    if (services === undefined) return () => {};
    const { tailCache } = Reflect.get(services.logManager, 'environment') as LogEnvironment;
    const before: unknown = Reflect.get(tailCache, 'maxBytes');
    // With the next append it drops what is too much.
    Reflect.set(tailCache, 'maxBytes', maxBytes);
    return () => Reflect.set(tailCache, 'maxBytes', before);
  }

  private initialVoters(): InitialVoters {
    if (this.world.quorum === 'static') return { kind: 'fixed' };
    // A wiped voter comes back with another directory: it is no voter any more, and must not think it is.
    if (!this.isController || this.wipes > 0) return { kind: 'none' };
    return {
      kind: 'listed',
      voters: this.world.nodes
        .filter(node => node.isController)
        .map(node => ({
          id: node.id,
          host: hostOfNode(node.id),
          port: CONTROLLER_PORT,
          directoryId: this.identity.directoryIds.get(node.id)!,
        })),
    };
  }

  /** kill -9. */
  kill(): void {
    this.process.kill();
    this.disk.processDied();
    this.forget();
  }

  losePower(): void {
    this.process.losePower();
    // In three of ten the disk had written nothing by itself.
    this.disk.losePower(this.process.random.chance(0.3));
    this.forget();
  }

  private forget(): void {
    // A power failure after the end of the process says nothing about it.
    if (this.server !== undefined) this.endedUncleanly = this.isUp;
    this.server = undefined;
    this.isUp = false;
  }

  /** SIGTERM. */
  stop(): void {
    const { server } = this;
    const { incarnation } = this.process;
    if (server === undefined) return;
    this.isUp = false;
    void server.stop().then(() => {
      if (this.process.isCurrent(incarnation)) this.events.onExit(this, 'stopped');
    });
  }
}

function configOf(node: NodeOptions, world: WorldOptions): KafkaConfig {
  const properties = new Map(world.properties);
  const host = hostOfNode(node.id);
  const roles = [...(node.isBroker ? ['broker'] : []), ...(node.isController ? ['controller'] : [])];
  const listeners = [
    ...(node.isBroker ? [`PLAINTEXT://${host}:${BROKER_PORT}`] : []),
    ...(node.isController ? [`CONTROLLER://${host}:${CONTROLLER_PORT}`] : []),
  ];
  const controllers = world.nodes.filter(each => each.isController);
  const address = ({ id }: NodeOptions): string => `${hostOfNode(id)}:${CONTROLLER_PORT}`;
  properties.set('process.roles', roles.join(','));
  properties.set('node.id', String(node.id));
  properties.set('listeners', listeners.join(','));
  properties.set('controller.listener.names', 'CONTROLLER');
  if (world.quorum === 'static')
    properties.set(
      'controller.quorum.voters',
      controllers.map(each => `${each.id}@${address(each)}`).join(','),
    );
  else properties.set('controller.quorum.bootstrap.servers', controllers.map(address).join(','));
  properties.set('log.dirs', node.logDirs.join(','));
  properties.set('metadata.log.dir', node.metadataLogDir);
  if (node.rack !== undefined) properties.set('broker.rack', node.rack);
  const input = { file: undefined, overrides: [...properties], workingDirectory: '/', hostName: host };
  return loadKafkaConfig(input).config;
}
