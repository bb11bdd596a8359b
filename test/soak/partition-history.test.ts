import { describe, expect, test } from 'vitest';
import { PartitionHistory, type SoakRecord, type TopicPolicy } from './partition-history.ts';

const REGULAR: TopicPolicy = { isCompacted: false, isDeletedFrom: true };
const COMPACTED: TopicPolicy = { isCompacted: true, isDeletedFrom: false };

/** Records as `key=number`, `key` for a tombstone. */
function records(...texts: string[]): SoakRecord[] {
  return texts.map(text => {
    const [key = '', number] = text.split('=');
    return { key, number: number === undefined ? undefined : Number(number) };
  });
}

function at(entries: Record<number, string>): Map<number, SoakRecord> {
  return new Map(Object.entries(entries).map(([offset, text]) => [Number(offset), records(text)[0]!]));
}

/** Four records, the first of which was deleted since. */
function regular(): PartitionHistory {
  const history = new PartitionHistory('regular-0', REGULAR);
  history.takeAcknowledgement(0, records('a=1', 'b=2', 'a=3', 'c=4'));
  history.takeOffsets(0, 4);
  return history;
}

/** Six records of which three are superseded. */
function compacted(): PartitionHistory {
  const history = new PartitionHistory('compacted-0', COMPACTED);
  history.takeAcknowledgement(0, records('a=1', 'b=2', 'a=3', 'c=4', 'c', 'a=5'));
  return history;
}

describe('the history of a partition', () => {
  test('is content with what was written, read and deleted in order', () => {
    const history = regular();
    for (const [offset, record] of at({ 0: 'a=1', 1: 'b=2', 2: 'a=3' })) history.takeRead(offset, record);
    history.takeDeleted(1);
    expect(history.verdict(1, at({ 1: 'b=2', 2: 'a=3', 3: 'c=4' }))).toEqual([]);
  });

  test('is content with what compaction leaves', () => {
    expect(compacted().verdict(0, at({ 1: 'b=2', 5: 'a=5' }))).toEqual([]);
    expect(compacted().verdict(0, at({ 1: 'b=2', 4: 'c', 5: 'a=5' }))).toEqual([]);
  });

  test('is content with a later record that nobody was told of: a batch that was sent again', () => {
    expect(compacted().verdict(0, at({ 1: 'b=2', 4: 'c', 6: 'a=5' }))).toEqual([]);
  });

  test.each([
    {
      what: 'a lost record',
      end: { 1: 'b=2', 3: 'c=4' },
      start: 1,
      problem: /1 acknowledged are lost: offset 2/,
    },
    {
      what: 'another record',
      end: { 1: 'b=2', 2: 'a=9', 3: 'c=4' },
      start: 1,
      problem: /offset 2 was .* a=9/,
    },
    {
      what: 'a deleted one',
      end: { 0: 'a=1', 1: 'b=2', 2: 'a=3', 3: 'c=4' },
      start: 1,
      problem: /offset 0 is read/,
    },
    {
      what: 'one kept for ever',
      end: { 0: 'a=1', 1: 'b=2', 2: 'a=3', 3: 'c=4' },
      start: 0,
      problem: /ever deleted/,
    },
  ])('finds $what in a regular topic', ({ end, start, problem }) => {
    expect(regular().verdict(start, at(end)).join()).toMatch(problem);
  });

  test.each([
    { what: 'a lost key', end: { 5: 'a=5' }, problem: /1 acknowledged are lost: b at 1/ },
    { what: 'an older value', end: { 1: 'b=2', 2: 'a=3' }, problem: /a at 5, there is offset 2/ },
    { what: 'a key that a tombstone had deleted', end: { 1: 'b=2', 3: 'c=4', 5: 'a=5' }, problem: /c at 4/ },
    { what: 'a record at another offset', end: { 0: 'b=2', 5: 'a=5' }, problem: /offset 0 was acknowledged/ },
    {
      what: 'what was not compacted',
      end: { 0: 'a=1', 1: 'b=2', 2: 'a=3', 3: 'c=4', 4: 'c', 5: 'a=5' },
      problem: /not compacted/,
    },
  ])('finds $what in a compacted topic', ({ end, problem }) => {
    expect(compacted().verdict(0, at(end)).join()).toMatch(problem);
  });

  test('finds reads that go back, two values at one offset, and ends of the log that go back', () => {
    const history = regular();
    history.takeRead(2, records('a=3')[0]!);
    history.takeRead(1, records('b=2')[0]!);
    history.takeRead(3, records('c=5')[0]!);
    history.takeAcknowledgement(3, records('c=6'));
    history.takeOffsets(2, 4);
    history.takeOffsets(1, 3);
    expect(history.problems).toEqual([
      'regular-0: read offset 1 after 2',
      'regular-0: offset 3 was acknowledged as c=4 and read as c=5',
      'regular-0: offset 3 was acknowledged for c=4 and for c=6',
      'regular-0: offset 3 was acknowledged as c=6 and read as c=5',
      'regular-0: starts at 1, after 2',
      'regular-0: has the high watermark 3, after 4',
    ]);
  });
});
