import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { targetName, temporaryFolder } from '../support/broker-target.ts';
import { fetchKafkaStreams, JAVA_FLAGS } from '../support/client-tools.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { createTopic } from '../support/cluster-process-admin.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';
import { startTransactionalCluster } from '../support/transactional-cluster.ts';

/*
 * Apache Kafka's own smoke test of Kafka Streams, as it is published (kafka-streams, classifier `test`), with
 * exactly_once_v2. Its driver sends records for a minute and a half and verifies every result; meanwhile its client,
 * which computes them, is killed with -9 and followed by another, and a broker is killed with -9 and started again.
 *
 * STREAMS_SMOKE_BROKERS says on how many brokers (default 1,3).
 */

const SIZES = (process.env['STREAMS_SMOKE_BROKERS'] ?? '1,3').split(',').map(Number);
const MAIN_CLASS = 'org.apache.kafka.streams.tests.StreamsSmokeTest';
const PARTITIONS = 5;
/** Those of SmokeTestDriver. */
const TOPICS =
  'data fk echo max min min-suppressed min-raw dif sum sws-raw sws-suppressed cnt avg tagg'.split(' ');
/** How long a client is left at work once it has read a hundred records of a partition. */
const AT_WORK_MS = 2_000;
const PATIENCE_MS = 90_000;
const DRIVER_MS = 600_000;
/** How many of the driver's last lines are shown when it does not succeed. */
const DRIVER_LINES = 100;
/**
 * The driver dates its records two days back. With the default of a day its producer is expired for a broker that reads
 * its state anew after kill -9, and what the driver sends again is there twice: on Apache Kafka too.
 */
const BROKER_PROPERTIES = { 'producer.id.expiration.ms': `${7 * 24 * 3_600_000}` };
/** What a client prints when it has its partitions. */
const RUNNING = /REBALANCING -> RUNNING/;
/**
 * What the driver prints from four fifths of its 20,000 records on: nothing is killed any more. Right after its last
 * record it reads the ends of all partitions, first those of read_uncommitted and then those of read_committed, and fails
 * when the second is larger, as it is when a transaction is committed in between. The results must have caught up.
 */
const LATE = /^\S+ (1[6-9]\d00|20000) records produced/;

const running: RunningCommand[] = [];
let dispose: () => Promise<void> = async () => {};

afterEach(async () => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
  await dispose();
});

interface Program {
  readonly command: RunningCommand;
  /** What it has printed so far. */
  readonly lines: readonly string[];
}

async function program(configFile: string, command: 'run' | 'process'): Promise<Program> {
  const libraries = await fetchKafkaStreams();
  const lines: string[] = [];
  const args = [...JAVA_FLAGS, '-cp', `${libraries}/*`, MAIN_CLASS, configFile, command];
  const started = startCommand('java', args, { timeoutMs: DRIVER_MS, onLine: line => lines.push(line) });
  running.push(started);
  return { command: started, lines };
}

const hasPrinted = ({ lines }: Program, words: RegExp) => lines.some(line => words.test(line));

/** Waits until the program has printed a line with the words, or `enough` says so; rejects when it ends before. */
async function untilPrinted(it: Program, words: RegExp, enough = () => false): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!hasPrinted(it, words) && !enough()) {
    if (it.command.child.exitCode !== null || Date.now() > deadline) {
      it.command.child.kill('SIGKILL');
      const why = await it.command.result.then(
        ({ stderr }) => stderr.slice(-3_000),
        error => String(error),
      );
      throw new Error(`${words} was not printed:\n${it.lines.slice(-60).join('\n')}\n${why}`);
    }
    await sleep(100);
  }
}

describe.each(SIZES)(`the smoke test of Kafka Streams on ${targetName()}, brokers: %i`, size => {
  test('succeeds with clients and brokers that are killed', { timeout: DRIVER_MS + 60_000 }, async () => {
    const folder = temporaryFolder('streams-smoke');
    const cluster: ClusterProcess = await startTransactionalCluster(
      size,
      folder.path,
      () => BROKER_PROPERTIES,
    );
    dispose = async () => {
      await cluster.dispose();
      folder.remove();
    };
    for (const name of TOPICS)
      await createTopic(cluster, { name, partitions: PARTITIONS, replicationFactor: size });
    await cluster.waitUntilHealthy(TOPICS);

    /** Two clients have the state of their predecessors, in turn. */
    const startClient = (turn: number) => {
      const configFile = join(folder.path, `client-${turn % 2}.properties`);
      const config = {
        'bootstrap.servers': cluster.bootstrap,
        'processing.guarantee': 'exactly_once_v2',
        'state.dir': join(folder.path, `state-${turn % 2}`),
        'num.stream.threads': '2',
        'session.timeout.ms': '6000',
        'heartbeat.interval.ms': '1000',
        'reconnect.backoff.max.ms': '200',
      };
      writeFileSync(
        configFile,
        Object.entries(config)
          .map(([key, value]) => `${key}=${value}\n`)
          .join(''),
      );
      return program(configFile, 'process');
    };
    let client = await startClient(0);
    const clients = [client];
    await untilPrinted(client, RUNNING);
    const driver = await program(join(folder.path, 'client-0.properties'), 'run');
    await untilPrinted(driver, /records produced/);
    const isLate = () => driver.command.child.exitCode !== null || hasPrinted(driver, LATE);
    let killed = 0;
    while (!isLate()) {
      await untilPrinted(client, /processed \d+ records from topic/, isLate);
      await sleep(AT_WORK_MS);
      if (isLate()) break;
      if (killed % 2 === 1) {
        const { process } = cluster.brokers[killed % size]!;
        await process.kill();
        await process.start();
      }
      client.command.child.kill('SIGKILL');
      await client.command.result.catch(() => {});
      killed++;
      client = await startClient(killed);
      clients.push(client);
      await untilPrinted(client, RUNNING);
    }
    await driver.command.result;
    // It comes to this verdict only after it has found that no transaction is open.
    const verdict = driver.lines.slice(driver.lines.indexOf('Result Verification'));
    console.log(`${killed} clients killed\n${verdict.join('\n')}`);
    if (!verdict.includes('SUCCESS')) console.log(driver.lines.slice(-DRIVER_LINES).join('\n'));
    expect(verdict).toContain('ALL-RECORDS-DELIVERED');
    expect(verdict).toContain('SUCCESS');
    const exceptions = clients.flatMap(({ lines }) => lines.filter(line => line.includes('EXCEPTION')));
    expect(exceptions).toEqual([]);
    expect(killed).toBeGreaterThan(2);
  });
});
