import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PersistentMap } from '../../src/base/persistent-map.ts';

/** Two strings with equal FNV-1a hashes over UTF-16 units, found by search, so that the collision node is reached. */
function collidingPair(): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const text = `k${i.toString(36)}`;
    let hash = 0x811c9dc5;
    for (let j = 0; j < text.length; j++) hash = Math.imul(hash ^ text.charCodeAt(j), 0x01000193);
    const other = seen.get(hash);
    if (other !== undefined) return [other, text];
    seen.set(hash, text);
  }
}

const [first, second] = collidingPair();
const key = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', '', first, second),
  fc.string({ maxLength: 3 }),
  fc.integer({ min: -50, max: 50 }),
  fc.constantFrom(2 ** 40, -(2 ** 40), 2n ** 60n, 2n ** 60n + 1n),
);
const step = fc.record({ key, value: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }) });

function same(map: PersistentMap<string | number | bigint, number>, model: Map<unknown, number>): void {
  expect(map.size).toBe(model.size);
  expect(new Map<unknown, number>(map)).toEqual(model);
  expect([...map.keys()]).toEqual([...map].map(([k]) => k));
  expect([...map.values()]).toEqual([...map].map(([, v]) => v));
  for (const [k, v] of model) expect(map.get(k as string)).toBe(v);
}

describe('PersistentMap', () => {
  it('behaves as a Map through any sequence of sets and deletes, and leaves older versions as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 20 }), { maxLength: 20 }), batches => {
        let map = PersistentMap.empty<string | number | bigint, number>();
        const model = new Map<string | number | bigint, number>();
        const versions: [typeof map, typeof model][] = [];
        batches.forEach((batch, i) => {
          if (i % 2 === 0) {
            for (const s of batch) map = s.value === undefined ? map.delete(s.key) : map.set(s.key, s.value);
          } else {
            map = map.mutate(draft => {
              for (const s of batch) {
                if (s.value === undefined) expect(draft.delete(s.key)).toBe(model.has(s.key));
                else draft.set(s.key, s.value);
                if (s.value === undefined) model.delete(s.key);
                else model.set(s.key, s.value);
                expect(draft.size).toBe(model.size);
                expect(draft.get(s.key)).toBe(s.value);
                expect(draft.has(s.key)).toBe(s.value !== undefined);
              }
            });
          }
          for (const s of batch) {
            if (s.value === undefined) model.delete(s.key);
            else model.set(s.key, s.value);
          }
          versions.push([map, new Map(model)]);
        });
        for (const [version, expected] of versions) same(version, expected);
      }),
      { numRuns: 150 },
    );
  });

  it('keeps two keys of one hash apart', () => {
    let map = PersistentMap.from([
      [first, 1],
      [second, 2],
    ]);
    expect([map.get(first), map.get(second), map.size]).toEqual([1, 2, 2]);
    map = map.set(second, 3);
    expect([map.get(first), map.get(second), map.size]).toEqual([1, 3, 2]);
    map = map.delete(first);
    expect([map.get(first), map.get(second), map.size]).toEqual([undefined, 3, 1]);
  });

  it('gives itself back where nothing changes', () => {
    const map = PersistentMap.from<string, number>([['a', 1]]);
    expect(map.set('a', 1)).toBe(map);
    expect(map.delete('b')).toBe(map);
    expect(map.mutate(() => {})).toBe(map);
    expect(map.delete('a')).toBe(PersistentMap.empty());
  });

  it('refuses changes to a draft that is finished', () => {
    let leaked: { set(key: string, value: number): void } | undefined;
    PersistentMap.empty<string, number>().mutate(draft => {
      leaked = draft;
    });
    expect(() => leaked?.set('a', 1)).toThrow('finished');
  });

  it('iterates in one order for the same keys, whatever order they came in', () => {
    const names = Array.from({ length: 500 }, (_, i) => `topic-${i}`);
    const forward = PersistentMap.from(names.map(n => [n, n] as const));
    const backward = PersistentMap.from(names.reverse().map(n => [n, n] as const));
    expect([...forward.keys()]).toEqual([...backward.keys()]);
    expect(forward.size).toBe(500);
  });
});
