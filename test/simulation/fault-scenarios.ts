import type { Partition } from '../../src/replication/partition.ts';
import type { SimConnection } from './sim-connection.ts';
import type { ClusterNode } from './sim-node.ts';
import type { SimRandom } from './sim-random.ts';
import type { World } from './world.ts';
import type { ScenarioKind } from './world-options.ts';

/** A fault that lasts until it is ended. */
export interface LastingFault {
  readonly ms: number;
  end(): void;
}

/** What is sent at the end of a turn is on its way after so many ms, and has not arrived. */
const SENT_MS = 0.09;

interface Led {
  readonly node: ClusterNode;
  readonly partition: Partition;
}

/**
 * Faults of several steps, aimed at moments that single ones seldom meet: an ISR that is proposed and not yet decided, a
 * record just acknowledged, a vote just written, a leader that knows nothing of its successor. Each waits for its moment, and
 * what it has broken is whole when it ends.
 */
export class FaultScenarios {
  private readonly world: World;
  private readonly random: SimRandom;
  private readonly block: (from: string, to: string, change: number) => void;
  private readonly watches = new Set<() => boolean>();

  /** `block`: counts what blocks a link; 1 for one more, -1 for one less. */
  constructor(world: World, random: SimRandom, block: (from: string, to: string, change: number) => void) {
    this.world = world;
    this.random = random;
    this.block = block;
    world.onTick(() => {
      for (const watch of this.watches) if (watch()) this.watches.delete(watch);
    });
  }

  /** Undefined if it cannot be done now. */
  begin(kind: ScenarioKind): LastingFault | undefined {
    const steps = new Steps(this.world, this.watches, this.block);
    const ms = this[kind](steps);
    return ms === undefined ? undefined : { ms, end: () => steps.end() };
  }

  private get controller(): ClusterNode | undefined {
    return this.world.nodes.find(
      node => node.isUp && node.server?.quorum?.leaderAndEpoch().leaderId === node.id,
    );
  }

  private get voters(): ClusterNode[] {
    return this.world.nodes.filter(node => node.isController);
  }

  /** Partitions with a leader that is up, as their leaders have them. */
  private *led(): Generator<Led, void, undefined> {
    for (const node of this.world.nodes) {
      if (!node.isUp || node.process.isPaused) continue;
      for (const partition of node.server?.services?.replicaManager.partitions() ?? [])
        if (partition.isLeader && partition.log !== undefined) yield { node, partition };
    }
  }

  private pickLed(filter: (led: Led) => boolean): Led | undefined {
    const list = [...this.led()].filter(filter);
    return list.length === 0 ? undefined : this.random.pick(list);
  }

  private property(key: string): number {
    return Number(this.world.options.properties.get(key));
  }

  /** Connections on which something is on its way from one node to the other. */
  private busyConnections(from: ClusterNode, to: ClusterNode): SimConnection[] {
    return this.world.network.connectionsOf().filter(({ client, server }) => {
      const isOpen = client.state === 'open' && server.state === 'open';
      const isTheirs = client.process === from.process && server.process === to.process;
      return isOpen && isTheirs && client.outgoing.queuedBytes > 0;
    });
  }

  /**
   * A proposed ISR is on its way for long, while its cause goes away, or the leader, or the controller. What else the leader
   * says arrives.
   */
  private heldProposal(steps: Steps): number | undefined {
    const { world, random } = this;
    const then = random.pick(['wait', 'restartMember', 'restartMember', 'endController', 'depose'] as const);
    const sessionMs = this.property('broker.session.timeout.ms');
    const heldMs = sessionMs * (1 + random.next()) + random.scaled(100, 2_000);
    steps.when(() => {
      const controller = this.controller;
      for (const { node, partition } of controller === undefined ? [] : this.led()) {
        const { kind, isr, maximalIsr } = partition.partitionState;
        if (kind === 'committed' || node === controller) continue;
        world.sometimes('a proposed ISR was held up');
        world.note(`the proposal of ${node.process.name} for ${partition.name} is held up, then ${then}`);
        const hold = (): void => {
          for (const connection of this.busyConnections(node, controller!))
            connection.stall('toServer', heldMs);
        };
        steps.later(SENT_MS, hold);
        const member = maximalIsr.find(id => !isr.includes(id)) ?? isr.find(id => id !== node.id);
        if (then === 'restartMember' && member !== undefined) {
          steps.later(2 * SENT_MS, () =>
            steps.endProcess(world.node(member), random.scaled(10, 300), 'power if possible'),
          );
        } else if (then === 'endController') {
          steps.later(1, () => steps.endProcess(controller!, random.scaled(100, 3_000), 'kill'));
        } else if (then === 'depose') {
          // After the link is back the proposal alone is still on its way.
          steps.later(2 * SENT_MS, () => {
            for (const voter of this.voters) steps.blockBoth(node.host, voter.host);
          });
          steps.later(heldMs * 0.7, () => steps.unblock());
        }
        return true;
      }
      return false;
    });
    return heldMs + 3_000;
  }

  /** The controller takes a proposal twice: the second time when the one who joined has fallen behind again. */
  private lateProposal(steps: Steps): number | undefined {
    const { world, random } = this;
    const lateMs = this.property('replica.lag.time.max.ms') * 1.5 + random.scaled(500, 2_000);
    steps.when(() => {
      const controller = this.controller;
      for (const { node, partition } of controller === undefined ? [] : this.led()) {
        const { kind, isr, maximalIsr } = partition.partitionState;
        if (kind !== 'pendingExpand' || node === controller) continue;
        const joining = maximalIsr.find(id => !isr.includes(id))!;
        steps.later(SENT_MS, () => {
          world.note(`the proposal of ${node.process.name} for ${partition.name} will arrive once more`);
          for (const connection of this.busyConnections(node, controller!))
            connection.resetWithLateBytes(lateMs);
        });
        steps.when(() => {
          if (!partition.partitionState.isr.includes(joining)) return false;
          world.sometimes('a proposed ISR arrived twice');
          steps.blockBoth(node.host, world.node(joining).host);
          return true;
        });
        return true;
      }
      return false;
    });
    return lateMs + 3_000;
  }

  /** A leader is cut off from the controllers, and not from its followers and clients. */
  private unheardLeader(steps: Steps): number | undefined {
    const { world, random } = this;
    const led = this.pickLed(
      ({ node, partition }) => !node.isController && partition.registration.replicas.length > 1,
    );
    const node = led?.node ?? this.pickLed(({ node }) => node !== this.controller)?.node;
    if (node === undefined) return undefined;
    world.note(`${node.process.name} and the controllers cannot reach each other`);
    for (const voter of this.voters) if (voter !== node) steps.blockBoth(node.host, voter.host);
    return random.scaled(1_000, 8_000);
  }

  /** A leader is cut off until there is another one, and leads again as soon as it may: the other one ends. */
  private pingPong(steps: Steps): number | undefined {
    const { world, random } = this;
    const led = this.pickLed(({ partition }) => partition.partitionState.isr.length > 1);
    if (led === undefined) return undefined;
    const { node } = led;
    const { topic, partition } = led.partition.topicPartition;
    // The one that is cut off will learn of later ones.
    const { leaderEpoch } = led.partition;
    const successor = (): Led | undefined =>
      [...this.led()].find(
        each =>
          each.node !== node &&
          each.partition.topicPartition.topic === topic &&
          each.partition.topicPartition.partition === partition &&
          each.partition.leaderEpoch > leaderEpoch,
      );
    world.note(`${node.process.name} is cut off until ${led.partition.name} has another leader`);
    const others = world.nodes.filter(other => other !== node);
    for (const other of others) steps.blockBoth(node.host, other.host);
    steps.when(() => {
      if (successor() === undefined) return false;
      steps.later(random.scaled(1, 1_000), () => {
        steps.unblock();
        steps.when(() => {
          const next = successor();
          if (next === undefined || !next.partition.partitionState.isr.includes(node.id)) return false;
          world.sometimes('a deposed leader was in sync again at once');
          steps.endProcess(next.node, random.scaled(300, 3_000), 'kill');
          return true;
        });
      });
      return true;
    });
    return random.scaled(4_000, 12_000);
  }

  /** A follower ends when the leader has just committed what it asked for, at times with the leader. */
  private ackThenCrash(steps: Steps): number | undefined {
    const { world, random } = this;
    const led = this.pickLed(({ node, partition }) =>
      partition.partitionState.isr.some(id => id !== node.id),
    );
    if (led === undefined) return undefined;
    const { node, partition } = led;
    const follower = world.node(random.pick(partition.partitionState.isr.filter(id => id !== node.id)));
    const withLeader = random.chance(0.6);
    const before = partition.log!.highWatermark;
    steps.when(() => {
      if (!partition.isLeader || !node.isUp) return true;
      if (partition.log === undefined || partition.log.highWatermark <= before) return false;
      world.sometimes('a follower ended after an acknowledgement');
      steps.endProcess(follower, random.scaled(5, 100), 'power if possible');
      if (withLeader)
        steps.later(random.next() * 2, () => steps.endProcess(node, random.scaled(500, 5_000), 'kill'));
      return true;
    });
    return 6_000;
  }

  /**
   * Again and again all voters wake up at the same moment, and each finds that it heard of no leader for long; what they
   * say to each other takes as long as an election.
   */
  private electionStorm(steps: Steps): number | undefined {
    const { world, random, voters } = this;
    if (voters.length < 3) return undefined;
    world.note('all voters are paused and wake up at once');
    const leader = this.controller;
    if (leader !== undefined && random.chance(0.5))
      steps.endProcess(leader, random.scaled(500, 3_000), 'kill');
    const pauseMs = this.property('controller.quorum.fetch.timeout.ms') * (1 + random.next());
    const extraMs = random.chance(0.6) ? this.property('controller.quorum.election.timeout.ms') / 2 : 0;
    for (const a of voters) for (const b of voters) if (a !== b) steps.slowLink(a.host, b.host, extraMs);
    const waves = random.between(1, 3);
    for (let wave = 0; wave < waves; wave++) {
      const startMs = wave * (pauseMs + 1_000);
      steps.later(startMs, () => {
        for (const voter of voters) steps.pause(voter);
      });
      steps.later(startMs + pauseMs, () => {
        world.sometimes('all voters woke up at once');
        steps.resume();
      });
    }
    return waves * (pauseMs + 1_000);
  }

  /** The leader of the quorum ends at the moment at which a voter comes back that has missed a lot. */
  private laggingVoter(steps: Steps): number | undefined {
    const { world, random } = this;
    const leader = this.controller;
    const behind = this.voters.filter(voter => voter !== leader && voter.isUp);
    if (leader === undefined || this.voters.length < 3 || behind.length === 0) return undefined;
    const voter = random.pick(behind);
    world.note(`${voter.process.name} misses what the quorum decides`);
    for (const other of this.voters) if (other !== voter) steps.blockBoth(voter.host, other.host);
    steps.later(random.scaled(1_000, 4_000), () => {
      steps.unblock();
      world.sometimes('a voter came back that was behind');
      steps.endProcess(leader, random.scaled(500, 4_000), 'kill');
    });
    return 6_000;
  }

  /** A voter ends right after it has written whom it votes for, and is back in time to vote again. */
  private crashAfterVote(steps: Steps): number | undefined {
    const { world, random } = this;
    const voter = random.pick(this.voters);
    const writes = (): number => voter.disk.storage.counts.get('replace') ?? 0;
    const before = writes();
    const { controller } = this;
    if (this.voters.length < 3 || voter === controller) return undefined;
    if (controller !== undefined) steps.endProcess(controller, random.scaled(500, 3_000), 'kill');
    steps.when(() => {
      if (writes() === before) return false;
      world.sometimes('a voter ended after a vote');
      steps.endProcess(voter, random.scaled(1, 50), 'kill');
      return true;
    });
    return 4_000;
  }
}

/** What a scenario has done and not undone, and what it waits for. */
class Steps {
  private readonly world: World;
  private readonly watches: Set<() => boolean>;
  private readonly block: (from: string, to: string, change: number) => void;
  private readonly own = new Set<() => boolean>();
  private links: [from: string, to: string][] = [];
  private readonly slow: [from: string, to: string][] = [];
  private paused: ClusterNode[] = [];
  private readonly down = new Set<ClusterNode>();
  private isOver = false;

  constructor(
    world: World,
    watches: Set<() => boolean>,
    block: (from: string, to: string, change: number) => void,
  ) {
    this.world = world;
    this.watches = watches;
    this.block = block;
  }

  /** Calls `watch` after each event until it gives true. */
  when(watch: () => boolean): void {
    this.own.add(watch);
    this.watches.add(watch);
  }

  later(delayMs: number, run: () => void): void {
    this.world.scheduler.after(delayMs, 'step', () => {
      if (!this.isOver) run();
    });
  }

  blockLink(from: string, to: string): void {
    if (from === to) return;
    this.links.push([from, to]);
    this.block(from, to, 1);
  }

  blockBoth(a: string, b: string): void {
    this.blockLink(a, b);
    this.blockLink(b, a);
  }

  unblock(): void {
    for (const [from, to] of this.links) this.block(from, to, -1);
    this.links = [];
  }

  slowLink(from: string, to: string, extraMs: number): void {
    if (extraMs === 0) return;
    this.world.network.link(from, to).extraDelayMs = extraMs;
    this.slow.push([from, to]);
  }

  pause(node: ClusterNode): void {
    if (!node.process.isAlive || node.process.isPaused) return;
    node.process.pause();
    this.paused.push(node);
  }

  resume(): void {
    for (const node of this.paused) node.process.resume();
    this.paused = [];
  }

  /** Ends it, if the cluster must survive that now, and starts it again after some ms. */
  endProcess(node: ClusterNode, downMs: number, how: 'kill' | 'power if possible'): void {
    const { world } = this;
    if (!node.process.isAlive || !world.mayDie(node)) return;
    if (how !== 'kill' && world.mayLose(node, 'unsynced')) world.losePower(node);
    else world.kill(node);
    this.down.add(node);
    world.scheduler.after(downMs, 'restart', () => this.startAgain(node));
  }

  private startAgain(node: ClusterNode): void {
    if (this.down.delete(node)) this.world.start(node);
  }

  end(): void {
    this.isOver = true;
    for (const watch of this.own) this.watches.delete(watch);
    this.unblock();
    for (const [from, to] of this.slow) this.world.network.link(from, to).extraDelayMs = 0;
    this.resume();
    for (const node of [...this.down]) this.startAgain(node);
  }
}
