import { createHash } from 'node:crypto';
import { add64, type Int64, type Offset } from '../../../src/base/int64.ts';
import type { Uuid } from '../../../src/base/uuid.ts';
import type { ProducerStateEntry } from '../../../src/log/producer-state-entry.ts';
import type { TopicPartition } from '../../../src/log/topic-partition.ts';
import type { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import { parseElectionState } from '../../../src/raft/quorum-state-store.ts';
import type { RaftCore } from '../../../src/raft/raft-core.ts';
import type { RaftDriver } from '../../../src/raft/raft-driver.ts';
import type { SimProcess } from '../sim-process.ts';
import type { SimNode, WorldView } from '../simulation-types.ts';
import { Findings, type Violation } from './checker.ts';
import {
  ClusterInvariants,
  type ClusterSnapshot,
  type ImageSnapshot,
  type QuorumSnapshot,
  type RememberedProducer,
  type ReplicaSnapshot,
  type VoteSnapshot,
} from './cluster-invariants.ts';
import { type History, type PartitionKey, partitionKey } from './history.ts';
import { IsrProposals } from './isr-proposals.ts';
import { LeaderClaims } from './leader-claims.ts';
import { type ControlledPartition, PartitionChanges } from './partition-changes.ts';

/** How often the cluster is looked at, virtual ms. */
const PERIOD_MS = 20;

/** Of a log, when its leader's claims were looked at last. */
interface LookedAt {
  readonly highWatermark: Offset;
  readonly leaderEpoch: number;
}

interface NodeLife {
  powerLosses: number;
  wipes: number;
  damages: number;
}

/** Makes snapshots of a living world and holds them against {@link ClusterInvariants}. */
export class Probe {
  private readonly world: WorldView;
  private readonly history: History;
  private readonly invariants: ClusterInvariants;
  private readonly changes: PartitionChanges;
  private readonly claims = new LeaderClaims();
  private readonly proposals = new IsrProposals();
  /** Nothing can be said of log ends: committed records may be gone. */
  private readonly mayLose: boolean;
  private readonly losesUnsynced: boolean;
  /** The newest metadata that any node has, and its partitions. */
  private newest: { offset: Offset; partitions: ReadonlyMap<PartitionKey, ControlledPartition> } | undefined;
  private readonly lookedAt = new WeakMap<object, LookedAt>();
  /** By node, topic id and partition; without those that a fault of the disk may have changed. */
  private readonly lastEnds = new Map<string, Offset>();
  private readonly voteWrites = new Map<number, number>();
  private readonly lives = new Map<number, NodeLife>();
  private readonly digests = new WeakMap<MetadataImage, string>();
  private readonly logs = new WeakMap<object, number>();
  private nextLog = 1;
  private readonly acknowledged = new Map<PartitionKey, Offset>();
  private readonly sends = new Map<number, { partition: PartitionKey; count: number }>();
  private eventsSeen = 0;
  private hasPolled = false;
  private quorumLeader = { id: -1, epoch: -1 };
  private readonly metadataEnds = new Map<number, Offset>();
  private readonly logEnds = new Map<number, Offset>();
  private readonly lagged = new Set<string>();
  private readonly leaders = new Map<PartitionKey, { node: number; epoch: number; isrSize: number }>();

  constructor(world: WorldView, history: History) {
    this.world = world;
    this.history = history;
    const { lossAllowed, uncleanElection } = world.options;
    this.mayLose = lossAllowed || uncleanElection;
    this.losesUnsynced = world.options.durability !== 'fsync';
    this.invariants = new ClusterInvariants(this.mayLose);
    this.changes = new PartitionChanges(this.mayLose);
    world.onNodeChange((node, change) => {
      const life = this.lifeOf(node.id);
      if (change === 'powerLost') life.powerLosses++;
      else if (change === 'wiped') life.wipes++;
      else if (change === 'damaged') life.damages++;
      if (change === 'wiped' || change === 'damaged' || (change === 'powerLost' && this.losesUnsynced))
        this.forgetEnds(node.id);
      this.look();
    });
    world.onPeriod(PERIOD_MS, () => this.look());
    world.onTick(process => this.tick(process));
  }

  /** Whether the controller has ever seen a replica out of the ISR of its partition. */
  hasLagged(partition: PartitionKey, node: number): boolean {
    return this.lagged.has(`${partition} ${node}`);
  }

  private forgetEnds(node: number): void {
    for (const key of this.lastEnds.keys()) if (key.startsWith(`${node} `)) this.lastEnds.delete(key);
  }

  /** After an event of `process`: what is too short to be seen once in so many ms. */
  private tick(process: SimProcess | undefined): void {
    const node = process === undefined ? undefined : this.world.nodes.find(each => each.process === process);
    // It has ended in the middle of this: its logs may have grown since the last look.
    if (node?.process.isAlive === false) this.forgetEnds(node.id);
    if (node?.server === undefined) return;
    const findings = new Findings();
    this.takeProposals(node);
    if (this.takeMetadata(node, findings)) {
      for (const each of this.world.nodes) this.checkClaims(each, true, findings);
    } else this.checkClaims(node, false, findings);
    if (node.isController) this.checkVoter(node, findings);
    this.report(findings.violations);
  }

  private report(violations: readonly Violation[]): void {
    for (const { invariant, message } of violations) this.world.violation({ invariant, message });
  }

  /** Whether the node has newer metadata than all that was seen before. */
  private takeMetadata(node: SimNode, findings: Findings): boolean {
    const image = node.server?.metadata();
    if (image === undefined || image.highestOffset <= (this.newest?.offset ?? -1)) return false;
    const partitions = controlledPartitions(image);
    const epochOf = (id: number): Int64 | undefined => image.cluster.broker(id)?.epoch;
    for (const after of partitions) {
      for (const id of after.replicas)
        if (!after.isr.includes(id)) this.lagged.add(`${after.partition} ${id}`);
      const before = this.newest?.partitions.get(after.partition);
      if (before === undefined || before.partitionEpoch === after.partitionEpoch) continue;
      this.proposals.check(before, after, epochOf, this.world.nowMs, findings);
      if (before.replicas.some(id => !after.replicas.includes(id)))
        this.world.sometimes('a replica was taken away');
    }
    this.newest = {
      offset: image.highestOffset,
      partitions: new Map(partitions.map(partition => [partition.partition, partition])),
    };
    const brokers = [...image.cluster.brokers.values()].map(({ id, epoch }) => ({
      id,
      epoch,
      endedUncleanly: this.world.node(id).endedUncleanly,
    }));
    for (const { invariant, atMs, message } of this.changes.observe({
      atMs: this.world.nowMs,
      partitions,
      brokers,
    }))
      findings.add(invariant, atMs, message);
    return true;
  }

  /** The members that this node wants in the ISRs of what it leads. */
  private takeProposals(node: SimNode): void {
    const { server } = node;
    for (const replica of server?.services?.replicaManager.partitions() ?? []) {
      const { kind, maximalIsr, partitionEpoch } = replica.partitionState;
      if (kind !== 'pendingExpand') continue;
      this.proposals.propose({
        partition: partitionKey(replica.topicId, replica.topicPartition.partition),
        leaderEpoch: replica.leaderEpoch,
        partitionEpoch,
        isr: maximalIsr,
        brokerEpochs: maximalIsr.map(id => server?.metadata()?.cluster.broker(id)?.epoch),
      });
    }
  }

  /** What this node claims of the partitions that it leads, as far as it has changed. */
  private checkClaims(node: SimNode, all: boolean, findings: Findings): void {
    const services = node.server?.services;
    if (services === undefined || this.mayLose) return;
    for (const replica of services.replicaManager.partitions()) {
      const { log, leaderEpoch, leaderEpochStartOffset } = replica;
      if (log === undefined) continue;
      const { highWatermark, logEndOffset } = log;
      this.lastEnds.set(`${node.id} ${replica.topicId} ${replica.topicPartition.partition}`, logEndOffset);
      if (leaderEpochStartOffset === undefined) continue;
      const before = this.lookedAt.get(log);
      if (!all && before?.highWatermark === highWatermark && before.leaderEpoch === leaderEpoch) continue;
      this.lookedAt.set(log, { highWatermark, leaderEpoch });
      const { topicId, topicPartition } = replica;
      const partition = partitionKey(topicId, topicPartition.partition);
      this.claims.check(
        {
          node: node.id,
          partition,
          name: replica.name,
          leaderEpoch,
          epochStartOffset: leaderEpochStartOffset,
          highWatermark,
        },
        this.newest?.partitions.get(partition),
        id => this.endOf(id, topicId, topicPartition),
        this.world.nowMs,
        findings,
      );
    }
  }

  /** The log end of a replica on a node that was let in since its process started, or is down and has lost nothing. */
  private endOf(id: number, topicId: Uuid, { topic, partition }: TopicPartition): Offset | undefined {
    const node = this.world.node(id);
    if (!node.process.isAlive) return this.lastEnds.get(`${id} ${topicId} ${partition}`);
    if (!node.isUp) return undefined;
    const replica = node.server?.services?.replicaManager.partition(topic, partition);
    if (replica?.topicId !== topicId || replica.isOffline) return undefined;
    return replica.log?.logEndOffset;
  }

  private checkVoter(node: SimNode, findings: Findings): void {
    const writes = node.disk.storage.counts.get('replace') ?? 0;
    if (writes !== this.voteWrites.get(node.id)) {
      this.voteWrites.set(node.id, writes);
      const votes: VoteSnapshot[] = [];
      this.addVote(node, votes);
      this.invariants.checkVotes({ atMs: this.world.nowMs, votes }, findings);
    }
    const raft = node.server?.sharedServer?.raft;
    if (raft?.isRunning !== true) return;
    const { leaderId, epoch } = raft.leaderAndEpoch();
    if (leaderId !== node.id) return;
    const { incarnation } = node.process;
    const epochStart = metadataEpochStart(raft);
    const highWatermark = raft.highWatermark();
    if (epochStart !== undefined) {
      const leader = { node: node.id, incarnation, epoch, epochStart, highWatermark };
      this.invariants.checkCommits(leader, this.world.nowMs, findings);
    }
  }

  look(): void {
    const snapshot = this.snapshot();
    this.report(this.invariants.observe(snapshot));
    this.countStates(snapshot);
  }

  private lifeOf(node: number): NodeLife {
    let life = this.lives.get(node);
    if (life === undefined) {
      life = { powerLosses: 0, wipes: 0, damages: 0 };
      this.lives.set(node, life);
    }
    return life;
  }

  private snapshot(): ClusterSnapshot {
    this.readAcknowledgements();
    const replicas: ReplicaSnapshot[] = [];
    const quorum: QuorumSnapshot[] = [];
    const votes: VoteSnapshot[] = [];
    const images: ImageSnapshot[] = [];
    for (const node of this.world.nodes) {
      if (node.isController) this.addVote(node, votes);
      if (node.server === undefined) continue;
      this.addReplicas(node, replicas);
      this.addQuorum(node, quorum, images);
    }
    const voters = this.world.nodes
      .filter(node => node.isController && this.lifeOf(node.id).wipes === 0)
      .map(({ id }) => id);
    const { acknowledged } = this;
    return { atMs: this.world.nowMs, replicas, quorum, voters, votes, images, acknowledged };
  }

  private readAcknowledgements(): void {
    const { events } = this.history;
    for (; this.eventsSeen < events.length; this.eventsSeen++) {
      const event = events[this.eventsSeen]!;
      if (event.kind === 'send' && event.acks === -1)
        this.sends.set(event.op, { partition: event.partition, count: event.values.length });
      if (event.kind === 'poll' && event.records.length > 0) this.hasPolled = true;
      if (event.kind !== 'sent' || event.offset < 0) continue;
      const send = this.sends.get(event.op);
      if (send === undefined) continue;
      const end = add64(event.offset, send.count);
      if (end > (this.acknowledged.get(send.partition) ?? -1)) this.acknowledged.set(send.partition, end);
    }
  }

  private addReplicas(node: SimNode, replicas: ReplicaSnapshot[]): void {
    const services = node.server?.services;
    if (services === undefined) return;
    const { powerLosses, wipes, damages } = this.lifeOf(node.id);
    const { incarnation } = node.process;
    for (const partition of services.replicaManager.partitions()) {
      const { log, topicPartition, isLeader, leaderEpoch } = partition;
      if (log === undefined) continue;
      const { isr, maximalIsr, partitionEpoch } = partition.partitionState;
      // Computed here again: the partition's own word is what is looked at.
      const minIsr = Math.min(log.config.minInsyncReplicas, partition.registration.replicas.length);
      replicas.push({
        node: node.id,
        incarnation,
        // Under the fsync policy nothing counts that a loss of power could take.
        losses: (this.losesUnsynced ? powerLosses : 0) + wipes + damages,
        log: this.numberOf(log),
        partition: partitionKey(partition.topicId, topicPartition.partition),
        name: `${topicPartition.topic}-${topicPartition.partition}`,
        isLeader,
        leaderEpoch,
        highWatermark: log.highWatermark,
        logEndOffset: log.logEndOffset,
        logStartOffset: log.logStartOffset,
        maximalIsr: isLeader ? [...maximalIsr] : [],
        partitionEpoch,
        isUnderMinIsr: isLeader && isr.length < minIsr,
        stagedEndOffset: log.stagedEndOffset,
        producersEndOffset: lastProduced(log.activeProducers.values()),
        lastEpochStart: log.epochEntries.at(-1)?.startOffset ?? 0,
        producers: isLeader ? rememberedProducers(log.activeProducers) : [],
      });
    }
  }

  private numberOf(log: object): number {
    let number = this.logs.get(log);
    if (number === undefined) {
      number = this.nextLog++;
      this.logs.set(log, number);
    }
    return number;
  }

  private addQuorum(node: SimNode, quorum: QuorumSnapshot[], images: ImageSnapshot[]): void {
    const shared = node.server?.sharedServer;
    if (shared === undefined || !shared.raft.isRunning) return;
    const { raft, loader } = shared;
    const { wipes } = this.lifeOf(node.id);
    const { incarnation } = node.process;
    const { epoch, leaderId, highWatermark } = raft.status();
    quorum.push({
      node: node.id,
      incarnation,
      wipes,
      epoch,
      leaderId,
      highWatermark,
      logEndOffset: raft.logEndOffset(),
    });
    const image = loader.image();
    if (image.highestOffset < 0) return;
    images.push({ node: node.id, incarnation, offset: image.highestOffset, digest: this.digestOf(image) });
  }

  private digestOf(image: MetadataImage): string {
    let digest = this.digests.get(image);
    if (digest === undefined) {
      digest = digestOfImage(image);
      this.digests.set(image, digest);
    }
    return digest;
  }

  private addVote(node: SimNode, votes: VoteSnapshot[]): void {
    const path = `${node.config.metadataLogDir}/__cluster_metadata-0/quorum-state`;
    let election: ReturnType<typeof parseElectionState>;
    try {
      election = parseElectionState(node.disk.contentOf(path).toString('utf8'));
    } catch {
      // There is none yet, or a fault has damaged it: the node itself refuses it then.
      return;
    }
    const { epoch, leaderId, votedKey } = election;
    const voted = votedKey === undefined ? undefined : `${votedKey.id} (${votedKey.directoryId})`;
    votes.push({ node: node.id, wipes: this.lifeOf(node.id).wipes, epoch, voted, leaderId });
  }

  /** Counts that the runs reach what they are for. */
  private countStates({ replicas, quorum, acknowledged }: ClusterSnapshot): void {
    const { world } = this;
    for (const replica of replicas) this.countReplicaStates(replica);
    for (const { node, epoch, leaderId, logEndOffset } of quorum) {
      if (epoch > 3) world.sometimes('a quorum epoch above 3');
      if (leaderId === node && epoch > this.quorumLeader.epoch) {
        if (this.quorumLeader.epoch >= 0 && this.quorumLeader.id !== node)
          world.sometimes('the active controller changed');
        this.quorumLeader = { id: node, epoch };
      }
      const snapshot = world.node(node).server?.sharedServer?.raft.latestSnapshotId()?.offset ?? 0;
      // A node makes snapshots of what it has; one that lies behind its log has come from another node.
      if (snapshot > (this.metadataEnds.get(node) ?? snapshot))
        world.sometimes('a snapshot of the metadata was fetched');
      this.metadataEnds.set(node, logEndOffset);
    }
    if (acknowledged.size > 0) world.sometimes('a record was acknowledged');
    if (this.hasPolled) world.sometimes('a record was polled');
  }

  private countReplicaStates(replica: ReplicaSnapshot): void {
    const { world } = this;
    const { node, partition, log, isLeader, leaderEpoch, maximalIsr, logEndOffset } = replica;
    const end = this.logEnds.get(log);
    if (!isLeader && end !== undefined && logEndOffset < end) world.sometimes('a follower truncated');
    this.logEnds.set(log, logEndOffset);
    if (!isLeader) return;
    if (replica.isUnderMinIsr) world.sometimes('a partition is below min.insync.replicas');
    if (leaderEpoch > 3) world.sometimes('a leader epoch above 3');
    const before = this.leaders.get(partition);
    if (before !== undefined && leaderEpoch < before.epoch) return;
    if (before !== undefined && before.node !== node) world.sometimes('a leader of a partition changed');
    if (before !== undefined && before.isrSize > 1 && maximalIsr.length === 1)
      world.sometimes('an ISR shrank to one');
    this.leaders.set(partition, { node, epoch: leaderEpoch, isrSize: maximalIsr.length });
  }
}

/** The offset after the last batch that any producer is remembered for. */
function lastProduced(entries: Iterable<ProducerStateEntry>): Offset {
  let end: Offset = 0;
  for (const { lastBatch } of entries)
    if (lastBatch !== undefined && lastBatch.lastOffset >= end) end = add64(lastBatch.lastOffset, 1);
  return end;
}

function rememberedProducers(entries: ReadonlyMap<Int64, ProducerStateEntry>): RememberedProducer[] {
  return [...entries].map(([id, { producerEpoch, batches }]) => ({
    id,
    epoch: producerEpoch,
    batchEnds: batches.map(({ lastOffset }) => lastOffset),
  }));
}

/** Where the epoch of a quorum leader began, as its core has it: nothing else says so at once. */
function metadataEpochStart(raft: RaftDriver): Offset | undefined {
  const core = Reflect.get(raft, 'core') as RaftCore;
  return core.epochStartOffset;
}

function controlledPartitions(image: MetadataImage): ControlledPartition[] {
  const partitions: ControlledPartition[] = [];
  for (const topic of image.topics.topics()) {
    topic.partitions.forEach((registration, index) => {
      const { replicas, isr, elr, lastKnownElr, leader, leaderEpoch, partitionEpoch } = registration;
      partitions.push({
        partition: partitionKey(topic.id, index),
        name: `${topic.name}-${index}`,
        replicas,
        isr,
        elr,
        lastKnownElr,
        leader,
        leaderEpoch,
        partitionEpoch,
      });
    });
  }
  return partitions;
}

/** A digest of all of an image, in whatever order it comes. Configurations are read as servers read them. */
export function digestOfImage(image: MetadataImage): string {
  const lines: string[] = [];
  for (const { resource, values } of image.configs.resources.values())
    lines.push(JSON.stringify([resource, [...values].sort()]));
  for (const record of image.records()) {
    lines.push(JSON.stringify(record, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value)));
  }
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 16);
}
