import { describe, expect, it } from 'vitest';
import { Errors, errorName, type KafkaError } from '../../src/protocol/errors.ts';
import { defaultBootstrapRecords } from '../../src/metadata/bootstrap-metadata.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';

async function errorOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'NONE',
    (error: KafkaError) => errorName(error.code),
  );
}

async function withTopic(harness: ControllerHarness, brokerIds: number[]): Promise<void> {
  const assignments = [{ partitionIndex: 0, brokerIds }];
  const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
  await harness.controller.createTopics({ topics: [topic], timeoutMs: 1000, validateOnly: false });
}

const partitionOf = (harness: ControllerHarness) => harness.controller.image().topics.partition('t', 0);

describe('broker registration', () => {
  it('gives the offset of the registration as epoch, and keeps the broker fenced until it has read it', async () => {
    const { controller, quorum, ...harness } = await ControllerHarness.started([]);
    const whole = Object.assign(Object.create(ControllerHarness.prototype), {
      controller,
      quorum,
      ...harness,
    });
    const offset = quorum.logEndOffset();
    const epoch = Number(await controller.registerBroker(whole.registration(1)));
    expect(epoch).toBe(offset);
    expect(controller.image().cluster.broker(1)).toMatchObject({
      epoch,
      fenced: true,
      inControlledShutdown: false,
    });
    const early = await controller.processBrokerHeartbeat(
      heartbeat(1, epoch, { currentMetadataOffset: epoch - 1 }),
    );
    expect(early).toMatchObject({ isCaughtUp: false, isFenced: true });
    const reply = await controller.processBrokerHeartbeat(
      heartbeat(1, epoch, { currentMetadataOffset: epoch }),
    );
    expect(reply).toEqual({
      isCaughtUp: true,
      isFenced: false,
      inControlledShutdown: false,
      shouldShutDown: false,
    });
    expect(controller.image().cluster.isActive(1)).toBe(true);
  });

  it('refuses another cluster, a second process, features it cannot live with, and directories of others', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    const { controller, clock } = harness;
    const register = (id: number, changes = {}) =>
      errorOf(controller.registerBroker(harness.registration(id, changes)));
    expect(await register(3, { clusterId: 'other' })).toBe('INCONSISTENT_CLUSTER_ID');
    expect(await register(2)).toBe('DUPLICATE_BROKER_REGISTRATION');
    expect(await register(3, { features: [] })).toBe('UNSUPPORTED_VERSION');
    expect(await register(3, { logDirs: [] })).toBe('INVALID_REGISTRATION');
    const taken = controller.image().cluster.broker(2)!.directories[0]!;
    expect(await register(3, { logDirs: [taken] })).toBe('INVALID_REGISTRATION');
    expect(await register(3, { logDirs: ['zzzzzzzzQzzzzzzzzzzzzA', 'zzzzzzzzQzzzzzzzzzzzzA'] })).toBe(
      'INVALID_REGISTRATION',
    );
    expect(await register(3, { isMigratingZkBroker: true })).toBe('INVALID_REGISTRATION');
    clock.advance(20_000);
    expect(await register(2)).toBe('NONE');
  });

  it('lets its own node come back at once after a kill, as one whose disk may have lost records', async () => {
    const harness = await ControllerHarness.started([1]);
    await withTopic(harness, [1]);
    expect(await errorOf(harness.controller.registerBroker(harness.registration(1)))).toBe(
      'DUPLICATE_BROKER_REGISTRATION',
    );
    harness.restartController();
    const epoch = Number(await harness.controller.registerBroker(harness.registration(1)));
    expect(partitionOf(harness)).toMatchObject({
      isr: [],
      leader: -1,
      elr: [],
      lastKnownElr: [1],
      leaderEpoch: 1,
    });
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epoch));
    expect(partitionOf(harness)).toMatchObject({
      isr: [1],
      leader: 1,
      elr: [],
      lastKnownElr: [],
      leaderEpoch: 2,
      leaderRecoveryState: 1,
    });
  });

  it('elects it cleanly after a clean stop', async () => {
    const harness = await ControllerHarness.started([1]);
    const { controller } = harness;
    await withTopic(harness, [1]);
    const epoch = Number(controller.image().cluster.broker(1)!.epoch);
    const first = await controller.processBrokerHeartbeat(heartbeat(1, epoch, { wantShutDown: true }));
    expect(first).toMatchObject({ inControlledShutdown: true, shouldShutDown: false, isFenced: false });
    expect(partitionOf(harness)).toMatchObject({ isr: [], leader: -1, elr: [1], lastKnownElr: [1] });
    const second = await controller.processBrokerHeartbeat(heartbeat(1, epoch, { wantShutDown: true }));
    expect(second).toMatchObject({ shouldShutDown: true, isFenced: true });
    await harness.join(1, { previousBrokerEpoch: epoch });
    expect(partitionOf(harness)).toMatchObject({
      isr: [1],
      leader: 1,
      elr: [],
      lastKnownElr: [],
      leaderEpoch: 2,
      leaderRecoveryState: 0,
    });
  });

  it('keeps the last member in the ISR where eligible leader replicas are not in use', async () => {
    const harness = await ControllerHarness.started([1], { bootstrap: defaultBootstrapRecords(21) });
    await withTopic(harness, [1]);
    harness.restartController();
    const epoch = Number(await harness.controller.registerBroker(harness.registration(1)));
    expect(partitionOf(harness)).toMatchObject({ isr: [1], leader: -1 });
    await harness.controller.processBrokerHeartbeat(heartbeat(1, epoch));
    expect(partitionOf(harness)).toMatchObject({ isr: [1], leader: 1, leaderRecoveryState: 0 });
  });

  it('keeps the epoch of a process that registers again', async () => {
    const harness = await ControllerHarness.started([]);
    const request = harness.registration(2);
    const first = await harness.controller.registerBroker(request);
    expect(await harness.controller.registerBroker(request)).toBe(first);
  });

  it('refuses heartbeats of unknown brokers and of earlier lives', async () => {
    const { controller } = await ControllerHarness.started([2]);
    expect(await errorOf(controller.processBrokerHeartbeat(heartbeat(9, 1)))).toBe(
      'BROKER_ID_NOT_REGISTERED',
    );
    expect(await errorOf(controller.processBrokerHeartbeat(heartbeat(2, 1)))).toBe('STALE_BROKER_EPOCH');
  });

  it('moves leaders away from a broker that is not heard of, and back only by election', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    await withTopic(harness, [2, 1]);
    const own = Number(harness.controller.image().cluster.broker(1)!.epoch);
    harness.clock.advance(5_000);
    await harness.controller.processBrokerHeartbeat(heartbeat(1, own));
    harness.clock.advance(4_000 + 9_000 / 8);
    expect(harness.controller.image().cluster.broker(2)!.fenced).toBe(true);
    expect(harness.controller.image().cluster.broker(1)!.fenced).toBe(false);
    expect(partitionOf(harness)).toMatchObject({ leader: 1, isr: [1], elr: [], leaderEpoch: 1 });
    const epoch = Number(harness.controller.image().cluster.broker(2)!.epoch);
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epoch));
    expect(partitionOf(harness)).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 1 });
  });

  it('takes replicas in a failed directory out, and the directory off the registration', async () => {
    const harness = await ControllerHarness.started([1]);
    const logDirs = ['aaaaaaaaQaaaaaaaaaaaaA', 'bbbbbbbbQbbbbbbbbbbbbA'];
    const epoch = await harness.join(2, { logDirs });
    await harness.controller.processBrokerHeartbeat(
      heartbeat(2, epoch, { offlineLogDirs: ['aaaaaaaaQaaaaaaaaaaaaA'] }),
    );
    expect(harness.controller.image().cluster.broker(2)!.directories).toEqual(['bbbbbbbbQbbbbbbbbbbbbA']);
  });

  it('unregisters brokers', async () => {
    const { controller } = await ControllerHarness.started([1, 2]);
    await controller.unregisterBroker(2);
    expect(controller.image().cluster.broker(2)).toBeUndefined();
    expect(await errorOf(controller.unregisterBroker(2))).toBe('BROKER_ID_NOT_REGISTERED');
  });

  it('registers controllers', async () => {
    const harness = await ControllerHarness.started([]);
    const { incarnationId, listeners, features } = harness.registration(1);
    const request = { controllerId: 1, incarnationId, zkMigrationReady: false, listeners, features };
    await harness.controller.registerController(request);
    expect(harness.controller.image().cluster.controllers.get(1)).toMatchObject({ id: 1, incarnationId });
    const incompatible = { ...request, features: [] };
    expect(await errorOf(harness.controller.registerController(incompatible))).toBe(
      errorName(Errors.UNSUPPORTED_VERSION),
    );
  });

  it('lets a broker stop when the others have read where its leaders went', async () => {
    const harness = await ControllerHarness.started([1, 2, 3]);
    const { controller } = harness;
    const beat = (id: number, changes: Parameters<typeof heartbeat>[2]) =>
      controller.processBrokerHeartbeat(
        heartbeat(id, Number(controller.image().cluster.broker(id)!.epoch), changes),
      );
    await withTopic(harness, [2, 1, 3]);
    const early = harness.quorum.logEndOffset() - 1;
    const stopping = { wantShutDown: true };
    // Broker 3 was heard of with an offset before anything that follows; broker 1 has read everything.
    harness.restartController();
    await beat(3, { currentMetadataOffset: early });
    await beat(1, {});
    expect(await beat(2, stopping)).toMatchObject({ shouldShutDown: false, inControlledShutdown: true });
    expect(partitionOf(harness)).toMatchObject({ leader: 1, isr: [1, 3] });
    expect(controller.image().cluster.isActive(2)).toBe(false);
    expect(await beat(2, stopping)).toMatchObject({ shouldShutDown: false });
    const lastRecord = harness.quorum.logEndOffset() - 1;
    await beat(3, { currentMetadataOffset: lastRecord - 1 });
    expect(await beat(2, stopping)).toMatchObject({ shouldShutDown: false });
    await beat(3, { currentMetadataOffset: lastRecord });
    expect(await beat(2, stopping)).toMatchObject({ shouldShutDown: true, isFenced: true });
  });

  it('asks again what others must have read when the controller changed meanwhile', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    await withTopic(harness, [2, 1]);
    const epoch = Number(harness.controller.image().cluster.broker(2)!.epoch);
    const stop = () => harness.controller.processBrokerHeartbeat(heartbeat(2, epoch, { wantShutDown: true }));
    await stop();
    harness.restartController();
    expect(await stop()).toMatchObject({ shouldShutDown: false, inControlledShutdown: true });
    const own = Number(harness.controller.image().cluster.broker(1)!.epoch);
    await harness.controller.processBrokerHeartbeat(heartbeat(1, own));
    expect(await stop()).toMatchObject({ shouldShutDown: true });
  });

  it('does not let a broker back that has asked to stop and was fenced, in the same life', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    await withTopic(harness, [2, 1]);
    const epoch = Number(harness.controller.image().cluster.broker(2)!.epoch);
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epoch, { wantShutDown: true }));
    harness.clock.advance(11_000);
    expect(harness.controller.image().cluster.broker(2)!.fenced).toBe(true);
    const reply = await harness.controller.processBrokerHeartbeat(heartbeat(2, epoch));
    expect(reply).toMatchObject({ isFenced: true, shouldShutDown: false });
    harness.clock.advance(11_000);
    await harness.join(2);
    expect(harness.controller.image().cluster.isActive(2)).toBe(true);
  });

  it('fences nobody for the time that this process itself stood still', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    const isFenced = () => harness.controller.image().cluster.broker(2)!.fenced;
    // The clock goes on, and no timer is called meanwhile.
    harness.clock['nowMs'] += 60_000;
    harness.clock.advance(0);
    expect(isFenced()).toBe(false);
    harness.clock.advance(7_000);
    expect(isFenced()).toBe(false);
    harness.clock.advance(4_000);
    expect(isFenced()).toBe(true);
  });

  it('fences a dead broker after a change of the controller, and moves its leaders', async () => {
    const harness = await ControllerHarness.started([1, 2]);
    await withTopic(harness, [2, 1]);
    harness.restartController();
    harness.clock.advance(600);
    await Promise.resolve();
    const own = Number(harness.controller.image().cluster.broker(1)!.epoch);
    harness.clock.advance(6_000);
    await harness.controller.processBrokerHeartbeat(heartbeat(1, own));
    harness.clock.advance(6_000);
    expect(harness.controller.image().cluster.broker(2)!.fenced).toBe(true);
    expect(partitionOf(harness)).toMatchObject({ leader: 1, isr: [1] });
  });

  it('does not elect a broker for what is in a directory that went offline in the same heartbeat', async () => {
    const logDirs = ['aaaaaaaaQaaaaaaaaaaaaA', 'bbbbbbbbQbbbbbbbbbbbbA'];
    const harness = await ControllerHarness.started([1]);
    const epoch = await harness.join(2, { logDirs });
    await withTopic(harness, [2]);
    const topicId = harness.controller.image().topics.topic('t')!.id;
    await harness.controller.assignReplicasToDirs({
      brokerId: 2,
      brokerEpoch: epoch,
      directories: [{ id: logDirs[0]!, topics: [{ topicId, partitions: [{ partitionIndex: 0 }] }] }],
    });
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epoch, { wantFence: true }));
    expect(partitionOf(harness)).toMatchObject({ leader: -1, elr: [2] });
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epoch, { offlineLogDirs: [logDirs[0]!] }));
    expect(harness.controller.image().cluster.isActive(2)).toBe(true);
    expect(partitionOf(harness)).toMatchObject({ leader: -1 });
  });

  it('unregisters controllers', async () => {
    const harness = await ControllerHarness.started([]);
    const { incarnationId, listeners, features } = harness.registration(3);
    const request = { controllerId: 3, incarnationId, zkMigrationReady: false, listeners, features };
    await harness.controller.registerController(request);
    await harness.controller.unregisterController(3);
    expect(harness.controller.image().cluster.controllers.get(3)).toBeUndefined();
    expect(await errorOf(harness.controller.unregisterController(3))).toBe('CONTROLLER_ID_NOT_REGISTERED');
  });
});
