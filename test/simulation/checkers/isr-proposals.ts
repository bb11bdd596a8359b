import type { Int64 } from '../../../src/base/int64.ts';
import type { Findings } from './checker.ts';
import type { PartitionKey } from './history.ts';
import type { ControlledPartition } from './partition-changes.ts';

/** What a leader asks the controller for: an ISR with a member more. */
export interface IsrProposal {
  readonly partition: PartitionKey;
  readonly leaderEpoch: number;
  /** Of the state that the leader would change. */
  readonly partitionEpoch: number;
  readonly isr: readonly number[];
  /** The broker epochs with which the leader knows these brokers. */
  readonly brokerEpochs: readonly (Int64 | undefined)[];
}

/** Proposals of a partition that are older than this many epochs can only be refused. */
const EPOCHS_TO_KEEP = 3;

/**
 * Holds who joins an ISR against what leaders have asked for. R6: a member is added only to the very state that its leader
 * knew, so that whatever was proposed on top of an earlier one is refused. R10: it is added in the life in which the
 * leader knew it; a later one of its lives need not have what an earlier one had.
 */
export class IsrProposals {
  private readonly proposals = new Map<PartitionKey, Map<string, IsrProposal>>();

  /** To be called between two events for each expansion that a leader waits for, any number of times. */
  propose(proposal: IsrProposal): void {
    const { partition, leaderEpoch, partitionEpoch, isr, brokerEpochs } = proposal;
    let ofPartition = this.proposals.get(partition);
    if (ofPartition === undefined) this.proposals.set(partition, (ofPartition = new Map()));
    ofPartition.set(`${leaderEpoch} ${partitionEpoch} ${isr.join()} ${brokerEpochs.join()}`, proposal);
  }

  /** `before`, `after`: the partition as it was committed, and as it is. `epochOf`: with which a broker is registered. */
  check(
    before: ControlledPartition,
    after: ControlledPartition,
    epochOf: (broker: number) => Int64 | undefined,
    atMs: number,
    findings: Findings,
  ): void {
    const { name, partition, leaderEpoch, partitionEpoch } = after;
    const ofPartition = this.proposals.get(partition);
    const isStep = partitionEpoch === before.partitionEpoch + 1 && leaderEpoch === before.leaderEpoch;
    const joined = after.isr.find(id => !before.isr.includes(id));
    if (isStep && joined !== undefined && after.leader === before.leader && after.leader >= 0) {
      const isr = `[${after.isr.join()}]`;
      const made = [...(ofPartition?.values() ?? [])].filter(
        each =>
          each.leaderEpoch === leaderEpoch &&
          each.partitionEpoch === before.partitionEpoch &&
          each.isr.length === after.isr.length &&
          each.isr.every(id => after.isr.includes(id)),
      );
      const isOfThisLife = (each: IsrProposal): boolean =>
        each.isr.every((id, index) => before.isr.includes(id) || each.brokerEpochs[index] === epochOf(id));
      if (made.length === 0) {
        const text = `${joined} joined the ISR ${isr} in partition epoch ${partitionEpoch}`;
        findings.add('R6', atMs, `${name}: ${text}; nobody has proposed that on top of the one before`);
      } else if (!made.some(isOfThisLife)) {
        const text = `${joined} joined the ISR ${isr} with broker epoch ${epochOf(joined)}`;
        findings.add('R10', atMs, `${name}: ${text}; its leader meant an earlier life of it`);
      }
    }
    for (const [key, each] of ofPartition ?? [])
      if (each.partitionEpoch < partitionEpoch - EPOCHS_TO_KEEP) ofPartition!.delete(key);
  }
}
