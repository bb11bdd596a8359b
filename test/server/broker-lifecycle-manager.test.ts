import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import type { BrokerHeartbeatRequest } from '../../src/protocol/messages/63-broker-heartbeat.ts';
import { BrokerLifecycleManager } from '../../src/server/broker-lifecycle-manager.ts';
import { ManualRuntime } from './fake-network.ts';
import { broker } from './handlers/cluster-image.ts';
import { imageOf } from './handlers/handler-harness.ts';

let runtime: ManualRuntime;
let registrations: { resolve(epoch: number): void; reject(error: unknown): void }[];
let heartbeats: { request: BrokerHeartbeatRequest; reply(shouldShutDown: boolean): void; fail(): void }[];
let lifecycle: BrokerLifecycleManager;

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function publish(image: MetadataImage): void {
  lifecycle.onMetadataUpdate(new MetadataDelta(MetadataImage.EMPTY), image);
}

/** Registers with epoch 1 and is let in. */
async function run(): Promise<Promise<void>> {
  const started = lifecycle.start();
  registrations[0]!.resolve(1);
  await settle();
  publish(imageOf(broker(1, { fenced: true })));
  heartbeats[0]!.reply(false);
  await settle();
  publish(imageOf(broker(1)));
  return started;
}

beforeEach(() => {
  runtime = new ManualRuntime();
  registrations = [];
  heartbeats = [];
  lifecycle = new BrokerLifecycleManager(
    runtime.asRuntime(),
    silentLogger,
    {
      registerBroker: () => new Promise((resolve, reject) => registrations.push({ resolve, reject })),
      brokerHeartbeat: request =>
        new Promise((resolve, reject) =>
          heartbeats.push({
            request,
            reply: shouldShutDown => resolve({ shouldShutDown }),
            fail: () => reject(new KafkaError(Errors.NOT_CONTROLLER)),
          }),
        ),
    },
    {
      registration: {
        brokerId: 1,
        clusterId: 'c',
        incarnationId: ZERO_UUID,
        listeners: [],
        features: [],
        rack: null,
        isMigratingZkBroker: false,
        logDirs: [],
        previousBrokerEpoch: -1,
      },
      heartbeatIntervalMs: 2000,
    },
  );
});

describe('BrokerLifecycleManager', () => {
  test('registers, waits for its own registration, and runs when it is let in', async () => {
    let running = false;
    const started = lifecycle.start().then(() => {
      running = true;
    });
    registrations[0]!.resolve(1);
    await settle();
    expect(lifecycle.brokerEpoch).toBe(1);
    expect(heartbeats).toEqual([]);
    publish(imageOf(broker(1, { fenced: true })));
    expect(heartbeats).toHaveLength(1);
    expect(heartbeats[0]!.request).toMatchObject({ brokerEpoch: 1, wantFence: false, wantShutDown: false });
    expect(heartbeats[0]!.request.currentMetadataOffset).toBe(0);
    await settle();
    expect(running).toBe(false);
    publish(imageOf(broker(1)));
    await started;
    expect(running).toBe(true);
  });

  test('the registration of an earlier life is not its own', async () => {
    lifecycle.start();
    registrations[0]!.resolve(77);
    await settle();
    publish(imageOf(broker(1)));
    expect(heartbeats).toEqual([]);
  });

  test('registers again while there is no controller or an earlier process has a session', async () => {
    lifecycle.start();
    for (const code of [Errors.NOT_CONTROLLER, Errors.DUPLICATE_BROKER_REGISTRATION]) {
      registrations.at(-1)!.reject(new KafkaError(code));
      await settle();
      runtime.advance(50);
    }
    expect(registrations).toHaveLength(3);
  });

  test('a registration that is refused for good fails the start', async () => {
    const started = lifecycle.start();
    registrations[0]!.reject(new KafkaError(Errors.INVALID_REGISTRATION, 'no directories'));
    await expect(started).rejects.toThrow('no directories');
    runtime.advance(1000);
    expect(registrations).toHaveLength(1);
  });

  test('keeps its session with heartbeats, also after one that failed', async () => {
    await run();
    runtime.advance(2000);
    expect(heartbeats).toHaveLength(2);
    heartbeats[1]!.fail();
    await settle();
    runtime.advance(2000);
    expect(heartbeats).toHaveLength(3);
    runtime.advance(10_000);
    expect(heartbeats).toHaveLength(3);
  });

  test('a failed directory is told at once and from then on', async () => {
    await run();
    lifecycle.propagateDirectoryFailure('ZGlyZGlyZGlyZGlyZGlyZA');
    expect(heartbeats.at(-1)!.request.offlineLogDirs).toEqual(['ZGlyZGlyZGlyZGlyZGlyZA']);
  });

  test('asks to go until it may', async () => {
    await run();
    const stopped = lifecycle.controlledShutdown(10_000);
    expect(heartbeats.at(-1)!.request.wantShutDown).toBe(true);
    heartbeats.at(-1)!.reply(false);
    await settle();
    runtime.advance(50);
    expect(heartbeats.at(-1)!.request.wantShutDown).toBe(true);
    heartbeats.at(-1)!.reply(true);
    await stopped;
    const count = heartbeats.length;
    runtime.advance(60_000);
    expect(heartbeats).toHaveLength(count);
  });

  test('a heartbeat on its way when the stop begins is followed by one that asks to go', async () => {
    await run();
    runtime.advance(2000);
    const stopped = lifecycle.controlledShutdown(10_000);
    expect(heartbeats.at(-1)!.request.wantShutDown).toBe(false);
    heartbeats.at(-1)!.reply(false);
    await settle();
    expect(heartbeats.at(-1)!.request.wantShutDown).toBe(true);
    heartbeats.at(-1)!.reply(true);
    await stopped;
  });

  test('goes without leave when the controller does not answer in time', async () => {
    await run();
    const stopped = lifecycle.controlledShutdown(10_000);
    runtime.advance(10_000);
    await stopped;
  });

  test('a stop before the start is done fails the start', async () => {
    const started = lifecycle.start();
    await lifecycle.controlledShutdown(1000);
    await expect(started).rejects.toThrow(KafkaError);
  });
});
