import { KafkaError } from '../../protocol/errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import {
  type AdminClient,
  type BrokerDescription,
  type ConfigChange,
  type ConfigResource,
  partitionName,
  type TopicPartition,
} from './admin-client.ts';
import { type PlannedChange, PlanError } from './reassignment-planner.ts';

export interface Progress {
  /** Partitions. */
  readonly done: number;
  readonly total: number;
  /** Of the replicas that are new. */
  readonly copiedBytes: number;
  readonly totalBytes: number;
}

export interface ExecutionOptions {
  /** What each broker sends and receives for it at most, bytes a second; 0 for no limit. */
  readonly throttle: number;
  /** How many partitions move at a time. */
  readonly concurrency: number;
  onProgress(progress: Progress): void;
}

const POLL_MS = 500;
/** Without any progress for so long it is said what stands in the way, and waiting ends if something does. */
const STALLED_MS = 30_000;
const SETTLE_MS = 15_000;
const LEADER_RATE = 'leader.replication.throttled.rate';
const FOLLOWER_RATE = 'follower.replication.throttled.rate';
const LEADER_REPLICAS = 'leader.replication.throttled.replicas';
const FOLLOWER_REPLICAS = 'follower.replication.throttled.replicas';
const RATES = [LEADER_RATE, FOLLOWER_RATE];
const REPLICAS = [LEADER_REPLICAS, FOLLOWER_REPLICAS];

/**
 * Carries out plans: some partitions at a time, throttled, to the end. The cluster itself does the moving: what was
 * started goes on if this process ends, throttled, and a new one waits for it with {@link finishOngoing}, plans the
 * rest and removes the throttles.
 */
export class ReassignmentExecutor {
  private readonly runtime: Runtime;
  private readonly admin: AdminClient;
  private readonly brokers: readonly BrokerDescription[];
  private readonly options: ExecutionOptions;
  private readonly throttles = new Map<string, ConfigChange>();

  constructor(
    runtime: Runtime,
    admin: AdminClient,
    brokers: readonly BrokerDescription[],
    options: ExecutionOptions,
  ) {
    this.runtime = runtime;
    this.admin = admin;
    this.brokers = brokers;
    this.options = options;
  }

  /**
   * Resolves when all partitions are where the plan has them, and the leaders are those that it prefers. Throttles are
   * removed then; if it rejects they stay with what still moves.
   */
  async execute(plan: readonly PlannedChange[]): Promise<void> {
    const waiting = [...plan];
    const moving = new Map<string, PlannedChange>();
    await this.throttle(plan);
    const progress = new ProgressWatch(this.runtime);
    while (waiting.length > 0 || moving.size > 0) {
      const next = waiting.splice(0, this.options.concurrency - moving.size);
      if (next.length > 0) {
        await this.admin.reassign(
          next.map(({ topic, partition, to }) => ({ topic, partition, replicas: to })),
        );
        for (const change of next) moving.set(nameOf(change), change);
      }
      await this.pause();
      const ongoing = new Set((await this.admin.reassignments()).map(nameOf));
      for (const name of moving.keys()) if (!ongoing.has(name)) moving.delete(name);
      const copied = await this.report(plan, waiting, moving);
      if (progress.isStalled(moving.size + waiting.length, copied)) await this.refuseToWait(moving);
    }
    await this.removeThrottles();
    await this.settle(plan);
  }

  /** Waits for reassignments that somebody has started before, throttled as new ones. */
  async finishOngoing(): Promise<void> {
    const plan = (await this.admin.reassignments()).map(
      ({ topic, partition, replicas, adding, removing }) => ({
        topic,
        partition,
        from: replicas.filter(id => !adding.includes(id)),
        to: replicas.filter(id => !removing.includes(id)),
        bytes: 0,
      }),
    );
    await this.throttle(plan);
    const moving = new Map(plan.map(change => [nameOf(change), change]));
    const progress = new ProgressWatch(this.runtime);
    for (;;) {
      const ongoing = new Set((await this.admin.reassignments()).map(nameOf));
      for (const name of moving.keys()) if (!ongoing.has(name)) moving.delete(name);
      if (moving.size === 0) break;
      await this.report(plan, [], moving);
      if (progress.isStalled(moving.size, await this.copiedOf(moving))) await this.refuseToWait(moving);
      await this.pause();
    }
    await this.removeThrottles();
    await this.settle(plan);
  }

  /** Removes every throttle of replication that is set, whoever has left it. */
  async removeThrottles(): Promise<void> {
    const topics = [...new Set((await this.admin.partitions()).map(({ topic }) => topic))];
    const named = topics.map((name): ConfigResource => ({ resource: 'topic', name }));
    const found = named.length === 0 ? [] : await this.admin.configsThatAreSet(named, REPLICAS);
    for (const broker of this.brokers) found.push(...(await this.ratesOf(broker)));
    // A broker may not have heard yet of what was set a moment ago.
    const set = new Map(this.throttles);
    for (const change of found) set.set(settingOf(change), change);
    const there = Array.from(set.values(), each => ({ ...each, value: null })).filter(
      ({ resource, name }) => resource === 'broker' || topics.includes(name),
    );
    if (there.length > 0) await this.admin.alterConfigs(there);
    this.throttles.clear();
  }

  /** The rates that are set for a broker. One that does not answer may have both. */
  private async ratesOf(broker: BrokerDescription): Promise<ConfigChange[]> {
    const own: ConfigResource = { resource: 'broker', name: String(broker.id) };
    try {
      if (!broker.fenced) return await this.admin.configsThatAreSet([own], RATES, broker);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
    }
    return RATES.map(key => ({ ...own, key, value: null }));
  }

  /** Throws if something has to happen before `moving` can go on. */
  private async refuseToWait(moving: ReadonlyMap<string, PlannedChange>): Promise<void> {
    const { brokers } = await this.admin.describeCluster();
    const running = new Set(brokers.filter(({ fenced }) => !fenced).map(({ id }) => id));
    const problems = (await this.admin.partitions()).flatMap(each => {
      const change = moving.get(nameOf(each));
      if (change === undefined) return [];
      if (each.leader < 0) return [`${nameOf(each)} has no leader to copy from`];
      const down = change.to.filter(id => !running.has(id));
      return down.length === 0 ? [] : [`${nameOf(each)} waits for broker ${down.join(', ')}`];
    });
    if (problems.length === 0) return;
    throw new PlanError(
      `nothing has moved for ${STALLED_MS / 1000} s: ${problems.join('; ')}. Start the brokers that are down, then ` +
        'run this again. What was started stays so, throttled, until then; kafka-reassign-partitions.sh --cancel ' +
        'takes it back',
    );
  }

  /**
   * Has the preferred leaders elected, and waits until brokers know of it all. A replica that is not in sync cannot be
   * elected: its partition is left with the leader that it has.
   */
  private async settle(plan: readonly PlannedChange[]): Promise<void> {
    const { clock } = this.runtime;
    const deadline = clock.monotonicMs() + SETTLE_MS;
    for (;;) {
      const now = new Map((await this.admin.partitions()).map(each => [nameOf(each), each]));
      const moved = plan.every(change => {
        const found = now.get(nameOf(change));
        return found === undefined || found.replicas.join() === change.to.join();
      });
      const others = plan.filter(change => {
        const found = now.get(nameOf(change));
        return found !== undefined && found.leader !== change.to[0];
      });
      if ((moved && others.length === 0) || clock.monotonicMs() > deadline) return;
      if (others.length > 0) await this.admin.electPreferredLeaders(others);
      await this.pause();
    }
  }

  private async report(
    plan: readonly PlannedChange[],
    waiting: readonly PlannedChange[],
    moving: ReadonlyMap<string, PlannedChange>,
  ): Promise<number> {
    const open = new Set([...waiting.map(nameOf), ...moving.keys()]);
    const totalBytes = plan.reduce((sum, { bytes }) => sum + bytes, 0);
    let copiedBytes = 0;
    for (const change of plan) if (!open.has(nameOf(change))) copiedBytes += change.bytes;
    if (totalBytes > 0) copiedBytes += await this.copiedOf(moving);
    this.options.onProgress({ done: plan.length - open.size, total: plan.length, copiedBytes, totalBytes });
    return copiedBytes;
  }

  /** How much of the new replicas of `moving` is there. */
  private async copiedOf(moving: ReadonlyMap<string, PlannedChange>): Promise<number> {
    let copied = 0;
    const added = (id: number): PlannedChange[] =>
      [...moving.values()].filter(({ from, to }) => to.includes(id) && !from.includes(id));
    for (const broker of this.brokers) {
      if (broker.fenced) continue;
      const changes = added(broker.id);
      if (changes.length === 0) continue;
      const sizes = await this.sizesOf(broker);
      for (const change of changes) copied += sizes.get(nameOf(change)) ?? 0;
    }
    return copied;
  }

  /** Progress is told as well as it can be: a broker that does not answer is no reason to stop. */
  private async sizesOf(broker: BrokerDescription): Promise<ReadonlyMap<string, number>> {
    try {
      return await this.admin.replicaSizes(broker);
    } catch (error) {
      if (error instanceof KafkaError) return new Map();
      throw error;
    }
  }

  /** As Kafka's own tool does it: a rate for each broker, and for each topic which replicas it is for. */
  private async throttle(plan: readonly PlannedChange[]): Promise<void> {
    const { throttle } = this.options;
    const copying = plan.filter(({ from, to }) => to.some(id => !from.includes(id)));
    if (throttle === 0 || copying.length === 0) return;
    const changes: ConfigChange[] = this.brokers.flatMap(({ id }) =>
      RATES.map(
        (key): ConfigChange => ({ resource: 'broker', name: String(id), key, value: String(throttle) }),
      ),
    );
    for (const topic of new Set(copying.map(each => each.topic))) {
      const own = copying.filter(each => each.topic === topic);
      const sources = own.flatMap(({ partition, from }) => from.map(id => `${partition}:${id}`));
      const targets = own.flatMap(({ partition, from, to }) =>
        to.filter(id => !from.includes(id)).map(id => `${partition}:${id}`),
      );
      changes.push({ resource: 'topic', name: topic, key: LEADER_REPLICAS, value: sources.join(',') });
      changes.push({ resource: 'topic', name: topic, key: FOLLOWER_REPLICAS, value: targets.join(',') });
    }
    for (const change of changes) this.throttles.set(settingOf(change), change);
    await this.admin.alterConfigs(changes);
  }

  private pause(): Promise<void> {
    return new Promise(resolve => {
      this.runtime.timers.after(POLL_MS, resolve);
    });
  }
}

/** Tells when nothing has changed for long. */
class ProgressWatch {
  private readonly runtime: Runtime;
  private seen = '';
  private sinceMs = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  isStalled(left: number, copiedBytes: number): boolean {
    const now = this.runtime.clock.monotonicMs();
    const state = `${left} ${copiedBytes}`;
    if (state !== this.seen) {
      this.seen = state;
      this.sinceMs = now;
    }
    return now - this.sinceMs >= STALLED_MS;
  }
}

function settingOf({ resource, name, key }: ConfigChange): string {
  return `${resource} ${name} ${key}`;
}

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionName(topic, partition);
}
