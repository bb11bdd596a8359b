import { beforeEach, describe, expect, it } from 'vitest';
import { errorName } from '../../src/protocol/errors.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';
import { epochOf, partitionOf, withReplicas } from './support/topics.ts';

describe('ReassignmentControlManager', () => {
  let harness: ControllerHarness;

  const reassign = async (
    replicas: number[] | null,
    options: { topic?: string; id?: number; fixedFactor?: boolean } = {},
  ): Promise<string> => {
    const { topic = 't', id = 0, fixedFactor = false } = options;
    const response = await harness.controller.alterPartitionReassignments({
      topics: [{ name: topic, partitions: [{ partitionIndex: id, replicas }] }],
      allowReplicationFactorChange: !fixedFactor,
      timeoutMs: 1000,
    });
    expect(response.allowReplicationFactorChange).toBe(!fixedFactor);
    return errorName(response.responses![0]!.partitions![0]!.errorCode!);
  };
  const list = async (topics: { name: string; partitionIndexes: number[] }[] | null) =>
    (await harness.controller.listPartitionReassignments({ topics, timeoutMs: 1000 })).topics;
  const setIsr = async (...isr: number[]): Promise<string> => {
    const { leader, leaderEpoch, partitionEpoch } = partitionOf(harness, 't');
    const topicId = harness.controller.image().topics.topic('t')!.id;
    const partition = {
      partitionIndex: 0,
      leaderEpoch,
      partitionEpoch,
      newIsr: [],
      newIsrWithEpochs: isr.map(brokerId => ({ brokerId, brokerEpoch: -1 })),
      leaderRecoveryState: 0,
    };
    const request = {
      brokerId: leader,
      brokerEpoch: epochOf(harness, leader),
      topics: [{ topicName: '', topicId, partitions: [partition] }],
    };
    const response = await harness.controller.alterPartition(request, 3);
    return errorName(response.topics![0]!.partitions![0]!.errorCode!);
  };

  beforeEach(async () => {
    harness = await ControllerHarness.started([1, 2, 3, 4, 5]);
    await withReplicas(harness, 't', [[1, 2, 3]], { 'min.insync.replicas': '2' });
  });

  it('adds first, and takes away when all targets are in sync', async () => {
    expect(await reassign([5, 4, 1])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [5, 4, 1, 2, 3],
      addingReplicas: [4, 5],
      removingReplicas: [2, 3],
      isr: [1, 2, 3],
      leader: 1,
      leaderEpoch: 0,
    });
    expect(partitionOf(harness, 't').directories).toEqual([5, 4, 1, 2, 3].map(id => harness.directoryOf(id)));
    const ongoing = {
      partitionIndex: 0,
      replicas: [5, 4, 1, 2, 3],
      addingReplicas: [4, 5],
      removingReplicas: [2, 3],
    };
    expect(await list(null)).toEqual([{ name: 't', partitions: [ongoing] }]);
    expect(await list([{ name: 't', partitionIndexes: [0, 1, -1] }])).toEqual([
      { name: 't', partitions: [ongoing] },
    ]);
    expect(await setIsr(1, 2, 3, 4)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ replicas: [5, 4, 1, 2, 3], leaderEpoch: 0 });
    expect(await setIsr(1, 2, 3, 4, 5)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [5, 4, 1],
      directories: [5, 4, 1].map(id => harness.directoryOf(id)),
      isr: [1, 4, 5],
      addingReplicas: [],
      removingReplicas: [],
      leader: 1,
      leaderEpoch: 1,
    });
    expect(await list(null)).toEqual([]);
  });

  it('is done at once where replicas only go, or only change their order', async () => {
    expect(await reassign([2, 1, 3])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ replicas: [2, 1, 3], leader: 1, leaderEpoch: 0 });
    expect(await reassign([3, 2])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [3, 2],
      isr: [2, 3],
      leader: 3,
      leaderEpoch: 1,
    });
    expect(await reassign([3, 2])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ replicas: [3, 2], leaderEpoch: 1 });
  });

  it('goes back to the replicas before when it is cancelled', async () => {
    await reassign([4, 5]);
    await setIsr(1, 2, 3, 4);
    expect(await reassign(null)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [1, 2, 3],
      isr: [1, 2, 3],
      addingReplicas: [],
      removingReplicas: [],
      leader: 1,
      leaderEpoch: 1,
    });
    expect(await reassign(null)).toBe('NO_REASSIGNMENT_IN_PROGRESS');
  });

  it('takes the place of another one, and is still cancelled back to the beginning', async () => {
    await reassign([4, 1, 2]);
    expect(await reassign([5, 1, 2])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [5, 1, 2, 3],
      addingReplicas: [5],
      removingReplicas: [3],
    });
    await setIsr(1, 2);
    expect(await reassign([5, 4, 1])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ addingReplicas: [4, 5], removingReplicas: [2, 3] });
    expect(await reassign(null)).toBe('NONE');
    expect(partitionOf(harness, 't').replicas).toEqual([1, 2, 3]);
  });

  it('keeps a replica that is in sync when another one takes the place of its reassignment', async () => {
    await reassign([4, 1, 2]);
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epochOf(harness, 2), { wantFence: true }));
    expect(await setIsr(1, 4)).toBe('NONE');
    expect(await reassign([5, 1])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [5, 1, 2, 3, 4],
      isr: [1, 4],
      removingReplicas: [2, 3, 4],
    });
  });

  it('asking for the replicas before ends it', async () => {
    await reassign([4, 5]);
    expect(await reassign([1, 2, 3])).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [1, 2, 3],
      addingReplicas: [],
      removingReplicas: [],
    });
  });

  it('cannot be cancelled when only new replicas are in sync, unless unclean elections are allowed', async () => {
    await reassign([4, 5]);
    await setIsr(1, 4);
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epochOf(harness, 1), { wantFence: true }));
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [4], leader: 4 });
    expect(await reassign(null)).toBe('INVALID_REPLICA_ASSIGNMENT');
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epochOf(harness, 1)));
    await harness.controller.incrementalAlterConfigs({
      resources: [
        {
          resourceType: 2,
          resourceName: 't',
          configs: [{ name: 'unclean.leader.election.enable', configOperation: 0, value: 'true' }],
        },
      ],
      validateOnly: false,
    });
    expect(await reassign(null)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({
      replicas: [1, 2, 3],
      isr: [1],
      leader: 1,
      leaderRecoveryState: 1,
    });
  });

  it.each<[string, number[] | null, Parameters<typeof reassign>[1], string]>([
    ['an unknown topic', [1], { topic: '__proto__' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['an unknown partition', [1], { id: 1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['a cancellation of an unknown partition', null, { id: 1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['no replicas', [], {}, 'INVALID_REPLICA_ASSIGNMENT'],
    ['a broker twice', [4, 4], {}, 'INVALID_REPLICA_ASSIGNMENT'],
    ['an unknown broker', [4, 9], {}, 'INVALID_REPLICA_ASSIGNMENT'],
    ['a negative broker', [-1], {}, 'INVALID_REPLICA_ASSIGNMENT'],
    ['fewer replicas where that is forbidden', [4, 5], { fixedFactor: true }, 'INVALID_REPLICATION_FACTOR'],
    [
      'more replicas where that is forbidden',
      [1, 2, 3, 4],
      { fixedFactor: true },
      'INVALID_REPLICATION_FACTOR',
    ],
    ['a cancellation of nothing', null, {}, 'NO_REASSIGNMENT_IN_PROGRESS'],
  ])('refuses %s', async (_what, replicas, options, expected) => {
    const before = partitionOf(harness, 't');
    expect(await reassign(replicas, options)).toBe(expected);
    expect(partitionOf(harness, 't')).toEqual(before);
  });

  it('counts the targets of a reassignment under way as its factor', async () => {
    await reassign([4, 5]);
    expect(await reassign([4, 5, 1], { fixedFactor: true })).toBe('INVALID_REPLICATION_FACTOR');
    expect(await reassign([4, 2], { fixedFactor: true })).toBe('NONE');
  });

  it('gives new partitions no more replicas than the reassignment will leave', async () => {
    await reassign([4, 5]);
    const topics = [{ name: 't', count: 2, assignments: null }];
    await harness.controller.createPartitions({ topics, timeoutMs: 1000, validateOnly: false });
    expect(partitionOf(harness, 't', 1).replicas).toHaveLength(2);
  });
});
