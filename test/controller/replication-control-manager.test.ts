import { beforeEach, describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { DirectoryId } from '../../src/metadata/directory-id.ts';
import { errorName } from '../../src/protocol/errors.ts';
import type { AlterPartitionRequest } from '../../src/protocol/messages/56-alter-partition.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';
import { epochOf, errorOf, partitionOf, withReplicas } from './support/topics.ts';

const NOBODY = 'zzzzzzzzQzzzzzzzzzzzzA';

type Alteration = AlterPartitionRequest['topics'][number]['partitions'][number];

describe('alterPartition', () => {
  let harness: ControllerHarness;
  const topicId = () => harness.controller.image().topics.topic('t')!.id;

  /** Asks as broker 1 for what `change` makes of a good request for ISR 1, 2, 3. */
  const alter = async (
    change: Partial<Alteration> & { isr?: number[]; by?: number; epoch?: number; memberEpoch?: number } = {},
    version = 3,
    topic: { topicId?: string; topicName?: string } = {},
  ) => {
    const { isr = [1, 2, 3], by = 1, epoch, memberEpoch, ...changes } = change;
    const { leaderEpoch, partitionEpoch } = partitionOf(harness, 't');
    const partition = {
      partitionIndex: 0,
      leaderEpoch,
      partitionEpoch,
      newIsr: isr,
      newIsrWithEpochs:
        version < 3
          ? []
          : isr.map(brokerId => {
              const broker = harness.controller.image().cluster.broker(brokerId);
              return { brokerId, brokerEpoch: memberEpoch ?? broker?.epoch ?? 1 };
            }),
      leaderRecoveryState: 0,
      ...changes,
    };
    const named =
      version > 1 ? { topicName: '', topicId: topicId() } : { topicName: 't', topicId: ZERO_UUID };
    const response = await harness.controller.alterPartition(
      {
        brokerId: by,
        brokerEpoch: epoch ?? epochOf(harness, by),
        topics: [{ ...named, ...topic, partitions: [partition] }],
      },
      version,
    );
    return response.topics![0]!.partitions![0]!;
  };
  const codeOf = async (...args: Parameters<typeof alter>): Promise<string> =>
    errorName((await alter(...args)).errorCode!);

  beforeEach(async () => {
    harness = await ControllerHarness.started([1, 2, 3, 4]);
    await withReplicas(harness, 't', [[1, 2, 3]], { 'min.insync.replicas': '2' });
    const epoch = epochOf(harness, 3);
    await harness.controller.processBrokerHeartbeat(heartbeat(3, epoch, { wantFence: true }));
    await harness.controller.processBrokerHeartbeat(heartbeat(3, epoch));
  });

  it.each([0, 1, 2, 3])('takes a replica into the ISR, in version %i', async version => {
    const before = partitionOf(harness, 't');
    expect(before.isr).toEqual([1, 2]);
    expect(await alter({}, version)).toEqual({
      partitionIndex: 0,
      errorCode: 0,
      leaderId: 1,
      leaderEpoch: before.leaderEpoch,
      isr: [1, 2, 3],
      leaderRecoveryState: 0,
      partitionEpoch: before.partitionEpoch + 1,
    });
    expect(partitionOf(harness, 't').isr).toEqual([1, 2, 3]);
  });

  it('takes one out, who is eligible as long as the rest is too small', async () => {
    await alter({ isr: [1] });
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [2], leader: 1 });
    await alter({ isr: [1, 3] });
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [1, 3], elr: [], leader: 1 });
  });

  it('answers the same request a second time as one that is out of date', async () => {
    const { partitionEpoch } = partitionOf(harness, 't');
    expect(await codeOf({ partitionEpoch })).toBe('NONE');
    expect(await codeOf({ partitionEpoch })).toBe('INVALID_UPDATE_VERSION');
  });

  it.each<[string, Parameters<typeof alter>[0], string]>([
    ['a partition that is not there', { partitionIndex: 1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['a negative partition', { partitionIndex: -1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['a leader epoch to come', { leaderEpoch: 99 }, 'NOT_CONTROLLER'],
    ['a partition epoch to come', { partitionEpoch: 99 }, 'NOT_CONTROLLER'],
    ['an earlier leader epoch', { leaderEpoch: -1 }, 'FENCED_LEADER_EPOCH'],
    ['an earlier partition epoch', { partitionEpoch: 0 }, 'INVALID_UPDATE_VERSION'],
    ['a sender that does not lead', { by: 2 }, 'INVALID_REQUEST'],
    ['an empty ISR', { isr: [] }, 'INVALID_REQUEST'],
    ['an ISR without the leader', { isr: [2, 3] }, 'INVALID_REQUEST'],
    ['an ISR with a stranger', { isr: [1, 4] }, 'INVALID_REQUEST'],
    ['an ISR with a broker twice', { isr: [1, 2, 2] }, 'INVALID_REQUEST'],
    ['a recovery that has ended', { isr: [1], leaderRecoveryState: 1 }, 'INVALID_REQUEST'],
    ['a recovery with others in the ISR', { leaderRecoveryState: 1 }, 'INVALID_REQUEST'],
    ['a state of recovery that does not exist', { leaderRecoveryState: 7 }, 'INVALID_REQUEST'],
    ['a broker in another life', { memberEpoch: 1 }, 'INELIGIBLE_REPLICA'],
  ])('refuses %s', async (_what, change, expected) => {
    const before = partitionOf(harness, 't');
    expect(await codeOf(change)).toBe(expected);
    expect(partitionOf(harness, 't')).toEqual(before);
  });

  it('passes over epochs of brokers that the leader does not know', async () => {
    expect(await codeOf({ memberEpoch: -1 })).toBe('NONE');
  });

  it.each<[string, (epoch: number) => Parameters<typeof heartbeat>[2]]>([
    ['fenced', () => ({ wantFence: true })],
    ['about to stop', () => ({ wantShutDown: true })],
  ])('refuses a broker that is %s', async (_what, change) => {
    await withReplicas(harness, 'led-by-3', [[3]]);
    const epoch = epochOf(harness, 3);
    await harness.controller.processBrokerHeartbeat(heartbeat(3, epoch, change(epoch)));
    expect(await codeOf()).toBe('INELIGIBLE_REPLICA');
    expect(await codeOf({}, 1)).toBe('OPERATION_NOT_ATTEMPTED');
  });

  it('refuses a broker that is not registered', async () => {
    await harness.controller.unregisterBroker(3);
    expect(await codeOf()).toBe('INELIGIBLE_REPLICA');
  });

  it('refuses a sender in another life, and an unknown one, as a whole', async () => {
    expect(await errorOf(alter({ epoch: 1 }))).toBe('STALE_BROKER_EPOCH');
    expect(await errorOf(alter({ by: 9, epoch: 1 }))).toBe('BROKER_ID_NOT_REGISTERED');
  });

  it('knows topics by id from version 2 on, by name before', async () => {
    expect(await codeOf({}, 3, { topicId: NOBODY })).toBe('UNKNOWN_TOPIC_ID');
    expect(await codeOf({}, 2, { topicId: ZERO_UUID })).toBe('UNKNOWN_TOPIC_ID');
    expect(await codeOf({}, 1, { topicName: 'nobody' })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  });

  it.each([
    [3, 'NEW_LEADER_ELECTED'],
    [1, 'FENCED_LEADER_EPOCH'],
  ])(
    'tells the leader that its request ended a reassignment away from it, version %i: %s',
    async (version, code) => {
      await harness.controller.alterPartitionReassignments({
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, replicas: [4, 2] }] }],
        allowReplicationFactorChange: true,
        timeoutMs: 1000,
      });
      const { leaderEpoch } = partitionOf(harness, 't');
      expect(await codeOf({ isr: [1, 2, 4] }, version)).toBe(code);
      expect(partitionOf(harness, 't')).toMatchObject({
        replicas: [4, 2],
        isr: [2, 4],
        leader: 4,
        leaderEpoch: leaderEpoch + 1,
        addingReplicas: [],
        removingReplicas: [],
      });
    },
  );

  it('changes a partition that is in one request twice only once', async () => {
    const { leaderEpoch, partitionEpoch } = partitionOf(harness, 't');
    const isr = [{ brokerId: 1, brokerEpoch: -1 }];
    const partition = {
      partitionIndex: 0,
      leaderEpoch,
      partitionEpoch,
      newIsr: [],
      newIsrWithEpochs: isr,
      leaderRecoveryState: 0,
    };
    const topics = [{ topicId: topicId(), topicName: '', partitions: [partition, partition] }];
    const request = { brokerId: 1, brokerEpoch: epochOf(harness, 1), topics };
    const response = await harness.controller.alterPartition(request, 3);
    expect(response.topics![0]!.partitions!.map(each => errorName(each.errorCode!))).toEqual([
      'NONE',
      'INVALID_UPDATE_VERSION',
    ]);
  });

  it('ends the recovery of a leader that was elected uncleanly when it says so', async () => {
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epochOf(harness, 2), { wantFence: true }));
    harness.restartController();
    const epoch = Number(await harness.controller.registerBroker(harness.registration(1)));
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epoch));
    await harness.controller.unregisterBroker(2);
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epoch));
    const topicPartitions = [{ topic: 't', partitions: [0] }];
    await harness.controller.electLeaders({ electionType: 1, topicPartitions, timeoutMs: 1000 });
    const { leader } = partitionOf(harness, 't');
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [leader], leaderRecoveryState: 1 });
    const other = leader === 1 ? 3 : 1;
    expect(await codeOf({ by: leader, isr: [leader, other], leaderRecoveryState: 1 })).toBe(
      'INVALID_REQUEST',
    );
    expect(await codeOf({ by: leader, isr: [leader, other] })).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ leaderRecoveryState: 0 });
  });
});

describe('eligible leader replicas', () => {
  const config = (harness: ControllerHarness, type: number, name: string, key: string, value: string) =>
    harness.controller.incrementalAlterConfigs({
      resources: [
        { resourceType: type, resourceName: name, configs: [{ name: key, configOperation: 0, value }] },
      ],
      validateOnly: false,
    });
  const fence = (harness: ControllerHarness, id: number) =>
    harness.controller.processBrokerHeartbeat(heartbeat(id, epochOf(harness, id), { wantFence: true }));

  it.each<[string, number, string]>([
    ['the topic', 2, 't'],
    ['the cluster', 4, ''],
  ])(
    'end where a lower min.insync.replicas of %s lets the ISR acknowledge without them',
    async (_what, type, name) => {
      const harness = await ControllerHarness.started([1, 2, 3]);
      await config(harness, 4, '', 'min.insync.replicas', '2');
      const own: Record<string, string> = type === 2 ? { 'min.insync.replicas': '2' } : {};
      await withReplicas(harness, 't', [[1, 2]], own);
      await withReplicas(harness, 'other', [[1, 2]], { 'min.insync.replicas': '2' });
      await fence(harness, 2);
      expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [2] });
      await config(harness, type, name, 'min.insync.replicas', '1');
      expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [] });
      expect(partitionOf(harness, 'other')).toMatchObject({ isr: [1], elr: [2] });
    },
  );

  it('stay where nobody leads, and whoever leads then is alone', async () => {
    const harness = await ControllerHarness.started([1, 2, 3]);
    await withReplicas(harness, 't', [[1, 2]], { 'min.insync.replicas': '2' });
    await fence(harness, 2);
    await fence(harness, 1);
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [], elr: [2, 1], leader: -1, lastKnownElr: [1] });
    await config(harness, 2, 't', 'min.insync.replicas', '1');
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [], elr: [2, 1] });
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epochOf(harness, 2)));
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [2], elr: [], leader: 2, leaderRecoveryState: 0 });
  });

  it('do not outlive an unclean restart, nor the registration of their broker', async () => {
    const harness = await ControllerHarness.started([1, 2, 3]);
    await withReplicas(harness, 't', [[1, 2, 3]], { 'min.insync.replicas': '3' });
    await fence(harness, 2);
    await fence(harness, 3);
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [2, 3] });
    harness.restartController();
    await harness.controller.registerBroker(harness.registration(2));
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [3] });
    await harness.controller.unregisterBroker(3);
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [] });
  });
});

describe('assignReplicasToDirs', () => {
  const [A, B] = ['aaaaaaaaQaaaaaaaaaaaaA', 'bbbbbbbbQbbbbbbbbbbbbA'];
  let harness: ControllerHarness;
  const assign = async (id: string, partitionIndex = 0, topicId?: string) => {
    const topic = topicId ?? harness.controller.image().topics.topic('t')!.id;
    const response = await harness.controller.assignReplicasToDirs({
      brokerId: 2,
      brokerEpoch: epochOf(harness, 2),
      directories: [{ id, topics: [{ topicId: topic, partitions: [{ partitionIndex }] }] }],
    });
    expect(response.directories![0]).toMatchObject({ id, topics: [{ topicId: topic }] });
    return errorName(response.directories![0]!.topics![0]!.partitions![0]!.errorCode!);
  };

  beforeEach(async () => {
    harness = await ControllerHarness.started([1]);
    await harness.join(2, { logDirs: [A!, B!] });
    await withReplicas(harness, 'on-1', [[1]]);
    await withReplicas(harness, 't', [[2, 1]], { 'min.insync.replicas': '2' });
  });

  it('notes where a replica is, without an election', async () => {
    expect(partitionOf(harness, 't').directories[0]).toBe(DirectoryId.UNASSIGNED);
    expect(await assign(A!)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ leader: 2, leaderEpoch: 0, partitionEpoch: 1 });
    expect(partitionOf(harness, 't').directories[0]).toBe(A);
    expect(await assign(A!)).toBe('NONE');
    expect(partitionOf(harness, 't').partitionEpoch).toBe(1);
  });

  it('moves leadership away from a replica in a directory that is offline', async () => {
    await assign(A!);
    await harness.controller.processBrokerHeartbeat(
      heartbeat(2, epochOf(harness, 2), { offlineLogDirs: [A!] }),
    );
    expect(partitionOf(harness, 't')).toMatchObject({ leader: 1, isr: [1], elr: [2] });
    expect(harness.controller.image().cluster.broker(2)!.directories).toEqual([B]);
    // Broker 2 has begun the replica anew in its other directory: it holds nothing of the old one.
    expect(await assign(B!)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ isr: [1], elr: [] });
  });

  it('takes a replica out of the ISR that is said to be in an offline directory', async () => {
    expect(await assign(DirectoryId.LOST)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ leader: 1, isr: [1] });
  });

  it('does not elect a broker whose disk is another one, until it says where its replicas are', async () => {
    harness = await ControllerHarness.started([1, 2]);
    await withReplicas(harness, 't', [[2]]);
    await harness.controller.processBrokerHeartbeat(
      heartbeat(2, epochOf(harness, 2), { wantShutDown: true }),
    );
    const previousBrokerEpoch = epochOf(harness, 2);
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epochOf(harness, 1)));
    const last = await harness.controller.processBrokerHeartbeat(
      heartbeat(2, previousBrokerEpoch, { wantShutDown: true }),
    );
    expect(last.shouldShutDown).toBe(true);
    await harness.join(2, { previousBrokerEpoch, logDirs: [A!] });
    expect(partitionOf(harness, 't')).toMatchObject({ leader: -1, elr: [2] });
    expect(await assign(A!)).toBe('NONE');
    // It was the only replica: what it had is gone, and the partition goes on without.
    expect(partitionOf(harness, 't')).toMatchObject({
      elr: [],
      isr: [2],
      leader: 2,
      leaderRecoveryState: 1,
    });
  });

  it('never elects a replica that began anew while others are there, also as the last known leader', async () => {
    harness = await ControllerHarness.started([1, 2, 3]);
    await withReplicas(harness, 't', [[2, 1]]);
    for (const id of [1, 2]) {
      await harness.controller.processBrokerHeartbeat(
        heartbeat(id, epochOf(harness, id), { wantFence: true }),
      );
    }
    harness.restartController();
    await harness.join(2, { logDirs: [A!] });
    expect(partitionOf(harness, 't')).toMatchObject({ leader: -1, elr: [], isr: [], lastKnownElr: [2] });
    expect(await assign(A!)).toBe('NONE');
    expect(partitionOf(harness, 't')).toMatchObject({ leader: -1, elr: [], isr: [], lastKnownElr: [] });
  });

  it('refuses what is not there and what is not on the broker', async () => {
    expect(await assign(A!, 0, NOBODY)).toBe('UNKNOWN_TOPIC_ID');
    expect(await assign(A!, 7)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    const other = harness.controller.image().topics.topic('on-1')!.id;
    expect(await assign(A!, 0, other)).toBe('NOT_LEADER_OR_FOLLOWER');
    const request = { brokerId: 2, brokerEpoch: 1, directories: [] };
    expect(await errorOf(harness.controller.assignReplicasToDirs(request))).toBe('STALE_BROKER_EPOCH');
  });
});
