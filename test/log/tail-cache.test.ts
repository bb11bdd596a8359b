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

/** The objects of a set that can be come to from `root`. */
function keptBy(root: object, wanted: ReadonlySet<object>): object[] {
  const seen = new Set<object>([root]);
  for (const each of seen) {
    if (ArrayBuffer.isView(each)) continue;
    const next = each instanceof Map ? [...each.keys(), ...each.values()] : Object.values(each);
    for (const value of next) if (typeof value === 'object' && value !== null) seen.add(value);
  }
  return [...wanted].filter(each => seen.has(each));
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

  it('keeps no segment alive of which it has dropped the records', () => {
    const cache = new TailCache(BUDGET_BYTES, BUDGET_BYTES);
    const log = cache.forLog();
    const segments = Array.from({ length: 100 }, (_, offset) => {
      const each = { baseOffset: offset } as LogSegment;
      log.add(offset, offset + 1, each, 0, Buffer.allocUnsafeSlow(1_500));
      return each;
    });
    expect(keptBy(log, new Set(segments))).toEqual(segments.slice(-2));
    expect(keptBy(cache, new Set(segments))).toEqual(segments.slice(-2));
  });

  it('keeps nothing of what a busy log has dropped while a log with older records is idle', () => {
    const cache = new TailCache(1_000_000, BUDGET_BYTES);
    const idle = cache.forLog();
    const busy = cache.forLog();
    const first = {} as LogSegment;
    idle.add(7, 8, first, 0, Buffer.allocUnsafeSlow(100));
    const segments = Array.from({ length: 100 }, (_, offset) => {
      const each = { baseOffset: offset } as LogSegment;
      busy.add(offset, offset + 1, each, 0, Buffer.allocUnsafeSlow(1_500));
      return each;
    });
    expect(cache.bytes).toBe(3_100);
    expect(keptBy(cache, new Set([first, ...segments]))).toEqual([first, ...segments.slice(-2)]);
    busy.clear();
    expect([cache.bytes, idle.find(7), busy.find(99)]).toEqual([100, 0, -1]);
    busy.add(100, 101, first, 0, Buffer.allocUnsafeSlow(200));
    idle.clear();
    expect([cache.bytes, idle.find(7), busy.find(100)]).toEqual([200, -1, 0]);
  });
});
