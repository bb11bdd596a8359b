import { beforeEach, describe, expect, it } from 'vitest';
import { LimitedLogger, MemoryLogger } from '../../../src/base/logger.ts';
import { ClientQuotaManager, THROTTLE_MS_MAX } from '../../../src/server/quotas/client-quota-manager.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';

const MB = 1_000_000;
const CLIENT = { principal: 'User:u', clientId: 'c' };
const USER = [{ entityType: 'user', entityName: 'u' }];
const EVERY_CLIENT_ID = [{ entityType: 'client-id', entityName: null }];

describe('ClientQuotaManager', () => {
  let runtime: ManualRuntime;
  let logger: MemoryLogger;
  let manager: ClientQuotaManager;
  const managerOf = (throttleMaxMs = THROTTLE_MS_MAX): ClientQuotaManager =>
    new ClientQuotaManager(runtime.clock, new LimitedLogger(logger, () => runtime.nowMs, 10_000), {
      quota: 'producer_byte_rate',
      window: { samples: 11, sampleMs: 1_000 },
      throttleMaxMs,
    });

  beforeEach(() => {
    runtime = new ManualRuntime();
    runtime.nowMs = 100_000;
    logger = new MemoryLogger();
    manager = managerOf();
  });

  it('holds nobody back without a quota', () => {
    expect(manager.isEnabled).toBe(false);
    expect(manager.recordAndGetThrottleMs(CLIENT, 1e12)).toBe(0);
    expect(manager.maxValueInWindow(CLIENT)).toBe(Number.POSITIVE_INFINITY);
    manager.update([{ entityType: 'user', entityName: 'other' }], 1);
    expect(manager.isEnabled).toBe(true);
    expect(manager.recordAndGetThrottleMs(CLIENT, 1e12)).toBe(0);
    expect([...manager.usages()]).toEqual([]);
  });

  it('gives the time that brings the rate back to the limit', () => {
    manager.update(USER, MB);
    expect(manager.maxValueInWindow(CLIENT)).toBe(10 * MB);
    expect(manager.recordAndGetThrottleMs(CLIENT, 10 * MB)).toBe(0);
    // 12 MB in 10 s are 0.2 MB/s too many: (1.2 - 1) / 1 * 10 s.
    expect(manager.recordAndGetThrottleMs(CLIENT, 2 * MB)).toBe(2_000);
    runtime.nowMs += 2_000;
    manager.record(CLIENT, -2 * MB);
    expect(manager.recordAndGetThrottleMs(CLIENT, 0)).toBe(0);
  });

  it('lets a client that sends as fast as it may have its limit over a minute', () => {
    manager.update(USER, MB);
    const begunMs = runtime.nowMs;
    let sent = 0;
    while (runtime.nowMs < begunMs + 60_000) {
      sent += 500_000;
      // Each request takes 10 ms.
      runtime.nowMs += 10 + manager.recordAndGetThrottleMs(CLIENT, 500_000);
    }
    // The window of 10 s may be used at once in the beginning.
    expect(sent / MB).toBeGreaterThan(58);
    expect(sent / MB).toBeLessThan(72);
  });

  it('has those share a limit for whom it is, and no others', () => {
    manager.update(EVERY_CLIENT_ID, MB);
    const other = { principal: 'User:other', clientId: 'c' };
    expect(manager.recordAndGetThrottleMs(CLIENT, 10 * MB)).toBe(0);
    expect(manager.recordAndGetThrottleMs(other, MB)).toBe(1_000);
    expect(manager.recordAndGetThrottleMs({ ...other, clientId: 'd' }, MB)).toBe(0);
    manager.update(USER, MB);
    expect(manager.recordAndGetThrottleMs(CLIENT, 9 * MB)).toBe(0);
    expect(manager.recordAndGetThrottleMs({ ...CLIENT, clientId: null }, 2 * MB)).toBe(1_000);
  });

  it('goes by a new limit at once', () => {
    manager.update(USER, MB);
    expect(manager.recordAndGetThrottleMs(CLIENT, 20 * MB)).toBe(10_000);
    manager.update(USER, 4 * MB);
    expect(manager.recordAndGetThrottleMs(CLIENT, MB)).toBe(0);
    manager.update(USER, null);
    expect(manager.isEnabled).toBe(false);
    expect(manager.recordAndGetThrottleMs(CLIENT, 1e12)).toBe(0);
    // It waits still, as it was told to.
    expect([...manager.usages()]).toMatchObject([{ bound: MB * 4, throttledForMs: 10_000 }]);
    runtime.nowMs += 10_000;
    expect([...manager.usages()]).toEqual([]);
  });

  it('holds nobody back for longer than its longest time', () => {
    manager.update(USER, 0.001);
    expect(manager.recordAndGetThrottleMs(CLIENT, 1e15)).toBe(THROTTLE_MS_MAX);
    manager = managerOf(1_000);
    manager.update(USER, 1);
    expect(manager.recordAndGetThrottleMs(CLIENT, 1e6)).toBe(1_000);
  });

  it('names who is held back, in the log and to those who ask', () => {
    manager.update(USER, MB);
    manager.recordAndGetThrottleMs(CLIENT, 11 * MB);
    manager.recordAndGetThrottleMs(CLIENT, MB);
    expect(logger.entries).toEqual([
      {
        level: 'info',
        name: '',
        message: 'a client is held back by its quota',
        fields: {
          quota: 'producer_byte_rate',
          user: 'u',
          clientId: undefined,
          bound: MB,
          rate: 1_100_000,
          throttleMs: 1_000,
        },
      },
    ]);
    runtime.nowMs += 500;
    expect([...manager.usages()]).toEqual([
      {
        quota: 'producer_byte_rate',
        user: 'u',
        clientId: undefined,
        ip: undefined,
        bound: MB,
        rate: (12 * MB) / 10.5,
        throttledForMs: 1_500,
        throttleCount: 2,
      },
    ]);
  });

  it('remembers so many clients and no more, those that were here lately', () => {
    manager.update(EVERY_CLIENT_ID, MB);
    const nameOf = (i: number): string => `c${i}`;
    for (let i = 0; i < 20_100; i++) manager.record({ principal: 'User:u', clientId: nameOf(i) }, 1);
    expect([...manager.usages()]).toHaveLength(20_000);
    const large = 'x'.repeat(32_000);
    for (let i = 0; i < 200; i++) manager.record({ principal: 'User:u', clientId: `${large}${i}` }, 1);
    const ids = [...manager.usages()].map(({ clientId }) => clientId!);
    expect(ids.join('').length).toBeLessThan(4.2 * 1024 * 1024);
    expect(ids.at(-1)).toBe(`${large}199`);
    runtime.nowMs += 3_700_000;
    manager.record(CLIENT, 1);
    expect([...manager.usages()].map(({ clientId }) => clientId)).toEqual(['c']);
  });
});
