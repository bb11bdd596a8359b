import { setTimeout as sleep } from 'node:timers/promises';
import { targetName } from '../support/broker-target.ts';
import { type ClusterNode, NO_INITIAL_CONTROLLERS } from '../support/cluster-process.ts';
import {
  activeController,
  busiestLeader,
  electPreferredLeaders,
  leadersOf,
  reassign,
  replaceVoter,
  waitForReassignment,
} from '../support/cluster-process-admin.ts';
import { type Arena, PARTITIONS } from './arena.ts';
import { partitionsOn } from './replicas.ts';

/** Longer than `broker.session.timeout.ms` of the clusters here, which is 3,000. */
const PAUSE_MS = 5_000;
const QUICK_MOVES = 10;
/** Acknowledgements of a node that was taken away may still be on their way through sockets and pipes. */
const IN_FLIGHT_MS = 500;
const REMOVAL_MS = 30_000;
const START_MS = targetName() === 'odradek' ? 20_000 : 60_000;

export interface Scenario {
  readonly name: string;
  readonly layout: 'combined' | 'separate';
  /** Default: static. */
  readonly quorum?: 'static' | 'dynamic';
  /** One of the few that a quick run takes. */
  readonly quick?: boolean;
  /** Breaks and mends once. `turn` counts from 0. Producers go on all the time. */
  readonly turn: (arena: Arena, turn: number) => Promise<void>;
}

/** Takes a node away by `take`, waits for the others to go on without it, and brings it back. */
export async function without(
  arena: Arena,
  node: ClusterNode,
  take: () => Promise<unknown>,
  mend: () => Promise<unknown> = async () => {},
): Promise<void> {
  await take();
  await waitForOthers(arena);
  await mend();
  await node.process.start();
  await arena.waitUntilHealthy(START_MS + 40_000);
}

/** Waits until everything is acknowledged by others than the node that was just taken away. */
async function waitForOthers(arena: Arena): Promise<void> {
  await sleep(IN_FLIGHT_MS);
  await arena.waitForProgress(performance.now());
}

/** The replicas of each partition, the first one last: every partition gets another preferred leader. */
async function rotatedReplicas(arena: Arena, topic: string): Promise<Map<number, readonly number[]>> {
  const { topics } = await arena.cluster.metadata([topic]);
  const partitions = topics[0]?.partitions ?? [];
  return new Map(
    partitions.map(({ partitionIndex, replicaNodes: [first = -1, ...others] }) => [
      partitionIndex,
      [...others, first],
    ]),
  );
}

/**
 * Moves every partition of every topic at once and waits for nothing but the elections: the next move finds appends
 * under way, followers that cut their logs and metadata that not everybody has.
 */
async function moveLeadersInQuickSuccession(arena: Arena): Promise<void> {
  for (let round = 0; round < QUICK_MOVES; round++) {
    for (const topic of arena.topics) {
      await reassign(arena.cluster, topic, await rotatedReplicas(arena, topic));
    }
    await Promise.all(arena.topics.map(topic => electPreferredLeaders(arena.cluster, topic)));
  }
}

/** Gives every partition another preferred leader and elects it. */
export async function moveLeaders(arena: Arena): Promise<void> {
  for (const topic of arena.topics) {
    const before = await leadersOf(arena.cluster, topic);
    const replicas = await rotatedReplicas(arena, topic);
    await reassign(arena.cluster, topic, replicas);
    await waitForReassignment(arena.cluster, topic, replicas);
    await electPreferredLeaders(arena.cluster, topic);
    const after = await leadersOf(arena.cluster, topic);
    const wanted = after.map((_, partition) => replicas.get(partition)?.[0]);
    if (`${after}` !== `${wanted}`) throw new Error(`${topic} is led by ${after}, it was ${before}`);
  }
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'kill -9 of a leader',
    layout: 'combined',
    quick: true,
    async turn(arena) {
      const leader = await busiestLeader(arena.cluster, arena.topics);
      await without(arena, leader, () => leader.process.kill());
    },
  },
  {
    name: 'SIGSTOP of a leader for longer than its session',
    layout: 'combined',
    quick: true,
    async turn(arena) {
      const leader = await busiestLeader(arena.cluster, arena.topics);
      leader.process.pause();
      await sleep(PAUSE_MS);
      await waitForOthers(arena);
      leader.process.resume();
      await arena.waitUntilHealthy();
    },
  },
  {
    name: 'rolling restart',
    layout: 'combined',
    async turn(arena) {
      for (const { process } of arena.cluster.nodes) {
        await process.stop();
        await process.start();
        await arena.waitUntilHealthy(START_MS + 40_000);
      }
    },
  },
  {
    name: 'loss of a disk',
    layout: 'combined',
    quick: true,
    async turn(arena) {
      const leader = await busiestLeader(arena.cluster, arena.topics);
      await without(
        arena,
        leader,
        () => leader.process.kill(),
        () => leader.process.wipe(),
      );
    },
  },
  {
    name: 'preferred election',
    layout: 'combined',
    turn: moveLeaders,
  },
  {
    name: 'leaders that move in quick succession',
    layout: 'combined',
    quick: true,
    turn: moveLeadersInQuickSuccession,
  },
  {
    name: 'reassignment under load',
    layout: 'combined',
    quick: true,
    async turn(arena, turn) {
      const ids = arena.cluster.brokers.map(({ id }) => id);
      const leaving = ids[turn % ids.length] ?? 1;
      const staying = ids.filter(id => id !== leaving);
      for (const replicas of [staying, [leaving, ...staying]]) {
        for (const topic of arena.topics) await reassign(arena.cluster, topic, everyPartition(replicas));
        for (const topic of arena.topics) {
          await waitForReassignment(arena.cluster, topic, everyPartition(replicas));
        }
        if (!replicas.includes(leaving)) await waitForRemoval(arena, arena.cluster.node(leaving));
      }
    },
  },
  {
    name: 'kill -9 of the active controller, which is a broker too',
    layout: 'combined',
    async turn(arena) {
      const controller = arena.cluster.node(await activeController(arena.cluster));
      await without(arena, controller, () => controller.process.kill());
    },
  },
  {
    name: 'kill -9 of the active controller, which is a process of its own',
    layout: 'separate',
    async turn(arena) {
      const controller = await killActiveController(arena);
      await controller.process.start();
      await arena.waitUntilHealthy(START_MS + 40_000);
    },
  },
  {
    name: 'loss of the disk of the active controller, in a quorum that can be changed',
    layout: 'separate',
    quorum: 'dynamic',
    async turn(arena) {
      const controller = await killActiveController(arena);
      await controller.process.wipe([NO_INITIAL_CONTROLLERS]);
      await controller.process.start();
      await replaceVoter(arena.cluster, controller);
      await arena.waitUntilHealthy(START_MS + 40_000);
    },
  },
];

/** Kills a controller that is no broker, and waits until another one serves. */
async function killActiveController(arena: Arena): Promise<ClusterNode> {
  const controller = arena.cluster.node(await activeController(arena.cluster));
  await controller.process.kill();
  await waitForOtherController(arena, controller.id);
  await waitForOthers(arena);
  // The new controller serves: an election needs it.
  for (const topic of arena.topics) await electPreferredLeaders(arena.cluster, topic);
  return controller;
}

/** Waits until a node that replicates none of the topics any more has given up its logs of them. */
async function waitForRemoval(arena: Arena, node: ClusterNode): Promise<void> {
  const deadline = performance.now() + REMOVAL_MS;
  for (;;) {
    const left = partitionsOn(node).filter(name => arena.topics.some(topic => name.startsWith(`${topic}-`)));
    if (left.length === 0) return;
    if (performance.now() > deadline) throw new Error(`node ${node.id} still has ${left}`);
    await sleep(50);
  }
}

async function waitForOtherController(arena: Arena, before: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while ((await activeController(arena.cluster)) === before) {
    if (performance.now() > deadline) throw new Error(`brokers still take node ${before} for the controller`);
    await sleep(50);
  }
}

function everyPartition(replicas: readonly number[]): Map<number, readonly number[]> {
  return new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, replicas]));
}
