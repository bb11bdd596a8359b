import { describe, expect, it } from 'vitest';
import { controlledPartition } from './controlled-partition.ts';
import { type ControlledBroker, type ControlledPartition, PartitionChanges } from './partition-changes.ts';

function partition(more: Partial<ControlledPartition> = {}): ControlledPartition {
  return controlledPartition({ isr: [1, 2, 3], ...more });
}

interface Step extends Partial<ControlledPartition> {
  readonly brokers?: readonly ControlledBroker[];
}

/** What is found when the metadata go through these states. */
function found(steps: readonly Step[], mayElectUncleanly = false): string[] {
  const changes = new PartitionChanges(mayElectUncleanly);
  return steps.flatMap(({ brokers = [], ...more }, atMs) =>
    changes.observe({ atMs, partitions: [partition(more)], brokers }).map(({ invariant }) => invariant),
  );
}

describe('what the controller decides about a partition', () => {
  it('finds nothing in a shrink, an election, a move and a return', () => {
    expect(
      found([
        {},
        { isr: [1, 2], partitionEpoch: 10 },
        { isr: [2], elr: [1], leader: 2, leaderEpoch: 5, partitionEpoch: 11 },
        { replicas: [2, 3], isr: [2], leader: 2, leaderEpoch: 6, partitionEpoch: 12 },
        { replicas: [2, 3], isr: [2, 3], leader: 2, leaderEpoch: 6, partitionEpoch: 13 },
      ]),
    ).toEqual([]);
  });

  it('R6: an ISR that changes within a partition epoch', () => {
    expect(found([{}, { isr: [1, 2] }])).toEqual(['R6']);
  });

  it('R6: a leader outside the ISR, a member that is no replica, one in ISR and ELR, one twice', () => {
    expect(found([{ isr: [2, 3] }])).toEqual(['R6']);
    expect(found([{ isr: [1, 4] }])).toEqual(['R6']);
    expect(found([{ elr: [2] }])).toEqual(['R6']);
    expect(found([{ isr: [1, 2, 2] }])).toEqual(['R6']);
  });

  it('R7: another leader, or a replica less, within a leader epoch, and epochs that go back', () => {
    expect(found([{}, { leader: 2, partitionEpoch: 10 }])).toEqual(['R7']);
    expect(found([{}, { replicas: [1, 2], isr: [1, 2], partitionEpoch: 10 }])).toEqual(['R7']);
    expect(found([{}, { leaderEpoch: 3, partitionEpoch: 10 }])).toEqual(['R7']);
  });

  it('R4: an election of a replica that was in neither ISR nor ELR, unless those are allowed', () => {
    const steps = [{ isr: [1] }, { isr: [3], leader: 3, leaderEpoch: 5, partitionEpoch: 10 }];
    expect(found(steps)).toEqual(['R4']);
    expect(found(steps, true)).toEqual([]);
    expect(found([{ isr: [], elr: [3], leader: -1 }, steps[1]!])).toEqual([]);
    expect(found([{ isr: [], lastKnownElr: [3], leader: -1 }, steps[1]!])).toEqual([]);
  });

  it('R9: a broker that was killed comes back and is trusted as before', () => {
    const broker = (epoch: number, endedUncleanly: boolean) => [{ id: 2, epoch, endedUncleanly }];
    expect(found([{ brokers: broker(5, false) }, { brokers: broker(8, true) }])).toEqual(['R9']);
    expect(found([{ brokers: broker(5, false) }, { brokers: broker(8, false) }])).toEqual([]);
    expect(
      found([{ brokers: broker(5, false) }, { brokers: broker(8, true), isr: [1, 3], partitionEpoch: 10 }]),
    ).toEqual([]);
  });

  it('R10: a broker epoch that goes back', () => {
    const broker = (epoch: number) => [{ id: 2, epoch, endedUncleanly: false }];
    expect(found([{ brokers: broker(5) }, { brokers: broker(4) }])).toEqual(['R10']);
  });
});
