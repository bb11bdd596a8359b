import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotRegistry } from '../../src/base/snapshot-registry.ts';
import { TimelineMap } from '../../src/base/timeline-map.ts';

function sorted<K, V>(entries: Iterable<[K, V]>): [K, V][] {
  return [...entries].sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

describe('TimelineMap', () => {
  it('reads as of a snapshot while the present goes on', () => {
    const registry = new SnapshotRegistry();
    const map = new TimelineMap<string, number>(registry);
    map.set('a', 1);
    registry.takeSnapshot(10);
    map.set('a', 2);
    map.set('b', 1);
    registry.takeSnapshot(20);
    map.delete('a');
    expect(map.get('a', 10)).toBe(1);
    expect(map.get('b', 10)).toBeUndefined();
    expect(map.get('a', 20)).toBe(2);
    expect(map.get('a')).toBeUndefined();
    expect(sorted(map.entries(10))).toEqual([['a', 1]]);
    expect(sorted(map.entries(20))).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(sorted(map.entries())).toEqual([['b', 1]]);
    expect(map.isEmpty(10)).toBe(false);
  });

  it('goes back to a snapshot more than once', () => {
    const registry = new SnapshotRegistry();
    const map = new TimelineMap<string, number>(registry);
    registry.takeSnapshot(0);
    for (const value of [1, 2]) {
      map.set('a', value);
      registry.takeSnapshot(value);
      map.set('a', value + 10);
      registry.revertTo(0);
      expect(map.size).toBe(0);
    }
  });

  it('refuses to read as of an epoch that has no snapshot', () => {
    const registry = new SnapshotRegistry();
    const map = new TimelineMap<string, number>(registry);
    registry.takeSnapshot(5);
    registry.takeSnapshot(6);
    registry.deleteBefore(6);
    expect(() => map.get('a', 5)).toThrow(/no snapshot of 5/);
    expect(() => registry.revertTo(5)).toThrow(/no snapshot of 5/);
    expect(() => registry.takeSnapshot(4)).toThrow(/snapshot 4 after 6/);
  });

  it('equals a list of copied maps, over any history', () => {
    const op = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ type: fc.constant('set' as const), key: fc.nat(5), value: fc.nat(99) }),
      },
      { weight: 3, arbitrary: fc.record({ type: fc.constant('delete' as const), key: fc.nat(5) }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant('snapshot' as const) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('revert' as const), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('forget' as const), pick: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), ops => {
        const registry = new SnapshotRegistry();
        // Two containers of one registry go together.
        const map = new TimelineMap<number, number>(registry);
        const twin = new TimelineMap<number, number>(registry);
        let model = new Map<number, number>();
        let copies: { epoch: number; map: Map<number, number> }[] = [];
        let epoch = 0;
        for (const step of ops) {
          if (step.type === 'set') {
            map.set(step.key, step.value);
            twin.set(step.key, step.value);
            model.set(step.key, step.value);
          } else if (step.type === 'delete') {
            twin.delete(step.key);
            expect(map.delete(step.key)).toBe(model.delete(step.key));
          } else if (step.type === 'snapshot') {
            registry.takeSnapshot(++epoch);
            copies.push({ epoch, map: new Map(model) });
          } else if (copies.length > 0) {
            const index = step.pick % copies.length;
            if (step.type === 'revert') {
              registry.revertTo(copies[index]!.epoch);
              copies = copies.slice(0, index + 1);
              model = new Map(copies[index]!.map);
            } else {
              registry.deleteBefore(copies[index]!.epoch);
              copies = copies.slice(index);
            }
          }
          for (const container of [map, twin]) {
            expect(sorted(container.entries())).toEqual(sorted(model.entries()));
            expect(container.size).toBe(model.size);
            for (const copy of copies) {
              expect(sorted(container.entries(copy.epoch))).toEqual(sorted(copy.map.entries()));
              for (let key = 0; key < 6; key++)
                expect(container.get(key, copy.epoch)).toBe(copy.map.get(key));
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
