import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../support/broker-target.ts';
import { ClusterProcess, type NodeOptions } from '../support/cluster-process.ts';
import { committedOffsets, createTopic } from '../support/cluster-process-admin.ts';
import {
  contentsOf,
  describeEnd,
  type LogContents,
  type Placement,
  readReplica,
  waitForEqualReplicas,
} from './replicas.ts';
import { CLIENTS, type ClientName } from './client-history.ts';
import { Traffic } from './traffic.ts';
import { problemsIn } from './verdict.ts';

export const PARTITIONS = 3;
const RECORDS_PER_SECOND = 200;
const PROGRESS_MS = 45_000;
const READ_MS = 45_000;
const COMMIT_MS = 45_000;
const EQUAL_MS = 30_000;
const WATCH_EVERY_MS = 200;

export interface ArenaOptions {
  readonly nodes: readonly NodeOptions[];
  readonly quorum?: 'static' | 'dynamic';
  readonly clients?: readonly ClientName[];
  /**
   * Whether no answer of OffsetFetch may be less than an earlier one. Apache Kafka's coordinator, just after it has
   * moved, answers what lies below its high watermark, and that may still lag behind what was acknowledged.
   */
  readonly strictCommits: boolean;
}

/** The longest time without an acknowledgement for each client, in ms, around one failure. */
export interface Silence {
  readonly client: ClientName;
  readonly ms: number;
}

/**
 * A cluster of three brokers with the traffic of every client on it, topics of three replicas of which two must be in
 * sync. A scenario breaks things; then {@link Arena.verify} says what was lost, doubled or bent.
 */
export class Arena {
  readonly cluster: ClusterProcess;
  readonly traffics: readonly Traffic[];
  private readonly remove: () => void;
  private readonly problems = new Set<string>();
  private readonly strictCommits: boolean;
  private watching = true;
  private readonly watchers: Promise<void>[];

  private constructor(
    cluster: ClusterProcess,
    traffics: readonly Traffic[],
    strictCommits: boolean,
    remove: () => void,
  ) {
    this.strictCommits = strictCommits;
    this.cluster = cluster;
    this.traffics = traffics;
    this.remove = remove;
    this.watchers = traffics.map(traffic => this.watchCommits(traffic));
  }

  /** Starts cluster and clients; returns when every client's records are acknowledged on every partition. */
  static async start(options: ArenaOptions): Promise<Arena> {
    const folder = temporaryFolder('failover');
    const { nodes, quorum = 'static' } = options;
    const cluster = await ClusterProcess.create({ workDirectory: folder.path, nodes, quorum });
    const clients = options.clients ?? CLIENTS;
    try {
      await cluster.start();
      for (const client of clients) {
        const configs = { 'min.insync.replicas': '2' };
        await createTopic(cluster, { name: Traffic.topicOf(client), partitions: PARTITIONS, configs });
      }
      await cluster.waitUntilHealthy(clients.map(Traffic.topicOf));
      const starts = clients.map(client =>
        Traffic.start(client, cluster.bootstrap, PARTITIONS, RECORDS_PER_SECOND),
      );
      const arena = new Arena(cluster, await Promise.all(starts), options.strictCommits, folder.remove);
      await arena.waitForProgress(0);
      await arena.waitForCommits();
      return arena;
    } catch (error) {
      await cluster.dispose();
      folder.remove();
      throw error;
    }
  }

  get topics(): string[] {
    return this.traffics.map(({ topic }) => topic);
  }

  /** Waits until each client has had an acknowledgement on each of its partitions since a time. */
  async waitForProgress(since: number): Promise<void> {
    const deadline = performance.now() + PROGRESS_MS;
    for (;;) {
      const silent = this.traffics.filter(({ history }) => history.silentSince(since).length > 0);
      if (silent.length === 0) return;
      if (performance.now() > deadline) {
        const who = silent.map(({ topic, history }) => `${topic}: partitions ${history.silentSince(since)}`);
        const { topics } = await this.cluster.metadata(silent.map(({ topic }) => topic));
        const evidence = [
          `no acknowledgement for ${PROGRESS_MS} ms: ${who.join('; ')}`,
          ...silent.flatMap(({ history }) => history.notes.slice(-3)),
          ...silent.flatMap(traffic => this.endsOf(traffic, since)),
          JSON.stringify(topics.map(({ name, partitions }) => ({ name, partitions }))),
          this.cluster.logTails(),
        ];
        throw new Error(evidence.join('\n'));
      }
      await sleep(20);
    }
  }

  /** Waits until every broker is back and every replica in sync, the group coordinators' as well. */
  waitUntilHealthy(timeoutMs = 60_000): Promise<void> {
    return this.cluster.waitUntilHealthy([...this.topics, '__consumer_offsets'], timeoutMs);
  }

  /** The longest time that each client waited for an acknowledgement in a span of `performance.now()`. */
  silences(from: number, to: number): Silence[] {
    return this.traffics.map(({ history }) => ({
      client: history.client,
      ms: Math.round(history.longestSilence(from, to)),
    }));
  }

  /**
   * Ends producers and consumers and compares what they were told with the logs. Returns what is wrong, in words; an
   * empty list is the proof.
   */
  async verify(): Promise<string[]> {
    await Promise.all(this.traffics.map(traffic => traffic.drain()));
    await this.waitUntilHealthy();
    const problems = await waitForEqualReplicas(this.cluster.brokers, await this.placement(), EQUAL_MS);
    const logs = this.traffics.map(traffic => this.logsOf(traffic));
    for (const [index, traffic] of this.traffics.entries()) {
      const ends = (logs[index] ?? []).map(({ values }) => values.length);
      await traffic.readUpTo(ends, READ_MS);
      await traffic.commitUpTo(ends, COMMIT_MS);
    }
    await Promise.all(this.traffics.map(traffic => traffic.end()));
    this.watching = false;
    await Promise.all(this.watchers);
    for (const [index, traffic] of this.traffics.entries()) {
      const contents = logs[index] ?? [];
      const found = [
        ...traffic.history.problems,
        ...problemsIn(traffic.history, contents),
        ...(await this.lastCommits(traffic)),
      ];
      problems.push(...found.map(problem => `${traffic.history.client}: ${problem}`));
    }
    return [...problems, ...this.problems];
  }

  async dispose(): Promise<void> {
    this.watching = false;
    await Promise.allSettled(this.watchers);
    await this.cluster.dispose();
    await Promise.allSettled(this.traffics.map(traffic => traffic.abandon()));
    this.remove();
  }

  /** Which brokers the cluster says replicate each partition, those of internal topics as well. */
  private async placement(): Promise<Placement> {
    const { topics } = await this.cluster.metadata();
    return new Map(
      topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, replicaNodes }) => [`${name}-${partitionIndex}`, replicaNodes]),
      ),
    );
  }

  /** Where the logs of a client's silent partitions end. */
  private endsOf({ topic, history }: Traffic, since: number): string[] {
    return history.silentSince(since).flatMap(partition => {
      const replicas = this.cluster.brokers.flatMap(node => readReplica(node, `${topic}-${partition}`) ?? []);
      return replicas.map(replica => `${topic}-${partition}: ${describeEnd(replica)}`);
    });
  }

  private logsOf(traffic: Traffic): LogContents[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => {
      const name = `${traffic.topic}-${partition}`;
      const replicas = this.cluster.brokers.flatMap(node => readReplica(node, name) ?? []);
      // The longest tells most, should they differ.
      const [longest] = replicas.sort((a, b) => b.bytes.length - a.bytes.length);
      return contentsOf(longest);
    });
  }

  /** What the group's coordinator says, again and again: never less than was acknowledged before, nor than it said. */
  private async watchCommits(traffic: Traffic): Promise<void> {
    const highest = Array.from({ length: PARTITIONS }, () => -1);
    const { group, topic } = traffic;
    let looks = 0;
    let answers = 0;
    while (this.watching) {
      const acknowledged = [...traffic.history.committed];
      const offsets = await committedOffsets(this.cluster, group, topic, PARTITIONS);
      looks++;
      if (offsets !== undefined) answers++;
      for (const [partition, offset] of (offsets ?? []).entries()) {
        const least = Math.max(highest[partition] ?? -1, acknowledged[partition] ?? -1);
        if (offset < least && this.strictCommits) {
          this.problems.add(`${group}, partition ${partition}: committed offset ${offset} after ${least}`);
        }
        highest[partition] = Math.max(least, offset);
      }
      await sleep(WATCH_EVERY_MS);
    }
    // A coordinator is away for seconds around a failure, never for most of the time: who is blind proves nothing.
    if (answers * 3 < looks) {
      this.problems.add(`${group}: only ${answers} of ${looks} questions for its offsets were answered`);
    }
  }

  private async waitForCommits(): Promise<void> {
    const deadline = performance.now() + PROGRESS_MS;
    while (this.traffics.some(({ history }) => history.committed.some(offset => offset < 0))) {
      if (performance.now() > deadline) {
        const who = this.traffics.map(
          ({ group, history }) => `${group} ${history.committed} ${history.notes.slice(-2)}`,
        );
        throw new Error(`no commit for ${PROGRESS_MS} ms: ${who.join('; ')}\n${this.cluster.logTails()}`);
      }
      await sleep(20);
    }
  }

  /** The coordinator knows the last commits that were acknowledged. */
  private async lastCommits(traffic: Traffic): Promise<string[]> {
    const { group, topic, history } = traffic;
    const deadline = performance.now() + 10_000;
    for (;;) {
      const offsets = await committedOffsets(this.cluster, group, topic, PARTITIONS);
      const wanted = history.committed;
      if (offsets !== undefined && `${offsets}` === `${wanted}`) return [];
      if (performance.now() > deadline)
        return [`committed offsets are ${offsets}, ${wanted} were acknowledged`];
      await sleep(WATCH_EVERY_MS);
    }
  }
}
