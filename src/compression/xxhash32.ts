const PRIME_1 = 0x9e3779b1 | 0;
const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f | 0;
const PRIME_5 = 0x165667b1 | 0;

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function round(lane: number, word: number): number {
  return Math.imul(rotateLeft((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

/**
 * XXH32 with seed 0 of the bytes from `start` to `end` (exclusive), unsigned: the checksum inside LZ4 frames
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
 */
export function xxhash32(bytes: Buffer, start = 0, end: number = bytes.length): number {
  let position = start;
  let hash: number;
  if (end - start >= 16) {
    let a = (PRIME_1 + PRIME_2) | 0;
    let b = PRIME_2;
    let c = 0;
    let d = -PRIME_1 | 0;
    for (; position + 16 <= end; position += 16) {
      a = round(a, bytes.readInt32LE(position));
      b = round(b, bytes.readInt32LE(position + 4));
      c = round(c, bytes.readInt32LE(position + 8));
      d = round(d, bytes.readInt32LE(position + 12));
    }
    hash = (rotateLeft(a, 1) + rotateLeft(b, 7) + rotateLeft(c, 12) + rotateLeft(d, 18)) | 0;
  } else {
    hash = PRIME_5;
  }
  hash = (hash + end - start) | 0;
  for (; position + 4 <= end; position += 4) {
    hash = Math.imul(rotateLeft((hash + Math.imul(bytes.readInt32LE(position), PRIME_3)) | 0, 17), PRIME_4);
  }
  for (; position < end; position++) {
    hash = Math.imul(rotateLeft((hash + Math.imul(bytes[position]!, PRIME_5)) | 0, 11), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
