import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add64,
  diff64,
  INT64_MAX,
  INT64_MIN,
  type Int64,
  parseInt64,
  readInt64,
  sub64,
  toInt64,
  writeInt64,
} from '../../src/base/int64.ts';

const wide = fc.bigInt({ min: INT64_MIN, max: INT64_MAX });
const nearEdges = fc.oneof(
  wide,
  fc.bigInt({ min: -(2n ** 53n) - 3n, max: -(2n ** 53n) + 3n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
  fc.bigInt({ min: -300n, max: 300n }),
);

function isCanonical(value: Int64): boolean {
  return typeof value === 'number'
    ? Number.isSafeInteger(value)
    : !Number.isSafeInteger(Number(value)) || BigInt(Number(value)) !== value;
}

describe('a 64-bit integer', () => {
  it('comes back from 8 bytes as it was written, in canonical form', () => {
    const bytes = Buffer.alloc(8);
    fc.assert(
      fc.property(nearEdges, value => {
        writeInt64(bytes, 0, toInt64(value));
        expect(bytes.readBigInt64BE()).toBe(value);
        const read = readInt64(bytes, 0);
        expect(BigInt(read)).toBe(value);
        expect(isCanonical(read)).toBe(true);
      }),
    );
  });

  it('adds and subtracts exactly, and refuses to overflow', () => {
    fc.assert(
      fc.property(nearEdges, nearEdges, (a, b) => {
        for (const [operation, exact] of [
          [add64, a + b],
          [sub64, a - b],
        ] as const) {
          if (exact > INT64_MAX || exact < INT64_MIN) {
            expect(() => operation(toInt64(a), toInt64(b))).toThrow(RangeError);
          } else {
            const result = operation(toInt64(a), toInt64(b));
            expect(BigInt(result)).toBe(exact);
            expect(isCanonical(result)).toBe(true);
          }
        }
      }),
    );
  });

  it('gives small distances between large values as a number', () => {
    expect(diff64(2n ** 60n + 7n, 2n ** 60n)).toBe(7);
    expect(diff64(5, 7)).toBe(-2);
  });

  it('is parsed from decimal text within 64 bits only', () => {
    expect(parseInt64('9223372036854775807')).toBe(INT64_MAX);
    expect(parseInt64('-9223372036854775808')).toBe(INT64_MIN);
    expect(parseInt64('9223372036854775808')).toBeUndefined();
    expect(parseInt64('+12')).toBe(12);
    expect(parseInt64('1e3')).toBeUndefined();
    expect(parseInt64('')).toBeUndefined();
  });
});
