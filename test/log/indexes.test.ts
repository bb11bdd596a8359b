import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileHandleCache, LogFile } from '../../src/log/file-handle-cache.ts';
import { CorruptIndexError } from '../../src/log/index-file.ts';
import { OffsetIndex } from '../../src/log/offset-index.ts';
import { TimeIndex } from '../../src/log/time-index.ts';
import { type AbortedTxn, TransactionIndex } from '../../src/log/transaction-index.ts';
import { parseLogDirectoryName } from '../../src/log/log-file-names.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const PATH = '/i/00000000000000000100.index';

function diskWith(content?: Buffer): { disk: MemoryDisk; handles: FileHandleCache } {
  const disk = new MemoryDisk();
  disk.makeDirectorySync('/i');
  if (content !== undefined) disk.setContent(PATH, content);
  return { disk, handles: new FileHandleCache(disk, 4) };
}

const gaps = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 5000 })), {
  maxLength: 80,
});

describe('OffsetIndex', () => {
  it('finds the last entry at or below an offset, also from its file, padded or not', () => {
    fc.assert(
      fc.property(gaps, fc.nat(40), (steps, padding) => {
        const { disk, handles } = diskWith();
        const index = new OffsetIndex(handles, new LogFile(handles, PATH, false), 100);
        const entries: { offset: number; position: number }[] = [];
        let offset = 100;
        let position = 0;
        for (const [offsets, bytes] of steps) {
          offset += offsets;
          position += bytes;
          index.append(offset, position);
          entries.push({ offset, position });
        }
        index.index.persist();
        disk.setContent(PATH, Buffer.concat([disk.contentOf(PATH), Buffer.alloc(padding * 8)]));
        const again = new OffsetIndex(handles, new LogFile(handles, PATH, true), 100);
        again.load(position + 1);
        for (const one of [index, again]) {
          expect(one.entries).toBe(entries.length);
          for (let at = 95; at < offset + 5; at += 3) {
            expect(one.lookup(at)).toEqual(entries.filter(entry => entry.offset <= at).at(-1));
          }
          expect(one.firstAtOrAfter(position >> 1)).toEqual(
            entries.find(entry => entry.position >= position >> 1),
          );
        }
        again.truncateTo(offset - 60);
        expect(again.entries).toBe(entries.filter(entry => entry.offset < offset - 60).length);
        again.index.persist();
        expect(disk.contentOf(PATH).length).toBe(again.entries * 8);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a size that is no multiple, entries out of order, and positions behind the log', () => {
    const entries = (...numbers: number[]) => {
      const bytes = Buffer.alloc(numbers.length * 4);
      for (const [i, number] of numbers.entries()) bytes.writeInt32BE(number, i * 4);
      return bytes;
    };
    for (const content of [
      Buffer.alloc(9, 1),
      entries(5, 10, 4, 20),
      entries(5, 10, 6, 10),
      entries(5, 1000),
      entries(-1, 10),
    ]) {
      const { handles } = diskWith(content);
      const index = new OffsetIndex(handles, new LogFile(handles, PATH, true), 100);
      expect(() => index.load(1000)).toThrow(CorruptIndexError);
    }
  });
});

describe('TimeIndex', () => {
  it('keeps only timestamps that go up, finds them again, and cuts them with the log', () => {
    const { disk, handles } = diskWith();
    const index = new TimeIndex(handles, new LogFile(handles, PATH, false), 100);
    const huge = 2n ** 62n;
    for (const [timestamp, offset] of [
      [50, 101],
      [50, 105],
      [40, 106],
      [60, 107],
      [huge, 120],
    ] as const)
      index.maybeAppend(timestamp, offset);
    index.index.persist();
    disk.setContent(PATH, Buffer.concat([disk.contentOf(PATH), Buffer.alloc(120)]));
    const again = new TimeIndex(handles, new LogFile(handles, PATH, true), 100);
    again.load();
    for (const one of [index, again]) {
      expect(one.entries).toBe(3);
      expect([49, 50, 59, 60, huge].map(target => one.lookup(target).offset)).toEqual([
        100, 101, 101, 107, 120,
      ]);
      expect(one.lastEntry()).toEqual({ timestamp: huge, offset: 120 });
    }
    again.truncateTo(107);
    expect(again.lastEntry()).toEqual({ timestamp: 50, offset: 101 });
  });
});

describe('TransactionIndex', () => {
  it('collects what overlaps, and knows when no later segment can add to it', () => {
    const { handles } = diskWith();
    const index = new TransactionIndex(handles, new LogFile(handles, PATH, false));
    index.append({ producerId: 1, firstOffset: 100, lastOffset: 110, lastStableOffset: 105 });
    index.append({ producerId: 2n ** 60n, firstOffset: 105, lastOffset: 120, lastStableOffset: 121 });
    index.index.persist();
    const again = new TransactionIndex(handles, new LogFile(handles, PATH, true));
    again.load();
    const collect = (from: number, to: number) => {
      const found: { producerId: unknown }[] = [];
      return [again.collect(from, to, found as never), found.map(txn => txn.producerId)];
    };
    expect(collect(100, 102)).toEqual([true, [1]]);
    expect(collect(108, 118)).toEqual([true, [1, 2n ** 60n]]);
    expect(collect(111, 200)).toEqual([false, [2n ** 60n]]);
  });

  it('finds by halves, and keeps, what a walk through all entries would', () => {
    fc.assert(
      fc.property(gaps, fc.nat(4_000), fc.nat(1_000), (steps, from, length) => {
        const { handles } = diskWith();
        const index = new TransactionIndex(handles, new LogFile(handles, PATH, false));
        const all: AbortedTxn[] = [];
        let end = 100;
        for (const [gap, back] of steps) {
          end += gap;
          const firstOffset = Math.max(0, end - back);
          // That of the next one that began before this ended would be lower; nothing here depends on it.
          const txn = { producerId: gap, firstOffset, lastOffset: end, lastStableOffset: end + 1 };
          index.append(txn);
          all.push(txn);
        }
        const to = from + length;
        const found: AbortedTxn[] = [];
        const complete = index.collect(from, to, found);
        const inRange = all.filter(({ lastOffset }) => lastOffset >= from);
        const last = inRange.findIndex(({ lastStableOffset }) => lastStableOffset >= to);
        const walked = last < 0 ? inRange : inRange.slice(0, last + 1);
        expect(complete).toBe(last >= 0);
        expect(found).toEqual(walked.filter(({ firstOffset }) => firstOffset < to));
        index.truncateTo(from);
        expect(index.entries).toBe(all.filter(({ lastOffset }) => lastOffset < from).length);
      }),
    );
  });
});

describe('FileHandleCache', () => {
  it('closes what was not used lately, and never what is pinned', () => {
    const { disk, handles } = diskWith();
    const files = Array.from({ length: 12 }, (_, i) => new LogFile(handles, `/i/${i}`, false));
    files[0]!.pin();
    for (const file of files) file.open();
    expect(handles.openFiles).toBeLessThanOrEqual(5);
    const handle = files[0]!.open();
    handle.writeSync([Buffer.from('x')], 0);
    files[0]!.close();
    expect(handle.sizeSync()).toBe(1);
    files[0]!.unpin();
    expect(() => handle.sizeSync()).toThrow(/EBADF/);
    for (const file of files) file.close();
    expect([handles.openFiles, disk.openHandles]).toEqual([0, 0]);
  });
});

describe('names of partition directories', () => {
  it('are told from others', () => {
    const kinds = [
      'a-0',
      'a-b-12',
      'a.b-1',
      'a-0.0123abcd-delete',
      'a-0.x-future',
      'a-0.x-stray',
      'a',
      'a-',
      '-0',
      'a-x',
      'a-99999999999',
      '__proto__-0',
    ];
    expect(kinds.map(name => parseLogDirectoryName(name)?.kind)).toEqual([
      'current',
      'current',
      'current',
      'delete',
      'future',
      'stray',
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      'current',
    ]);
    expect(parseLogDirectoryName('a-b-12')?.topicPartition).toEqual({ topic: 'a-b', partition: 12 });
  });
});
