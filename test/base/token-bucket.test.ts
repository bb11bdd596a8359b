import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../src/base/token-bucket.ts';

/* 5 tokens a second, kept for 100 s. The numbers are those of KIP-599. */
const WINDOW = { samples: 100, sampleMs: 1_000 };

describe('TokenBucket', () => {
  it('gives what it has and more, and then wants its debt paid', () => {
    const bucket = new TokenBucket(WINDOW);
    bucket.record(500, 0, 5);
    expect(bucket.throttleMs(5, 0)).toBe(0);
    bucket.record(60, 0, 5);
    expect(bucket.throttleMs(5, 0)).toBe(12_000);
    expect(bucket.throttleMs(5, 11_999)).toBe(1);
    expect(bucket.throttleMs(5, 12_000)).toBe(0);
    bucket.record(1, 12_000, 5);
    expect(bucket.throttleMs(5, 12_000)).toBe(200);
  });

  it('keeps no more than the window', () => {
    const bucket = new TokenBucket(WINDOW);
    bucket.record(0, 1_000_000, 5);
    bucket.record(501, 9_000_000, 5);
    expect(bucket.throttleMs(5, 9_000_000)).toBe(200);
    bucket.record(-2_000, 9_000_000, 5);
    bucket.record(501, 9_000_000, 5);
    expect(bucket.throttleMs(5, 9_000_000)).toBe(200);
  });

  it('goes by another rate at once', () => {
    const bucket = new TokenBucket(WINDOW);
    bucket.record(600, 0, 5);
    expect(bucket.throttleMs(5, 0)).toBe(20_000);
    expect(bucket.throttleMs(50, 0)).toBe(2_000);
    bucket.record(0, 1_000, 50);
    // 100 owed, less the 50 that came.
    expect(bucket.throttleMs(5, 1_000)).toBe(10_000);
  });
});
