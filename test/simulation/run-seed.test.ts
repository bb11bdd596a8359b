import { describe, expect, test } from 'vitest';
import { runSeed } from './run-seed.ts';
import { SimRandom } from './sim-random.ts';
import { World } from './world.ts';
import { drawOptions, FAULTS, type WorldOptions } from './world-options.ts';

/** What a seed draws, made small: the first node alone, a second, and no faults. */
function aloneFor(seed: number): WorldOptions {
  const options = drawOptions(new SimRandom(seed));
  return {
    ...options,
    nodes: [{ ...options.nodes[0]!, isBroker: true, isController: true }],
    replicationFactor: 1,
    minInsyncReplicas: 1,
    safetyMs: 1_000,
    faults: new Set(),
    properties: new Map([
      ...options.properties,
      ['min.insync.replicas', '1'],
      ['default.replication.factor', '1'],
      ['offsets.topic.replication.factor', '1'],
      ['transaction.state.log.replication.factor', '1'],
      ['transaction.state.log.min.isr', '1'],
    ]),
  };
}

describe('a seed', () => {
  test('does the same when it runs again', { timeout: 120_000 }, async () => {
    // All that the seed draws, but a shorter time of faults.
    const run = (seed: number) =>
      runSeed(seed, { world: { ...drawOptions(new SimRandom(seed)), safetyMs: 2_500 } });
    const first = await run(5);
    const again = await run(5);
    const other = await run(6);
    expect(again.digest).toBe(first.digest);
    expect(again.timeline).toEqual(first.timeline);
    expect(other.digest).not.toBe(first.digest);
  });

  test('tells the first thing that was wrong, and stops there', { timeout: 60_000 }, async () => {
    const result = await runSeed(3, {
      workload: world => {
        world.onPeriod(700, () => world.violation({ invariant: 'TEST', message: 'said at 700 ms' }));
        return { history: { events: [], add() {} }, clients: [], checkers: [] };
      },
    });
    expect(result.violations).toEqual([{ invariant: 'TEST', message: 'said at 700 ms' }]);
    expect(result.virtualMs).toBe(700);
    expect(result.timeline.at(-1)).toContain('VIOLATION TEST');
    expect(result.timeline.length).toBeLessThanOrEqual(50);
  });

  test('fails if a client does not finish, and if an exception reaches the loop', {
    timeout: 60_000,
  }, async () => {
    const stuck = await runSeed(3, {
      world: aloneFor(3),
      workload: () => ({
        history: { events: [], add() {} },
        clients: [{ name: 'client-1', start() {}, stop: () => new Promise<void>(() => {}) }],
        checkers: [],
      }),
    });
    expect(stuck.violations[0]?.invariant).toBe('liveness');
    const thrown = await runSeed(3, {
      world: aloneFor(3),
      workload: world => {
        world.runtimeFor('client-1').timers.after(100, () => {
          throw new Error('nobody catches this');
        });
        return { history: { events: [], add() {} }, clients: [], checkers: [] };
      },
    });
    expect(thrown.violations[0]?.invariant).toBe('X10');
  });
});

describe('the options of seeds', () => {
  test('cover all kinds of faults, each absent from some seeds, and are what a cluster can be', () => {
    const counts = new Map<string, number>();
    const seeds = 300;
    for (let seed = 0; seed < seeds; seed++) {
      const options = drawOptions(new SimRandom(seed));
      for (const fault of options.faults) counts.set(fault, (counts.get(fault) ?? 0) + 1);
      const brokers = options.nodes.filter(node => node.isBroker).length;
      expect(brokers).toBeGreaterThan(0);
      expect(options.nodes.some(node => node.isController)).toBe(true);
      expect(options.replicationFactor).toBeLessThanOrEqual(brokers);
      expect(options.minInsyncReplicas).toBeLessThanOrEqual(options.replicationFactor);
    }
    for (const fault of FAULTS) {
      expect(counts.get(fault) ?? 0).toBeGreaterThan(seeds / 2);
      expect(counts.get(fault) ?? 0).toBeLessThan(seeds * 0.8);
    }
  });

  test('are configurations that the production code takes', () => {
    for (let seed = 0; seed < 100; seed++) expect(new World(seed).nodes.length).toBeGreaterThan(0);
  });
});
