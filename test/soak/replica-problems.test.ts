import { describe, expect, test } from 'vitest';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { disagreement, heldBy } from './replica-problems.ts';

/** A replica with records of `[offset, key, value]`, one batch each. */
function replica(
  node: number,
  startOffset: number,
  records: readonly (readonly [number, string, string | null])[],
) {
  const batches = records.map(([baseOffset, key, value]) =>
    new RecordBatchBuilder({ baseOffset })
      .append({ timestamp: 5, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })
      .build(),
  );
  return { node, startOffset, bytes: Buffer.concat(batches) };
}

function between(
  isCompacted: boolean,
  left: readonly (readonly [number, string, string | null])[],
  right: readonly (readonly [number, string, string | null])[],
  rightStart = 0,
): string | undefined {
  return disagreement(
    heldBy(replica(1, 0, left), isCompacted),
    heldBy(replica(2, rightStart, right), isCompacted),
  );
}

describe('two replicas', () => {
  test('agree if one was cleaned or deleted from later than the other', () => {
    const all = [
      [0, 'a', '1'],
      [1, 'b', '2'],
      [2, 'b', null],
      [3, 'a', '4'],
    ] as const;
    expect(
      between(true, all, [
        [2, 'b', null],
        [3, 'a', '4'],
      ]),
    ).toBeUndefined();
    expect(between(true, all, [[3, 'a', '4']])).toBeUndefined();
    expect(
      between(
        false,
        all,
        [
          [2, 'b', null],
          [3, 'a', '4'],
        ],
        2,
      ),
    ).toBeUndefined();
  });

  test('disagree on another value, on a key that only one has, and on their ends', () => {
    const all = [
      [0, 'a', '1'],
      [1, 'b', '2'],
      [2, 'c', '3'],
    ] as const;
    expect(
      between(true, all, [
        [0, 'a', '1'],
        [1, 'b', '9'],
        [2, 'c', '3'],
      ]),
    ).toMatch(/b is '1 b 2' and '1 b 9'/);
    expect(
      between(true, all, [
        [1, 'b', '2'],
        [2, 'c', '3'],
      ]),
    ).toMatch(/a is '0 a 1' and 'undefined'/);
    expect(between(true, all, all.slice(0, 2))).toMatch(/end at 3 and 2/);
    expect(
      between(
        false,
        all,
        [
          [1, 'b', '9'],
          [2, 'c', '3'],
        ],
        1,
      ),
    ).toMatch(/1 is '1 b 2' and '1 b 9'/);
  });

  test('are not read past damage, past what is out of order, nor past a gap where nothing compacts', () => {
    const damaged = replica(1, 0, [[0, 'a', '1']]);
    damaged.bytes[damaged.bytes.length - 2]! ^= 1;
    expect(() => heldBy(damaged, true)).toThrow('wrong checksum');
    expect(() =>
      heldBy(
        replica(1, 0, [
          [1, 'a', '1'],
          [0, 'b', '2'],
        ]),
        true,
      ),
    ).toThrow('offset 0 where 2');
    expect(() =>
      heldBy(
        replica(1, 0, [
          [0, 'a', '1'],
          [2, 'b', '2'],
        ]),
        false,
      ),
    ).toThrow('offset 2 where 1');
  });
});
