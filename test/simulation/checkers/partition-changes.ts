import type { Int64 } from '../../../src/base/int64.ts';
import { Findings, type Violation } from './checker.ts';
import type { PartitionKey } from './history.ts';

/** A partition as the controller decided it. */
export interface ControlledPartition {
  readonly partition: PartitionKey;
  /** `<topic>-<partition>`, for words. */
  readonly name: string;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly elr: readonly number[];
  /** Who is asked when ISR and ELR are empty: the leader that was the last member. */
  readonly lastKnownElr: readonly number[];
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

/** A broker as the controller has registered it. */
export interface ControlledBroker {
  readonly id: number;
  readonly epoch: Int64;
  /** The life of its process that ended last had come up and did not say good-bye. */
  readonly endedUncleanly: boolean;
}

/** All that the controller has committed, as of one offset of the metadata. */
export interface ControllerView {
  readonly atMs: number;
  readonly partitions: readonly ControlledPartition[];
  readonly brokers: readonly ControlledBroker[];
}

/**
 * What the controller decides about partitions, from one state of the metadata to the next:
 * R6 (the ISR is among the replicas and has the leader in it, each change has a partition epoch of its own), R7 (a new
 * leader, or a replica that is taken away, comes with a new leader epoch), R4 (only members of ISR and ELR are elected, or the
 * last one that was),
 * R9 (a broker that ended uncleanly leaves ISR and ELR when it comes back), R10 (broker epochs grow).
 */
export class PartitionChanges {
  private readonly mayElectUncleanly: boolean;
  private partitions = new Map<PartitionKey, ControlledPartition>();
  private readonly brokers = new Map<number, Int64>();

  constructor(mayElectUncleanly: boolean) {
    this.mayElectUncleanly = mayElectUncleanly;
  }

  /** Views must come in the order of the metadata; some may be left out. */
  observe({ atMs, partitions, brokers }: ControllerView): Violation[] {
    const findings = new Findings();
    const restarted = new Set<number>();
    for (const { id, epoch, endedUncleanly } of brokers) {
      const before = this.brokers.get(id);
      if (before !== undefined && epoch < before)
        findings.add('R10', atMs, `broker ${id} is registered with epoch ${epoch} after ${before}`);
      if (before !== undefined && epoch > before && endedUncleanly) restarted.add(id);
      this.brokers.set(id, epoch);
    }
    const now = new Map<PartitionKey, ControlledPartition>();
    for (const partition of partitions) {
      now.set(partition.partition, partition);
      const before = this.partitions.get(partition.partition);
      this.checkState(partition, atMs, findings);
      if (before !== undefined) this.checkChange(before, partition, atMs, findings);
      if (before !== undefined) this.checkRestarts(before, partition, restarted, atMs, findings);
    }
    this.partitions = now;
    return findings.violations;
  }

  private checkState(partition: ControlledPartition, atMs: number, findings: Findings): void {
    const { name, replicas, isr, elr, leader } = partition;
    const fail = (what: string): void => findings.add('R6', atMs, `${name}: ${what}`);
    const stranger = [...isr, ...elr].find(id => !replicas.includes(id));
    if (stranger !== undefined) fail(`${stranger} is in ISR or ELR, the replicas are [${replicas.join()}]`);
    if (leader >= 0 && !isr.includes(leader)) fail(`${leader} leads, the ISR is [${isr.join()}]`);
    const both = isr.find(id => elr.includes(id));
    if (both !== undefined) fail(`${both} is in the ISR and in the ELR`);
    if (new Set(isr).size < isr.length) fail(`the ISR names a replica twice: [${isr.join()}]`);
  }

  private checkChange(
    before: ControlledPartition,
    after: ControlledPartition,
    atMs: number,
    findings: Findings,
  ): void {
    const { name, leader, leaderEpoch, partitionEpoch } = after;
    const steps = partitionEpoch - before.partitionEpoch;
    const changed = (['replicas', 'isr', 'elr', 'leader', 'leaderEpoch'] as const).filter(
      field => String(before[field]) !== String(after[field]),
    );
    if (steps < 0 || leaderEpoch < before.leaderEpoch)
      findings.add('R7', atMs, `${name}: epochs go back: ${describe(before)}, then ${describe(after)}`);
    if (steps === 0 && changed.length > 0)
      findings.add(
        'R6',
        atMs,
        `${name}: ${changed.join(' and ')} changed within partition epoch ${partitionEpoch}`,
      );
    if (leaderEpoch > before.leaderEpoch) {
      const isElected = leader >= 0 && leader !== before.leader;
      const isLastKnown = before.isr.length + after.elr.length === 0 && before.lastKnownElr.includes(leader);
      const mayLead = before.isr.includes(leader) || before.elr.includes(leader) || isLastKnown;
      // A new member may lead at once, when it completes a move.
      if (steps === 1 && !changed.includes('replicas') && isElected && !mayLead && !this.mayElectUncleanly)
        findings.add('R4', atMs, `${name}: ${leader} was elected out of nowhere: ${describe(before)}`);
      return;
    }
    if (leader !== before.leader)
      findings.add(
        'R7',
        atMs,
        `${name}: ${leader} follows ${before.leader} as leader in epoch ${leaderEpoch}`,
      );
    const removed = before.replicas.find(id => !after.replicas.includes(id));
    if (removed !== undefined)
      findings.add(
        'R7',
        atMs,
        `${name}: ${removed} is no replica any more and is not fenced by a leader epoch`,
      );
  }

  private checkRestarts(
    before: ControlledPartition,
    after: ControlledPartition,
    restarted: ReadonlySet<number>,
    atMs: number,
    findings: Findings,
  ): void {
    // The last member of an ISR stays in it: there is no other to ask.
    if (after.partitionEpoch !== before.partitionEpoch || after.isr.length < 2) return;
    const trusted = [...after.isr, ...after.elr].find(id => restarted.has(id));
    if (trusted !== undefined)
      findings.add(
        'R9',
        atMs,
        `${after.name}: ${trusted} ended uncleanly, came back and stayed: ${describe(after)}`,
      );
  }
}

function describe({ leader, leaderEpoch, partitionEpoch, isr, elr }: ControlledPartition): string {
  return `leader ${leader} of epoch ${leaderEpoch}, ISR [${isr.join()}], ELR [${elr.join()}], partition epoch ${partitionEpoch}`;
}
