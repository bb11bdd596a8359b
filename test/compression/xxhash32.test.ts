import { describe, expect, it } from 'vitest';
import { xxhash32 } from '../../src/compression/xxhash32.ts';

/** The buffer that the specification's own test vectors hash prefixes of. */
function sanityBuffer(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let generator = 2654435761n;
  for (let i = 0; i < size; i++) {
    bytes[i] = Number(generator >> 56n);
    generator = (generator * 11400714785074694797n) & 0xffff_ffff_ffff_ffffn;
  }
  return bytes;
}

describe('xxhash32', () => {
  it('gives the known hashes', () => {
    expect(xxhash32(Buffer.alloc(0))).toBe(0x02cc5d05);
    expect(xxhash32(Buffer.from('a'))).toBe(0x550d7456);
    expect(xxhash32(Buffer.from('abc'))).toBe(0x32d153ff);
    expect(xxhash32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f);
    expect(xxhash32(sanityBuffer(1))).toBe(0xcf65b03e);
    expect(xxhash32(sanityBuffer(14))).toBe(0x1208e7e2);
    expect(xxhash32(sanityBuffer(222))).toBe(0x5bd11dbd);
  });

  it('hashes a range as it hashes a copy of it', () => {
    const bytes = sanityBuffer(100);
    for (let start = 0; start < 20; start++) {
      for (let end = start; end <= 100; end += 7) {
        expect(xxhash32(bytes, start, end)).toBe(xxhash32(Buffer.from(bytes.subarray(start, end))));
      }
    }
  });
});
