import { beforeEach, describe, expect, it } from 'vitest';
import { PARTITIONS_PER_STEP } from '../../src/controller/controller-result.ts';
import type { PartitionRegistration } from '../../src/metadata/partition-registration.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';
import { epochOf, errorOf, partitionOf, withReplicas } from './support/topics.ts';

const PARTITIONS = 2 * PARTITIONS_PER_STEP + 200;

/** What concerns many partitions is decided in steps, each in a turn of its own. */
describe('operations on many partitions', () => {
  let harness: ControllerHarness;
  /** The steps that wait for their turn. */
  let steps: (() => void)[];

  beforeEach(async () => {
    harness = await ControllerHarness.started([1, 2, 3]);
    // Two topics, the partitions of which are led by 2 and 1 in turn.
    const replicas = Array.from({ length: PARTITIONS / 2 }, (_, i) => (i % 2 === 0 ? [2, 1] : [1, 2]));
    await withReplicas(harness, 'a', replicas);
    await withReplicas(harness, 'b', replicas);
    steps = [];
    Object.assign(harness.clock.timers, { soon: (step: () => void) => steps.push(step) });
  });

  const partitions = (): PartitionRegistration[] =>
    ['a', 'b'].flatMap(name => [...harness.controller.image().topics.topic(name)!.partitions]);
  const inSync = (brokerId: number): number =>
    partitions().filter(each => each.isr.includes(brokerId)).length;
  const ledBy = (brokerId: number): number => partitions().filter(each => each.leader === brokerId).length;
  const beat = (id: number, change: Parameters<typeof heartbeat>[2] = {}) =>
    harness.controller.processBrokerHeartbeat(heartbeat(id, epochOf(harness, id), change));

  /** Runs what is left; gives what `state` is after each step. */
  async function finish<T>(operation: Promise<T>, state: () => number): Promise<[number[], T]> {
    const states = [state()];
    while (steps.length > 0) {
      steps.shift()!();
      states.push(state());
    }
    return [states, await operation];
  }

  /** All partitions that 1 leads ask for `isr`. */
  function alter(isr: readonly number[]) {
    const { topics } = harness.controller.image();
    const request = {
      brokerId: 1,
      brokerEpoch: epochOf(harness, 1),
      topics: ['a', 'b'].map(name => ({
        topicId: topics.topic(name)!.id,
        topicName: '',
        partitions: topics
          .topic(name)!
          .partitions.flatMap(({ leader, leaderEpoch, partitionEpoch }, index) =>
            leader !== 1
              ? []
              : {
                  partitionIndex: index,
                  leaderEpoch,
                  newIsr: [],
                  newIsrWithEpochs: isr.map(brokerId => ({ brokerId, brokerEpoch: -1 })),
                  leaderRecoveryState: 0,
                  partitionEpoch,
                },
          ),
      })),
    };
    return harness.controller.alterPartition(request, 3);
  }

  it('give one complete answer in the order asked', async () => {
    const [states, { topics }] = await finish(alter([1]), () => inSync(2));
    expect(states).toEqual([PARTITIONS - 500, PARTITIONS - 600]);
    expect(topics!.map(topic => topic.partitions!.map(each => each.partitionIndex))).toEqual(
      [0, 1].map(() => Array.from({ length: PARTITIONS / 4 }, (_, i) => 2 * i + 1)),
    );
    expect(topics!.every(topic => topic.partitions!.every(each => each.errorCode === 0))).toBe(true);
  });

  it('see what others have decided between the steps', async () => {
    const altered = alter([1]);
    const topicId = harness.controller.image().topics.topic('b')!.id;
    await harness.controller.deleteTopics({
      topics: [{ name: null, topicId }],
      topicNames: [],
      timeoutMs: 1000,
    });
    const [, { topics }] = await finish(altered, () => 0);
    const codes = new Set(topics![1]!.partitions!.slice(-100).map(each => each.errorCode));
    expect(codes).toEqual(new Set([100]));
  });

  it('end with NOT_CONTROLLER when leadership is lost between the steps, though it is won again', async () => {
    const lost = errorOf(alter([1]));
    harness.quorum.elect(2);
    harness.quorum.elect(1);
    while (steps.length > 0) steps.shift()!();
    expect(await lost).toBe('NOT_CONTROLLER');
    expect(inSync(2)).toBe(PARTITIONS - 500);
  });

  it('elect leaders, and leave out partitions that need no election', async () => {
    await finish(beat(2, { wantFence: true }), () => 0);
    await finish(beat(2), () => 0);
    await finish(alter([1, 2]), () => 0);
    const elected = harness.controller.electLeaders({
      electionType: 0,
      topicPartitions: null,
      timeoutMs: 1000,
    });
    const [states, { replicaElectionResults }] = await finish(elected, () => ledBy(2));
    expect(states).toEqual([250, 500, 600]);
    expect(replicaElectionResults!.map(each => each.partitionResult!.length)).toEqual([300, 300]);
  });

  it('fence a broker last, so that nobody finds a fenced broker with partitions', async () => {
    const isActive = () => Number(harness.controller.image().cluster.isActive(2));
    const [states] = await finish(beat(2, { wantFence: true }), () => inSync(2) * 10 + isActive());
    expect(states).toEqual([7_001, 2_001, 0]);
    expect(ledBy(1)).toBe(PARTITIONS);
  });

  it('let a broker go when all of its partitions have gone', async () => {
    const [states, first] = await finish(beat(2, { wantShutDown: true }), () => inSync(2));
    expect(states).toEqual([700, 200, 0]);
    expect(first).toMatchObject({ inControlledShutdown: true, shouldShutDown: false });
    await Promise.all([beat(1), beat(3)]);
    expect((await beat(2, { wantShutDown: true })).shouldShutDown).toBe(true);
  });

  it('are finished by the next controller: a broker that stops', async () => {
    const lost = errorOf(beat(2, { wantShutDown: true }));
    harness.restartController();
    while (steps.length > 0) steps.shift()!();
    expect(await lost).toBe('NOT_CONTROLLER');
    expect(inSync(2)).toBe(700);
    const [states] = await finish(beat(2, { wantShutDown: true }), () => inSync(2));
    expect(states).toEqual([200, 0]);
  });

  it('are finished by the next controller: a broker that comes back', async () => {
    await finish(beat(2, { wantFence: true }), () => 0);
    await finish(beat(1, { wantFence: true }), () => 0);
    expect(ledBy(-1)).toBe(PARTITIONS);
    const lost = errorOf(beat(1));
    expect(ledBy(1)).toBe(500);
    harness.restartController();
    await harness.clock.settle();
    while (steps.length > 0) steps.shift()!();
    expect(await lost).toBe('NOT_CONTROLLER');
    expect(ledBy(1)).toBe(PARTITIONS);
  });

  it('take a broker out, with what came back to it meanwhile', async () => {
    await finish(beat(2, { wantFence: true }), () => 0);
    await finish(beat(2), () => 0);
    await finish(alter([1, 2]), () => 0);
    const unregistered = harness.controller.unregisterBroker(2);
    expect(inSync(2)).toBe(700);
    await alterOne();
    expect(inSync(2)).toBe(701);
    const [states] = await finish(unregistered, () => inSync(2));
    expect(states).toEqual([701, 201, 0]);
    expect(harness.controller.image().cluster.broker(2)).toBeUndefined();
  });

  /** A leader takes 2 back into the ISR of its first partition. */
  async function alterOne(): Promise<void> {
    const { leaderEpoch, partitionEpoch } = partitionOf(harness, 'a');
    const partition = {
      partitionIndex: 0,
      leaderEpoch,
      newIsr: [],
      newIsrWithEpochs: [1, 2].map(brokerId => ({ brokerId, brokerEpoch: -1 })),
      leaderRecoveryState: 0,
      partitionEpoch,
    };
    const topicId = harness.controller.image().topics.topic('a')!.id;
    const topics = [{ topicId, topicName: '', partitions: [partition] }];
    const request = { brokerId: 1, brokerEpoch: epochOf(harness, 1), topics };
    const response = await harness.controller.alterPartition(request, 3);
    expect(response.topics![0]!.partitions![0]!.errorCode).toBe(0);
  }

  it('register the next life of a broker when those of the last one have gone', async () => {
    // The controller's own node, which it has not heard of yet, may come back at once.
    harness.restartController();
    while (steps.length > 0) steps.shift()!();
    const registered = harness.controller.registerBroker(harness.registration(1));
    const [states, epoch] = await finish(registered, () => inSync(1));
    expect(states).toEqual([700, 200, 0]);
    expect(epoch).toBe(harness.quorum.logEndOffset() - 201);
    expect(epochOf(harness, 1)).toBe(epoch);
  });
});
