import { describe, expect, test } from 'vitest';
import { createWorkload } from './clients/workload.ts';
import { runSeed } from './run-seed.ts';
import { brokersAndController, testWorld } from './test-world.ts';
import type { World } from './world.ts';

/** Three brokers and a controller of its own, without faults; one disk of them may be lost. */
const THREE_BROKERS = testWorld(
  { nodes: brokersAndController(3), replicationFactor: 3, minInsyncReplicas: 2 },
  {
    // Nobody notices the death of a broker before it registers again.
    'broker.session.timeout.ms': '60000',
    'broker.crash.detection.enable': 'false',
    'replica.lag.time.max.ms': '60000',
  },
);

/** Does one step after the other: the next one once the last has given true. */
async function runSteps(stepsOf: (world: World) => (() => boolean)[]): Promise<string[]> {
  let left = -1;
  const { violations } = await runSeed(1, {
    world: THREE_BROKERS,
    workload: world => {
      const steps = stepsOf(world);
      world.onPeriod(50, () => {
        if (steps[0]?.() === true) steps.shift();
        left = steps.length;
      });
      return createWorkload(world);
    },
  });
  expect(left).toBe(0);
  return violations.map(({ message }) => message);
}

describe('what the cluster promises to survive', () => {
  test('is the loss of a disk only while nobody else has died without a word', {
    timeout: 120_000,
  }, async () => {
    const told: boolean[] = [];
    const violations = await runSteps(world => {
      const [first, second] = [world.node(1), world.node(2)];
      const tell = (): void => void told.push(world.mayLose(first, 'everything'));
      return [
        () => world.lack() === undefined && world.metadata()!.topics.topic('data-0') !== undefined,
        () => {
          tell();
          second.disk.faults.crashAfterChanges = 1_000_000;
          tell();
          second.disk.faults.crashAfterChanges = Number.POSITIVE_INFINITY;
          world.kill(second);
          // It is in all ISRs still, and the third broker could leave them in order.
          expect(world.isOutside(second)).toBe(false);
          tell();
          world.start(second);
          return true;
        },
        () => second.isUp,
        () => {
          tell();
          return true;
        },
      ];
    });
    expect(told).toEqual([true, false, false, true]);
    expect(violations).toEqual([]);
  });

  test('is the loss of one more disk where its broker has stopped in order: nobody counts on it', {
    timeout: 120_000,
  }, async () => {
    const told: boolean[] = [];
    const violations = await runSteps(world => {
      const second = world.node(2);
      return [
        () => world.lack() === undefined && world.metadata()!.topics.topic('data-0') !== undefined,
        () => {
          told.push(world.isOutside(second));
          world.restartDelayMs = () => undefined;
          second.stop();
          return true;
        },
        () => !second.process.isAlive,
        () => {
          told.push(world.isOutside(second), second.diedUnnoticed);
          world.start(second);
          return true;
        },
      ];
    });
    expect(told).toEqual([false, true, false]);
    expect(violations).toEqual([]);
  });
});
