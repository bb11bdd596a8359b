import { beforeEach, describe, expect, it } from 'vitest';
import { LimitedLogger, MemoryLogger } from '../../../src/base/logger.ts';
import { ConnectionRates, type ConnectionRateLimits } from '../../../src/server/quotas/connection-rates.ts';
import { connectionRateLimits } from '../../../src/server/listener-limits.ts';
import { brokerConfig } from '../../support/broker-config.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';

const UNLIMITED = Number.POSITIVE_INFINITY;

describe('ConnectionRates', () => {
  let runtime: ManualRuntime;
  let logger: MemoryLogger;
  const ratesOf = (limits: Partial<ConnectionRateLimits> = {}): ConnectionRates =>
    new ConnectionRates(
      runtime.clock,
      new LimitedLogger(logger, () => runtime.nowMs, 1_000),
      { samples: 11, sampleMs: 1_000 },
      { node: UNLIMITED, listeners: new Map(), protectedListener: undefined, ...limits },
    );
  const times = (count: number, act: () => number): number[] => Array.from({ length: count }, act);

  beforeEach(() => {
    runtime = new ManualRuntime();
    logger = new MemoryLogger();
  });

  it('let in what the window has room for, and delay what is more', () => {
    const rates = ratesOf({ node: 2 });
    expect(times(20, () => rates.recordAndGetDelayMs('A'))).toEqual(Array(20).fill(0));
    // 21 in 10 s are 0.1 a second too many: 0.1 / 2 * 10 s.
    expect(rates.recordAndGetDelayMs('A')).toBe(500);
    expect(rates.recordAndGetDelayMs('A')).toBe(1_000);
    // No longer than a sample.
    expect(rates.recordAndGetDelayMs('A')).toBe(1_000);
  });

  it('take the longer of the delays of the node and of the listener', () => {
    const rates = ratesOf({
      node: 4,
      listeners: new Map([
        ['A', 2],
        ['B', UNLIMITED],
      ]),
    });
    times(20, () => rates.recordAndGetDelayMs('A'));
    expect(rates.recordAndGetDelayMs('A')).toBe(500);
    times(19, () => rates.recordAndGetDelayMs('B'));
    expect(rates.recordAndGetDelayMs('B')).toBe(250);
  });

  it('keep the listener of the brokers apart from what clients do', () => {
    const rates = ratesOf({ node: 1, listeners: new Map([['INTERNAL', 3]]), protectedListener: 'INTERNAL' });
    times(40, () => rates.recordAndGetDelayMs('CLIENTS'));
    expect(times(30, () => rates.recordAndGetDelayMs('INTERNAL'))).toEqual(Array(30).fill(0));
    expect(rates.recordAndGetDelayMs('INTERNAL')).toBeGreaterThan(0);
  });

  it('hold an address to its own limit, or to that of every address', () => {
    const rates = ratesOf();
    const from = (ip: string): number => rates.recordIpAndGetThrottleMs('A', ip);
    expect(rates.isEnabled).toBe(false);
    expect(from('10.0.0.1')).toBe(0);
    rates.update(null, 1);
    rates.update('10.0.0.2', 2);
    expect(rates.isEnabled).toBe(true);
    expect(times(11, () => from('10.0.0.1')).at(-1)).toBe(1_000);
    expect(times(21, () => from('10.0.0.2')).at(-1)).toBe(500);
    expect(from('10.0.0.3')).toBe(0);
    expect([...rates.usages()]).toMatchObject([
      { quota: 'connection_creation_rate', ip: '10.0.0.1', bound: 1, rate: 1, throttledForMs: 1_000 },
      { ip: '10.0.0.2', bound: 2, rate: 2, throttleCount: 1 },
      { ip: '10.0.0.3', bound: 1, throttleCount: 0 },
    ]);
    rates.update('10.0.0.2', null);
    rates.update(null, null);
    expect(rates.isEnabled).toBe(false);
    expect(from('10.0.0.1')).toBe(0);
  });

  it('count a connection that is not let in nowhere', () => {
    const rates = ratesOf({ node: 2 });
    rates.update('10.0.0.1', 1);
    const both = (): number[] => [
      rates.recordAndGetDelayMs('A'),
      rates.recordIpAndGetThrottleMs('A', '10.0.0.1'),
    ];
    for (let i = 0; i < 10; i++) expect(both()).toEqual([0, 0]);
    for (let i = 0; i < 100; i++) expect(both()).toEqual([0, 1_000]);
  });

  it.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['10.1.2.3', '::ffff:a01:203'],
    ['fe80::1', 'fe80::1%eth0'],
  ])('know %s and %s for one address', (configured, remote) => {
    const rates = ratesOf();
    rates.update(configured, 1);
    expect(times(11, () => rates.recordIpAndGetThrottleMs('A', remote)).at(-1)).toBe(1_000);
  });

  it('come from the configuration, with values of single listeners', () => {
    expect(connectionRateLimits(brokerConfig())).toEqual({
      node: UNLIMITED,
      listeners: new Map([
        ['PLAINTEXT', UNLIMITED],
        ['C', UNLIMITED],
      ]),
      protectedListener: undefined,
    });
    const lines = 'max.connection.creation.rate=50\nlistener.name.plaintext.max.connection.creation.rate=20';
    expect(connectionRateLimits(brokerConfig(lines))).toMatchObject({
      node: 50,
      listeners: new Map([
        ['PLAINTEXT', 20],
        ['C', 50],
      ]),
    });
  });
});
