import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { SimRandom } from '../simulation/sim-random.ts';
import { targetName, temporaryFolder } from '../support/broker-target.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { createTopic, endOffset } from '../support/cluster-process-admin.ts';
import { type ReadRecord, readTopic } from '../support/kcat-records.ts';
import { ConnectCluster } from './connect-cluster.ts';
import { WORKER_SESSION_MS } from './connect-worker.ts';
import { GrowingFile } from './growing-file.ts';
import { startTransactionalCluster } from '../support/transactional-cluster.ts';

/*
 * Apache Kafka Connect 4.3 in distributed mode with exactly-once support for sources: two files grow, and a file source
 * copies each to a topic, while workers and brokers are killed with -9 and started again, and one of two workers is
 * stopped for longer than its session, so that it comes back as a zombie. At the end each topic, read with read_committed,
 * has the lines of its file, each once and in order.
 *
 * A file sink writes a line before it commits the offset of it: killed in between it writes it again. So the sinks begin
 * when nothing is killed any more. Each reads its topic from the start, then what its source still copies, is restarted as
 * an operator does, and has at the end the bytes of the source's file.
 *
 * CONNECT_SECONDS is how long faults go on (default 25) for each of CONNECT_BROKERS (default 1,3) and CONNECT_WORKERS
 * (default 1,2). SEED repeats the order of the faults.
 */

const SECONDS = Number(process.env['CONNECT_SECONDS'] ?? 25);
const BROKERS = (process.env['CONNECT_BROKERS'] ?? '1,3').split(',').map(Number);
const WORKERS = (process.env['CONNECT_WORKERS'] ?? '1,2').split(',').map(Number);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const FILES = 2;
const WAIT_MS = 90_000;
/** More than the markers that may end transactions of before. */
const ENDS_MAX = 10;
/** Longer than the session of a worker and than its transactions, and the time in which its tasks begin elsewhere. */
const STOPPED_MS = WORKER_SESSION_MS + 5_000;
const TEST_MS = SECONDS * 1_000 + 300_000;

let close: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of close.reverse()) await step();
  close = [];
});

type Fault = 'kill a broker' | 'kill a worker' | 'stop a worker';

/** What a check of one size works on. */
class Scene {
  readonly cluster: ClusterProcess;
  readonly connect: ConnectCluster;
  readonly files: readonly GrowingFile[];
  readonly faults = new Map<Fault, number>();
  private readonly random = new SimRandom(SEED);

  constructor(cluster: ClusterProcess, connect: ConnectCluster, files: readonly GrowingFile[]) {
    this.cluster = cluster;
    this.connect = connect;
    this.files = files;
  }

  /** What a consumer with read_committed (kcat's own default) reads of a file's topic, which has one partition. */
  records(index: number): Promise<ReadRecord[]> {
    return readTopic(this.cluster.bootstrap, topicOf(index));
  }

  /** Waits until every topic has committed lines that came after this was called. */
  async progress(): Promise<void> {
    for (const index of this.files.keys()) {
      const topic = topicOf(index);
      const end = await endOffset(this.cluster, topic, 0, 'read_uncommitted');
      await this.until(
        `committed lines in ${topic} from ${end} on`,
        async () => (await endOffset(this.cluster, topic, 0, 'read_committed')) > end + ENDS_MAX,
      );
    }
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!(await condition().catch(() => false))) {
      if (performance.now() > deadline) {
        const tails = `${this.connect.failures.join('\n')}\n${this.connect.logTails()}\n${this.cluster.logTails()}`;
        throw new Error(`${what}: not within ${WAIT_MS} ms\n${tails}`);
      }
      await sleep(300);
    }
  }

  /** Every kind of fault once in a random order, then again and again until the time is over. */
  async disturb(): Promise<void> {
    const end = performance.now() + SECONDS * 1_000;
    const kinds: Fault[] = ['kill a broker', 'kill a worker', 'kill a worker'];
    if (this.connect.workers.length > 1) kinds.push('stop a worker');
    for (let round = 0; round === 0 || performance.now() < end; round++) {
      const left = [...kinds];
      while (left.length > 0 && (round === 0 || performance.now() < end)) {
        const [kind] = left.splice(this.random.below(left.length), 1);
        await sleep(this.random.between(0, 1_500));
        await this.make(kind!);
        this.faults.set(kind!, (this.faults.get(kind!) ?? 0) + 1);
        await this.progress();
      }
    }
  }

  private async make(fault: Fault): Promise<void> {
    const worker = this.random.pick(this.connect.workers);
    const broker = this.random.pick(this.cluster.brokers).process;
    const downMs = this.random.between(0, 2_000);
    if (fault === 'kill a broker') {
      await broker.kill();
      await broker.start();
    } else if (fault === 'kill a worker') {
      await this.connect.bounce(worker, downMs);
    } else {
      worker.pause();
      await sleep(STOPPED_MS);
      worker.resume();
    }
  }
}

function topicOf(index: number): string {
  return `lines-${index + 1}`;
}

async function start(brokers: number, workers: number): Promise<Scene> {
  const folder = temporaryFolder('connect');
  close.push(folder.remove);
  const cluster = await startTransactionalCluster(brokers, folder.path);
  close.push(() => cluster.dispose());
  const names = Array.from({ length: FILES }, (_, index) => topicOf(index));
  for (const name of names) await createTopic(cluster, { name, partitions: 1, replicationFactor: brokers });
  await cluster.waitUntilHealthy(names);
  const { bootstrap } = cluster;
  const options = { workDirectory: folder.path, bootstrap, replicationFactor: brokers };
  const connect = await ConnectCluster.start(workers, options);
  close.push(() => connect.dispose());
  const files = names.map(name => new GrowingFile(join(folder.path, `${name}.txt`), name));
  for (const file of files) close.push(() => file.close());
  return new Scene(cluster, connect, files);
}

describe.each(BROKERS)(`Kafka Connect with exactly-once sources on ${targetName()}, brokers: %i`, brokers => {
  test.each(WORKERS)('copies files byte for byte, workers: %i', { timeout: TEST_MS }, async workers => {
    const scene = await start(brokers, workers);
    const { connect, files } = scene;
    for (const [index, file] of files.entries()) {
      file.grow();
      await connect.configure(`source-${index + 1}`, {
        'connector.class': 'FileStreamSource',
        'tasks.max': '1',
        file: file.path,
        topic: topicOf(index),
        'exactly.once.support': 'required',
      });
    }
    await scene.progress();
    await scene.disturb();

    const sinks = files.map(({ path }) => `${path}.copy`);
    for (const [index, file] of sinks.entries()) {
      await connect.configure(`sink-${index + 1}`, {
        'connector.class': 'FileStreamSink',
        'tasks.max': '1',
        file,
        topics: topicOf(index),
        'consumer.override.isolation.level': 'read_committed',
      });
    }
    await scene.progress();
    for (const index of sinks.keys()) {
      await scene.until(`lines in the copy of ${topicOf(index)}`, async () => sizeOf(sinks[index]!) > 0);
      await connect.restart(`sink-${index + 1}`);
    }
    await scene.progress();
    for (const file of files) file.rest();

    for (const [index, file] of files.entries()) {
      const topic = topicOf(index);
      await scene.until(
        `all lines in ${topic}`,
        async () => (await scene.records(index)).length >= file.length,
      );
      const records = await scene.records(index);
      expect.soft(file.differenceTo(records.map(({ value }) => value ?? '')), topic).toBeUndefined();
      // Markers have offsets too: the lines came in transactions.
      expect.soft(records.at(-1)?.offset, `offset of the last line in ${topic}`).toBeGreaterThan(file.length);
      const size = file.bytes().length;
      await scene.until(`all lines in the copy of ${topic}`, async () => sizeOf(sinks[index]!) >= size);
      expect.soft(readFileSync(sinks[index]!).equals(file.bytes()), `copy of ${topic} equal`).toBe(true);
    }
    const faults = [...scene.faults].map(([kind, count]) => `${kind} ${count}`).join(', ');
    const lines = files.map(({ length }) => length).join(' and ');
    console.log(
      `connect, ${brokers} brokers, ${workers} workers, SEED=${SEED}: ${lines} lines, ${faults}, ` +
        `${connect.failures.length} restarts by the operator`,
    );
    for (const failure of connect.failures) console.log(failure);
  });
});

function sizeOf(path: string): number {
  return existsSync(path) ? readFileSync(path).length : 0;
}
