import { describe, expect, test } from 'vitest';
import { ClientHistory, type ClientName } from './client-history.ts';
import type { LogContents } from './replicas.ts';
import { problemsIn } from './verdict.ts';

/** A history of one partition from the lines of a program, one ms apart. */
function historyOf(client: ClientName, ...lines: string[]): ClientHistory {
  const history = new ClientHistory(client, 1);
  for (const [index, line] of lines.entries()) history.take(line.replaceAll(' ', '\t'), index);
  return history;
}

function logOf(...values: string[]): LogContents[] {
  return [{ values, batchOf: offset => `batch ${offset}` }];
}

const ACKED = ['acked 0 0 0', 'acked 0 1 1', 'acked 0 2 2', 'sent 3'];
const READ = ['read 0 0 0', 'read 0 1 1', 'read 0 2 2'];

describe('the verdict on a log', () => {
  test('is empty when everything is there once, in order and as read', () => {
    expect(problemsIn(historyOf('java', ...ACKED, ...READ), logOf('0', '1', '2'))).toEqual([]);
  });

  test.each([
    ['a record that was acknowledged and is gone', ACKED, ['0', '1'], /2 at 0\/2, there is undefined/],
    ['another record at the offset', ACKED, ['0', '2', '1'], /1 at 0\/1, there is 2/],
    ['a record that is there twice', ACKED, ['0', '1', '2', '2'], /2 at 3 and 2/],
    ['records out of order', ['acked 0 -1 0', 'acked 0 -1 1', 'sent 2'], ['1', '0'], /0 at 1 behind 1/],
    ['a record that nobody sent', ACKED, ['0', '1', '2', '3'], /the logs hold 4 records, 3 were sent/],
    ['a record without an answer', ['acked 0 0 0', 'sent 2'], ['0', '1'], /1 of 2 sends were acknowledged/],
    [
      'an acknowledgement without an offset and without a record',
      ['acked 0 -1 7', 'sent 1'],
      ['0'],
      /7 at 0\/-1/,
    ],
  ])('names %s', (_, lines, values, problem) => {
    expect(problemsIn(historyOf('java', ...lines), logOf(...values)).join('\n')).toMatch(problem);
  });

  test('names a record that the consumer read otherwise', () => {
    const history = historyOf('java', ...ACKED, 'read 0 0 0', 'read 0 1 9');
    expect(problemsIn(history, logOf('0', '1', '2')).join('\n')).toMatch(/offset 1: read 9, in the log 1/);
  });

  test('names a record that was read behind the end of the log', () => {
    const history = historyOf('java', ...ACKED, ...READ, 'read 0 3 7');
    expect(problemsIn(history, logOf('0', '1', '2')).join('\n')).toMatch(
      /offset 3: read 7, in the log undefined/,
    );
  });

  test('lets a producer without idempotence write twice, and still names what it lost', () => {
    const lines = ['acked 0 1 0', 'acked 0 2 1', 'sent 2', 'read 0 0 0', 'read 0 1 0', 'read 0 2 1'];
    expect(problemsIn(historyOf('kafkajs', ...lines), logOf('0', '0', '1'))).toEqual([]);
    expect(problemsIn(historyOf('kafkajs', ...lines), logOf('0', '0')).join('\n')).toMatch(/1 at 0\/2/);
  });
});

describe('the history of a client', () => {
  test('takes reading again from the committed offset on for right', () => {
    const lines = [...READ, 'committed 0 2', 'read 0 2 2'];
    expect(historyOf('java', ...lines).problems).toEqual([]);
  });

  test.each([
    ['a skipped record', ['read 0 0 0', 'read 0 2 2'], /read 2 where 1 was due/],
    [
      'reading again what was committed',
      [...READ, 'committed 0 2', 'read 0 1 1'],
      /read 1 again, 2 was committed/,
    ],
    [
      'a leap over records that were read before',
      [...READ, 'read 0 0 0', 'read 0 2 2'],
      /read 2 where 1 was due/,
    ],
    ['another record at an offset', [...READ, 'read 0 1 5'], /offset 1: read 1, later 5/],
    ['a commit that goes back', ['committed 0 5', 'committed 0 4'], /4 was committed after 5/],
    ['a failed send', ['failed 3 timeout'], /the send of 3 failed/],
  ])('names %s', (_, lines, problem) => {
    expect(historyOf('java', ...lines).problems.join('\n')).toMatch(problem);
  });

  test('lets kafkajs, which commits beside its reading, leap over what it has read and go back behind a commit', () => {
    const lines = [...READ, 'committed 0 2', 'read 0 1 1', 'read 0 0 0', 'read 0 2 2'];
    expect(historyOf('kafkajs', ...lines).problems).toEqual([]);
    expect(historyOf('kafkajs', 'read 0 0 0', 'read 0 2 2').problems).toHaveLength(1);
  });

  test('names a kafkajs that goes back behind what was committed long ago', () => {
    const history = historyOf('kafkajs', ...READ, 'committed 0 2');
    history.take('read\t0\t0\t0', 10_000);
    expect(history.problems).toEqual([]);
    history.take('read\t0\t0\t0', 20_000);
    expect(history.problems.join('\n')).toMatch(/read 0 again, 2 was committed/);
  });

  test('tells the longest silence of a span, across its start and up to its end', () => {
    const history = new ClientHistory('java', 1);
    for (const time of [0, 10, 50, 60]) history.take('acked\t0\t0\t0', time);
    expect(history.longestSilence(5, 55)).toBe(40);
    expect(history.longestSilence(20, 45)).toBe(25);
    expect(history.longestSilence(55, 200)).toBe(140);
    expect(history.silentSince(60)).toEqual([0]);
    expect(history.silentSince(59)).toEqual([]);
  });
});
