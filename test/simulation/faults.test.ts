import { expect, test, vi } from 'vitest';
import { Faults } from './faults.ts';
import { testNode, testWorld } from './test-world.ts';
import { World } from './world.ts';
import type { FaultKind, WorldOptions } from './world-options.ts';

const BOTH = { isBroker: true, isController: true };
const THREE_BROKERS = testWorld(
  {
    nodes: [1, 2, 3].map(id => ({ ...testNode(id, BOTH), metadataLogDir: '/metadata' })),
    replicationFactor: 3,
    minInsyncReplicas: 2,
    faults: new Set<FaultKind>(['failingSync']),
    faultIntervalMs: 100,
    faultsMax: 1,
    safetyMs: 10_000,
  },
  { 'broker.session.timeout.ms': '1000' },
);

function worldOf(durability: WorldOptions['durability']): World {
  const world = new World(1, { ...THREE_BROKERS, durability });
  // Nobody asks a controller here.
  vi.spyOn(world, 'isHeldBeside').mockReturnValue(true);
  return world;
}

test('no other broker is killed from the time a sync may fail until what it took is there again', async () => {
  const world = worldOf('page-cache');
  const { nodes, scheduler } = world;
  for (const node of nodes) world.start(node);
  new Faults(world).start();
  await scheduler.run(20_000, () => nodes.some(node => node.disk.faults.failingSyncs > 0));
  const failing = nodes.filter(node => node.disk.faults.failingSyncs > 0);
  expect(failing.length).toBe(1);
  const others = nodes.filter(node => node !== failing[0]);
  const mayDie = (): boolean[] => others.map(node => world.mayDie(node));
  expect(mayDie()).toEqual([false, false]);
  let looks = 0;
  await scheduler.run(20_000, () => {
    looks++;
    expect(mayDie()).toEqual([false, false]);
    return failing[0]!.isTainted;
  });
  expect([looks > 1, failing[0]!.isTainted, mayDie()]).toEqual([true, true, [false, false]]);
});

test('under the fsync policy nothing that counts is lost, and others may be killed', async () => {
  const world = worldOf('fsync');
  const { nodes, scheduler } = world;
  for (const node of nodes) world.start(node);
  new Faults(world).start();
  await scheduler.run(20_000, () => nodes.some(node => node.disk.faults.failingSyncs > 0));
  expect(nodes.map(node => world.mayDie(node))).toEqual([true, true, true]);
});

test('no broker loses its records while another one is about to die', () => {
  const world = worldOf('page-cache');
  const [one, two] = [world.node(1), world.node(2)];
  expect(world.mayLose(two, 'unsynced')).toBe(true);
  one.disk.faults.crashAfterChanges = 5;
  expect([world.mayLose(two, 'unsynced'), world.mayLose(one, 'unsynced')]).toEqual([false, true]);
});
