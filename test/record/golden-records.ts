import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordInput } from '../../src/record/record.ts';

/** The time that the golden records start from, as in GoldenRecords.java. */
export const GOLDEN_TIME = 1_700_000_000_000;
/** An offset, producer id and timestamp past 2^53. */
export const GOLDEN_WIDE = 2n ** 53n + 5n;

/** The batches of a fixture file by name. Every call gives buffers of its own. */
export function goldenRecords(
  file: 'golden-records' | 'golden-down-conversions',
): ReadonlyMap<string, Buffer> {
  const text = readFileSync(join(import.meta.dirname, 'fixtures', `${file}.txt`), 'utf8');
  const lines = text.split('\n').filter(line => line !== '');
  return new Map(
    lines.map(line => {
      const space = line.indexOf(' ');
      return [line.slice(0, space), Buffer.from(line.slice(space + 1), 'hex')];
    }),
  );
}

/** The records of the `small` fixtures. */
export function smallRecords(headers: boolean): RecordInput[] {
  const two = [
    { key: 'h\u00e9ader', value: Buffer.from('one') },
    { key: '', value: null },
  ];
  return [
    { timestamp: GOLDEN_TIME, key: Buffer.from('key-0'), value: Buffer.from('value-0') },
    { timestamp: GOLDEN_TIME + 1000, key: null, value: Buffer.from('value-1'), headers: headers ? two : [] },
    { timestamp: GOLDEN_TIME - 5, key: Buffer.from('key-2'), value: null },
    { timestamp: GOLDEN_TIME + 70_000, key: Buffer.from(''), value: Buffer.from('') },
    { timestamp: GOLDEN_TIME, key: Buffer.from('key-4'), value: Buffer.from('value '.repeat(50)) },
  ];
}

/** The records of the `large` fixtures: several blocks of every codec. */
export function largeRecords(): RecordInput[] {
  return Array.from({ length: 40 }, (_, i) => {
    let text = '';
    for (let line = 0; line < 200; line++) text += `line ${line % 7} of record ${i}\n`;
    return { timestamp: GOLDEN_TIME + i, key: Buffer.from(`key-${i}`), value: Buffer.from(text) };
  });
}

/** A record in a form that `toEqual` compares whole. */
export function plain(record: RecordInput): unknown {
  return {
    timestamp: record.timestamp,
    key: record.key?.toString() ?? null,
    value: record.value?.toString() ?? null,
    headers: (record.headers ?? []).map(({ key, value }) => [key, value?.toString() ?? null]),
  };
}
