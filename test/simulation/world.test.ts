import { describe, expect, test } from 'vitest';
import { createWorkload } from './clients/workload.ts';
import { runSeed } from './run-seed.ts';
import { SimRandom } from './sim-random.ts';
import type { World } from './world.ts';
import { drawOptions, type NodeOptions, type WorldOptions } from './world-options.ts';

const NODE: Omit<NodeOptions, 'id' | 'isBroker' | 'isController'> = {
  logDirs: ['/disk1'],
  metadataLogDir: '/disk1',
  rack: undefined,
  clockRate: 1,
  wallOffsetMs: 0,
};
const DRAWN = drawOptions(new SimRandom(1));
/** Three brokers and a controller of its own, without faults; one disk of them may be lost. */
const THREE_BROKERS: WorldOptions = {
  ...DRAWN,
  nodes: [1, 2, 3, 4].map(id => ({ ...NODE, id, isBroker: id < 4, isController: id === 4 })),
  quorum: 'static',
  replicationFactor: 3,
  minInsyncReplicas: 2,
  durability: 'page-cache',
  uncleanElection: false,
  lossAllowed: false,
  faults: new Set(),
  safetyMs: 8_000,
  properties: new Map([
    ...DRAWN.properties,
    ['min.insync.replicas', '2'],
    ['default.replication.factor', '3'],
    ['offsets.topic.replication.factor', '3'],
    // Nobody notices the death of a broker before it registers again.
    ['broker.session.timeout.ms', '60000'],
    ['broker.crash.detection.enable', 'false'],
    ['broker.heartbeat.interval.ms', '200'],
    ['replica.lag.time.max.ms', '60000'],
    ['unclean.leader.election.enable', 'false'],
    ['log.durability', 'page-cache'],
  ]),
};

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
