import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { BrokerRegistrationRequest } from '../../src/protocol/messages/62-broker-registration.ts';
import type { BrokerHeartbeatRequest } from '../../src/protocol/messages/63-broker-heartbeat.ts';
import { BrokerLifecycleManager } from '../../src/server/broker-lifecycle-manager.ts';
import type { BrokerToControllerChannel } from '../../src/server/broker-to-controller-channel.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { broker } from './handlers/cluster-image.ts';
import { imageOf } from './handlers/handler-harness.ts';

let runtime: ManualRuntime;
let registrations: {
  resolve(epoch: number): void;
  refuse(code: number): void;
  reject(error: unknown): void;
}[];
let cordoned: string[] = [];
let controllerKnowsCordoning = true;
let heartbeats: {
  request: BrokerHeartbeatRequest;
  reply(shouldShutDown: boolean, errorCode?: number): void;
  fail(): void;
}[];
let logger: MemoryLogger;
/** How many heartbeats had been sent each time that the broker was told to act on metadata. */
let caughtUp: number[];
let lifecycle: BrokerLifecycleManager;

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function publish(image: MetadataImage): void {
  lifecycle.onMetadataUpdate(new MetadataDelta(MetadataImage.EMPTY), image);
}

/** Registers with epoch 1 and is let in. */
async function run(): Promise<Promise<void>> {
  const started = lifecycle.start(() => caughtUp.push(heartbeats.length));
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
  cordoned = [];
  controllerKnowsCordoning = true;
  caughtUp = [];
  logger = new MemoryLogger();
  const channel = {
    send: ({ request }: { request: unknown }, body: unknown) =>
      new Promise((resolve, reject) => {
        if (request === BrokerRegistrationRequest) {
          registrations.push({
            resolve: brokerEpoch => resolve({ errorCode: Errors.NONE, brokerEpoch }),
            refuse: errorCode => resolve({ errorCode, brokerEpoch: -1 }),
            reject,
          });
          return;
        }
        heartbeats.push({
          request: body as BrokerHeartbeatRequest,
          reply: (shouldShutDown, errorCode = Errors.NONE) => resolve({ errorCode, shouldShutDown }),
          fail: () => reject(new KafkaError(Errors.REQUEST_TIMED_OUT)),
        });
      }),
  };
  lifecycle = new BrokerLifecycleManager(runtime, logger, channel as unknown as BrokerToControllerChannel, {
    brokerId: 1,
    clusterId: 'c',
    registration: () => ({
      brokerId: 1,
      clusterId: 'c',
      incarnationId: ZERO_UUID,
      listeners: [],
      features: [],
      rack: null,
      isMigratingZkBroker: false,
      logDirs: [],
      previousBrokerEpoch: -1,
    }),
    cordonedDirectories: () => cordoned,
    isCordoningKnown: () => controllerKnowsCordoning,
    heartbeatIntervalMs: 2000,
    sessionTimeoutMs: 9000,
    registrationTimeoutMs: 60_000,
  });
});

const patience = (totalMs: number) => ({
  totalMs,
  silenceMs: 5_000,
  hopelessMs: 1_500,
  isHopeless: () => false,
});

describe('BrokerLifecycleManager', () => {
  test('registers, waits for its own registration, and runs when it is let in', async () => {
    let running = false;
    const started = lifecycle
      .start(() => caughtUp.push(heartbeats.length))
      .then(() => {
        running = true;
      });
    registrations[0]!.resolve(1);
    await settle();
    expect(lifecycle.brokerEpoch).toBe(1);
    expect(heartbeats).toEqual([]);
    publish(imageOf(broker(1, { fenced: true })));
    expect(caughtUp).toEqual([0]);
    expect(heartbeats).toHaveLength(1);
    expect(heartbeats[0]!.request).toMatchObject({ brokerEpoch: 1, wantFence: false, wantShutDown: false });
    expect(heartbeats[0]!.request.currentMetadataOffset).toBe(0);
    await settle();
    expect(running).toBe(false);
    publish(imageOf(broker(1)));
    await started;
    expect(running).toBe(true);
  });

  test('tells which directories get no new partitions, at once, and when there are none any more', async () => {
    await run();
    const told = () => heartbeats.at(-1)!.request.cordonedLogDirs;
    expect(told()).toBeNull();
    const sent = heartbeats.length;
    lifecycle.onConfigChanged();
    expect(heartbeats).toHaveLength(sent);
    cordoned = [ZERO_UUID];
    lifecycle.onConfigChanged();
    expect(heartbeats).toHaveLength(sent + 1);
    expect(told()).toEqual([ZERO_UUID]);
    heartbeats.at(-1)!.reply(false);
    await settle();
    publish(imageOf(broker(1, { cordonedLogDirs: [ZERO_UUID] })));
    cordoned = [];
    lifecycle.onConfigChanged();
    expect(told()).toEqual([]);
  });

  test('does not tell them to a controller that does not know what that is', async () => {
    controllerKnowsCordoning = false;
    cordoned = [ZERO_UUID];
    await run();
    expect(heartbeats.at(-1)!.request.cordonedLogDirs).toBeNull();
  });

  test('the registration of an earlier life is not its own', async () => {
    lifecycle.start(() => caughtUp.push(heartbeats.length));
    registrations[0]!.resolve(77);
    await settle();
    publish(imageOf(broker(1)));
    expect(heartbeats).toEqual([]);
    expect(caughtUp).toEqual([]);
  });

  test('registers again while there is no controller, for as long as it takes', async () => {
    lifecycle.start(() => caughtUp.push(heartbeats.length));
    for (let attempt = 1; attempt <= 20; attempt++) {
      expect(registrations).toHaveLength(attempt);
      runtime.advance(9000);
      registrations.at(-1)!.reject(new KafkaError(Errors.REQUEST_TIMED_OUT));
      await settle();
      runtime.advance(50);
    }
  });

  test('an id that another process holds is waited for, with words about that process', async () => {
    const started = lifecycle.start(() => caughtUp.push(heartbeats.length));
    publish(imageOf(broker(1)));
    registrations[0]!.refuse(Errors.DUPLICATE_BROKER_REGISTRATION);
    await settle();
    const warning = logger.entries.find(entry => entry.level === 'warn')!;
    expect(warning.fields['error']).toBe('DUPLICATE_BROKER_REGISTRATION');
    expect(warning.fields['reason']).toMatch(
      /another process is registered as broker 1 \(incarnation .* at .*:\d+/,
    );
    runtime.advance(500);
    registrations[1]!.resolve(1);
    await settle();
    publish(imageOf(broker(1)));
    await started;
  });

  test('a registration that is refused for a minute fails the start', async () => {
    const started = lifecycle.start(() => caughtUp.push(heartbeats.length));
    registrations[0]!.refuse(Errors.DUPLICATE_BROKER_REGISTRATION);
    await settle();
    runtime.advance(60_000);
    registrations[1]!.refuse(Errors.DUPLICATE_BROKER_REGISTRATION);
    await expect(started).rejects.toMatchObject({ code: Errors.DUPLICATE_BROKER_REGISTRATION });
  });

  test.each([Errors.INCONSISTENT_CLUSTER_ID, Errors.INVALID_REGISTRATION, Errors.UNSUPPORTED_VERSION])(
    'error %i of the controller fails the start at once',
    async code => {
      const started = lifecycle.start(() => caughtUp.push(heartbeats.length));
      registrations[0]!.refuse(code);
      await expect(started).rejects.toMatchObject({ code });
      runtime.advance(1000);
      expect(registrations).toHaveLength(1);
    },
  );

  test('is fenced and let in again as the metadata says', async () => {
    await run();
    expect(lifecycle.isRunning).toBe(true);
    publish(imageOf(broker(1, { fenced: true })));
    expect(lifecycle.isRunning).toBe(false);
    expect(logger.messages('warn')[0]).toContain('fenced this broker');
    expect(heartbeats).toHaveLength(2);
    publish(imageOf(broker(1)));
    expect(lifecycle.isRunning).toBe(true);
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
    const stopped = lifecycle.controlledShutdown(patience(10_000));
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
    const stopped = lifecycle.controlledShutdown(patience(10_000));
    expect(heartbeats.at(-1)!.request.wantShutDown).toBe(false);
    heartbeats.at(-1)!.reply(false);
    await settle();
    expect(heartbeats.at(-1)!.request.wantShutDown).toBe(true);
    heartbeats.at(-1)!.reply(true);
    await stopped;
  });

  const errors = () => logger.entries.filter(entry => entry.level === 'error').map(entry => entry.message);

  test('says that it was unregistered, once, and what to do, and does not come back by itself', async () => {
    await run();
    publish(imageOf(broker(2)));
    publish(imageOf(broker(2), broker(3)));
    expect(errors()).toEqual([expect.stringMatching(/broker 1 was unregistered .* start it again/)]);
    const count = heartbeats.length;
    heartbeats.at(-1)!.reply(false, Errors.BROKER_ID_NOT_REGISTERED);
    await settle();
    runtime.advance(60_000);
    expect(heartbeats).toHaveLength(count);
    expect(registrations).toHaveLength(1);
    expect(errors()).toHaveLength(1);
    expect(lifecycle.isRunning).toBe(false);
    await lifecycle.controlledShutdown(patience(10_000));
    expect(heartbeats).toHaveLength(count);
  });

  test('says so when another process has its id, and then needs no leave to stop', async () => {
    await run();
    const stopped = lifecycle.controlledShutdown(patience(10_000));
    const next = broker(1);
    Object.assign(next.data, { brokerEpoch: 2 });
    publish(imageOf(next));
    await stopped;
    expect(errors()).toEqual([expect.stringMatching(/another process has registered as broker 1/)]);
  });

  test('a controller that knows it no more may be wrong: what it says may never be committed', async () => {
    await run();
    for (const code of [Errors.BROKER_ID_NOT_REGISTERED, Errors.STALE_BROKER_EPOCH]) {
      const count = heartbeats.length;
      heartbeats.at(-1)!.reply(false, code);
      await settle();
      runtime.advance(2000);
      expect(heartbeats).toHaveLength(count + 1);
    }
    expect(errors()).toEqual([]);
    expect(lifecycle.isRunning).toBe(true);
  });

  test('a start fails if the broker is unregistered before it is let in', async () => {
    const started = lifecycle.start(() => caughtUp.push(heartbeats.length));
    registrations[0]!.resolve(1);
    await settle();
    publish(imageOf(broker(1, { fenced: true })));
    publish(imageOf());
    await expect(started).rejects.toThrow(/was unregistered/);
  });

  test('goes without leave when no controller answers', async () => {
    await run();
    const stopped = lifecycle.controlledShutdown(patience(30_000));
    runtime.advance(5_000);
    await stopped;
    expect(logger.messages('warn').at(-1)).toContain('without the leave of the controller');
  });

  test('goes sooner where there can be no controller, but not if one answers', async () => {
    await run();
    let isHopeless = false;
    const stopped = lifecycle.controlledShutdown({ ...patience(30_000), isHopeless: () => isHopeless });
    runtime.advance(3_000);
    heartbeats.at(-1)!.reply(false);
    await settle();
    isHopeless = true;
    let done = false;
    void stopped.then(() => {
      done = true;
    });
    runtime.advance(1_400);
    await settle();
    expect(done).toBe(false);
    runtime.advance(250);
    await stopped;
  });

  test('goes without leave when the controller takes too long', async () => {
    await run();
    let done = false;
    const stopped = lifecycle.controlledShutdown(patience(10_000)).then(() => {
      done = true;
    });
    for (let i = 0; i < 9; i++) {
      heartbeats.at(-1)!.reply(false);
      await settle();
      runtime.advance(1_000);
      await settle();
    }
    expect(done).toBe(false);
    heartbeats.at(-1)!.reply(false);
    runtime.advance(1_000);
    await stopped;
  });

  test('a stop before the start is done fails the start', async () => {
    const started = lifecycle.start(() => caughtUp.push(heartbeats.length));
    await lifecycle.controlledShutdown(patience(1000));
    await expect(started).rejects.toThrow(KafkaError);
  });
});
