import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { SimRandom } from '../simulation/sim-random.ts';
import { targetName, temporaryFolder } from '../support/broker-target.ts';
import { compileJava, JAVA_FLAGS } from '../support/client-tools.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { committedOffsets, createTopic } from '../support/cluster-process-admin.ts';
import { readTopic } from '../support/kcat-records.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';
import { differenceOf } from './difference.ts';
import { MessageCopier } from './message-copier.ts';
import { startTransactionalCluster } from '../support/transactional-cluster.ts';

/*
 * Two of Apache Kafka's own TransactionalMessageCopier, members of one group, copy a topic to another in transactions,
 * while an idempotent producer writes to the input, copiers and brokers are killed with -9 and started again, and a third
 * of the transactions is aborted. At the end each partition of the output, read with read_committed, has the records of
 * the same partition of the input, each once and in order, and the group's offsets are at the ends of the input.
 *
 * COPIER_SECONDS is how long faults go on (default 30) for each of COPIER_BROKERS (default 1,3). SEED repeats the order of
 * the faults.
 */

const SECONDS = Number(process.env['COPIER_SECONDS'] ?? 30);
const BROKERS = (process.env['COPIER_BROKERS'] ?? '1,3').split(',').map(Number);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const PARTITIONS = 4;
const RECORDS_PER_SECOND = 400;
const RECORDS_PER_TRANSACTION = 10;
/** A copier waits for the transaction that it has left open in its last life. */
const TRANSACTION_TIMEOUT_MS = 6_000;
const GROUP = 'copiers';
const INPUT = 'input';
const OUTPUT = 'output';
const WAIT_MS = 90_000;
/** What two copiers may take to copy what is left. */
const END_MS = 150_000;
const TEST_MS = SECONDS * 1_000 + 300_000;

let close: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of close.reverse()) await step();
  close = [];
});

async function start(brokers: number): Promise<ClusterProcess> {
  const folder = temporaryFolder('copier');
  close.push(folder.remove);
  const cluster = await startTransactionalCluster(brokers, folder.path);
  close.push(() => cluster.dispose());
  for (const name of [INPUT, OUTPUT]) {
    await createTopic(cluster, { name, partitions: PARTITIONS, replicationFactor: brokers });
  }
  await cluster.waitUntilHealthy([INPUT, OUTPUT]);
  return cluster;
}

/** Writes number n to partition n % PARTITIONS until its input ends; `sent` is asked after that. */
async function startProducer(bootstrap: string): Promise<RunningCommand> {
  const classPath = await compileJava('acked-producer', '4.3.0');
  const args = [bootstrap, INPUT, `${PARTITIONS}`, `${RECORDS_PER_SECOND}`, 'enable.idempotence=true'];
  const command = startCommand('java', [...JAVA_FLAGS, '-cp', classPath, 'Main', ...args], {
    keepInputOpen: true,
    timeoutMs: TEST_MS,
  });
  close.push(() => command.child.kill('SIGKILL'));
  return command;
}

/** Kills a copier or a broker at random times, each time when records were copied since the last one. */
async function disturb(cluster: ClusterProcess, copiers: readonly MessageCopier[]): Promise<number> {
  const random = new SimRandom(SEED);
  const end = performance.now() + SECONDS * 1_000;
  let brokerKills = 0;
  for (let round = 0; round === 0 || performance.now() < end; round++) {
    const broker = random.below(3);
    for (let turn = 0; turn < 3 && (round === 0 || performance.now() < end); turn++) {
      await progress(cluster, copiers);
      await sleep(random.between(0, 2_000));
      random.pick(copiers).kill();
      if (turn !== broker) continue;
      await progress(cluster, copiers);
      await sleep(random.between(0, 500));
      const { process } = random.pick(cluster.brokers);
      brokerKills++;
      await process.kill();
      await process.start();
    }
  }
  return brokerKills;
}

async function progress(cluster: ClusterProcess, copiers: readonly MessageCopier[]): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  const sum = () => copiers.reduce((total, { committed }) => total + committed, 0);
  const before = sum();
  while (sum() === before) {
    if (performance.now() > deadline) {
      const said = copiers.flatMap(({ failures }) => failures).join('\n');
      throw new Error(`nothing was copied for ${WAIT_MS} ms\n${said}\n${cluster.logTails()}`);
    }
    await sleep(50);
  }
}

/** The numbers that belong to a partition of the input. */
function numbersOf(partition: number, sent: number): string[] {
  const count = Math.ceil((sent - partition) / PARTITIONS);
  return Array.from({ length: count }, (_, index) => `${partition + index * PARTITIONS}`);
}

describe.each(BROKERS)(`two message copiers on ${targetName()}, brokers: %i`, brokers => {
  test('copy each record once, in order', { timeout: TEST_MS }, async () => {
    const cluster = await start(brokers);
    const { bootstrap } = cluster;
    const producer = await startProducer(bootstrap);
    const copiers: MessageCopier[] = [];
    for (const transactionalId of ['copier-1', 'copier-2']) {
      const copier = await MessageCopier.start({
        ...{ bootstrap, transactionalId, group: GROUP, inputTopic: INPUT, outputTopic: OUTPUT },
        recordsPerTransaction: RECORDS_PER_TRANSACTION,
        transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      });
      close.push(() => copier.dispose());
      copiers.push(copier);
    }
    const brokerKills = await disturb(cluster, copiers);
    producer.child.stdin?.end();
    const { stdout } = await producer.result;
    const sent = Number(/^sent\t(\d+)$/m.exec(stdout)?.[1]);
    const finished = Promise.all(copiers.map(copier => copier.finish())).then(() => true);
    if (!(await Promise.race([finished, sleep(END_MS, false, { ref: false })]))) {
      throw new Error(`the copiers do not come to their end\n${cluster.logTails()}`);
    }

    const kills = copiers.reduce((total, copier) => total + copier.kills, 0);
    const failures = copiers.flatMap(copier => copier.failures);
    console.log(
      `copiers, ${brokers} brokers, SEED=${SEED}: ${sent} records, ${kills} kills of copiers, ` +
        `${brokerKills} of brokers, ${failures.length} ended with an error`,
    );
    // A copier lives through what is done to the brokers and to the other one: only a kill ends it before its time.
    expect.soft(failures).toEqual([]);

    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    const expected = partitions.map(partition => numbersOf(partition, sent));
    const total = async () => (await readTopic(bootstrap, OUTPUT)).length;
    // The markers of the last transactions may come a moment after the answer to the commit.
    await expect.poll(total, { timeout: 20_000 }).toBeGreaterThanOrEqual(sent);
    const output = await readTopic(bootstrap, OUTPUT);
    for (const partition of partitions) {
      const read = output.filter(record => record.partition === partition).map(({ value }) => value ?? '');
      expect.soft(differenceOf(read, expected[partition]!), `partition ${partition}`).toBeUndefined();
    }
    const ends = expected.map(({ length }) => length);
    expect.soft(await committedOffsets(cluster, GROUP, INPUT, PARTITIONS)).toEqual(ends);
    expect(sent).toBeGreaterThan(SECONDS * RECORDS_PER_TRANSACTION);
  });
});
