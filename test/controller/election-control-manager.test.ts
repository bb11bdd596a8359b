import { describe, expect, it } from 'vitest';
import { Errors, errorName } from '../../src/protocol/errors.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';
import { epochOf, errorOf, partitionOf, withReplicas } from './support/topics.ts';

const PREFERRED = 0;
const UNCLEAN = 1;

async function fence(harness: ControllerHarness, ...ids: number[]): Promise<void> {
  for (const id of ids) {
    const request = heartbeat(id, epochOf(harness, id), { wantFence: true });
    await harness.finished(harness.controller.processBrokerHeartbeat(request));
  }
}

async function unfence(harness: ControllerHarness, ...ids: number[]): Promise<void> {
  for (const id of ids) {
    await harness.controller.processBrokerHeartbeat(heartbeat(id, epochOf(harness, id)));
  }
}

/** The leader, which is the same one for all of `ids`, takes all of their replicas that are up into the ISR. */
async function catchUp(
  harness: ControllerHarness,
  topic: string,
  ids: readonly number[] = [0],
): Promise<void> {
  const { cluster, topics } = harness.controller.image();
  const partitions = ids.map(partitionIndex => {
    const { leaderEpoch, partitionEpoch, replicas } = partitionOf(harness, topic, partitionIndex);
    const isr = replicas.filter(each => cluster.isActive(each));
    return {
      partitionIndex,
      leaderEpoch,
      partitionEpoch,
      newIsr: [],
      newIsrWithEpochs: isr.map(brokerId => ({ brokerId, brokerEpoch: -1 })),
      leaderRecoveryState: 0,
    };
  });
  const { leader } = partitionOf(harness, topic, ids[0]);
  const topicId = topics.topic(topic)!.id;
  const request = {
    brokerId: leader,
    brokerEpoch: epochOf(harness, leader),
    topics: [{ topicName: '', topicId, partitions }],
  };
  await harness.finished(harness.controller.alterPartition(request, 3));
}

async function elect(
  harness: ControllerHarness,
  electionType: number,
  asked: readonly (readonly [topic: string, ...partitions: number[]])[] | null,
): Promise<string[]> {
  const topicPartitions =
    asked === null ? null : asked.map(([topic, ...partitions]) => ({ topic, partitions }));
  const request = { electionType, topicPartitions, timeoutMs: 1000 };
  const { replicaElectionResults } = await harness.controller.electLeaders(request);
  return replicaElectionResults!.flatMap(({ topic, partitionResult }) =>
    partitionResult!.map(each => `${topic}-${each.partitionId} ${errorName(each.errorCode ?? Errors.NONE)}`),
  );
}

describe('electLeaders', () => {
  it('gives leadership back to the preferred replica once it is in sync', async () => {
    const harness = await ControllerHarness.started([1, 2, 3]);
    await withReplicas(harness, 't', [
      [2, 1],
      [1, 2],
    ]);
    expect(await elect(harness, PREFERRED, [['t', 0, 1]])).toEqual([
      't-0 ELECTION_NOT_NEEDED',
      't-1 ELECTION_NOT_NEEDED',
    ]);
    await fence(harness, 2);
    expect(partitionOf(harness, 't').leader).toBe(1);
    expect(await elect(harness, PREFERRED, [['t', 0]])).toEqual(['t-0 PREFERRED_LEADER_NOT_AVAILABLE']);
    await unfence(harness, 2);
    expect(await elect(harness, PREFERRED, [['t', 0]])).toEqual(['t-0 PREFERRED_LEADER_NOT_AVAILABLE']);
    await catchUp(harness, 't');
    expect(await elect(harness, PREFERRED, [['t', 0, 0]])).toEqual(['t-0 NONE', 't-0 ELECTION_NOT_NEEDED']);
    expect(partitionOf(harness, 't')).toMatchObject({ leader: 2, leaderRecoveryState: 0 });
  });

  it('leaves partitions that need no election out when all are asked for', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    await withReplicas(harness, 't', [
      [2, 1],
      [1, 2],
    ]);
    await fence(harness, 2);
    expect(await elect(harness, PREFERRED, null)).toEqual(['t-0 PREFERRED_LEADER_NOT_AVAILABLE']);
    await unfence(harness, 2);
    await catchUp(harness, 't');
    expect(await elect(harness, PREFERRED, null)).toEqual(['t-0 NONE']);
    expect(await elect(harness, PREFERRED, null)).toEqual([]);
  });

  it('elects uncleanly only where nobody leads, and somebody is up', async () => {
    const harness = await ControllerHarness.started([1, 2, 3]);
    await withReplicas(harness, 't', [[2, 3]], { 'min.insync.replicas': '1' });
    expect(await elect(harness, UNCLEAN, [['t', 0]])).toEqual(['t-0 ELECTION_NOT_NEEDED']);
    await fence(harness, 3, 2);
    expect(partitionOf(harness, 't')).toMatchObject({ leader: -1, isr: [], elr: [2] });
    expect(await elect(harness, UNCLEAN, [['t', 0]])).toEqual(['t-0 ELIGIBLE_LEADERS_NOT_AVAILABLE']);
    await unfence(harness, 3);
    expect(partitionOf(harness, 't').leader).toBe(-1);
    expect(await elect(harness, PREFERRED, [['t', 0]])).toEqual(['t-0 PREFERRED_LEADER_NOT_AVAILABLE']);
    expect(await elect(harness, UNCLEAN, [['t', 0]])).toEqual(['t-0 NONE']);
    expect(partitionOf(harness, 't')).toMatchObject({ leader: 3, isr: [3], elr: [], leaderRecoveryState: 1 });
  });

  it('refuses what is not there, partition by partition, and kinds of election that do not exist', async () => {
    const harness = await ControllerHarness.started([1]);
    await withReplicas(harness, 't', [[1]]);
    const asked = [
      ['t', 7, -1, 0],
      ['__proto__', 0],
    ] as const;
    expect(await elect(harness, PREFERRED, asked)).toEqual([
      't-7 UNKNOWN_TOPIC_OR_PARTITION',
      't--1 UNKNOWN_TOPIC_OR_PARTITION',
      't-0 ELECTION_NOT_NEEDED',
      '__proto__-0 UNKNOWN_TOPIC_OR_PARTITION',
    ]);
    expect(await errorOf(elect(harness, 2, null))).toBe('INVALID_REQUEST');
    const { controller } = harness;
    const impatient = controller.electLeaders({ electionType: 0, topicPartitions: null, timeoutMs: 0 });
    expect(await errorOf(impatient)).toBe('REQUEST_TIMED_OUT');
  });
});

describe('the controller by itself', () => {
  const heartbeats = async (harness: ControllerHarness, seconds: number, ids = [1, 2, 3]) => {
    for (let second = 0; second < seconds; second += 3) {
      harness.clock.advance(3_000);
      await unfence(harness, ...ids);
    }
  };

  it('gives leadership back in the background, unless it is told not to', async () => {
    for (const isEnabled of [true, false]) {
      const harness = await ControllerHarness.started([1, 2, 3], {
        config: {
          'auto.leader.rebalance.enable': String(isEnabled),
          'leader.imbalance.check.interval.seconds': '30',
        },
      });
      const replicas = Array.from({ length: 1200 }, () => [2, 1]);
      await withReplicas(harness, 't', replicas);
      await fence(harness, 2);
      await heartbeats(harness, 45, [1, 3]);
      expect(partitionOf(harness, 't').leader).toBe(1);
      await unfence(harness, 2);
      await catchUp(harness, 't', [...replicas.keys()]);
      expect(partitionOf(harness, 't', 1199)).toMatchObject({ leader: 1, isr: [2, 1] });
      await heartbeats(harness, 30);
      const led = harness.controller
        .image()
        .topics.topic('t')!
        .partitions.filter(each => each.leader === 2);
      expect(led.length).toBe(isEnabled ? 1200 : 0);
    }
  });

  it.each<[string, number, string]>([
    ['of its topic', 2, 't'],
    ['of the cluster', 4, ''],
  ])(
    'elects uncleanly as soon as the configuration %s allows it',
    async (_what, resourceType, resourceName) => {
      const harness = await ControllerHarness.started([1, 2, 3]);
      await withReplicas(harness, 't', [[2, 3]], { 'min.insync.replicas': '1' });
      await fence(harness, 3, 2);
      await unfence(harness, 3);
      expect(partitionOf(harness, 't').leader).toBe(-1);
      const configs = [{ name: 'unclean.leader.election.enable', configOperation: 0, value: 'true' }];
      await harness.controller.incrementalAlterConfigs({
        resources: [{ resourceType, resourceName, configs }],
        validateOnly: true,
      });
      await Promise.resolve();
      expect(partitionOf(harness, 't').leader).toBe(-1);
      const [result] = await harness.controller.incrementalAlterConfigs({
        resources: [{ resourceType, resourceName, configs }],
        validateOnly: false,
      });
      expect(result!.errorMessage).toBeNull();
      await Promise.resolve();
      expect(partitionOf(harness, 't')).toMatchObject({ leader: 3, isr: [3], leaderRecoveryState: 1 });
    },
  );

  it('looks for partitions without a leader again from time to time', async () => {
    const harness = await ControllerHarness.started([1, 2, 3], {
      config: { 'unclean.leader.election.interval.ms': '60000' },
    });
    await withReplicas(harness, 't', [[2, 3]], {
      'min.insync.replicas': '1',
      'unclean.leader.election.enable': 'false',
    });
    await fence(harness, 3, 2);
    await unfence(harness, 3);
    await heartbeats(harness, 90, [1, 3]);
    expect(partitionOf(harness, 't')).toMatchObject({ leader: -1, elr: [2] });
  });
});
