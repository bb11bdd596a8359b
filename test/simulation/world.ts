import { randomUuid, type Uuid } from '../../src/base/uuid.ts';
import type { HostAndPort } from '../../src/config/listeners.ts';
import type { MetadataImage } from '../../src/metadata/metadata-image.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SimDisk } from './sim-disk.ts';
import { SimNetwork } from './sim-network.ts';
import { BROKER_PORT, ClusterNode, hostOfNode } from './sim-node.ts';
import { SimProcess } from './sim-process.ts';
import { SimRandom } from './sim-random.ts';
import { SimScheduler } from './sim-scheduler.ts';
import type { AbandonedPartition, Phase, SimNode, Violation, WorldView } from './simulation-types.ts';
import { drawOptions, type NodeOptions, type WorldOptions } from './world-options.ts';

type NodeChange = 'crashed' | 'damaged' | 'powerLost' | 'started' | 'wiped';

/** The real time of a disk's files at the start of a world: only differences of such times mean something. */
const FILE_TIME_MS = 1_700_000_000_000;

/** A cluster of production servers and its clients, in virtual time. */
export class World implements WorldView {
  readonly seed: number;
  readonly options: WorldOptions;
  readonly scheduler: SimScheduler;
  readonly network: SimNetwork;
  readonly nodes: readonly ClusterNode[];
  readonly clientHosts: string[] = [];
  phase: Phase = 'safety';
  /** The first thing that was wrong. */
  failure: Violation | undefined;
  /** How often interesting states were reached. */
  readonly reached = new Map<string, number>();
  /** Called when a process has ended by itself; it starts again if this gives a delay in ms. */
  restartDelayMs: (node: ClusterNode) => number | undefined = () => 0;
  private readonly random: SimRandom;
  private readonly processes = new Map<string, SimProcess>();
  private readonly runtimes = new Map<string, Runtime>();
  private readonly tickListeners: ((process: SimProcess | undefined) => void)[] = [];
  private readonly changeListeners: ((node: SimNode, change: NodeChange) => void)[] = [];

  constructor(seed: number, options?: WorldOptions) {
    this.seed = seed;
    this.random = new SimRandom(seed, 'world');
    this.options = options ?? drawOptions(this.random.fork('options'));
    this.scheduler = new SimScheduler(seed);
    const { latencyMaxMs, systemBufferBytes, partialReads } = this.options;
    this.network = new SimNetwork(this.scheduler, this.random.fork('network'), {
      latencyMinMs: 0.1,
      latencyMaxMs,
      systemBufferBytes,
      partialReads,
    });
    const random = this.random.fork('identity');
    const uuid = (): Uuid => randomUuid(size => random.bytes(size));
    const identity = {
      clusterId: uuid(),
      directoryIds: new Map(this.options.nodes.map(node => [node.id, uuid()])),
    };
    this.nodes = this.options.nodes.map(node => this.createNode(node, identity));
    this.scheduler.afterEvent = () => {
      const process = this.processes.get(this.scheduler.current);
      for (const listener of this.tickListeners) listener(process);
    };
  }

  private createNode(
    options: NodeOptions,
    identity: ConstructorParameters<typeof ClusterNode>[4],
  ): ClusterNode {
    const name = `node-${options.id}`;
    const disk = new SimDisk(this.random.fork(`${name} disk`), () => FILE_TIME_MS + Math.floor(this.nowMs));
    const process = this.createProcess(
      name,
      hostOfNode(options.id),
      disk,
      options.clockRate,
      options.wallOffsetMs,
    );
    return new ClusterNode(process, disk, options, this.options, identity, {
      onUp: node => {
        this.note(`${name} is up after start ${node.process.incarnation}`);
        node.diedUnnoticed = false;
      },
      onExit: (node, why) => this.onExit(node, why),
    });
  }

  private createProcess(
    name: string,
    host: string,
    disk: SimDisk | undefined,
    clockRate: number,
    wallOffsetMs: number,
  ): SimProcess {
    const process = new SimProcess({
      name,
      host,
      scheduler: this.scheduler,
      network: this.network,
      disk,
      random: this.random.fork(name),
      clockRate,
      wallOffsetMs,
      onUncaught: (_, error) => this.uncaught(name, error),
    });
    this.processes.set(name, process);
    this.network.addProcess(process);
    return process;
  }

  /** An exception that reached the event loop: a real process would have ended without a word. */
  uncaught(name: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const where = text.split('\n').slice(0, 4).join(' | ');
    this.violation({ invariant: 'X10', message: `${name}: uncaught ${where}` });
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  node(id: number): ClusterNode {
    const found = this.nodes.find(node => node.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  process(name: string): SimProcess {
    const found = this.processes.get(name);
    if (found === undefined) throw new Error(`there is no process ${name}`);
    return found;
  }

  disk(nodeId: number): SimDisk {
    return this.node(nodeId).disk;
  }

  runtimeFor(name: string): Runtime {
    let runtime = this.runtimes.get(name);
    if (runtime === undefined) {
      const host = `10.0.1.${this.clientHosts.length + 1}`;
      this.clientHosts.push(host);
      runtime = this.createProcess(name, host, undefined, 1, 0).start();
      this.runtimes.set(name, runtime);
    }
    return runtime;
  }

  randomFor(name: string): SimRandom {
    return new SimRandom(this.seed, `for ${name}`);
  }

  bootstrap(): HostAndPort[] {
    return this.nodes.filter(node => node.isBroker).map(({ host }) => ({ host, port: BROKER_PORT }));
  }

  onTick(listener: (process: SimProcess | undefined) => void): void {
    this.tickListeners.push(listener);
  }

  onPeriod(periodMs: number, listener: () => void): void {
    const next = (): void => {
      this.scheduler.after(periodMs, `period ${periodMs}`, () => {
        listener();
        next();
      });
    };
    next();
  }

  onNodeChange(listener: (node: SimNode, change: NodeChange) => void): void {
    this.changeListeners.push(listener);
  }

  violation(violation: Violation): void {
    if (this.failure !== undefined) return;
    this.failure = violation;
    this.note(`VIOLATION ${violation.invariant}: ${violation.message}`);
  }

  note(line: string): void {
    this.scheduler.trace.note(this.nowMs, line);
  }

  sometimes(name: string): void {
    this.reached.set(name, (this.reached.get(name) ?? 0) + 1);
  }

  // What happens to nodes.

  start(node: ClusterNode): void {
    if (node.process.isAlive) return;
    this.note(`${node.process.name} starts`);
    node.start();
    // What is damaged is cut off by its start, with all behind it.
    if (node.isRotten) this.changed(node, 'damaged');
    this.changed(node, 'started');
  }

  kill(node: ClusterNode): void {
    if (!node.process.isAlive) return;
    this.note(`${node.process.name} is killed`);
    node.diedUnnoticed = true;
    node.kill();
    this.changed(node, 'crashed');
  }

  losePower(node: ClusterNode): void {
    this.note(`${node.process.name} loses power`);
    if (this.options.durability === 'page-cache') node.isTainted = true;
    node.diedUnnoticed = true;
    node.losePower();
    this.changed(node, 'powerLost');
  }

  /** The disk of a dead node is replaced by an empty one. */
  wipe(node: ClusterNode): void {
    this.note(`${node.process.name} gets an empty disk`);
    node.isTainted = true;
    node.isRotten = false;
    node.wipes++;
    node.disk.wipe();
    this.changed(node, 'wiped');
  }

  /** Bytes of a file of a log change by themselves. The disk has to be replaced. */
  damage(node: ClusterNode, path: string, position: number, bytes: Uint8Array): void {
    this.note(`${bytes.length} bytes of ${path} of ${node.process.name} are damaged at ${position}`);
    node.isRotten = true;
    node.disk.storage.damage(path, position, bytes);
    this.changed(node, 'damaged');
  }

  private changed(node: ClusterNode, change: NodeChange): void {
    for (const listener of this.changeListeners) listener(node, change);
  }

  /** A process ended by itself. What watches over processes starts it again. */
  private onExit(node: ClusterNode, why: string): void {
    this.note(`${node.process.name} ended: ${why}`);
    if (why !== 'stopped' && !node.diskFailed && !node.isRotten) {
      const invariant = this.phase === 'safety' ? 'exit' : 'exit in liveness';
      this.violation({ invariant, message: `${node.process.name} ended without need: ${why}` });
    }
    this.kill(node);
    if (why === 'stopped') node.diedUnnoticed = false;
    const delayMs = this.restartDelayMs(node);
    if (delayMs !== undefined) this.scheduler.after(delayMs, 'restart', () => this.start(node));
  }

  // What the world knows of the cluster.

  /** The metadata as the active controller has it, if there is one. */
  metadata(): MetadataImage | undefined {
    let newest: { epoch: number; image: MetadataImage | undefined } | undefined;
    for (const { id, isUp, server } of this.nodes) {
      const { leaderId, epoch = -1 } = (isUp ? server?.quorum?.leaderAndEpoch() : undefined) ?? {};
      // One that was deposed may not know it yet.
      if (leaderId === id && epoch > (newest?.epoch ?? -1)) newest = { epoch, image: server?.metadata() };
    }
    return newest?.image;
  }

  /** Whether all brokers are let in and all replicas are in sync; if not, what lacks. */
  lack(): string | undefined {
    const down = this.nodes.find(node => !node.isUp);
    if (down !== undefined) return `${down.process.name} is not up`;
    const image = this.metadata();
    if (image === undefined) return 'there is no active controller';
    for (const node of this.nodes)
      if (node.isBroker && !image.cluster.isActive(node.id)) return `${node.process.name} is not let in`;
    for (const topic of image.topics.topics()) {
      for (const [index, { replicas, isr, elr, lastKnownElr, leader }] of topic.partitions.entries()) {
        if (leader < 0) {
          const state = `ISR [${isr.join()}], ELR [${elr.join()}], last known [${lastKnownElr.join()}]`;
          return `${topic.name}-${index} has no leader: ${state} of replicas ${replicas.join()}`;
        }
        if (isr.length < replicas.length)
          return `${topic.name}-${index} has ISR ${isr.join(' ')} of ${replicas.join(' ')}`;
      }
    }
    return undefined;
  }

  /**
   * Where the last member of the ISR came back with an empty disk, it has nothing to lead with, the others may lack records,
   * and the controller asks nobody any more: ISR, ELR and the last known leader are all empty. Everything else that has no
   * leader must get one by itself.
   */
  abandonedPartitions(): AbandonedPartition[] {
    const image = this.metadata();
    if (image === undefined) return [];
    if (this.nodes.some(node => node.isBroker && !image.cluster.isActive(node.id))) return [];
    const abandoned: AbandonedPartition[] = [];
    for (const { name: topic, partitions } of image.topics.topics())
      for (const [partition, { leader, isr, elr, lastKnownElr }] of partitions.entries())
        if (leader < 0 && isr.length + elr.length + lastKnownElr.length === 0)
          abandoned.push({ topic, partition });
    return abandoned;
  }

  /** Nodes that are back in all ISRs have what they had lost. */
  private clearTaints(): void {
    const image = this.metadata();
    if (image === undefined) return;
    for (const node of this.nodes) {
      if (!node.isTainted || !node.isUp) continue;
      if (node.isBroker && !image.cluster.isActive(node.id)) continue;
      let whole = true;
      for (const topic of image.topics.topics())
        for (const { replicas, isr } of topic.partitions)
          if (replicas.includes(node.id) && !isr.includes(node.id)) whole = false;
      if (whole) node.isTainted = false;
    }
  }

  /**
   * Whether the cluster promises to survive that this node loses what it has not synced, or more: fewer than
   * min.insync.replicas of them do, and of each partition somebody else is up who has everything. Who has everything may
   * stop in order the next moment, and leave the ISR to those of whom the controller has not heard yet that they died:
   * so there must not be another one, nor one that is about to die.
   */
  mayLose(node: ClusterNode, what: 'unsynced' | 'everything'): boolean {
    const { options } = this;
    if (options.lossAllowed || !node.isBroker) return true;
    // It loses nothing then; but nobody can tell that it has not.
    if (what === 'unsynced' && options.durability === 'fsync') return this.mayDie(node);
    this.clearTaints();
    const isInDoubt = (each: ClusterNode): boolean =>
      lacksRecords(each) ||
      each.diskFailed ||
      (each !== node && each.isBroker && (each.diedUnnoticed || each.disk.isDoomed || each.disk.isFailing));
    if (options.minInsyncReplicas < 2 || this.nodes.some(isInDoubt)) return false;
    return this.isHeldBeside([node]);
  }

  /** Whether nobody counts on what this node has: it is in no ISR and in no ELR, as far as the active controller knows. */
  isOutside(node: ClusterNode): boolean {
    const topics = this.metadata()?.topics.topics();
    if (topics === undefined) return false;
    for (const { partitions } of topics)
      if (partitions.some(({ isr, elr }) => isr.includes(node.id) || elr.includes(node.id))) return false;
    return true;
  }

  /** Whether each partition of these nodes is whole on another one that is up, as far as the active controller knows. */
  isHeldBeside(nodes: readonly ClusterNode[]): boolean {
    const image = this.metadata();
    if (image === undefined) return false;
    const isAmong = (id: number): boolean => nodes.some(node => node.id === id);
    for (const topic of image.topics.topics()) {
      for (const { replicas, isr, elr } of topic.partitions) {
        const hasOther = [...isr, ...elr].some(id => !isAmong(id) && this.node(id).isUp);
        if (replicas.some(isAmong) && !hasOther) return false;
      }
    }
    return true;
  }

  /**
   * Whether this node's process may die. The controller cannot tell kill -9 from a loss of power: it trusts no replica
   * that ended uncleanly, and so a node that did lose something may come to lead if all others died as well.
   */
  mayDie(node: ClusterNode): boolean {
    if (this.options.lossAllowed || !node.isBroker) return true;
    this.clearTaints();
    return !this.nodes.some(each => each !== node && each.isBroker && lacksRecords(each));
  }
}

/** Whether it lost, or is about to lose, what a broker of this cluster may lose only while others live on. */
function lacksRecords({ isTainted, isRotten, awaitsPowerLoss }: ClusterNode): boolean {
  return isTainted || isRotten || awaitsPowerLoss;
}
