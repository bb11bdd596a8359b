import { describe, expect, test } from 'vitest';
import { runSeed } from '../run-seed.ts';
import { SimRandom } from '../sim-random.ts';
import type { World } from '../world.ts';
import { drawOptions, type NodeOptions, type WorldOptions } from '../world-options.ts';
import { createWorkload } from './workload.ts';

const NODE: Omit<NodeOptions, 'id' | 'isBroker' | 'isController'> = {
  logDirs: ['/disk1'],
  metadataLogDir: '/disk1',
  rack: undefined,
  clockRate: 1,
  wallOffsetMs: 0,
};
const DRAWN = drawOptions(new SimRandom(1));
/** Two brokers and a controller of its own, without faults. */
const TWO_BROKERS: WorldOptions = {
  ...DRAWN,
  nodes: [1, 2, 3].map(id => ({ ...NODE, id, isBroker: id < 3, isController: id === 3 })),
  quorum: 'static',
  replicationFactor: 2,
  minInsyncReplicas: 1,
  durability: 'page-cache',
  uncleanElection: false,
  lossAllowed: true,
  faults: new Set(),
  safetyMs: 8_000,
  properties: new Map([
    ...DRAWN.properties,
    ['min.insync.replicas', '1'],
    ['default.replication.factor', '2'],
    ['offsets.topic.replication.factor', '2'],
    ['broker.session.timeout.ms', '1000'],
    ['broker.heartbeat.interval.ms', '200'],
    ['replica.lag.time.max.ms', '1000'],
    ['unclean.leader.election.enable', 'false'],
    ['log.durability', 'page-cache'],
  ]),
};

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
