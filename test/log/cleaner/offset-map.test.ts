import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add64, type Offset } from '../../../src/base/int64.ts';
import { KeyHash } from '../../../src/log/cleaner/key-hash.ts';
import { OFFSET_MAP_ENTRY_BYTES, OffsetMap } from '../../../src/log/cleaner/offset-map.ts';

function newMap(slots: number, firstOffset: Offset = 0, entriesMax = slots - 1): OffsetMap {
  const memory = new SharedArrayBuffer(slots * OFFSET_MAP_ENTRY_BYTES);
  const state = { memory, slots, secret: [1, 2] as const, firstOffset, entries: 0, entriesMax };
  return new OffsetMap({ ...state, latestOffset: -1 });
}

function put(map: OffsetMap, key: string, offset: Offset): boolean {
  const bytes = Buffer.from(`<${key}>`);
  return map.put(bytes, 1, bytes.length - 2, offset);
}

function get(map: OffsetMap, key: string): Offset | undefined {
  const bytes = Buffer.from(key);
  return map.get(bytes, 0, bytes.length);
}

describe('KeyHash', () => {
  it('gives what the reference implementation of HalfSipHash-2-4 gives', () => {
    const secret = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]);
    const hash = new KeyHash([secret.readInt32LE(0), secret.readInt32LE(4)]);
    const found = [0, 1].map(length => {
      hash.hash(Buffer.from([0, 1, 2, 3]), 0, length);
      const result = Buffer.alloc(8);
      result.writeUInt32LE(hash.first, 0);
      result.writeUInt32LE(hash.second, 4);
      return result.toString('hex');
    });
    expect(found).toEqual(['218d1f59b9b83cc8', 'be552412f8387315']);
  });

  it('differs in all three parts for keys that differ in a bit, in length or in the secret', () => {
    const results = new Set<number>();
    let hashes = 0;
    for (const secret of [[0, 0] as const, [0, 1] as const]) {
      const hash = new KeyHash(secret);
      for (let length = 0; length <= 40; length++) {
        const key = Buffer.alloc(length);
        for (let bit = -1; bit < length * 8; bit++) {
          key.fill(0);
          if (bit >= 0) key[bit >> 3] = 1 << (bit & 7);
          hash.hash(key, 0, length);
          hashes++;
          results.add(hash.first).add(hash.second).add(hash.third);
        }
      }
    }
    // With 40,000 of 32 bits a pair or a few are equal by chance.
    expect(results.size).toBeGreaterThan(hashes * 3 - 10);
  });
});

describe('OffsetMap', () => {
  it('holds what a plain map holds, in whatever slots keys begin', () => {
    const key = fc.oneof(fc.string({ maxLength: 3 }), fc.string({ minLength: 10, maxLength: 40 }));
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 60 }),
        fc.integer({ min: 61, max: 80 }),
        fc.constantFrom<Offset>(0, 4_000_000_000, 2n ** 60n),
        (keys, slots, firstOffset) => {
          const map = newMap(slots, firstOffset);
          const model = new Map<string, Offset>();
          for (const [at, each] of keys.entries()) {
            const offset = add64(firstOffset, at * 71_000_000);
            expect(put(map, each, offset)).toBe(true);
            model.set(each, offset);
          }
          expect(map.state.entries).toBe(model.size);
          for (const [each, offset] of model) expect(get(map, each)).toBe(offset);
          expect(get(map, 'a key that no draw has')).toBeUndefined();
        },
      ),
    );
  });

  it('knows whether a key comes again later', () => {
    const map = newMap(10, 100);
    put(map, 'a', 105);
    const later = (key: string, offset: Offset): boolean => map.hasLater(Buffer.from(key), 0, 1, offset);
    expect([later('a', 50), later('a', 104), later('a', 105), later('a', 106), later('b', 50)]).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('takes no key more than it may hold, nor an offset too far from the first', () => {
    const map = newMap(10, 0, 2);
    expect([put(map, 'a', 0), put(map, 'b', 1), put(map, 'c', 2), put(map, 'a', 3)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([get(map, 'a'), get(map, 'c')]).toEqual([0, undefined]);
    map.clear();
    expect([put(map, 'a', 0xffff_fffe), put(map, 'b', 0xffff_ffff)]).toEqual([true, false]);
    expect(get(map, 'a')).toBe(0xffff_fffe);
  });
});
