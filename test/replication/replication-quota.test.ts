import { describe, expect, it } from 'vitest';
import { ReplicationQuota } from '../../src/replication/replication-quota.ts';

describe('ReplicationQuota', () => {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, wallMs: () => clock.nowMs };
  const quotaOf = (bytesPerSecond: () => number, samples = 11, sampleMs = 1_000) => {
    clock.nowMs = 0;
    return new ReplicationQuota(clock, { samples, sampleMs }, bytesPerSecond);
  };

  it('is exceeded by what is more than a sample allows, until the rate has come down', () => {
    const quota = quotaOf(() => 1_000);
    quota.record(1_000);
    expect(quota.isExceeded()).toBe(false);
    expect(quota.delayMs()).toBe(0);
    quota.record(2_000);
    expect(quota.isExceeded()).toBe(true);
    // 3000 bytes are 1000 a second after 3 s.
    expect(quota.delayMs()).toBe(2_000);
    clock.nowMs = 1_500;
    expect(quota.delayMs()).toBe(1_500);
    clock.nowMs = 3_000;
    expect(quota.isExceeded()).toBe(false);
  });

  it('holds the rate over the samples of its configuration', () => {
    const long = quotaOf(() => 1_000, 2, 10_000);
    long.record(10_000);
    expect(long.isExceeded()).toBe(false);
    long.record(1);
    expect(long.isExceeded()).toBe(true);
    const short = quotaOf(() => 1_000, 2, 1_000);
    short.record(10_000);
    // Then it is forgotten.
    expect(short.delayMs()).toBe(2_000);
    clock.nowMs = 2_000;
    expect(short.isExceeded()).toBe(false);
  });

  it('lets something through now and then where nothing is allowed, and everything where all is', () => {
    let bytesPerSecond = 0;
    const quota = quotaOf(() => bytesPerSecond);
    quota.record(1);
    expect(quota.isExceeded()).toBe(true);
    expect(quota.delayMs()).toBe(11_000);
    bytesPerSecond = Number.MAX_SAFE_INTEGER;
    quota.record(1e15);
    expect(quota.isExceeded()).toBe(false);
    expect(quota.delayMs()).toBe(0);
  });
});
