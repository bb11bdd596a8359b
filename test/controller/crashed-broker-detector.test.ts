import { beforeEach, describe, expect, it } from 'vitest';
import { BrokerHeartbeatManager } from '../../src/controller/broker-heartbeat-manager.ts';
import { CrashedBrokerDetector } from '../../src/controller/crashed-broker-detector.ts';
import type { BrokerRegistration } from '../../src/metadata/broker-registration.ts';
import type { Runtime, Socket } from '../../src/runtime/runtime.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

const SESSION_MS = 9000;
const HEARTBEAT_MS = 500;

/** What happens to who connects to a port: accepted, or the code of an error. */
const ports = new Map<number, string>();
const dialled: number[] = [];
let closed: number;
let clock: ManualRuntime;
let heartbeats: BrokerHeartbeatManager;
let crashed: number[];
let detector: CrashedBrokerDetector;

function broker(id: number, changes: Partial<BrokerRegistration> = {}): BrokerRegistration {
  const endpoint = (name: string, port: number) => ({ name, host: 'h', port, securityProtocol: 0 });
  return {
    id,
    epoch: id * 10,
    incarnationId: '',
    listeners: new Map([
      ['CLIENTS', endpoint('CLIENTS', id * 100)],
      ['BROKERS', endpoint('BROKERS', id * 100 + 1)],
    ]),
    supportedFeatures: new Map(),
    rack: null,
    fenced: false,
    inControlledShutdown: false,
    isMigratingZkBroker: false,
    directories: [],
    cordonedDirectories: null,
    ...changes,
  };
}

beforeEach(() => {
  ports.clear();
  dialled.length = 0;
  closed = 0;
  crashed = [];
  clock = new ManualRuntime();
  const socket = { destroy: () => void closed++ } as Socket;
  const network: Runtime['network'] = {
    listen: () => Promise.reject(new Error('nobody listens here')),
    connect: ({ port }) => {
      dialled.push(port);
      const code = ports.get(port);
      return code === undefined
        ? Promise.resolve(socket)
        : Promise.reject(Object.assign(new Error(code), { code }));
    },
  };
  heartbeats = new BrokerHeartbeatManager(SESSION_MS);
  const runtime = { ...clock, network };
  detector = new CrashedBrokerDetector(runtime, heartbeats, HEARTBEAT_MS, ({ id }) => crashed.push(id));
});

function refuse(...refused: number[]): void {
  for (const port of refused) ports.set(port, 'ECONNREFUSED');
}

async function check(...brokers: BrokerRegistration[]): Promise<void> {
  detector.check(brokers);
  await new Promise(resolve => setImmediate(resolve));
}

const hear = (id: number): void => heartbeats.touch(id, id * 10, clock.nowMs);
const inSession = (id: number): boolean => heartbeats.hasValidSession(id, id * 10, clock.nowMs);

describe('a broker that sends no heartbeats', () => {
  it('has crashed when all of its listeners refuse connections', async () => {
    hear(1);
    hear(2);
    refuse(100, 101);
    clock.advance(HEARTBEAT_MS);
    hear(2);
    clock.advance(HEARTBEAT_MS);
    await check(broker(1), broker(2));
    expect(crashed).toEqual([1]);
    expect(inSession(1)).toBe(false);
    expect([...heartbeats.stale([1, 2], clock.nowMs)]).toEqual([1]);
    expect(inSession(2)).toBe(true);
    await check(broker(1), broker(2));
    expect(crashed).toEqual([1]);
  });

  it('is not looked after before it has missed two', async () => {
    hear(1);
    refuse(100, 101);
    clock.advance(2 * HEARTBEAT_MS - 1);
    await check(broker(1));
    expect(dialled).toEqual([]);
    expect(inSession(1)).toBe(true);
  });

  it.each([
    ['one of its listeners is open', undefined],
    ['its host does not answer', 'ETIMEDOUT'],
    ['its name does not resolve', 'ENOTFOUND'],
  ])('keeps its session where %s', async (_, code) => {
    hear(1);
    refuse(100);
    if (code !== undefined) ports.set(101, code);
    clock.advance(4 * HEARTBEAT_MS);
    await check(broker(1));
    expect(dialled).toEqual([100, 101]);
    expect(closed).toBe(code === undefined ? 1 : 0);
    expect(crashed).toEqual([]);
    expect(inSession(1)).toBe(true);
  });

  it('keeps its session when it is heard of while it is looked after', async () => {
    hear(1);
    refuse(100, 101);
    clock.advance(4 * HEARTBEAT_MS);
    const checked = check(broker(1));
    hear(1);
    await checked;
    expect(dialled).toEqual([100, 101]);
    expect(crashed).toEqual([]);
    expect(inSession(1)).toBe(true);
  });

  it('is looked after once at a time, and not while it is fenced', async () => {
    hear(1);
    hear(2);
    clock.advance(4 * HEARTBEAT_MS);
    detector.check([broker(1), broker(2, { fenced: true })]);
    await check(broker(1), broker(2, { fenced: true }));
    expect(dialled).toEqual([100, 101]);
  });

  it('that has registered anew is another one', async () => {
    hear(1);
    refuse(100, 101);
    clock.advance(4 * HEARTBEAT_MS);
    const checked = check(broker(1));
    heartbeats.touch(1, 11, clock.nowMs);
    await checked;
    expect(crashed).toEqual([]);
    expect(heartbeats.hasValidSession(1, 11, clock.nowMs)).toBe(true);
  });

  it('has a session again when it is heard of after all', async () => {
    hear(1);
    refuse(100, 101);
    clock.advance(4 * HEARTBEAT_MS);
    await check(broker(1));
    expect(inSession(1)).toBe(false);
    hear(1);
    expect(inSession(1)).toBe(true);
  });
});
