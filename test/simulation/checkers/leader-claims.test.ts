import { describe, expect, it } from 'vitest';
import { controlledPartition } from './controlled-partition.ts';
import { Findings } from './checker.ts';
import { type LeaderClaim, LeaderClaims } from './leader-claims.ts';
import type { ControlledPartition } from './partition-changes.ts';

const CLAIM: LeaderClaim = {
  node: 1,
  partition: 'topic:0',
  name: 'topic-0',
  leaderEpoch: 4,
  epochStartOffset: 10,
  highWatermark: 12,
};

interface Step extends Partial<LeaderClaim> {
  readonly controlled?: Partial<ControlledPartition>;
  /** Log ends of the nodes 2 and 3. */
  readonly ends: readonly (number | undefined)[];
}

function found(...steps: Step[]): string[] {
  const claims = new LeaderClaims();
  const findings = new Findings();
  for (const [atMs, { controlled, ends, ...claim }] of steps.entries()) {
    const endOf = (node: number) => ends[node - 2];
    claims.check({ ...CLAIM, ...claim }, controlledPartition(controlled), endOf, atMs, findings);
  }
  return findings.violations.map(({ invariant }) => invariant);
}

describe('what a leader claims', () => {
  it('is right while the whole ISR has what is below the high watermark', () => {
    expect(found({ ends: [12, 3] }, { ends: [14, 12], controlled: { isr: [1, 2, 3] } })).toEqual([]);
  });

  it('R3: a member of the committed ISR that has not what the leader calls committed', () => {
    expect(found({ ends: [11, 3] })).toEqual(['R3']);
  });

  it('R3 says nothing of a node that is down, nor of a leader that was deposed', () => {
    expect(found({ ends: [undefined, undefined] })).toEqual([]);
    expect(found({ ends: [11, 3], controlled: { leader: 2, leaderEpoch: 5 } })).toEqual([]);
  });

  it('R6: a member that joins without what was there before the epoch', () => {
    const joined = { isr: [1, 2, 3] };
    expect(
      found({ highWatermark: 5, ends: [12, 6] }, { highWatermark: 5, ends: [12, 6], controlled: joined }),
    ).toEqual(['R6']);
    expect(found({ highWatermark: 5, ends: [12, 6], controlled: joined })).toEqual([]);
  });

  it('R7: a deposed leader that commits what the next one has not', () => {
    const next = { node: 2, leaderEpoch: 5, epochStartOffset: 12, highWatermark: 12, ends: [undefined] };
    expect(found({ ends: [12] }, next, { highWatermark: 12, ends: [12] })).toEqual([]);
    expect(found({ ends: [12] }, next, { highWatermark: 13, ends: [13] })).toEqual(['R7']);
  });
});
