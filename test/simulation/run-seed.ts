import { prepareCodecs } from '../../src/compression/codecs.ts';
import { createWorkload } from './clients/workload.ts';
import { Faults } from './faults.ts';
import type { Violation, Workload } from './simulation-types.ts';
import { World } from './world.ts';
import { describeOptions, type WorldOptions } from './world-options.ts';

/** How a seed ended. */
export interface SeedResult {
  readonly seed: number;
  /** Equal for two runs of a seed. */
  readonly digest: string;
  readonly violations: readonly Violation[];
  /** The last lines, for people. */
  readonly timeline: readonly string[];
  /** Interesting states, with how often each was reached. */
  readonly reached: ReadonlyMap<string, number>;
  readonly events: number;
  readonly virtualMs: number;
}

export interface RunOptions {
  /** Instead of those that the seed draws. */
  readonly world?: WorldOptions;
  /** Instead of the usual clients. */
  readonly workload?: (world: World) => Workload;
  /** Hears each item of the trace. */
  readonly onTrace?: (item: string) => void;
}

/** The liveness phase: time for all nodes to be up and all replicas in sync, ms. */
const WHOLE_MS = 90_000;
/** Time for clients to finish after that, ms. */
const FINISH_MS = 120_000;
const REST_MS = 3_000;
const TIMELINE_LINES = 50;

/** Runs one seed: safety phase, liveness phase, checkers. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<SeedResult> {
  // Loaded once in a process, by a real import: no seed may wait for it.
  await prepareCodecs();
  const world = new World(seed, options.world);
  world.scheduler.trace.listener = options.onTrace;
  const onRejection = (error: unknown): void => {
    const { current } = world.scheduler;
    const process = world.nodes.find(node => node.process.name === current)?.process;
    // A process that died in the middle of its turn rejects what it was doing.
    if (process === undefined || process.isAlive) world.uncaught(current, error);
  };
  process.on('unhandledRejection', onRejection);
  const violations: Violation[] = [];
  try {
    const workload = await live(world, options.workload ?? createWorkload);
    if (world.failure === undefined) {
      world.phase = 'end';
      for (const checker of workload.checkers) violations.push(...(await checker(workload.history, world)));
      for (const violation of violations) world.violation(violation);
    }
  } catch (error) {
    world.uncaught('the simulator', error);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  if (world.failure !== undefined && violations.length === 0) violations.push(world.failure);
  const { scheduler } = world;
  return {
    seed,
    digest: scheduler.trace.digest,
    violations,
    timeline: [describeOptions(world.options), ...scheduler.trace.timeline(TIMELINE_LINES - 1)],
    reached: world.reached,
    events: scheduler.eventCount,
    virtualMs: scheduler.nowMs,
  };
}

/** Both phases. It returns early if something is wrong. */
async function live(world: World, makeWorkload: (world: World) => Workload): Promise<Workload> {
  const { scheduler, options } = world;
  const random = world.randomFor('start');
  for (const node of world.nodes)
    scheduler.after(random.next() * 500, `start ${node.id}`, () => world.start(node));
  const workload = makeWorkload(world);
  for (const client of workload.clients) client.start();
  const faults = new Faults(world);
  scheduler.after(random.scaled(100, 3_000), 'faults begin', () => faults.start());
  const hasFailed = (): boolean => world.failure !== undefined;
  if (await scheduler.run(options.safetyMs, hasFailed)) return workload;

  faults.heal();
  world.phase = 'liveness';
  await reach(world, WHOLE_MS, 'the cluster is whole', () => world.lack());
  if (hasFailed()) return workload;
  await finish(world, workload);
  if (hasFailed()) return workload;
  await reach(world, WHOLE_MS, 'the cluster is whole again', () => world.lack());
  if (!hasFailed()) await scheduler.run(world.nowMs + REST_MS, hasFailed);
  if (!hasFailed()) await restartAll(world, workload);
  return workload;
}

/**
 * All nodes go down at once, and one of them a second time while it recovers: when they are up again, everything is as it
 * was. What they have not synced is lost where that must not matter, or where it may.
 */
async function restartAll(world: World, workload: Workload): Promise<void> {
  const { scheduler, options, nodes } = world;
  const random = world.randomFor('last restart');
  const losesPower = options.durability === 'fsync' || options.lossAllowed;
  workload.beforeLastRestart?.();
  const end = losesPower ? world.losePower.bind(world) : world.kill.bind(world);
  for (const node of nodes) end(node);
  const twice = random.pick(nodes);
  twice.disk.faults.crashAfterChanges = random.below(30);
  twice.disk.onCrashPoint = () => {
    world.sometimes('died in recovery');
    end(twice);
    scheduler.after(100, 'restart', () => world.start(twice));
  };
  for (const node of nodes) scheduler.after(random.next() * 300, 'restart', () => world.start(node));
  const hasFailed = (): boolean => world.failure !== undefined;
  await scheduler.run(world.nowMs + REST_MS, hasFailed);
  twice.disk.faults.crashAfterChanges = Number.POSITIVE_INFINITY;
  if (!hasFailed())
    await reach(world, WHOLE_MS, 'the cluster is whole after the last restart', () => world.lack());
  if (!hasFailed()) await scheduler.run(world.nowMs + REST_MS, hasFailed);
}

/** Runs until `lack` gives nothing. */
async function reach(world: World, ms: number, what: string, lack: () => string | undefined): Promise<void> {
  let looks = 0;
  // Looking is dear: once in so many events is enough.
  const isReached = (): boolean =>
    world.failure !== undefined || (++looks % 50 === 0 && lack() === undefined);
  if (await world.scheduler.run(world.nowMs + ms, isReached)) {
    if (world.failure === undefined) world.note(what);
    return;
  }
  const left = lack();
  if (left !== undefined)
    world.violation({ invariant: 'M11', message: `${ms / 1000} s after healing: ${left}` });
}

/** Has all clients finish. */
async function finish(world: World, workload: Workload): Promise<void> {
  const waiting = new Set<string>();
  for (const client of workload.clients) {
    waiting.add(client.name);
    client.stop().then(
      () => waiting.delete(client.name),
      error => world.uncaught(client.name, error),
    );
  }
  const isDone = (): boolean => world.failure !== undefined || waiting.size === 0;
  if (await world.scheduler.run(world.nowMs + FINISH_MS, isDone)) {
    world.note('all clients have finished');
    return;
  }
  world.violation({
    invariant: 'liveness',
    message: `${FINISH_MS / 1000} s after all was whole these clients have not finished: ${[...waiting].join(' ')}`,
  });
}
