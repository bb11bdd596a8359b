import { describe, expect, it } from 'vitest';
import { controlledPartition } from './controlled-partition.ts';
import { Findings } from './checker.ts';
import { IsrProposals } from './isr-proposals.ts';

const PROPOSAL = {
  partition: 'topic:0',
  leaderEpoch: 4,
  partitionEpoch: 9,
  isr: [1, 2, 3],
  brokerEpochs: [70, 71, 72],
};
const JOINED = controlledPartition({ isr: [1, 2, 3], partitionEpoch: 10 });

/** What is found when the partition changes, after this proposal and with broker 3 registered with this epoch. */
function found(
  proposal: Partial<typeof PROPOSAL> | undefined,
  before = controlledPartition(),
  after = JOINED,
  epochOf3 = 72,
): string[] {
  const proposals = new IsrProposals();
  const findings = new Findings();
  if (proposal !== undefined) proposals.propose({ ...PROPOSAL, ...proposal });
  proposals.check(before, after, id => (id === 3 ? epochOf3 : 0), 0, findings);
  return findings.violations.map(({ invariant }) => invariant);
}

describe('who joins an ISR', () => {
  it('was proposed by the leader, for exactly that state', () => {
    expect(found({})).toEqual([]);
    expect(found({ isr: [3, 1, 2], brokerEpochs: [72, 70, 71] })).toEqual([]);
  });

  it('R6: was not proposed, or on top of another state, in another leader epoch, or with another ISR', () => {
    expect(found(undefined)).toEqual(['R6']);
    expect(found({ partitionEpoch: 8 })).toEqual(['R6']);
    expect(found({ leaderEpoch: 3 })).toEqual(['R6']);
    expect(found({ isr: [1, 3], brokerEpochs: [70, 72] })).toEqual(['R6']);
  });

  it('R10: was proposed for what an earlier life of it had fetched', () => {
    expect(found({}, controlledPartition(), JOINED, 90)).toEqual(['R10']);
  });

  it('is of no interest where members leave, a leader is elected, or changes were not seen one by one', () => {
    expect(
      found(undefined, controlledPartition(), controlledPartition({ isr: [1], partitionEpoch: 10 })),
    ).toEqual([]);
    expect(
      found(undefined, controlledPartition(), { ...JOINED, isr: [3], leader: 3, leaderEpoch: 5 }),
    ).toEqual([]);
    expect(found(undefined, controlledPartition(), { ...JOINED, partitionEpoch: 11 })).toEqual([]);
  });
});
