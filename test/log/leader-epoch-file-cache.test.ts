import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CorruptCheckpointError } from '../../src/log/checkpoint-file.ts';
import { LeaderEpochFileCache } from '../../src/log/leader-epoch-file-cache.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const PATH = '/d/leader-epoch-checkpoint';

function cacheOf(...entries: [number, number][]): LeaderEpochFileCache {
  const cache = new LeaderEpochFileCache(new MemoryDisk(), PATH, false);
  for (const [epoch, startOffset] of entries) cache.assign(epoch, startOffset);
  return cache;
}

describe('LeaderEpochFileCache', () => {
  it('answers the end of an epoch, of one it lacks between two, and of none', () => {
    const cache = cacheOf([2, 10], [4, 20], [7, 30]);
    const answers = [1, 2, 3, 4, 6, 7, 8, -1].map(epoch => cache.endOffsetFor(epoch, 44));
    expect(answers.map(answer => answer && [answer.leaderEpoch, answer.offset])).toEqual([
      [1, 10],
      [2, 20],
      [2, 20],
      [4, 30],
      [4, 30],
      [7, 44],
      undefined,
      undefined,
    ]);
    expect(cacheOf().endOffsetFor(0, 5)).toBeUndefined();
    expect([9, 10, 19, 20, 99].map(offset => cache.epochForOffset(offset))).toEqual([undefined, 2, 2, 4, 7]);
  });

  it('cuts both ends with the log', () => {
    const cache = cacheOf([2, 10], [4, 20], [7, 30]);
    cache.truncateFromEnd(30);
    cache.truncateFromStart(15);
    expect(cache.entries).toEqual([
      { epoch: 2, startOffset: 15 },
      { epoch: 4, startOffset: 20 },
    ]);
    cache.truncateFromStart(25);
    expect(cache.entries).toEqual([{ epoch: 4, startOffset: 25 }]);
  });

  it('keeps epochs and offsets strictly increasing, whatever is assigned and cut, and over a file (S11)', () => {
    const step = fc.oneof(
      fc.record({ assign: fc.nat(12), at: fc.nat(40) }),
      fc.record({ end: fc.nat(40) }),
      fc.record({ start: fc.nat(40) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), steps => {
        const disk = new MemoryDisk();
        disk.makeDirectorySync('/d');
        const cache = new LeaderEpochFileCache(disk, PATH, false);
        for (const one of steps) {
          if ('assign' in one) cache.assign(one.assign, one.at);
          else if ('end' in one) cache.truncateFromEnd(one.end);
          else cache.truncateFromStart(one.start);
          for (const [i, entry] of cache.entries.entries()) {
            const before = cache.entries[i - 1];
            expect(
              before === undefined || (before.epoch < entry.epoch && before.startOffset < entry.startOffset),
            ).toBe(true);
          }
        }
        cache.persist();
        const again = new LeaderEpochFileCache(disk, PATH, disk.statSync(PATH) !== undefined);
        again.load();
        expect(again.entries).toEqual(cache.entries);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses files that are not in order', () => {
    for (const content of [
      '0\n',
      '1\n0\n',
      '0\n2\n0 0\n',
      '0\n2\n1 5\n0 9\n',
      '0\n2\n1 5\n2 5\n',
      '0\n1\n1 5 9\n',
      '0\n1\nx 5\n',
    ]) {
      const disk = new MemoryDisk();
      disk.setContent(PATH, Buffer.from(content));
      const cache = new LeaderEpochFileCache(disk, PATH, true);
      expect(() => cache.load(), JSON.stringify(content)).toThrow(CorruptCheckpointError);
      expect(cache.entries).toEqual([]);
    }
  });
});
