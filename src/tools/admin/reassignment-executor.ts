import { KafkaError } from '../../protocol/errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import {
  type AdminClient,
  type BrokerDescription,
  type ConfigChange,
  partitionName,
  type Reassignment,
  type TopicPartition,
} from './admin-client.ts';
import type { PlannedChange } from './reassignment-planner.ts';

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
const SETTLE_MS = 15_000;
const LEADER_RATE = 'leader.replication.throttled.rate';
const FOLLOWER_RATE = 'follower.replication.throttled.rate';
const LEADER_REPLICAS = 'leader.replication.throttled.replicas';
const FOLLOWER_REPLICAS = 'follower.replication.throttled.replicas';

/**
 * Carries out plans: some partitions at a time, throttled, to the end. The cluster itself does the moving: what was
 * started goes on if this process ends, and a new one may wait for it with {@link finishOngoing} and plan the rest.
 */
export class ReassignmentExecutor {
  private readonly runtime: Runtime;
  private readonly admin: AdminClient;
  private readonly brokers: readonly BrokerDescription[];
  private readonly options: ExecutionOptions;

  constructor(
    runtime: Runtime,
    admin: AdminClient,
    brokers: readonly BrokerDescription[],
    options: ExecutionOptions,
  ) {
    this.runtime = runtime;
    this.admin = admin;
    this.brokers = brokers.filter(({ fenced }) => !fenced);
    this.options = options;
  }

  /** Resolves when all partitions are where the plan has them, and the leaders are those that it prefers. */
  async execute(plan: readonly PlannedChange[]): Promise<void> {
    const waiting = [...plan];
    const moving = new Map<string, PlannedChange>();
    await this.throttle(plan);
    try {
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
        await this.report(plan, waiting, moving);
      }
    } finally {
      await this.unthrottle(plan);
    }
    await this.settle(plan);
  }

  /** Waits for reassignments that somebody has started before. Gives how many there were. */
  async finishOngoing(): Promise<number> {
    const first = await this.admin.reassignments();
    let left = first;
    while (left.length > 0) {
      this.options.onProgress({
        done: first.length - left.length,
        total: first.length,
        copiedBytes: 0,
        totalBytes: 0,
      });
      await this.pause();
      const names = new Set(first.map(nameOf));
      left = (await this.admin.reassignments()).filter(each => names.has(nameOf(each)));
    }
    if (first.length > 0) await this.unthrottle(first);
    return first.length;
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
  ): Promise<void> {
    const open = new Set([...waiting.map(nameOf), ...moving.keys()]);
    const totalBytes = plan.reduce((sum, { bytes }) => sum + bytes, 0);
    let copiedBytes = 0;
    for (const change of plan) if (!open.has(nameOf(change))) copiedBytes += change.bytes;
    if (totalBytes > 0) copiedBytes += await this.copiedOf(moving);
    this.options.onProgress({ done: plan.length - open.size, total: plan.length, copiedBytes, totalBytes });
  }

  /** How much of the new replicas of `moving` is there. */
  private async copiedOf(moving: ReadonlyMap<string, PlannedChange>): Promise<number> {
    let copied = 0;
    const added = (id: number): PlannedChange[] =>
      [...moving.values()].filter(({ from, to }) => to.includes(id) && !from.includes(id));
    for (const broker of this.brokers) {
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
      [LEADER_RATE, FOLLOWER_RATE].map(
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
    await this.admin.alterConfigs(changes);
  }

  private async unthrottle(partitions: readonly (TopicPartition | Reassignment)[]): Promise<void> {
    if (partitions.length === 0) return;
    const remove = (resource: 'broker' | 'topic', name: string, ...keys: string[]): ConfigChange[] =>
      keys.map(key => ({ resource, name, key, value: null }));
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    await this.admin.alterConfigs([
      ...this.brokers.flatMap(({ id }) => remove('broker', String(id), LEADER_RATE, FOLLOWER_RATE)),
      ...topics.flatMap(topic => remove('topic', topic, LEADER_REPLICAS, FOLLOWER_REPLICAS)),
    ]);
  }

  private pause(): Promise<void> {
    return new Promise(resolve => {
      this.runtime.timers.after(POLL_MS, resolve);
    });
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionName(topic, partition);
}
