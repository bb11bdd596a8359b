import type { Offset } from '../../src/base/int64.ts';
import { type ElectionState, NO_ELECTION } from '../../src/raft/quorum-state.ts';
import type { RaftCore } from '../../src/raft/raft-core.ts';
import type { Partition } from '../../src/replication/partition.ts';
import { batchesIn } from './disk-batches.ts';
import type { SimConnection } from './sim-connection.ts';
import type { ClusterNode } from './sim-node.ts';
import type { SimRandom } from './sim-random.ts';
import { beginLateMarker } from './late-marker.ts';
import { PATIENCE_MS, ScenarioSteps } from './scenario-steps.ts';
import type { World } from './world.ts';
import type { ScenarioKind } from './world-options.ts';

/** A fault that lasts until it is ended. */
export interface LastingFault {
  /** That no other fault should touch meanwhile. */
  readonly node?: ClusterNode | undefined;
  /** The longest that it takes. */
  readonly ms: number;
  end(): void;
  /** Calls `listener` when it has nothing more to do. */
  onDone(listener: () => void): void;
}

/** What is sent at the end of a turn is on its way after so many ms, and has not arrived. */
const SENT_MS = 0.09;
/** The bytes of a batch before its attributes are not covered by its checksum. */
export const CHECKED_FROM = 21;

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
  begin(kind: ScenarioKind | 'badCopy'): LastingFault | undefined {
    const steps = new ScenarioSteps(this.world, this.watches, this.block);
    const ms = this[kind](steps);
    if (ms === undefined) return undefined;
    return {
      node: steps.node,
      ms,
      end: () => steps.end(),
      onDone: listener => {
        steps.onDone = listener;
      },
    };
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

  /** Partitions with a proposal under way by which `member` joins the ISR. */
  private *joining(): Generator<Led & { readonly member: ClusterNode }, void, undefined> {
    for (const led of this.led()) {
      const { kind, isr, maximalIsr } = led.partition.partitionState;
      if (kind !== 'pendingExpand') continue;
      const member = maximalIsr.find(id => !isr.includes(id));
      if (member !== undefined) yield { ...led, member: this.world.node(member) };
    }
  }

  /** A follower leaves for a moment: it will want to be in ISRs again. */
  private makeSomebodyJoin(): void {
    const { world, random, controller } = this;
    const nodes = [...this.led()].flatMap(led => this.followersOf(led)).filter(each => each !== controller);
    if (nodes.length === 0 || [...this.joining()].length > 0) return;
    const node = random.pick(nodes);
    world.note(`${node.process.name} is told to stop`);
    node.stop();
  }

  /** The other nodes that have the partition and are up. */
  private followersOf({ node, partition }: Led): ClusterNode[] {
    return partition.registration.replicas
      .map(id => this.world.node(id))
      .filter(each => each !== node && each.isUp && !each.process.isPaused);
  }

  /** The log end of the replica of a partition on another node; undefined if it has none that works. */
  private endOn(node: ClusterNode, { topicId, topicPartition }: Partition): Offset | undefined {
    const { topic, partition } = topicPartition;
    const replica = node.server?.services?.replicaManager.partition(topic, partition);
    return replica?.topicId === topicId ? replica.log?.logEndOffset : undefined;
  }

  /** How a node may lose some of its log now; undefined if it may not. */
  private lossOf(node: ClusterNode): 'power' | 'wipe' | undefined {
    const { world, random } = this;
    if (!world.mayDie(node)) return undefined;
    const mayWipe = !node.isController && world.mayLose(node, 'everything');
    if (world.options.durability === 'fsync') return mayWipe ? 'wipe' : undefined;
    if (mayWipe && random.chance(0.4)) return 'wipe';
    return world.mayLose(node, 'unsynced') ? 'power' : undefined;
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
  private heldProposal(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const then = random.pick(['wait', 'restartMember', 'move', 'move', 'endController', 'depose'] as const);
    const sessionMs = this.property('broker.session.timeout.ms');
    const heldMs = sessionMs * (1 + random.next()) + random.scaled(100, 2_000);
    steps.soon(() => {
      const controller = this.controller;
      for (const { node, partition } of controller === undefined ? [] : this.led()) {
        const { kind, isr, maximalIsr } = partition.partitionState;
        if (kind === 'committed' || node === controller) continue;
        if (then === 'move') {
          if (kind !== 'pendingExpand') continue;
          steps.later(SENT_MS, () => this.moveMeanwhile(steps, { node, partition }, controller!));
          return true;
        }
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
        steps.later(heldMs + 1_000, () => steps.finish());
        return true;
      }
      return false;
    });
    this.makeSomebodyJoin();
    return PATIENCE_MS + heldMs + 3_000;
  }

  /** What a leader proposes arrives when its partition has changed: an operator wants its replicas in another order. */
  private moveMeanwhile(steps: ScenarioSteps, { node, partition }: Led, controller: ClusterNode): void {
    const { world } = this;
    const release = steps.holdAll(this.busyConnections(node, controller), 'held');
    if (release === undefined) return;
    world.note(
      `the proposal of ${node.process.name} for ${partition.name} arrives when the partition has changed`,
    );
    const { topic, partition: index } = partition.topicPartition;
    const { replicas, partitionEpoch } = partition.registration;
    const order = [...replicas.slice(1), replicas[0]!];
    const topics = [{ name: topic, partitions: [{ partitionIndex: index, replicas: order }] }];
    const request = { timeoutMs: PATIENCE_MS, allowReplicationFactorChange: true, topics };
    const active = controller.server?.controllerServices?.controller;
    void active?.alterPartitionReassignments(request).catch(() => {});
    steps.soon(() => {
      const now = controller.server?.metadata()?.topics.topicById(partition.topicId)?.partitions[index];
      if (now === undefined || now.partitionEpoch <= partitionEpoch) return false;
      world.sometimes('an ISR was proposed on top of an older state');
      release();
      steps.later(500, () => steps.finish());
      return true;
    });
  }

  /** A proposed ISR arrives twice: the second time when the one who joined has fallen behind and has left again. */
  private lateProposal(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const leaveMs = this.property('replica.lag.time.max.ms') * 2 + 2_000;
    const begin = ({ node, partition }: Led, member: ClusterNode, controller: ClusterNode): void => {
      const release = steps.holdAll(this.busyConnections(node, controller), 'late');
      if (release === undefined) return;
      world.note(`the proposal of ${node.process.name} for ${partition.name} will arrive once more`);
      const isIn = (): boolean => partition.partitionState.isr.includes(member.id);
      const isBehind = (): boolean =>
        !isIn() && (this.endOn(member, partition) ?? 0) < (partition.log?.highWatermark ?? 0);
      steps.soon(() => {
        if (!isIn()) return false;
        steps.blockBoth(node.host, member.host);
        steps.soon(() => {
          if (!isBehind()) return false;
          world.sometimes('a proposed ISR arrived twice');
          release();
          steps.later(random.scaled(100, 1_000), () => steps.finish());
          return true;
        }, leaveMs);
        return true;
      });
    };
    steps.soon(() => {
      const { controller } = this;
      for (const { member, ...led } of controller === undefined ? [] : this.joining()) {
        if (led.node === controller || member === controller) continue;
        steps.later(SENT_MS, () => begin(led, member, controller!));
        return true;
      }
      return false;
    });
    this.makeSomebodyJoin();
    return 2 * PATIENCE_MS + leaveMs + 1_500;
  }

  /**
   * A replica ends with a loss and comes back, and what its earlier life has brought about arrives only now: a fetch, or
   * the proposal to let it into an ISR.
   */
  private earlierLife(steps: ScenarioSteps): number | undefined {
    return this.random.chance(0.4) ? this.earlierFetch(steps) : this.earlierMember(steps);
  }

  private earlierFetch(steps: ScenarioSteps): number | undefined {
    const { world, random, controller } = this;
    const others = (led: Led): ClusterNode[] =>
      this.followersOf(led).filter(each => each !== controller && this.lossOf(each) !== undefined);
    const led = this.pickLed(each => each.node !== controller && others(each).length > 0);
    if (controller === undefined || led === undefined) return undefined;
    const { node, partition } = led;
    const follower = random.pick(others(led));
    const begin = (): void => {
      const loss = this.lossOf(follower);
      const release = steps.holdAll(loss === undefined ? [] : this.busyConnections(follower, node), 'late');
      if (loss === undefined || release === undefined) return;
      world.note(`what ${follower.process.name} asks ${node.process.name} for will arrive in its next life`);
      // What others append would let the high watermark run away from what it had.
      for (const client of world.clientHosts) steps.blockBoth(client, node.host);
      this.nextLife(steps, led, follower, loss, node, release);
    };
    let before = this.endOn(follower, partition);
    // What it asks for next names the partition, and is behind nothing.
    steps.soon(() => {
      const end = this.endOn(follower, partition);
      const hasAppended = end !== undefined && before !== undefined && end > before;
      before = end;
      if (!hasAppended || !partition.isLeader || end !== partition.log?.logEndOffset) return false;
      steps.later(SENT_MS, begin);
      return true;
    });
    return this.nextLifeMs + PATIENCE_MS;
  }

  private earlierMember(steps: ScenarioSteps): number | undefined {
    const { world } = this;
    if (world.nodes.every(node => this.lossOf(node) === undefined)) return undefined;
    const renewMs = this.property('broker.session.timeout.ms') * 0.28;
    const begin = (led: Led, member: ClusterNode, controller: ClusterNode): void => {
      const { node, partition } = led;
      const loss = this.lossOf(member);
      const release = steps.holdAll(loss === undefined ? [] : this.busyConnections(node, controller), 'held');
      if (loss === undefined || release === undefined) return;
      world.note(`${member.process.name} will join ${partition.name} by what it has had in an earlier life`);
      // It would propose the same again. It is heard of once, or its session would not outlast that of the other one.
      steps.pause(node);
      steps.later(renewMs, () => steps.resume(node));
      let isOver = false;
      steps.later(renewMs + 20, () => {
        if (!isOver) steps.pause(node);
      });
      this.nextLife(steps, led, member, loss, controller, () => {
        isOver = true;
        release();
        steps.resume(node);
      });
    };
    steps.soon(() => {
      const { controller } = this;
      for (const { member, ...led } of controller === undefined ? [] : this.joining()) {
        if (led.node === controller || member === controller || this.lossOf(member) === undefined) continue;
        steps.later(SENT_MS, () => begin(led, member, controller!));
        return true;
      }
      return false;
    });
    this.makeSomebodyJoin();
    return this.nextLifeMs + PATIENCE_MS;
  }

  private get nextLifeMs(): number {
    return this.property('broker.session.timeout.ms') * 2.5 + 3_000;
  }

  /**
   * A member ends with a loss, and comes back without hearing of the leader. `release` is called when it may be in an ISR
   * again, as far as `witness` knows.
   */
  private nextLife(
    steps: ScenarioSteps,
    { node, partition }: Led,
    member: ClusterNode,
    loss: 'power' | 'wipe',
    witness: ClusterNode,
    release: () => void,
  ): void {
    const { world, random } = this;
    const registered = (): { epoch: number | bigint; fenced: boolean } | undefined =>
      witness.server?.metadata()?.cluster.broker(member.id);
    const before = registered()?.epoch ?? -1;
    steps.blockBoth(node.host, member.host);
    steps.endProcess(member, random.scaled(10, 200), loss);
    steps.soon(() => {
      const now = registered();
      if (now === undefined || now.epoch <= before || now.fenced || !partition.isLeader) return false;
      world.sometimes('something of an earlier life arrived in the next one');
      release();
      steps.later(1_000, () => steps.finish());
      return true;
    }, this.nextLifeMs);
  }

  /** A leader is cut off from the controllers, and not from its followers and clients. */
  private unheardLeader(steps: ScenarioSteps): number | undefined {
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
  private pingPong(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const led = this.pickLed(({ partition }) => partition.partitionState.isr.length > 1);
    if (led === undefined) return undefined;
    const { node } = led;
    // The one that is cut off will learn of later ones.
    const { leaderEpoch } = led.partition;
    const successor = (): Led | undefined => this.successor(led, leaderEpoch);
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
          steps.later(3_500, () => steps.finish());
          return true;
        });
      });
      return true;
    });
    return random.scaled(4_000, 12_000);
  }

  private lateMarker(steps: ScenarioSteps): number | undefined {
    return beginLateMarker(this.world, this.random, steps);
  }

  /** Who leads the partition in a later epoch, on another node. */
  private successor({ node, partition }: Led, leaderEpoch: number): Led | undefined {
    for (const each of this.led()) {
      const { topicId, topicPartition } = each.partition;
      if (each.node === node || topicId !== partition.topicId) continue;
      if (topicPartition.partition !== partition.topicPartition.partition) continue;
      if (each.partition.leaderEpoch > leaderEpoch) return each;
    }
    return undefined;
  }

  /** A leader is cut off as soon as it leads: nobody gets a record of its epoch, and it comes back to a later leader. */
  private shortReign(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const led = this.pickLed(
      ({ node, partition }) => node !== this.controller && partition.partitionState.isr.length > 2,
    );
    if (led === undefined) return undefined;
    const { leaderEpoch } = led.partition;
    world.note(`${led.node.process.name} is told to stop; who leads ${led.partition.name} next is cut off`);
    steps.soon(() => {
      const next = this.successor(led, leaderEpoch);
      if (next === undefined) return false;
      world.sometimes('a leader was cut off as soon as it led');
      const nextEpoch = next.partition.leaderEpoch;
      for (const other of world.nodes) steps.blockBoth(next.node.host, other.host);
      for (const client of world.clientHosts) steps.blockBoth(next.node.host, client);
      steps.soon(() => {
        if (this.successor(next, nextEpoch) === undefined) return false;
        steps.later(random.scaled(1, 500), () => steps.finish());
        return true;
      }, 9_000);
      return true;
    });
    led.node.stop();
    return PATIENCE_MS + 10_000;
  }

  /** A follower ends when the leader has just committed what it asked for, at times with the leader. */
  private ackThenCrash(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const led = this.pickLed(({ node, partition }) =>
      partition.partitionState.isr.some(id => id !== node.id),
    );
    if (led === undefined) return undefined;
    const { node, partition } = led;
    const follower = world.node(random.pick(partition.partitionState.isr.filter(id => id !== node.id)));
    const withLeader = random.chance(0.6);
    const before = partition.log!.highWatermark;
    steps.soon(() => {
      if (partition.log === undefined || partition.log.highWatermark <= before) return false;
      world.sometimes('a follower ended after an acknowledgement');
      steps.endProcess(follower, random.scaled(5, 100), 'power if possible');
      if (withLeader)
        steps.later(random.next() * 2, () => steps.endProcess(node, random.scaled(500, 5_000), 'kill'));
      steps.later(5_000, () => steps.finish());
      return true;
    });
    return PATIENCE_MS + 6_000;
  }

  /**
   * Again and again all voters wake up at the same moment, and each finds that it heard of no leader for long; what they
   * say to each other takes as long as an election.
   */
  private electionStorm(steps: ScenarioSteps): number | undefined {
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

  /**
   * Two voters run for leader in the same epoch: they do not hear of each other, and those who decide between them, the
   * last leader among them, hear of both at once.
   */
  private splitVote(steps: ScenarioSteps): number | undefined {
    const { world, random, voters } = this;
    const leader = this.controller;
    const others = voters.filter(voter => voter !== leader && voter.isUp && !voter.process.isPaused);
    if (leader === undefined || others.length < 2 || others.length < voters.length - 1) return undefined;
    if (!world.mayDie(leader)) return undefined;
    const one = random.pick(others);
    const two = random.pick(others.filter(voter => voter !== one));
    const deciding = others.filter(voter => voter !== one && voter !== two);
    world.note(`${one.process.name} and ${two.process.name} will run for leader in the same epoch`);
    for (const voter of others) steps.pause(voter);
    const pauseMs = this.property('controller.quorum.fetch.timeout.ms') * (1.1 + 0.2 * random.next());
    // It comes back as one that has heard of no leader and does not yet run itself.
    steps.endProcess(leader, pauseMs - 1, 'kill');
    steps.later(pauseMs, () => {
      steps.blockBoth(one.host, two.host);
      // Both run before either has been heard.
      const extraMs = this.property('controller.quorum.election.timeout.ms') / 5;
      for (const voter of voters) {
        if (voter === one || voter === two) continue;
        steps.slowLink(one.host, voter.host, extraMs);
        steps.slowLink(two.host, voter.host, extraMs);
      }
      steps.resume(one, two);
      steps.later(this.world.options.latencyMaxMs, () => steps.resume(...deciding));
      steps.soon(() => {
        const epochs = [one, two].map(voter => candidateEpoch(voter));
        if (epochs[0] === undefined || epochs[0] !== epochs[1]) return false;
        world.sometimes('two voters ran for leader in one epoch');
        steps.later(500, () => steps.finish());
        return true;
      }, 1_500);
    });
    return pauseMs + 2 * PATIENCE_MS;
  }

  /**
   * The leader of the quorum ends at the moment at which a voter comes back that has missed a lot, for long, or for so short
   * that it has to decide together with that voter, as others are paused.
   */
  private laggingVoter(steps: ScenarioSteps): number | undefined {
    const { world, random, voters } = this;
    const leader = this.controller;
    const behind = voters.filter(voter => voter !== leader && voter.isUp);
    if (leader === undefined || voters.length < 3 || behind.length === 0) return undefined;
    const voter = random.pick(behind);
    const others = voters.filter(each => each !== leader && each !== voter);
    const isShort = random.chance(0.6);
    world.note(`${voter.process.name} misses what the quorum decides`);
    for (const other of voters) if (other !== voter) steps.blockBoth(voter.host, other.host);
    steps.later(random.scaled(1_000, 4_000), () => {
      world.sometimes('a voter came back that was behind');
      if (isShort) for (const other of others.slice(0, (voters.length - 1) / 2)) steps.pause(other);
      steps.endProcess(leader, isShort ? 20 : random.scaled(500, 4_000), 'kill');
      steps.unblock();
      steps.later(3_000, () => steps.finish());
    });
    return 8_000;
  }

  /** A voter ends right after it has written whom it votes for, and is back in time to vote again. */
  private crashAfterVote(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const voter = random.pick(this.voters);
    const before = voteOf(voter);
    const { controller } = this;
    if (this.voters.length < 3 || voter === controller) return undefined;
    if (controller !== undefined) steps.endProcess(controller, random.scaled(500, 3_000), 'kill');
    steps.when(() => {
      const vote = voteOf(voter);
      if (vote === undefined || vote === before) return false;
      world.sometimes('a voter ended after a vote');
      steps.endProcess(voter, random.scaled(1, 50), 'kill');
      return true;
    });
    return 4_000;
  }

  /**
   * A leader's disk gives wrong bytes for a while, just where a follower has still to read. Another replica has them whole.
   */
  private badCopy(steps: ScenarioSteps): number | undefined {
    const { world, random } = this;
    const isSafe = (node: ClusterNode, reader: ClusterNode): boolean =>
      world.nodes.every(each => !each.isTainted && !each.isRotten && !each.diskFailed) &&
      world.isHeldBeside([node, reader]);
    const readers = (led: Led): ClusterNode[] => this.followersOf(led).filter(each => isSafe(led.node, each));
    // Where there are records there will be more.
    const led = this.pickLed(each => each.partition.log!.logEndOffset > 0 && readers(each).length > 0);
    if (led === undefined) return undefined;
    const { node, partition } = led;
    const reader = random.pick(readers(led));
    const { incarnation } = node.process;
    world.note(`${reader.process.name} falls behind ${node.process.name}, whose disk will be damaged`);
    steps.node = node;
    steps.onEnd(node.limitTailCache(0));
    steps.blockBoth(node.host, reader.host);
    const leastMs = world.nowMs + random.scaled(50, 1_000);
    steps.soon(() => {
      const { log } = partition;
      const end = this.endOn(reader, partition);
      if (world.nowMs < leastMs || log === undefined || end === undefined || log.logEndOffset <= end)
        return false;
      if (node.process.incarnation !== incarnation || !partition.isLeader || !isSafe(node, reader))
        return false;
      const repair = this.damageFrom(node, partition, end);
      if (repair === undefined) return false;
      steps.onEnd(repair);
      const life = reader.process.incarnation;
      steps.onEnd(() => {
        if (reader.isUp && reader.process.incarnation === life) this.checkCopy(reader, partition, end);
      });
      world.sometimes('a follower fetched from a damaged log');
      steps.unblock();
      steps.later(random.scaled(300, 2_000), () => steps.finish());
      return true;
    });
    return PATIENCE_MS + 3_000;
  }

  /** S2: what a replica has taken since is whole. Its own disk is: nothing else has damaged these bytes. */
  private checkCopy({ disk, process }: ClusterNode, { name }: Partition, offset: Offset): void {
    for (const path of disk.paths()) {
      if (!path.endsWith('.log') || !path.includes(`/${name}/`)) continue;
      for (const batch of batchesIn(disk, path)) {
        if (batch.baseOffset < offset || batch.isValid()) continue;
        const text = `a batch at ${batch.baseOffset} with a wrong CRC, from a damaged disk`;
        this.world.violation({ invariant: 'S2', message: `${name}: ${process.name} took ${text}` });
      }
    }
  }

  /** Changes a batch at or behind `offset` in a leader's file. What it returns makes it whole again. */
  private damageFrom(node: ClusterNode, { name }: Partition, offset: Offset): (() => void) | undefined {
    const { world, random } = this;
    const { incarnation } = node.process;
    const { disk } = node;
    for (const path of disk.paths().reverse()) {
      if (!path.endsWith('.log') || !path.includes(`/${name}/`)) continue;
      const batches = batchesIn(disk, path).filter(batch => batch.baseOffset >= offset);
      if (batches.length === 0) continue;
      const { position, end } = random.pick(batches);
      const at = random.between(position + CHECKED_FROM, end - 1);
      const before = disk.contentOf(path)[at]!;
      const after = before ^ (1 << random.below(8));
      world.damage(node, path, at, Buffer.of(after));
      return () => {
        // It may have been cut off meanwhile, and written again.
        if (disk.paths().includes(path) && disk.contentOf(path)[at] === after)
          disk.storage.damage(path, at, Buffer.of(before));
        node.isRotten = false;
        // What it had to cut off when it came back has to be fetched again.
        if (node.process.incarnation !== incarnation) node.isTainted = true;
      };
    }
    return undefined;
  }
}

/** The epoch in which a voter runs for leader; undefined if it does not. */
function candidateEpoch(voter: ClusterNode): number | undefined {
  const core = coreOf(voter);
  return core?.stateName === 'candidate' ? core.epoch : undefined;
}

/** Epoch and candidate of the vote that a voter has given; undefined if it is down, or has given none. */
function voteOf(voter: ClusterNode): string | undefined {
  const core = coreOf(voter);
  const { epoch, votedKey } =
    core === undefined ? NO_ELECTION : (Reflect.get(core, 'persisted') as ElectionState);
  return votedKey === undefined ? undefined : `${epoch} ${votedKey.id}`;
}

function coreOf({ server }: ClusterNode): RaftCore | undefined {
  const raft = server?.sharedServer?.raft;
  // Nothing else tells what its driver does.
  return raft?.isRunning === true ? (Reflect.get(raft, 'core') as RaftCore) : undefined;
}
