import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BrokerRegistration } from '../../src/metadata/broker-registration.ts';
import { DirectoryId } from '../../src/metadata/directory-id.ts';
import { ReplicaPlacer } from '../../src/controller/replica-placer.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

function broker(
  id: number,
  rack: string | null = null,
  fenced = false,
  directories = ['d'],
): BrokerRegistration {
  return {
    id,
    epoch: 1,
    incarnationId: 'x',
    listeners: new Map(),
    supportedFeatures: new Map(),
    rack,
    fenced,
    inControlledShutdown: false,
    isMigratingZkBroker: false,
    directories,
    cordonedDirectories: null,
  };
}

function spread(counts: Iterable<number>): number {
  const all = [...counts];
  return Math.max(...all) - Math.min(...all);
}

describe('ReplicaPlacer', () => {
  it('puts replicas on different brokers and as many racks as it can, and leaders on unfenced brokers', () => {
    const brokers = fc.array(
      fc.record({ rack: fc.constantFrom(null, 'a', 'b', 'c'), fenced: fc.boolean() }),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(
        brokers,
        fc.integer({ min: 1, max: 8 }),
        fc.nat(20),
        fc.nat(),
        (rows, factor, partitionCount, seed) => {
          const all = rows.map((row, i) => broker(i, row.rack, row.fenced));
          fc.pre(factor <= all.length && all.some(each => !each.fenced));
          const placer = new ReplicaPlacer(new ManualRuntime({ seed }).random);
          const placed = placer.place(all, { partitionCount, replicationFactor: factor });
          expect(placed).toHaveLength(partitionCount);
          const racks = new Set(all.map(each => each.rack)).size;
          for (const { replicas } of placed) {
            expect(new Set(replicas).size).toBe(factor);
            expect(all[replicas[0]!]!.fenced).toBe(false);
            const used = new Set(replicas.map(id => all[id]!.rack)).size;
            expect(used).toBeGreaterThanOrEqual(
              Math.min(factor, racks) - (all.some(each => each.fenced) ? 1 : 0),
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each([
    [1, 6, 3],
    [2, 4, 2],
    [3, 6, 3],
    [2, 4, 3],
    [3, 6, 1],
  ])(
    'spreads leaders and replicas evenly over %i racks of %i brokers with factor %i',
    (racks, count, factor) => {
      const all = Array.from({ length: count }, (_, i) => broker(i, `r${i % racks}`));
      const placed = new ReplicaPlacer(new ManualRuntime().random).place(all, {
        partitionCount: 60,
        replicationFactor: factor,
      });
      const leaders = new Map(all.map(each => [each.id, 0]));
      const replicas = new Map(all.map(each => [each.id, 0]));
      for (const assignment of placed) {
        leaders.set(assignment.replicas[0]!, leaders.get(assignment.replicas[0]!)! + 1);
        for (const id of assignment.replicas) replicas.set(id, replicas.get(id)! + 1);
        expect(new Set(assignment.replicas.map(id => id % racks)).size).toBe(Math.min(racks, factor));
      }
      expect(spread(leaders.values())).toBe(0);
      expect(spread(replicas.values())).toBeLessThanOrEqual(2);
    },
  );

  it('names the directory where there is only one to choose', () => {
    const placed = new ReplicaPlacer(new ManualRuntime().random).place(
      [broker(1, null, false, []), broker(2, null, false, ['d']), broker(3, null, false, ['d', 'e'])],
      { partitionCount: 1, replicationFactor: 3 },
    );
    const { replicas, directories } = placed[0]!;
    const byBroker = new Map(replicas.map((id, i) => [id, directories[i]]));
    expect(byBroker).toEqual(
      new Map([
        [1, DirectoryId.MIGRATING],
        [2, 'd'],
        [3, DirectoryId.UNASSIGNED],
      ]),
    );
  });

  it.each<[string, BrokerRegistration[], number, string]>([
    ['no replicas', [broker(1)], 0, 'not positive'],
    ['more replicas than brokers', [broker(1)], 2, 'only 1 broker'],
    ['only fenced brokers', [broker(1, null, true)], 1, 'all brokers are fenced'],
  ])('refuses %s', (_what, brokers, replicationFactor, message) => {
    const placer = new ReplicaPlacer(new ManualRuntime().random);
    expect(() => placer.place(brokers, { partitionCount: 1, replicationFactor })).toThrow(message);
  });

  it('gives nothing new to brokers that are about to stop, or whose directories are all cordoned', () => {
    const brokers = [
      broker(1),
      { ...broker(2), inControlledShutdown: true },
      { ...broker(3, null, false, ['a', 'b']), cordonedDirectories: ['a', 'b'] },
      { ...broker(4, null, false, ['a', 'b']), cordonedDirectories: ['a'] },
    ];
    const placer = new ReplicaPlacer(new ManualRuntime().random);
    for (const { replicas } of placer.place(brokers, { partitionCount: 10, replicationFactor: 2 })) {
      expect([...replicas].sort()).toEqual([1, 4]);
    }
    expect(() => placer.place(brokers, { partitionCount: 1, replicationFactor: 3 })).toThrow('only 2 broker');
  });
});
