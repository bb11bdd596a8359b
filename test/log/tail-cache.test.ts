import { describe, expect, it } from 'vitest';
import type { LogSegment } from '../../src/log/log-segment.ts';
import { TailCache } from '../../src/log/tail-cache.ts';

const segment = {} as LogSegment;
const BUDGET_BYTES = 4_000;

/** Offsets that are left in a cache when all of `buffers` were added to it, one offset each. */
function left(buffers: readonly Buffer[]): { readonly first: number; readonly bytes: number } {
  const cache = new TailCache(BUDGET_BYTES, BUDGET_BYTES);
  const log = cache.forLog();
  for (const [offset, records] of buffers.entries()) log.add(offset, offset + 1, segment, 0, records);
  return { first: buffers.findIndex((_, offset) => log.find(offset) !== -1), bytes: cache.bytes };
}

describe('TailCache', () => {
  it('keeps what it was given last, as much as its budget allows', () => {
    const own = Array.from({ length: 5 }, () => Buffer.allocUnsafeSlow(1_500));
    expect(left(own)).toEqual({ first: 3, bytes: 3_000 });
  });

  it('keeps as much whether or not small buffers happen to share the memory that Node pools', () => {
    const half = Buffer.poolSize / 2 - 1;
    const pooled = (): Buffer => Buffer.allocUnsafe(1_500);
    const together = [pooled(), pooled(), pooled(), pooled(), pooled()];
    const apart = together.map(() => {
      const records = pooled();
      // What is left of the piece is too small now: the next one is in another.
      for (let filled = 0; filled < Buffer.poolSize; filled += half) Buffer.allocUnsafe(half);
      return records;
    });
    expect(new Set(apart.map(({ buffer }) => buffer)).size).toBe(5);
    expect(left(together)).toEqual({ first: 3, bytes: 3_000 });
    expect(left(apart)).toEqual(left(together));
  });

  it('counts memory that entries share once, and copies what would keep much more alive than it holds', () => {
    const frame = Buffer.allocUnsafeSlow(3_000);
    expect(left([frame.subarray(0, 1_400), frame.subarray(1_400, 2_900)])).toEqual({
      first: 0,
      bytes: 3_000,
    });
    const large = Buffer.allocUnsafeSlow(100_000);
    expect(left([large.subarray(0, 1_400), large.subarray(1_400, 2_900)])).toEqual({
      first: 0,
      bytes: 2_900,
    });
  });
});
