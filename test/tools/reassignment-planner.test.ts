import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlannedBroker, PlannedPartition } from '../../src/tools/admin/placement.ts';
import {
  PlanError,
  type PlannedChange,
  planDecommission,
  planRebalance,
} from '../../src/tools/admin/reassignment-planner.ts';

interface Cluster {
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
}

/** Any placement of some topics, with racks of equal size, or without racks. */
function clusters(replicationFactor?: number): fc.Arbitrary<Cluster> {
  return fc
    .record({
      racks: fc.integer({ min: 1, max: 3 }),
      perRack: fc.integer({ min: 1, max: 4 }),
      hasRacks: fc.boolean(),
      topics: fc.array(
        fc.record({
          factor: fc.integer({ min: 1, max: 4 }),
          seeds: fc.array(fc.infiniteStream(fc.nat()), { minLength: 1, maxLength: 12 }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
    })
    .map(({ racks, perRack, hasRacks, topics }) => {
      const brokers = Array.from({ length: racks * perRack }, (_, index) => ({
        id: index + 1,
        rack: hasRacks ? `rack-${index % racks}` : null,
      }));
      const partitions = topics.flatMap(({ factor, seeds }, topic) =>
        seeds.map((stream, partition) => {
          const left = brokers.map(({ id }) => id);
          const wanted = Math.min(replicationFactor ?? factor, left.length);
          const replicas = Array.from(
            { length: wanted },
            () => left.splice(stream.next().value % left.length, 1)[0]!,
          );
          return { topic: `topic-${topic}`, partition, replicas, bytes: stream.next().value % 1000 };
        }),
      );
      return { brokers, partitions };
    });
}

function apply(partitions: readonly PlannedPartition[], plan: readonly PlannedChange[]): PlannedPartition[] {
  const to = new Map(plan.map(change => [`${change.topic}-${change.partition}`, change.to]));
  return partitions.map(each => ({
    ...each,
    replicas: to.get(`${each.topic}-${each.partition}`) ?? each.replicas,
  }));
}

function tally(brokers: readonly PlannedBroker[], ids: readonly number[]): number[] {
  return brokers.map(({ id }) => ids.filter(each => each === id).length);
}

const replicaCounts = ({ brokers, partitions }: Cluster): number[] =>
  tally(
    brokers,
    partitions.flatMap(({ replicas }) => replicas),
  );
const leaderCounts = ({ brokers, partitions }: Cluster): number[] =>
  tally(
    brokers,
    partitions.map(({ replicas }) => replicas[0]!),
  );
const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function racksOf(brokers: readonly PlannedBroker[], replicas: readonly number[]): number {
  return new Set(replicas.map(id => brokers.find(broker => broker.id === id)!.rack)).size;
}

function copies(plan: readonly PlannedChange[]): number {
  return sum(plan.map(({ from, to }) => to.filter(id => !from.includes(id)).length));
}

describe('the plan of a rebalance', () => {
  test('keeps every partition whole: as many replicas as before, each on another broker', () => {
    fc.assert(
      fc.property(clusters(), ({ brokers, partitions }) => {
        const after = apply(partitions, planRebalance(brokers, partitions));
        after.forEach(({ replicas }, index) => {
          expect(replicas.length).toBe(partitions[index]!.replicas.length);
          expect(new Set(replicas).size).toBe(replicas.length);
        });
      }),
    );
  });

  test('leaves brokers with equal numbers of replicas, give or take one', () => {
    fc.assert(
      fc.property(clusters(), ({ brokers, partitions }) => {
        const after = apply(partitions, planRebalance(brokers, partitions));
        expect(spread(replicaCounts({ brokers, partitions: after }))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('leaves brokers with equal numbers of leaders, give or take one, where partitions have equal numbers of replicas', () => {
    const anyFactor = fc.integer({ min: 1, max: 4 }).chain(factor => clusters(factor));
    fc.assert(
      fc.property(anyFactor, ({ brokers, partitions }) => {
        const after = apply(partitions, planRebalance(brokers, partitions));
        expect(spread(leaderCounts({ brokers, partitions: after }))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('puts every partition on as many racks as it can be', () => {
    fc.assert(
      fc.property(clusters(), ({ brokers, partitions }) => {
        const after = apply(partitions, planRebalance(brokers, partitions));
        const racks = new Set(brokers.map(({ rack }) => rack)).size;
        for (const { replicas } of after) {
          expect(racksOf(brokers, replicas)).toBe(Math.min(racks, replicas.length));
        }
      }),
    );
  });

  test('moves nothing when it is carried out and asked for again', () => {
    fc.assert(
      fc.property(clusters(), ({ brokers, partitions }) => {
        const after = apply(partitions, planRebalance(brokers, partitions));
        expect(planRebalance(brokers, after)).toEqual([]);
      }),
    );
  });

  test('copies no replica that could have stayed: with one replica each, only what is above the even share moves', () => {
    fc.assert(
      fc.property(clusters(1), ({ brokers, partitions }) => {
        const counts = replicaCounts({ brokers, partitions });
        const share = Math.floor(partitions.length / brokers.length);
        const larger = partitions.length % brokers.length;
        const sorted = [...counts].sort((a, b) => b - a);
        const needed = sum(sorted.map((count, at) => Math.max(0, count - share - (at < larger ? 1 : 0))));
        expect(copies(planRebalance(brokers, partitions))).toBe(needed);
      }),
    );
  });

  test('fills a broker that is new from all others', () => {
    const partitions = Array.from({ length: 24 }, (_, partition) => ({
      topic: 'events',
      partition,
      replicas: [1, 2, 3].map((_, at) => ((partition + at) % 3) + 1),
      bytes: 10,
    }));
    const brokers = [1, 2, 3, 4].map(id => ({ id, rack: null }));
    const plan = planRebalance(brokers, partitions);
    expect(copies(plan)).toBe(18);
    const after = { brokers, partitions: apply(partitions, plan) };
    expect(replicaCounts(after)).toEqual([18, 18, 18, 18]);
    expect(leaderCounts(after)).toEqual([6, 6, 6, 6]);
    expect(sum(plan.map(({ bytes }) => bytes))).toBe(180);
  });

  test('evens out a rack of one broker as far as it goes: it holds one replica of each partition', () => {
    const brokers = [
      { id: 1, rack: 'a' },
      { id: 2, rack: 'b' },
      { id: 3, rack: 'b' },
    ];
    const partitions = Array.from({ length: 8 }, (_, partition) => ({
      topic: 'events',
      partition,
      replicas: [2, 3],
      bytes: 1,
    }));
    const after = { brokers, partitions: apply(partitions, planRebalance(brokers, partitions)) };
    expect(replicaCounts(after)).toEqual([8, 4, 4]);
  });

  test('is made in seconds for 10,000 partitions and a broker that is new', () => {
    const brokers = Array.from({ length: 7 }, (_, index) => ({ id: index + 1, rack: null }));
    const partitions = Array.from({ length: 10_000 }, (_, index) => ({
      topic: `topic-${index % 100}`,
      partition: Math.floor(index / 100),
      replicas: [0, 1, 2].map(at => ((index + at) % 6) + 1),
      bytes: index,
    }));
    const after = { brokers, partitions: apply(partitions, planRebalance(brokers, partitions)) };
    expect(spread(replicaCounts(after))).toBeLessThanOrEqual(1);
  });

  test('says which broker is not there', () => {
    const partitions = [{ topic: 'events', partition: 3, replicas: [1, 9], bytes: 1 }];
    expect(() => planRebalance([{ id: 1, rack: null }], partitions)).toThrow(
      /events-3 has a replica on broker 9, which is not running/,
    );
  });
});

describe('the plan of a decommission', () => {
  test('empties the broker and moves nothing else', () => {
    fc.assert(
      fc.property(clusters(), ({ brokers, partitions }) => {
        const [leaving, ...others] = brokers;
        fc.pre(partitions.every(({ replicas }) => replicas.length <= others.length));
        const plan = planDecommission(leaving!, others, partitions);
        for (const { from, to } of plan) {
          expect(from).toContain(leaving!.id);
          expect(to).not.toContain(leaving!.id);
          expect(to.filter(id => !from.includes(id)).length).toBe(1);
          expect(new Set(to).size).toBe(from.length);
        }
        const after = apply(partitions, plan);
        expect(after.flatMap(({ replicas }) => replicas)).not.toContain(leaving!.id);
      }),
    );
  });

  test('keeps as many racks as there are without the broker', () => {
    fc.assert(
      fc.property(clusters(), ({ brokers, partitions }) => {
        const [leaving, ...others] = brokers;
        fc.pre(partitions.every(({ replicas }) => replicas.length <= others.length));
        const racks = new Set(others.map(({ rack }) => rack)).size;
        for (const { from, to } of planDecommission(leaving!, others, partitions)) {
          const kept = racksOf(
            others,
            from.filter(id => id !== leaving!.id),
          );
          expect(racksOf(others, to)).toBe(Math.min(racks, kept + 1));
        }
      }),
    );
  });

  test('spreads what moves over the brokers that stay', () => {
    const brokers = [1, 2, 3, 4].map(id => ({ id, rack: null }));
    const partitions = Array.from({ length: 12 }, (_, partition) => ({
      topic: 'events',
      partition,
      replicas: [4],
      bytes: 5,
    }));
    const plan = planDecommission(brokers[3]!, brokers.slice(0, 3), partitions);
    expect(replicaCounts({ brokers, partitions: apply(partitions, plan) })).toEqual([4, 4, 4, 0]);
  });

  test('refuses when the replication factor cannot be kept', () => {
    const brokers = [1, 2, 3].map(id => ({ id, rack: null }));
    const partitions = [{ topic: 'events', partition: 0, replicas: [1, 2, 3], bytes: 1 }];
    const plan = (): unknown => planDecommission(brokers[0]!, brokers.slice(1), partitions);
    expect(plan).toThrow(PlanError);
    expect(plan).toThrow(/events-0 has 3 replicas and 2 other brokers are running: without broker 1/);
  });
});
