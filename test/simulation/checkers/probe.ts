import { createHash } from 'node:crypto';
import { add64, type Offset } from '../../../src/base/int64.ts';
import type { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import { parseElectionState } from '../../../src/raft/quorum-state-store.ts';
import type { SimNode, WorldView } from '../simulation-types.ts';
import {
  ClusterInvariants,
  type ClusterSnapshot,
  type ImageSnapshot,
  type QuorumSnapshot,
  type ReplicaSnapshot,
  type VoteSnapshot,
} from './cluster-invariants.ts';
import { type History, type PartitionKey, partitionKey } from './history.ts';

/** How often the cluster is looked at, virtual ms. */
const PERIOD_MS = 20;

interface NodeLife {
  powerLosses: number;
  wipes: number;
}

/** Makes snapshots of a living world and holds them against {@link ClusterInvariants}. */
export class Probe {
  private readonly world: WorldView;
  private readonly history: History;
  private readonly invariants: ClusterInvariants;
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
  private readonly leaders = new Map<PartitionKey, { node: number; epoch: number; isrSize: number }>();

  constructor(world: WorldView, history: History) {
    this.world = world;
    this.history = history;
    const { lossAllowed, uncleanElection } = world.options;
    this.invariants = new ClusterInvariants(lossAllowed || uncleanElection);
    world.onNodeChange((node, change) => {
      const life = this.lifeOf(node.id);
      if (change === 'powerLost') life.powerLosses++;
      else if (change === 'wiped') life.wipes++;
      this.look();
    });
    world.onPeriod(PERIOD_MS, () => this.look());
  }

  look(): void {
    const snapshot = this.snapshot();
    for (const { invariant, message } of this.invariants.observe(snapshot))
      this.world.violation({ invariant, message });
    this.countStates(snapshot);
  }

  private lifeOf(node: number): NodeLife {
    let life = this.lives.get(node);
    if (life === undefined) {
      life = { powerLosses: 0, wipes: 0 };
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
    return { atMs: this.world.nowMs, replicas, quorum, votes, images, acknowledged: this.acknowledged };
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
    const { powerLosses, wipes } = this.lifeOf(node.id);
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
        losses: powerLosses + wipes,
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

/** A digest of all records of an image, in whatever order they come. */
export function digestOfImage(image: MetadataImage): string {
  const lines: string[] = [];
  for (const record of image.records()) {
    lines.push(JSON.stringify(record, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value)));
  }
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 16);
}
