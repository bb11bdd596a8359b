import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Arena } from '../failover/arena.ts';
import { partitionsOn } from '../failover/replicas.ts';
import { moveLeaders, without } from '../failover/scenarios.ts';
import { launchOf, type TargetName, targetName } from '../support/broker-target.ts';
import { leadersOf } from '../support/cluster-process-admin.ts';

const ORACLE: TargetName = 'apache-kafka-4.3.0';
const TEST_MS = 240_000;

/**
 * Two kinds of broker in one cluster: node 1 is the controller and a broker, node 2 a broker of the other kind, node 3
 * a broker of the first kind. Every topic has a replica on each, so each kind follows the other.
 */
describe.each([
  { controller: targetName(), other: ORACLE },
  { controller: ORACLE, other: targetName() },
])('a broker of $other under a controller of $controller', ({ controller, other }) => {
  let arena: Arena;

  beforeAll(async () => {
    const [first, second] = [await launchOf(controller), await launchOf(other)];
    arena = await Arena.start({
      clients: ['java', 'kafkajs'],
      strictCommits: false,
      nodes: [
        { id: 1, roles: ['broker', 'controller'], launch: first },
        { id: 2, roles: ['broker'], launch: second },
        { id: 3, roles: ['broker'], launch: first },
      ],
    });
  });

  afterAll(async () => {
    await arena?.dispose();
  });

  test('registers, gets replicas, and every broker sees the same cluster', { timeout: TEST_MS }, async () => {
    const { brokers } = await arena.cluster.metadata([]);
    expect(brokers.map(({ nodeId }) => nodeId).sort()).toEqual([1, 2, 3]);
    const held = arena.cluster.brokers.map(node =>
      partitionsOn(node).filter(name => name.startsWith('traffic')),
    );
    expect(held[1]?.sort()).toEqual(held[0]?.sort());
    expect(held[2]?.sort()).toEqual(held[0]?.sort());
  });

  test('leads and follows in turn', { timeout: TEST_MS }, async () => {
    const leaders = new Set<number>();
    for (let turn = 0; turn < 3; turn++) {
      const since = performance.now();
      await moveLeaders(arena);
      await arena.waitForProgress(since);
      for (const topic of arena.topics)
        for (const id of await leadersOf(arena.cluster, topic)) leaders.add(id);
    }
    expect([...leaders].sort()).toEqual([1, 2, 3]);
  });

  test.each([2, 3])(
    'goes on without broker %i, which comes back and catches up',
    {
      timeout: TEST_MS,
    },
    async id => {
      const node = arena.cluster.node(id);
      await without(arena, node, () => node.process.kill());
    },
  );

  test('stops cleanly: its leaderships move before it goes', { timeout: TEST_MS }, async () => {
    const node = arena.cluster.node(2);
    await without(arena, node, () => node.process.stop());
  });

  test('has lost, doubled and reordered nothing, and the replicas are equal', {
    timeout: TEST_MS,
  }, async () => {
    expect(await arena.verify()).toEqual([]);
  });
});
