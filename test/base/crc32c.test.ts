import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChecksumImplementations,
  crc32,
  crc32c,
  crc32cImplementations,
  crc32Implementations,
} from '../../src/base/crc32c.ts';

const CHECK = Buffer.from('123456789');

function agree({ portable, native }: ChecksumImplementations, chosen: (bytes: Buffer) => number): void {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.uint8Array({ minLength: 250, maxLength: 2000, size: 'max' }),
  );
  fc.assert(
    fc.property(bytes, fc.nat(9), (array, shift) => {
      const view = Buffer.concat([Buffer.alloc(shift), array]).subarray(shift);
      const expected = portable(view);
      expect(chosen(view)).toBe(expected);
      if (native !== undefined) expect(native(view)).toBe(expected);
    }),
    { numRuns: 200 },
  );
}

describe('crc32c', () => {
  it('gives the check value of the Castagnoli polynomial', () => {
    expect(crc32c(CHECK)).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });

  it('is the same in both implementations', () => agree(crc32cImplementations, crc32c));

  it('looks at the given range only', () => {
    expect(crc32c(Buffer.from('xx123456789y'), 2, 11)).toBe(0xe3069283);
  });
});

describe('crc32', () => {
  it('gives the check value of the IEEE polynomial', () => {
    expect(crc32(CHECK)).toBe(0xcbf43926);
    expect(crc32(CHECK)).toBe(zlibCrc32(CHECK));
  });

  it('is the same in both implementations', () => agree(crc32Implementations, crc32));
});
