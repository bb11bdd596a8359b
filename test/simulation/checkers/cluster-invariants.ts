import type { Int64, Offset } from '../../../src/base/int64.ts';
import { Findings, type Violation } from './checker.ts';
import type { PartitionKey } from './history.ts';

/** A replica of a partition in a running broker, between two events. */
export interface ReplicaSnapshot {
  readonly node: number;
  /** Counts the starts of the process. */
  readonly incarnation: number;
  /** Changes when the disk may have lost something: power failures and wipes so far. */
  readonly losses: number;
  /** Tells the log object from an earlier one of the same partition in the same process. */
  readonly log: number;
  readonly partition: PartitionKey;
  readonly name: string;
  readonly isLeader: boolean;
  readonly leaderEpoch: number;
  readonly highWatermark: Offset;
  /** What is written; not what waits for it. */
  readonly logEndOffset: Offset;
  readonly logStartOffset: Offset;
  /** Of a leader: the ISR it counts with, pending members among them. */
  readonly maximalIsr: readonly number[];
  readonly partitionEpoch: number;
  readonly isUnderMinIsr: boolean;
  /** With what waits to be written. */
  readonly stagedEndOffset: Offset;
  /** After the last batch that the state of the producers knows. */
  readonly producersEndOffset: Offset;
  /** Where the newest leader epoch of the log's cache starts. */
  readonly lastEpochStart: Offset;
  /** Of a leader: what it remembers of each producer. */
  readonly producers: readonly RememberedProducer[];
}

/** What a log remembers of a producer. */
export interface RememberedProducer {
  readonly id: Int64;
  readonly epoch: number;
  /** The last offsets of its last batches. */
  readonly batchEnds: readonly Offset[];
}

/** A leader of the quorum and what it says is committed. */
export interface QuorumLeader {
  readonly node: number;
  readonly incarnation: number;
  readonly epoch: number;
  /** Of the first record of its epoch. */
  readonly epochStart: Offset;
  readonly highWatermark: Offset | undefined;
}

/** The part of a node in the metadata quorum. */
export interface QuorumSnapshot {
  readonly node: number;
  readonly incarnation: number;
  readonly wipes: number;
  readonly epoch: number;
  readonly leaderId: number | undefined;
  readonly highWatermark: Offset | undefined;
  readonly logEndOffset: Offset;
}

/** What the file `quorum-state` of a node says. */
export interface VoteSnapshot {
  readonly node: number;
  readonly wipes: number;
  readonly epoch: number;
  /** Id and directory id; undefined if the node has not voted in this epoch. */
  readonly voted: string | undefined;
  readonly leaderId: number | undefined;
}

/** The metadata that a node acts on. */
export interface ImageSnapshot {
  readonly node: number;
  readonly incarnation: number;
  readonly offset: Offset;
  readonly digest: string;
}

/** All of a cluster that the probe looks at, at one moment. */
export interface ClusterSnapshot {
  readonly atMs: number;
  readonly replicas: readonly ReplicaSnapshot[];
  readonly quorum: readonly QuorumSnapshot[];
  /** Ids of the voters that still have the disk they began with. */
  readonly voters: readonly number[];
  readonly votes: readonly VoteSnapshot[];
  readonly images: readonly ImageSnapshot[];
  /** The end (exclusive) of what was acknowledged with acks=all in each partition. */
  readonly acknowledged: ReadonlyMap<PartitionKey, Offset>;
}

/** As many batches of a producer as it may have in flight: each may be sent again. */
const BATCHES_TO_REMEMBER = 5;

interface ReplicaMemory {
  producers: ReadonlyMap<Int64, RememberedProducer>;
  incarnation: number;
  losses: number;
  log: number;
  leaderEpoch: number;
  isLeader: boolean;
  highWatermark: Offset;
  logStartOffset: Offset;
  partitionEpoch: number;
  isUnderMinIsr: boolean;
}

interface QuorumMemory {
  incarnation: number;
  wipes: number;
  epoch: number;
  highWatermark: Offset | undefined;
}

/**
 * What must hold of a running cluster at each moment, and from one moment to the next: R2, R3, R4, R8, S6, S7, S11
 * for replicas, M1, M2, M4, M5, M6, M7 and M10 for the metadata quorum. It sees snapshots only, in the order of time.
 */
export class ClusterInvariants {
  private readonly mayLose: boolean;
  private readonly partitionLeaders = new Map<string, number>();
  private readonly newestEpoch = new Map<PartitionKey, number>();
  private readonly replicas = new Map<string, ReplicaMemory>();
  private readonly quorumLeaders = new Map<number, number>();
  private readonly quorum = new Map<number, QuorumMemory>();
  private readonly votes = new Map<string, string>();
  private readonly images = new Map<Offset, { digest: string; node: number }>();
  private readonly imageOffsets = new Map<string, Offset>();
  private quorumLeader: QuorumLeader | undefined;
  private majorityChecked: Offset = -1;
  private committed: { offset: Offset; node: number } = { offset: -1, node: -1 };

  /** `mayLose`: acknowledged records may be gone, by unclean elections or by faults that no cluster survives. */
  constructor(mayLose: boolean) {
    this.mayLose = mayLose;
  }

  observe(snapshot: ClusterSnapshot): Violation[] {
    const findings = new Findings();
    this.checkReplicas(snapshot, findings);
    this.checkQuorum(snapshot, findings);
    this.checkMajority(snapshot, findings);
    this.checkVotes(snapshot, findings);
    this.checkImages(snapshot, findings);
    return findings.violations;
  }

  private checkReplicas(snapshot: ClusterSnapshot, findings: Findings): void {
    const { atMs, replicas } = snapshot;
    const present = new Set<string>();
    for (const replica of replicas) {
      const { node, partition, name, isLeader, leaderEpoch } = replica;
      present.add(`${node} ${partition}`);
      if (leaderEpoch > (this.newestEpoch.get(partition) ?? -1)) this.newestEpoch.set(partition, leaderEpoch);
      if (isLeader) {
        const key = `${partition} ${leaderEpoch}`;
        const other = this.partitionLeaders.get(key);
        if (other !== undefined && other !== node)
          findings.add('R2', atMs, `nodes ${other} and ${node} both lead ${name} in epoch ${leaderEpoch}`);
        this.partitionLeaders.set(key, node);
      }
      this.checkReplica(replica, atMs, findings);
    }
    for (const replica of replicas) {
      if (replica.isLeader && replica.leaderEpoch === this.newestEpoch.get(replica.partition))
        this.checkLeader(replica, snapshot, findings);
    }
    // A replica that was moved away may come back empty.
    for (const key of this.replicas.keys()) {
      const node = Number(key.slice(0, key.indexOf(' ')));
      if (!present.has(key) && snapshot.images.some(image => image.node === node)) this.replicas.delete(key);
    }
  }

  /** A replica against itself a moment ago. */
  private checkReplica(replica: ReplicaSnapshot, atMs: number, findings: Findings): void {
    const { node, name, highWatermark, logEndOffset, logStartOffset } = replica;
    const where = `${name} on node ${node}`;
    // A replica that starts anew inside a batch, at a log start that somebody has asked for (DeleteRecords), has that for
    // its high watermark while the batch is written.
    const startsInBatch = logStartOffset > logEndOffset && highWatermark === logStartOffset;
    if (highWatermark > logEndOffset && !startsInBatch)
      findings.add('S6', atMs, `${where}: high watermark ${highWatermark} past the log end ${logEndOffset}`);
    const { stagedEndOffset, producersEndOffset, lastEpochStart } = replica;
    if (producersEndOffset > stagedEndOffset) {
      const text = `producers are remembered up to ${producersEndOffset}, the log ends at ${stagedEndOffset}`;
      findings.add('S7', atMs, `${where}: ${text}`);
    }
    if (lastEpochStart > stagedEndOffset) {
      const text = `the newest leader epoch starts at ${lastEpochStart}, the log ends at ${stagedEndOffset}`;
      findings.add('S11', atMs, `${where}: ${text}`);
    }
    const key = `${node} ${replica.partition}`;
    const before = this.replicas.get(key);
    const sameProcess = before?.incarnation === replica.incarnation;
    const sameLog = before !== undefined && (sameProcess ? before.log === replica.log : true);
    if (before !== undefined && sameLog && before.losses === replica.losses && !this.mayLose) {
      if (logEndOffset < before.highWatermark && !startsInBatch) {
        findings.add(
          'R8',
          atMs,
          `${where}: the log ends at ${logEndOffset}, below the high watermark ${before.highWatermark} it had`,
        );
      }
    }
    if (before !== undefined && sameLog && sameProcess) {
      this.checkProducers(before, replica, atMs, findings);
      if (replica.leaderEpoch < before.leaderEpoch)
        findings.add('R2', atMs, `${where}: leader epoch ${replica.leaderEpoch} after ${before.leaderEpoch}`);
      // Behind a leader that has lost everything a log begins anew.
      if (logStartOffset < before.logStartOffset && !this.mayLose)
        findings.add('S6', atMs, `${where}: log start ${logStartOffset} after ${before.logStartOffset}`);
      const stillLeads = before.isLeader && replica.isLeader && before.leaderEpoch === replica.leaderEpoch;
      if (stillLeads && highWatermark < before.highWatermark) {
        findings.add(
          'R3',
          atMs,
          `${where}: high watermark ${highWatermark} after ${before.highWatermark}, both as leader in epoch ` +
            `${replica.leaderEpoch}`,
        );
      }
      const wasTooFew = before.isUnderMinIsr && replica.isUnderMinIsr;
      if (stillLeads && wasTooFew && before.partitionEpoch === replica.partitionEpoch) {
        if (highWatermark > before.highWatermark) {
          findings.add(
            'R3',
            atMs,
            `${where}: the high watermark went from ${before.highWatermark} to ${highWatermark} with fewer in sync ` +
              'than min.insync.replicas',
          );
        }
      }
    }
    const { incarnation, losses, log, leaderEpoch, isLeader, partitionEpoch, isUnderMinIsr } = replica;
    this.replicas.set(key, {
      producers: new Map(replica.producers.map(producer => [producer.id, producer])),
      incarnation,
      losses,
      log,
      leaderEpoch,
      isLeader,
      highWatermark,
      logStartOffset,
      partitionEpoch,
      isUnderMinIsr,
    });
  }

  /** S7: what a leader has appended it remembers, but for batches that five later ones follow. It cuts nothing off. */
  private checkProducers(
    before: ReplicaMemory,
    { node, name, isLeader, leaderEpoch, producers }: ReplicaSnapshot,
    atMs: number,
    findings: Findings,
  ): void {
    if (!before.isLeader || !isLeader || before.leaderEpoch !== leaderEpoch) return;
    for (const { id, epoch, batchEnds } of producers) {
      const known = before.producers.get(id);
      if (known?.epoch !== epoch || batchEnds.length >= BATCHES_TO_REMEMBER) continue;
      const lost = known.batchEnds.find(end => !batchEnds.includes(end));
      if (lost === undefined) continue;
      const text = `the batch of producer ${id} that ended at ${lost} is forgotten, and remembered are only`;
      findings.add('S7', atMs, `${name} on node ${node}: ${text} those at ${batchEnds.join()}`);
    }
  }

  /** The newest leader of a partition against the others, and against what was acknowledged. */
  private checkLeader(leader: ReplicaSnapshot, snapshot: ClusterSnapshot, findings: Findings): void {
    const { atMs, replicas, acknowledged } = snapshot;
    if (this.mayLose) return;
    const end = acknowledged.get(leader.partition) ?? -1;
    for (const replica of replicas) {
      if (replica.partition !== leader.partition || replica.losses > 0) continue;
      if (!leader.maximalIsr.includes(replica.node)) continue;
      const { node, logEndOffset } = replica;
      const isr = `its ISR [${leader.maximalIsr.join()}]`;
      if (logEndOffset < leader.highWatermark) {
        findings.add(
          'R3',
          atMs,
          `${leader.name}: node ${leader.node} leads with high watermark ${leader.highWatermark}, node ${node} of ` +
            `${isr} ends at ${logEndOffset}`,
        );
      } else if (logEndOffset < end && node !== leader.node) {
        findings.add(
          'R4',
          atMs,
          `${leader.name}: ${end} records were acknowledged, node ${node} of ${isr} ends at ${logEndOffset}`,
        );
      }
    }
    if (leader.logEndOffset < end) {
      findings.add(
        'R4',
        atMs,
        `${leader.name}: node ${leader.node} leads in epoch ${leader.leaderEpoch} with ` +
          `${leader.logEndOffset} records, ${end} were acknowledged`,
      );
    }
  }

  private checkQuorum({ atMs, quorum }: ClusterSnapshot, findings: Findings): void {
    for (const { node, incarnation, wipes, epoch, leaderId, highWatermark, logEndOffset } of quorum) {
      if (leaderId !== undefined) this.checkQuorumLeader(epoch, leaderId, atMs, findings);
      const before = this.quorum.get(node);
      if (before !== undefined && before.wipes === wipes && epoch < before.epoch)
        findings.add('M7', atMs, `node ${node}: quorum epoch ${epoch} after ${before.epoch}`);
      if (before?.incarnation === incarnation && before.highWatermark !== undefined) {
        if (highWatermark === undefined || highWatermark < before.highWatermark) {
          const now = highWatermark ?? 'none';
          findings.add(
            'M7',
            atMs,
            `node ${node}: metadata high watermark ${now} after ${before.highWatermark}`,
          );
        }
      }
      if (highWatermark !== undefined && highWatermark > logEndOffset) {
        findings.add(
          'M7',
          atMs,
          `node ${node}: metadata high watermark ${highWatermark} past its log end ${logEndOffset}`,
        );
      }
      this.quorum.set(node, { incarnation, wipes, epoch, highWatermark });
      if (highWatermark !== undefined && highWatermark > this.committed.offset)
        this.committed = { offset: highWatermark, node };
    }
    const newest = Math.max(-1, ...this.quorumLeaders.keys());
    for (const { node, epoch, leaderId, logEndOffset } of quorum) {
      if (epoch !== newest || leaderId !== node || logEndOffset >= this.committed.offset) continue;
      const { offset, node: by } = this.committed;
      findings.add(
        'M4',
        atMs,
        `node ${node} leads the quorum in epoch ${epoch} with a log to ${logEndOffset}; node ${by} knew ${offset} committed`,
      );
    }
  }

  private checkQuorumLeader(epoch: number, leaderId: number, atMs: number, findings: Findings): void {
    const other = this.quorumLeaders.get(epoch);
    if (other !== undefined && other !== leaderId)
      findings.add('M1', atMs, `${other} and ${leaderId} both lead the quorum in epoch ${epoch}`);
    this.quorumLeaders.set(epoch, leaderId);
  }

  /** M5: a leader counts replicas for records of its own epoch only; those before them are committed by that. */
  checkCommits(leader: QuorumLeader, atMs: number, findings: Findings): void {
    const { node, incarnation, epoch, epochStart, highWatermark = -1 } = leader;
    const before = this.quorumLeader;
    this.quorumLeader = leader;
    if (before?.node !== node || before.incarnation !== incarnation || before.epoch !== epoch) return;
    if (highWatermark > (before.highWatermark ?? -1) && highWatermark <= epochStart) {
      const text = `node ${node} committed up to ${highWatermark} in quorum epoch ${epoch}`;
      findings.add('M5', atMs, `${text}, which began at ${epochStart}: records of earlier epochs alone`);
    }
  }

  /** M5: what any node calls committed is in the logs of a majority. One that cannot be asked counts for it. */
  private checkMajority({ atMs, quorum, voters }: ClusterSnapshot, findings: Findings): void {
    let claim: QuorumSnapshot | undefined;
    for (const each of quorum) if ((each.highWatermark ?? -1) > (claim?.highWatermark ?? -1)) claim = each;
    if (claim?.highWatermark === undefined || claim.highWatermark <= this.majorityChecked) return;
    const { node, highWatermark } = claim;
    const behind = quorum.filter(each => voters.includes(each.node) && each.logEndOffset < highWatermark);
    if (behind.length === 0 || behind.length * 2 < voters.length) {
      this.majorityChecked = highWatermark;
      return;
    }
    const ends = behind.map(each => `${each.node} ends at ${each.logEndOffset}`).join(', ');
    findings.add(
      'M5',
      atMs,
      `node ${node} knows ${highWatermark} committed; of the voters ${voters.join()} ${ends}`,
    );
  }

  checkVotes({ atMs, votes }: Pick<ClusterSnapshot, 'atMs' | 'votes'>, findings: Findings): void {
    for (const { node, wipes, epoch, voted, leaderId } of votes) {
      if (leaderId !== undefined) this.checkQuorumLeader(epoch, leaderId, atMs, findings);
      if (voted === undefined) continue;
      const key = `${node} ${wipes} ${epoch}`;
      const before = this.votes.get(key);
      if (before !== undefined && before !== voted)
        findings.add('M2', atMs, `node ${node} voted for ${before} and for ${voted} in epoch ${epoch}`);
      this.votes.set(key, voted);
    }
  }

  private checkImages({ atMs, images }: ClusterSnapshot, findings: Findings): void {
    for (const { node, incarnation, offset, digest } of images) {
      const key = `${node} ${incarnation}`;
      const before = this.imageOffsets.get(key);
      if (before !== undefined && offset < before)
        findings.add('M10', atMs, `node ${node}: metadata of offset ${offset} after those of ${before}`);
      this.imageOffsets.set(key, offset);
      const other = this.images.get(offset);
      if (other === undefined) this.images.set(offset, { digest, node });
      else if (other.digest !== digest)
        findings.add(
          'M6',
          atMs,
          `nodes ${other.node} and ${node} have different metadata as of offset ${offset}`,
        );
    }
  }
}
