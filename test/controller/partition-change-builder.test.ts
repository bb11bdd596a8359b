import { describe, expect, it } from 'vitest';
import { type Election, PartitionChangeBuilder } from '../../src/controller/partition-change-builder.ts';
import { mergePartition, type PartitionRegistration } from '../../src/metadata/partition-registration.ts';

const TOPIC = 'aaaaaaaaQaaaaaaaaaaaaA';

function partition(changes: Partial<PartitionRegistration>): PartitionRegistration {
  const replicas = changes.replicas ?? [1, 2, 3];
  return {
    replicas,
    directories: replicas.map(id => `dir${id}`),
    isr: replicas,
    removingReplicas: [],
    addingReplicas: [],
    elr: [],
    lastKnownElr: [],
    leader: 1,
    leaderRecoveryState: 0,
    leaderEpoch: 10,
    partitionEpoch: 20,
    ...changes,
  };
}

interface Case {
  readonly before: Partial<PartitionRegistration>;
  /** Brokers that may lead. */
  readonly up: readonly number[];
  readonly edit?: (builder: PartitionChangeBuilder) => void;
  readonly minIsr?: number;
  readonly election?: Election;
  readonly elr?: boolean;
  readonly metadataVersion?: number;
  /** Undefined if nothing changes. */
  readonly after: Partial<PartitionRegistration> | undefined;
}

const gone =
  (...ids: number[]) =>
  (builder: PartitionChangeBuilder): void => {
    builder.removeFromIsr(id => ids.includes(id));
  };
const uncleanly =
  (...ids: number[]) =>
  (builder: PartitionChangeBuilder): void => {
    builder.removeFromIsr(id => ids.includes(id)).withUncleanShutdown(ids);
  };

describe('PartitionChangeBuilder', () => {
  it.each<[string, Case]>([
    ['keeps what is in order', { before: {}, up: [1, 2, 3], after: undefined }],
    [
      'elects the next of the ISR in the order of the replicas',
      { before: { isr: [3, 2, 1] }, up: [2, 3], edit: gone(1), after: { leader: 2, isr: [3, 2], elr: [] } },
    ],
    ['does not give leadership back by itself', { before: { leader: 3 }, up: [1, 2, 3], after: undefined }],
    [
      'gives it back in a preferred election',
      { before: { leader: 3 }, up: [1, 2, 3], election: 'PREFERRED', after: { leader: 1, leaderEpoch: 11 } },
    ],
    [
      'keeps the leader in a preferred election whose winner is not in sync',
      { before: { leader: 3, isr: [2, 3] }, up: [1, 2, 3], election: 'PREFERRED', after: undefined },
    ],
    [
      'makes those eligible that leave an ISR which is too small then',
      { before: { isr: [1, 2] }, up: [1], edit: gone(2), after: { leader: 1, isr: [1], elr: [2] } },
    ],
    [
      'makes nobody eligible while the ISR is large enough',
      { before: {}, up: [1, 2], edit: gone(3), after: { isr: [1, 2], elr: [] } },
    ],
    [
      'counts no more replicas than there are for min.insync.replicas',
      { before: { replicas: [1, 2], isr: [1, 2] }, up: [1], minIsr: 3, edit: gone(2), after: { elr: [2] } },
    ],
    [
      'empties the ISR when the last one goes, and notes who led',
      {
        before: { isr: [1], elr: [2] },
        up: [],
        edit: gone(1),
        after: { leader: -1, isr: [], elr: [2, 1], lastKnownElr: [1], leaderEpoch: 11 },
      },
    ],
    [
      'elects from the ELR when the ISR is empty, cleanly',
      {
        before: { leader: -1, isr: [], elr: [2, 1], lastKnownElr: [1] },
        up: [2],
        after: { leader: 2, isr: [2], elr: [1], lastKnownElr: [], leaderRecoveryState: 0 },
      },
    ],
    [
      'leaves nobody eligible beside a leader from the ELR who is enough for the ISR',
      {
        before: { leader: -1, isr: [], elr: [2, 1], lastKnownElr: [1] },
        up: [2],
        minIsr: 1,
        after: { leader: 2, isr: [2], elr: [] },
      },
    ],
    [
      'elects nobody from the ELR beside an ISR',
      { before: { leader: -1, isr: [1], elr: [2] }, up: [2], after: undefined },
    ],
    [
      'forgets those eligible once the ISR is large enough',
      {
        before: { isr: [1], elr: [3] },
        up: [1, 2],
        edit: builder => builder.withIsr([1, 2]),
        after: { isr: [1, 2], elr: [] },
      },
    ],
    [
      'forgets those eligible that stopped uncleanly',
      { before: { isr: [1], elr: [2, 3] }, up: [1], edit: uncleanly(3), after: { elr: [2] } },
    ],
    [
      'makes nobody eligible who is no replica any more',
      {
        before: { isr: [1, 3], replicas: [1, 2, 3] },
        up: [1],
        minIsr: 2,
        edit: builder => builder.withReplicas([1, 2], [], []).withIsr([1]),
        after: { replicas: [1, 2], isr: [1], elr: [], leaderEpoch: 11 },
      },
    ],
    [
      'elects the last known leader when nobody is eligible, as one that recovers',
      {
        before: { leader: -1, isr: [], lastKnownElr: [1] },
        up: [1, 2],
        after: { leader: 1, isr: [1], lastKnownElr: [], leaderRecoveryState: 1 },
      },
    ],
    [
      'does not elect the last known leader while somebody is eligible',
      { before: { leader: -1, isr: [], elr: [2], lastKnownElr: [1] }, up: [1, 3], after: undefined },
    ],
    [
      'notes the only replica in sync of a partition without a leader when it restarts uncleanly',
      {
        before: { leader: -1, isr: [3] },
        up: [],
        edit: uncleanly(3),
        after: { leader: -1, isr: [], elr: [], lastKnownElr: [3] },
      },
    ],
    [
      'elects nobody from outside unless that is allowed',
      { before: { isr: [1] }, up: [2, 3], edit: uncleanly(1), after: { leader: -1, isr: [], elr: [] } },
    ],
    [
      'elects the first replica that is up where unclean elections are allowed',
      {
        before: { isr: [1], elr: [] },
        up: [2, 3],
        edit: uncleanly(1),
        election: 'UNCLEAN',
        after: { leader: 2, isr: [2], leaderRecoveryState: 1, elr: [], lastKnownElr: [] },
      },
    ],
    [
      'prefers a clean winner also where unclean elections are allowed',
      {
        before: { leader: -1, isr: [], elr: [3], lastKnownElr: [1] },
        up: [1, 2, 3],
        election: 'UNCLEAN',
        after: { leader: 3, isr: [3], leaderRecoveryState: 0 },
      },
    ],
    [
      'never empties the ISR without eligible leader replicas',
      { before: { isr: [1] }, up: [2], elr: false, edit: gone(1), after: { leader: -1, isr: [1], elr: [] } },
    ],
    [
      'clears what is eligible once the feature is off',
      { before: { isr: [1], elr: [2] }, up: [1], elr: false, after: { elr: [] } },
    ],
    [
      'gives a new leader epoch for a smaller ISR only below metadata.version 12',
      { before: {}, up: [1, 2], edit: gone(3), metadataVersion: 11, after: { isr: [1, 2], leaderEpoch: 11 } },
    ],
    [
      'ends a reassignment whose targets are all in sync, and fences who goes',
      {
        before: {
          replicas: [4, 2, 1, 3],
          isr: [1, 2],
          addingReplicas: [4],
          removingReplicas: [1, 3],
          leader: 2,
        },
        up: [1, 2, 4],
        edit: builder => builder.withIsr([1, 2, 4]),
        after: {
          replicas: [4, 2],
          directories: ['dir4', 'dir2'],
          isr: [2, 4],
          addingReplicas: [],
          removingReplicas: [],
          leader: 2,
          leaderEpoch: 11,
        },
      },
    ],
    [
      'elects another leader when a reassignment takes the present one away',
      {
        before: { replicas: [4, 2, 1], isr: [1, 2], addingReplicas: [4], removingReplicas: [1] },
        up: [1, 2, 4],
        edit: builder => builder.withIsr([1, 2, 4]),
        after: { replicas: [4, 2], isr: [2, 4], leader: 4, leaderEpoch: 11 },
      },
    ],
    [
      'notes a directory, and nothing else',
      {
        before: {},
        up: [1, 2, 3],
        edit: builder => builder.withDirectory(2, 'other'),
        after: { directories: ['dir1', 'other', 'dir3'], leaderEpoch: 10 },
      },
    ],
    [
      'keeps directories out of records that have no place for them',
      {
        before: {},
        up: [1, 2, 3],
        metadataVersion: 16,
        edit: builder => builder.withDirectory(2, 'other'),
        after: undefined,
      },
    ],
  ])('%s', (_name, spec) => {
    const before = partition(spec.before);
    const builder = new PartitionChangeBuilder(TOPIC, 0, before, {
      metadataVersion: spec.metadataVersion ?? 30,
      eligibleLeaderReplicas: spec.elr ?? true,
      minInsyncReplicas: spec.minIsr ?? 2,
      election: spec.election ?? 'ONLINE',
      isAcceptableLeader: id => spec.up.includes(id),
      defaultDirectory: id => `dir${id}`,
    });
    spec.edit?.(builder);
    const record = builder.build();
    if (spec.after === undefined) {
      expect(record).toBeUndefined();
      return;
    }
    const after = mergePartition(before, record!.data);
    expect(after).toMatchObject(spec.after);
    expect(after.partitionEpoch).toBe(21);
  });
});
