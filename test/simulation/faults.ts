import { batchesIn } from './disk-batches.ts';
import { CHECKED_FROM, FaultScenarios, type LastingFault } from './fault-scenarios.ts';
import type { SimConnection } from './sim-connection.ts';
import type { ClusterNode } from './sim-node.ts';
import type { SimRandom } from './sim-random.ts';
import type { World } from './world.ts';
import { type FaultKind, SCENARIOS } from './world-options.ts';

interface ActiveFault {
  readonly kind: FaultKind;
  readonly node: ClusterNode | undefined;
  end(): void;
}

/** What was done. `ms`: how long it lasts at most, if it lasts. */
type BegunFault = Pick<LastingFault, 'node' | 'end'> & Partial<Pick<LastingFault, 'ms' | 'onDone'>>;

const HOUR_MS = 3_600_000;
/** Between two looks at whether a node is out of service, ms. */
const LOOK_MS = 10;

/** Draws faults while the safety phase lasts, and makes everything whole after it. */
export class Faults {
  private readonly world: World;
  private readonly random: SimRandom;
  private readonly active = new Set<ActiveFault>();
  private readonly kinds: readonly FaultKind[];
  private readonly favourites: readonly FaultKind[];
  /** The blocked links, with how many faults block each. */
  private readonly blocks = new Map<string, number>();
  private readonly scenarios: FaultScenarios;
  private isOver = false;

  constructor(world: World) {
    this.world = world;
    this.random = world.randomFor('faults');
    this.scenarios = new FaultScenarios(world, world.randomFor('scenarios'), (from, to, change) =>
      this.block(from, to, change),
    );
    this.kinds = [...world.options.faults];
    this.favourites = world.options.favourites.filter(kind => world.options.faults.has(kind));
  }

  start(): void {
    if (this.kinds.length === 0) return;
    this.world.restartDelayMs = node => (this.holds(node) ? undefined : this.random.scaled(20, 2_000));
    this.next();
  }

  private next(): void {
    const { world, random } = this;
    const delayMs = -Math.log(1 - random.next()) * world.options.faultIntervalMs;
    world.scheduler.after(delayMs, 'fault', () => {
      if (this.isOver) return;
      if (this.active.size < world.options.faultsMax) this.begin(this.pickKind());
      this.next();
    });
  }

  /** Half the time a scenario, or what seldom can be done: they are fewer, and reach what other faults seldom do. */
  private pickKind(): FaultKind {
    const { random, kinds, favourites } = this;
    if (favourites.length > 0 && random.chance(0.4)) return random.pick(favourites);
    const isScenario = random.chance(0.5);
    const rare: readonly string[] = ['rot', ...SCENARIOS];
    const some = kinds.filter(kind => isScenario === rare.includes(kind));
    return random.pick(some.length === 0 ? kinds : some);
  }

  /** Ends all faults and starts all that is down. */
  heal(): void {
    const { world } = this;
    this.isOver = true;
    world.note('everything is made whole');
    for (const fault of [...this.active]) fault.end();
    this.active.clear();
    this.blocks.clear();
    world.network.heal();
    world.restartDelayMs = () => 50;
    for (const node of world.nodes) {
      node.process.callbackMs = 0;
      node.process.resume();
      node.process.setWallClock();
      node.disk.heal();
      // A directory that was taken offline comes back with the process only.
      if (node.diskFailed) world.kill(node);
      if (!node.process.isAlive) world.start(node);
    }
  }

  private holds(node: ClusterNode): boolean {
    return [...this.active].some(fault => fault.node === node && !node.process.isAlive);
  }

  private begin(kind: FaultKind): void {
    const begun = this.apply(kind);
    if (begun === undefined) return;
    this.world.sometimes(`fault ${kind}`);
    const { node, end, ms } = begun;
    if (ms === undefined) return;
    const fault: ActiveFault = {
      kind,
      node,
      end: () => {
        if (this.active.delete(fault)) end();
      },
    };
    this.active.add(fault);
    begun.onDone?.(() => fault.end());
    this.world.scheduler.after(ms, `end of ${kind}`, () => {
      if (this.isOver || !this.active.has(fault)) return;
      this.world.note(`${kind}${node === undefined ? '' : ` of ${node.process.name}`} ends`);
      fault.end();
    });
  }

  /** Does it. Undefined if it cannot be done now. */
  private apply(kind: FaultKind): BegunFault | undefined {
    const { world, random } = this;
    const free = world.nodes.filter(node => ![...this.active].some(fault => fault.node === node));
    const node = free.length === 0 ? undefined : random.pick(free);
    const ms = random.scaled(50, 5_000);
    const nothing = (): void => {};
    const restart = (each: ClusterNode) => (): void => world.start(each);
    switch (kind) {
      case 'kill':
        if (node === undefined || !node.process.isAlive || !world.mayDie(node)) return undefined;
        world.kill(node);
        return { node, ms: random.scaled(20, 6_000), end: restart(node) };
      case 'powerLoss':
        if (node === undefined || !world.mayLose(node, 'unsynced')) return undefined;
        world.losePower(node);
        if (world.options.lossAllowed && random.chance(0.4))
          for (const other of world.nodes) if (other !== node && free.includes(other)) this.blackOut(other);
        return { node, ms: random.scaled(20, 6_000), end: restart(node) };
      case 'crashPoint':
        return this.crashPoint(node);
      case 'restart':
        if (node === undefined || !node.isUp) return undefined;
        world.note(`${node.process.name} is told to stop`);
        node.stop();
        return { end: nothing };
      case 'pause':
        if (node === undefined || !node.process.isAlive) return undefined;
        world.note(`${node.process.name} is paused for ${Math.round(ms)} ms`);
        node.process.pause();
        return { node, ms, end: () => node.process.resume() };
      case 'slowLoop': {
        if (node === undefined || !node.process.isAlive) return undefined;
        const callbackMs = random.scaled(0.2, 20);
        world.note(`each callback of ${node.process.name} takes ${callbackMs.toFixed(1)} ms`);
        node.process.callbackMs = callbackMs;
        return { node, ms: ms / 2, end: () => void (node.process.callbackMs = 0) };
      }
      case 'clockJump': {
        if (node === undefined) return undefined;
        const jumpMs = Math.round((random.next() - 0.5) * 2 * HOUR_MS);
        world.note(`the clock of ${node.process.name} jumps by ${Math.round(jumpMs / 1000)} s`);
        node.process.jumpWallClock(jumpMs);
        return { end: nothing };
      }
      case 'isolate':
      case 'split':
      case 'oneWay':
      case 'cutClients':
        return this.partition(kind, ms);
      case 'delay': {
        const hosts = this.hosts();
        const from = random.pick(hosts);
        const extraMs = random.scaled(5, 500);
        world.note(`what ${from} sends takes up to ${Math.round(extraMs)} ms longer`);
        for (const to of hosts) world.network.link(from, to).extraDelayMs = extraMs;
        return {
          ms,
          end: () => {
            for (const to of hosts) world.network.link(from, to).extraDelayMs = 0;
          },
        };
      }
      case 'reset':
      case 'lateBytes':
      case 'stall':
      case 'halfOpen':
        return this.disturb(kind, ms);
      case 'slowDisk': {
        if (node === undefined) return undefined;
        const slowMs = random.scaled(5, 1_000);
        world.note(`the disk of ${node.process.name} takes up to ${Math.round(slowMs)} ms`);
        node.disk.faults.slowMs = slowMs;
        return { node, ms, end: () => void (node.disk.faults.slowMs = 0) };
      }
      case 'diskFull':
      case 'diskError':
      case 'failingSync':
        return this.damageDisk(kind, node, ms);
      case 'wipe':
        if (node === undefined || !this.mayWipe(node)) return undefined;
        world.kill(node);
        world.wipe(node);
        return { node, ms, end: restart(node) };
      case 'rot':
        return (random.chance(0.6) ? this.scenarios.begin('badCopy') : undefined) ?? this.rot(node, ms);
      default:
        return this.scenarios.begin(kind);
    }
  }

  private blackOut(node: ClusterNode): void {
    this.world.losePower(node);
    this.world.scheduler.after(this.random.scaled(20, 6_000), 'power is back', () => {
      if (!this.holds(node)) this.world.start(node);
    });
  }

  /** The process dies in the middle of a turn, between two operations of its disk. */
  private crashPoint(node: ClusterNode | undefined): BegunFault | undefined {
    const { world, random } = this;
    if (node === undefined || !node.process.isAlive || !world.mayDie(node)) return undefined;
    const { faults } = node.disk;
    faults.crashAfterChanges = Math.floor(random.scaled(1, 60)) - 1;
    world.note(`${node.process.name} will die in ${faults.crashAfterChanges} changes of its disk`);
    const losesPower = random.chance(0.5);
    node.disk.onCrashPoint = () => {
      if (losesPower && world.mayLose(node, 'unsynced')) world.losePower(node);
      else world.kill(node);
      world.sometimes('died between two operations of the disk');
      world.scheduler.after(random.scaled(20, 3_000), 'restart', () => {
        if (!this.holds(node)) world.start(node);
      });
    };
    return {
      node,
      ms: 2_000,
      end: () => {
        faults.crashAfterChanges = Number.POSITIVE_INFINITY;
        if (!node.process.isAlive) world.start(node);
      },
    };
  }

  /**
   * A voter whose identity is its number alone, as in a static quorum, must keep its disk; of a dynamic quorum one may
   * lose it, if a majority is left.
   */
  private mayWipe(node: ClusterNode): boolean {
    const { world } = this;
    if (node.isController) {
      const voters = world.nodes.filter(each => each.isController);
      if (world.options.quorum === 'static' || voters.length < 3) return false;
      // A disk that rots will be replaced as well.
      if (voters.some(each => each.wipes > 0 || each.isRotten)) return false;
    }
    return node.isBroker && world.mayLose(node, 'everything');
  }

  /**
   * Batches of a log change on the disk, each within what its checksum covers: single bits, or a write of something else that
   * went there. All that is committed is also elsewhere (see {@link World.mayLose}). Half the time somebody reads the damaged
   * batches to copy them. At the end the disk is replaced.
   */
  private rot(node: ClusterNode | undefined, ms: number): BegunFault | undefined {
    const { world, random } = this;
    if (node === undefined || !node.isUp || !this.mayWipe(node)) return undefined;
    const reader = world.nodes.find(
      other => other !== node && other.isUp && !other.isController && world.mayLose(other, 'everything'),
    );
    const all = node.disk.paths().filter(path => /\/data-\d+-\d+\/\d{20}\.log$/.test(path));
    // What it leads is read by others.
    const led = [...(node.server?.services?.replicaManager.partitions() ?? [])].filter(each => each.isLeader);
    const leads = all.filter(path => led.some(({ name }) => path.includes(`/${name}/`)));
    const targets = leads.length === 0 ? all : leads;
    let damaged = 0;
    for (let count = random.between(1, 4); count > 0 && targets.length > 0; count--) {
      const path = random.pick(targets);
      const content = node.disk.contentOf(path);
      const batches = batchesIn(node.disk, path);
      if (batches.length === 0) continue;
      const { position, end } = random.pick(batches);
      const at = random.between(position + CHECKED_FROM, end - 1);
      const length = random.chance(0.5) ? 1 : Math.min(end - at, random.between(2, 512));
      const bytes = length === 1 ? Buffer.of(content[at]! ^ (1 << random.below(8))) : random.bytes(length);
      if (bytes.equals(content.subarray(at, at + length))) continue;
      world.damage(node, path, at, bytes);
      damaged++;
    }
    if (damaged === 0) return undefined;
    const restoreCache = node.limitTailCache(0);
    // A new replica, or one with an empty disk, is filled from the damaged log: but only where a third one is whole.
    if (reader !== undefined && random.chance(0.7) && world.isHeldBeside([node, reader]))
      this.emptyInOrder(reader);
    return {
      node,
      ms: ms + 1_000,
      end: () => {
        restoreCache();
        world.kill(node);
        world.wipe(node);
        world.start(node);
      },
    };
  }

  /**
   * The node is told to stop, and gets an empty disk if nobody counts on it then. Its replicas are no longer among those of
   * which a partition survives the loss of fewer than min.insync.replicas.
   */
  private emptyInOrder(node: ClusterNode): void {
    const { world } = this;
    const { incarnation } = node.process;
    world.note(`${node.process.name} is told to stop`);
    node.stop();
    const look = (): void => {
      if (this.isOver || node.process.incarnation !== incarnation) return;
      if (node.process.isAlive || !world.isOutside(node)) {
        world.scheduler.after(LOOK_MS, 'is it out of service', look);
        return;
      }
      world.wipe(node);
      world.sometimes('a replica was filled from a damaged disk');
    };
    look();
  }

  private hosts(): string[] {
    return this.world.nodes.map(node => node.host);
  }

  private partition(kind: 'isolate' | 'split' | 'oneWay' | 'cutClients', ms: number): BegunFault | undefined {
    const { world, random } = this;
    const hosts = this.hosts();
    const clients = [...world.clientHosts];
    const links: [from: string, to: string][] = [];
    const both = (a: string, b: string): void => void links.push([a, b], [b, a]);
    const one = random.pick(hosts);
    let text: string;
    if (kind === 'cutClients') {
      const cut = clients.filter(() => random.chance(0.6));
      for (const client of cut) both(one, client);
      text = `${one} and ${cut.length} clients cannot reach each other`;
    } else if (kind === 'isolate' || hosts.length < 3) {
      for (const host of hosts) if (host !== one) both(one, host);
      if (random.chance(0.5)) for (const client of clients) both(one, client);
      text = `${one} is cut off`;
    } else if (kind === 'oneWay') {
      const isOut = random.chance(0.5);
      for (const host of hosts)
        if (host !== one && random.chance(0.7)) links.push(isOut ? [one, host] : [host, one]);
      text = `${one} ${isOut ? 'is not heard' : 'hears nothing'}`;
    } else {
      const left = hosts.filter(() => random.chance(0.5));
      const right = hosts.filter(host => !left.includes(host));
      // A bridge sees both sides.
      const bridge = random.chance(0.3) ? random.pick(hosts) : undefined;
      for (const a of left) for (const b of right) if (a !== bridge && b !== bridge) both(a, b);
      text = `${left.join(' ')} | ${right.join(' ')}${bridge === undefined ? '' : `, bridged by ${bridge}`}`;
    }
    if (links.length === 0) return undefined;
    world.note(`${kind}: ${text}, for ${Math.round(ms)} ms`);
    for (const [from, to] of links) this.block(from, to, 1);
    return {
      ms,
      end: () => {
        for (const [from, to] of links) this.block(from, to, -1);
      },
    };
  }

  private block(from: string, to: string, change: number): void {
    const key = `${from}>${to}`;
    const count = (this.blocks.get(key) ?? 0) + change;
    this.blocks.set(key, count);
    if (count > 0) this.world.network.block(from, to);
    else this.world.network.unblock(from, to);
  }

  private disturb(kind: 'reset' | 'lateBytes' | 'stall' | 'halfOpen', ms: number): BegunFault | undefined {
    const { world, random } = this;
    const connections: SimConnection[] = world.network
      .connectionsOf()
      .filter(({ client, server }) => client.state === 'open' && server.state === 'open');
    if (connections.length === 0) return undefined;
    for (let count = random.pick([1, 1, 2, 5]); count > 0; count--) {
      const connection = random.pick(connections);
      const { client, server } = connection;
      if (client.state !== 'open' || server.state !== 'open') continue;
      world.note(`${kind} of ${connection.id}, ${client.process.name} to ${server.process.name}`);
      if (kind === 'reset') connection.reset();
      else if (kind === 'lateBytes') connection.resetWithLateBytes(ms);
      else if (kind === 'stall') connection.stall(random.pick(['toServer', 'toClient']), ms);
      else connection.halfOpen(random.pick(['client', 'server']));
    }
    return { end: () => {} };
  }

  private damageDisk(
    kind: 'diskFull' | 'diskError' | 'failingSync',
    node: ClusterNode | undefined,
    ms: number,
  ): BegunFault | undefined {
    const { world, random } = this;
    if (node === undefined || !node.process.isAlive || !world.mayDie(node)) return undefined;
    const { faults } = node.disk;
    if (kind === 'failingSync') {
      if (!world.mayLose(node, 'unsynced')) return undefined;
      faults.failingSyncs = random.between(1, 3);
      node.awaitsPowerLoss = world.options.durability === 'page-cache';
    } else if (kind === 'diskFull') {
      faults.bytesLeft = random.below(5_000);
      // A metadata log that finds no room ends its node. Where it is spared, the node goes on.
      if (node.isBroker && random.chance(0.5)) {
        faults.sparedPath = `${node.config.metadataLogDir}/__cluster_metadata-0`;
      }
    } else {
      faults.failingPath = random.pick([...node.logDirs, node.config.metadataLogDir]);
    }
    world.note(`${kind} at ${node.process.name}`);
    node.diskFailed = true;
    return {
      node,
      ms,
      end: () => {
        node.disk.heal();
        node.awaitsPowerLoss = false;
        if (kind === 'diskFull' && isWhole(node)) {
          world.sometimes('a broker outlived a full disk');
          node.diskFailed = false;
          return;
        }
        // Its administrator sees to the disk, and starts it again; after a failed sync, the whole machine.
        if (kind === 'failingSync') world.losePower(node);
        else world.kill(node);
        world.start(node);
      },
    };
  }
}

/** Whether all log directories of a broker still work. */
function isWhole({ process, server }: ClusterNode): boolean {
  return process.isAlive && server?.services?.logManager.hasOfflineLogDirs === false;
}
