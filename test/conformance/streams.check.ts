import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { targetName, temporaryFolder } from '../support/broker-target.ts';
import { compileConformanceProgram, fetchKafkaStreams, JAVA_FLAGS } from '../support/client-tools.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { createTopic } from '../support/cluster-process-admin.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';
import { startTransactionalCluster } from '../support/transactional-cluster.ts';
import { INPUTS, RESULTS, ShopLedger, type ShopRecord, shopRecord } from './shop-ledger.ts';

/*
 * Kafka Streams with exactly_once_v2: two instances of an application with a join of two streams, a join with a table,
 * a windowed aggregation and a count in a store with a changelog. While input flows, instances and brokers are killed
 * with -9, instances stopped for longer than their session and their transactions last, and the state of one is deleted,
 * so that it is restored from the changelogs. At the end every result must be there just once.
 *
 * STREAMS_SECONDS is how long it goes on (default 45, and each thing is done once at least) for each of STREAMS_BROKERS
 * (default 1,3).
 */

const SECONDS = Number(process.env['STREAMS_SECONDS'] ?? 45);
const SIZES = (process.env['STREAMS_BROKERS'] ?? '1,3').split(',').map(Number);
const ORDERS_PER_SECOND = 100;
const PARTITIONS = 4;
/** An instance is stopped for longer than its session (6 s) and its transactions (6 s). */
const STOPPED_MS = 8_000;
/** Between two of the things that are done: as many results, so that each hits an application at work. */
const RESULTS_BETWEEN = 300;
const PAUSE_MS = 2_000;
const PROGRESS_MS = 60_000;
const PROGRAM_MS = (SECONDS * 4 + 300) * 1_000;
/** Of a Java program that is told to end. */
const SIGTERM_EXIT = 143;

const running: RunningCommand[] = [];
let dispose: () => Promise<void> = async () => {};

afterEach(async () => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
  await dispose();
});

/** Starts one of the shop's programs; every line of it goes to `say`, split at its tabs. */
async function program(args: readonly string[], say: (words: string[]) => void): Promise<RunningCommand> {
  const classPath = await compileConformanceProgram('streams', await fetchKafkaStreams());
  const command = startCommand('java', [...JAVA_FLAGS, '-cp', classPath, 'Main', ...args], {
    keepInputOpen: args[0] === 'feed',
    timeoutMs: PROGRAM_MS,
    allowedExitCodes: [SIGTERM_EXIT],
    onLine: line => say(line.split('\t')),
  });
  running.push(command);
  return command;
}

/** One instance of the application. */
class Instance {
  readonly notes: string[] = [];
  /** Records that it has read back from changelogs since its state was deleted. */
  restored = 0;
  private readonly name: string;
  private readonly cluster: ClusterProcess;
  private readonly stateDirectory: string;
  private command: RunningCommand | undefined;

  constructor(name: string, cluster: ClusterProcess, path: string) {
    this.name = name;
    this.cluster = cluster;
    this.stateDirectory = join(path, `state-${name}`);
  }

  async start(): Promise<void> {
    const replication = `${this.cluster.brokers.length}`;
    const args = ['app', this.cluster.bootstrap, this.stateDirectory, replication];
    this.command = await program(args, ([kind, text = '', count]) => {
      if (kind === 'note') this.notes.push(`${this.name}: ${text}`);
      if (kind === 'restored') this.restored += Number(count);
    });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.command!.child.kill('SIGKILL');
    await this.command!.result.catch(() => {});
  }

  deleteState(): void {
    rmSync(this.stateDirectory, { recursive: true, force: true });
    this.restored = 0;
  }

  async pause(ms: number): Promise<void> {
    this.command!.child.kill('SIGSTOP');
    await sleep(ms);
    this.command!.child.kill('SIGCONT');
  }

  /** Rejects if it was ended by anything but this. */
  async stop(): Promise<void> {
    if (this.command!.child.exitCode !== null) throw new Error(`instance ${this.name} has ended by itself`);
    this.command!.child.kill('SIGTERM');
    await this.command!.result;
  }
}

type Deed = (broker: ClusterProcess['brokers'][number], a: Instance, b: Instance) => Promise<void>;

/** What is done in turn, each to the next broker. */
const DEEDS: readonly Deed[] = [
  async (_, a) => {
    await a.kill();
    await a.start();
  },
  async ({ process }) => {
    await process.kill();
    await process.start();
  },
  async (_, __, b) => {
    await b.kill();
    b.deleteState();
    await b.start();
  },
  async ({ process }, a, b) => {
    await Promise.all([process.kill(), a.kill(), b.kill()]);
    await Promise.all([process.start(), a.start(), b.start()]);
  },
  async (_, a) => a.pause(STOPPED_MS),
];

interface Contents {
  readonly records: ShopRecord[];
  /** Of each partition the offset after its last record, which the isolation level sees. */
  readonly ends: string[];
}

async function read(
  cluster: ClusterProcess,
  isolation: string,
  topics: readonly string[],
): Promise<Contents> {
  const contents: Contents = { records: [], ends: [] };
  const reader = await program(['read', cluster.bootstrap, isolation, ...topics], ([kind, ...words]) => {
    if (kind === 'record') contents.records.push(shopRecord(words));
    if (kind === 'end') contents.ends.push(words.join(' '));
  });
  await reader.result;
  // It prints them as its hash map has them, which differs from one process to the next.
  contents.ends.sort();
  return contents;
}

/** Waits until `seen` says so many; rejects when it stands still for PROGRESS_MS. */
async function waitForCount(
  what: string,
  seen: () => number,
  wanted: number,
  details: () => string,
): Promise<void> {
  let last = seen();
  let since = Date.now();
  while (seen() < wanted) {
    await sleep(100);
    if (seen() !== last) since = Date.now();
    last = seen();
    if (Date.now() - since > PROGRESS_MS) {
      throw new Error(`${what}: ${last} of ${wanted}, and no more for ${PROGRESS_MS} ms\n${details()}`);
    }
  }
}

describe.each(SIZES)(`Kafka Streams on ${targetName()}, brokers: %i`, size => {
  test('has every result once, whatever is killed, stopped or deleted', { timeout: PROGRAM_MS }, async () => {
    const folder = temporaryFolder('streams');
    const cluster = await startTransactionalCluster(size, folder.path);
    dispose = async () => {
      await cluster.dispose();
      folder.remove();
    };
    const topics = [...INPUTS, ...RESULTS];
    for (const name of topics)
      await createTopic(cluster, { name, partitions: PARTITIONS, replicationFactor: size });
    await cluster.waitUntilHealthy(topics);
    const ledger = new ShopLedger();
    let customersAreThere = () => {};
    const customers = new Promise<void>(resolve => {
      customersAreThere = resolve;
    });
    const feed = await program(['feed', cluster.bootstrap, `${ORDERS_PER_SECOND}`], ([kind, ...words]) => {
      if (kind === 'customers') customersAreThere();
      if (kind === 'sent') ledger.takeSent(shopRecord(words));
    });
    await Promise.race([customers, feed.result]);
    const a = new Instance('a', cluster, folder.path);
    const b = new Instance('b', cluster, folder.path);
    await Promise.all([a.start(), b.start()]);
    const seen = new Map<string, number>();
    const total = () => [...seen.values()].reduce((sum, count) => sum + count, 0);
    await program(['read', cluster.bootstrap, 'follow', ...RESULTS], ([kind, topic = '']) => {
      if (kind === 'record') seen.set(topic, (seen.get(topic) ?? 0) + 1);
    });
    const details = () => [...a.notes, ...b.notes, cluster.logTails()].join('\n');

    const startedAt = Date.now();
    let done = 0;
    while (done < DEEDS.length || Date.now() - startedAt < SECONDS * 1_000) {
      await waitForCount('results', total, total() + RESULTS_BETWEEN, details);
      await sleep(PAUSE_MS);
      const broker = cluster.brokers[done % size]!;
      await DEEDS[done % DEEDS.length]!(broker, a, b);
      done++;
    }
    const faultsMs = Date.now() - startedAt;
    feed.child.stdin?.end();
    await feed.result;

    const expected = ledger.expected();
    for (const [topic, lines] of expected) {
      await waitForCount(topic, () => seen.get(topic) ?? 0, lines.length, details);
    }
    await Promise.all([a.stop(), b.stop()]);
    const input = await read(cluster, 'read_committed', INPUTS);
    const committed = await read(cluster, 'read_committed', RESULTS);
    const everything = await read(cluster, 'read_uncommitted', RESULTS);

    const aborted = everything.records.length - committed.records.length;
    const counts = [...expected].map(([topic, lines]) => `${lines.length} ${topic}`).join(', ');
    console.log(
      `streams on ${size}: ${counts}; ${aborted} aborted, ${b.restored} restored; ${done} deeds in ${faultsMs} ms\n` +
        [...a.notes, ...b.notes].join('\n'),
    );
    expect(ledger.inputProblems(input.records)).toEqual([]);
    expect(ledger.resultProblems(committed.records)).toEqual([]);
    // Nothing is left open, and what was killed had results of which nobody knows.
    expect(committed.ends).toEqual(everything.ends);
    expect(committed.ends.length).toBe(RESULTS.length * PARTITIONS);
    expect(aborted).toBeGreaterThan(0);
    expect(b.restored).toBeGreaterThan(0);
    for (const [topic, lines] of expected) expect(lines.length, topic).toBeGreaterThan(500);
  });
});
