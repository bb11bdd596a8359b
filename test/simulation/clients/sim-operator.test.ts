import { describe, expect, test } from 'vitest';
import { runSeed } from '../run-seed.ts';
import { brokersAndController, testWorld } from '../test-world.ts';
import type { World } from '../world.ts';
import { createWorkload } from './workload.ts';

/** Two brokers and a controller of its own, without faults. */
const TWO_BROKERS = testWorld(
  { nodes: brokersAndController(2), replicationFactor: 2, minInsyncReplicas: 1, lossAllowed: true },
  { 'broker.session.timeout.ms': '1000', 'replica.lag.time.max.ms': '1000' },
);

/** Broker 2 falls behind, then broker 1, which alone has everything, gets an empty disk. */
function loseAll(world: World): void {
  const isrs = (): (readonly number[])[] =>
    [...(world.metadata()?.topics.topics() ?? [])].flatMap(({ name, partitions }) =>
      name.startsWith('data-') ? partitions.map(({ isr }) => isr) : [],
    );
  const steps: (() => boolean)[] = [
    () => isrs().length > 0 && isrs().every(isr => isr.length === 2),
    () => {
      world.kill(world.node(2));
      return true;
    },
    () => isrs().every(isr => isr.join() === '1'),
    () => {
      world.kill(world.node(1));
      world.wipe(world.node(1));
      world.start(world.node(1));
      world.start(world.node(2));
      return true;
    },
    () => world.abandonedPartitions().length > 0,
    () => {
      world.sometimes('all that had the records lost them');
      return true;
    },
  ];
  world.onPeriod(50, () => {
    if (steps[0]?.() === true) steps.shift();
  });
}

describe('the operator', () => {
  test('says who leads when all who had the records have lost their disks', {
    timeout: 120_000,
  }, async () => {
    const { reached, violations } = await runSeed(1, {
      world: TWO_BROKERS,
      workload: world => {
        loseAll(world);
        return createWorkload(world);
      },
    });
    expect(violations).toEqual([]);
    expect(reached.get('all that had the records lost them')).toBe(1);
    expect(reached.get('an operator elected a leader')).toBeGreaterThan(0);
  });
});
