import type { Offset } from '../../../src/base/int64.ts';
import type { Findings } from './checker.ts';
import type { PartitionKey } from './history.ts';
import type { ControlledPartition } from './partition-changes.ts';

/** What a broker that takes itself for the leader of a partition claims. */
export interface LeaderClaim {
  readonly node: number;
  readonly partition: PartitionKey;
  readonly name: string;
  readonly leaderEpoch: number;
  /** Where the log ended when the epoch began. */
  readonly epochStartOffset: Offset;
  readonly highWatermark: Offset;
}

interface Membership {
  readonly leaderEpoch: number;
  readonly isr: ReadonlySet<number>;
}

/**
 * Holds what leaders claim against what others have, and not against what the leaders believe of them: R3 (the high
 * watermark is on every member of the ISR that the controller has committed), R6 (who joins the ISR has all from before
 * the leader's epoch), R7 (a leader commits nothing that the leader of a later epoch has not).
 */
export class LeaderClaims {
  /** Of each partition, where each epoch began. */
  private readonly epochStarts = new Map<PartitionKey, Map<number, Offset>>();
  private readonly memberships = new Map<PartitionKey, Membership>();

  /**
   * `controlled`: the partition as it is committed. `endOf`: the log end of a replica on a node that the controller has
   * let in, in the life that it was let in with; undefined if there is none.
   */
  check(
    claim: LeaderClaim,
    controlled: ControlledPartition | undefined,
    endOf: (node: number) => Offset | undefined,
    atMs: number,
    findings: Findings,
  ): void {
    const { node, name, partition, leaderEpoch, highWatermark, epochStartOffset } = claim;
    let starts = this.epochStarts.get(partition);
    if (starts === undefined) this.epochStarts.set(partition, (starts = new Map()));
    if (!starts.has(leaderEpoch)) starts.set(leaderEpoch, epochStartOffset);
    for (const [epoch, start] of starts) {
      if (epoch <= leaderEpoch || highWatermark <= start) continue;
      const text = `node ${node}, leader of epoch ${leaderEpoch}, has high watermark ${highWatermark}; epoch ${epoch} began at ${start}`;
      findings.add('R7', atMs, `${name}: ${text}`);
    }
    if (controlled?.leader !== node || controlled.leaderEpoch !== leaderEpoch) return;
    for (const member of controlled.isr) {
      const end = member === node ? undefined : endOf(member);
      if (end === undefined || end >= highWatermark) continue;
      const text = `node ${node} leads with high watermark ${highWatermark}, node ${member} of the ISR [${controlled.isr.join()}]`;
      findings.add('R3', atMs, `${name}: ${text} that the controller has committed ends at ${end}`);
    }
    this.checkJoined(claim, controlled, endOf, atMs, findings);
  }

  private checkJoined(
    { partition, name, node, leaderEpoch, epochStartOffset }: LeaderClaim,
    { isr }: ControlledPartition,
    endOf: (node: number) => Offset | undefined,
    atMs: number,
    findings: Findings,
  ): void {
    const before = this.memberships.get(partition);
    this.memberships.set(partition, { leaderEpoch, isr: new Set(isr) });
    if (before?.leaderEpoch !== leaderEpoch) return;
    for (const member of isr) {
      const end = before.isr.has(member) || member === node ? undefined : endOf(member);
      if (end !== undefined && end < epochStartOffset)
        findings.add(
          'R6',
          atMs,
          `${name}: ${member} joined at ${end}, epoch ${leaderEpoch} began at ${epochStartOffset}`,
        );
    }
  }
}
