import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { launchOf, targetName, temporaryFolder } from '../support/broker-target.ts';
import { compileJava, JAVA_FLAGS } from '../support/client-tools.ts';
import { ClusterProcess, combinedNodes } from '../support/cluster-process.ts';
import { createTopic } from '../support/cluster-process-admin.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';
import { BankLedger, type PartitionEnds } from './bank-ledger.ts';

/*
 * A bank: transactional workers move amounts between the partitions of six topics while a broker is killed with -9 every
 * few seconds and workers are stopped in the middle of a transaction for longer than its timeout. Two workers share a
 * transactional id and fence each other all the time. `test/clients/bank-ledger.ts` says what must hold.
 *
 * BANK_SECONDS is how long it goes on (default 30) for each of BANK_BROKERS (default 1,3).
 */

const SECONDS = Number(process.env['BANK_SECONDS'] ?? 30);
const SIZES = (process.env['BANK_BROKERS'] ?? '1,3').split(',').map(Number);
const TOPICS = 6;
const TOTAL = 1_000 * TOPICS;
const TRANSACTION_TIMEOUT_MS = 5_000;
/** What a transaction may take to end after its timeout. */
const END_MS = 10_000;
const KILL_EVERY_MS = 4_000;
const STOP_EVERY_MS = 9_000;
const STOPPED_MS = TRANSACTION_TIMEOUT_MS + 2_000;
/** A client that lost its connections is back this long after the broker. */
const RECONNECT_MS = 1_000;
const PROGRAM_MS = (SECONDS + 180) * 1_000;

/** Name and transactional id of each worker. */
const WORKERS = [
  ['w1', 'alone-1'],
  ['w2', 'alone-2'],
  ['w3', 'shared'],
  ['w4', 'shared'],
] as const;

const running: RunningCommand[] = [];
let dispose: () => Promise<void> = async () => {};

afterEach(async () => {
  // A process that is stopped by a signal does not end by itself.
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
  await dispose();
});

async function startBank(size: number): Promise<ClusterProcess> {
  const folder = temporaryFolder('bank');
  const replicas = `${size}`;
  const cluster = await ClusterProcess.create({
    workDirectory: folder.path,
    nodes: combinedNodes(
      await launchOf(targetName()),
      Array.from({ length: size }, (_, at) => at + 1),
    ),
    properties: {
      'default.replication.factor': replicas,
      'min.insync.replicas': size === 1 ? '1' : '2',
      'offsets.topic.replication.factor': replicas,
      'transaction.state.log.replication.factor': replicas,
      'transaction.state.log.min.isr': size === 1 ? '1' : '2',
      'transaction.state.log.num.partitions': '4',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    },
  });
  dispose = async () => {
    await cluster.dispose();
    folder.remove();
  };
  await cluster.start();
  const names = Array.from({ length: TOPICS }, (_, at) => `account-${at}`);
  for (const name of names) await createTopic(cluster, { name, partitions: 2, replicationFactor: size });
  await cluster.waitUntilHealthy(names);
  return cluster;
}

/** Starts one of the bank's programs; every line of it goes to `say`, split at its tabs. */
async function program(args: readonly string[], say: (words: string[]) => void): Promise<RunningCommand> {
  const classPath = await compileJava('bank', '4.3.0');
  const command = startCommand('java', [...JAVA_FLAGS, '-cp', classPath, 'Main', ...args], {
    keepInputOpen: true,
    timeoutMs: PROGRAM_MS,
    onLine: line => say(line.split('\t')),
  });
  running.push(command);
  return command;
}

function readSnapshots(ledger: BankLedger, [kind, first = '', second = '', third = '']: string[]): void {
  if (kind === 'record') ledger.takeRecord(first, Number(second), third);
  if (kind !== 'snapshot') return;
  const ends = new Map<string, PartitionEnds>();
  for (const word of second.split(' ')) {
    const [partition = '', offsets = ''] = word.split('=');
    const [lastStableOffset = 0, highWatermark = 0] = offsets.split('/').map(Number);
    ends.set(partition, { lastStableOffset, highWatermark });
  }
  ledger.takeSnapshot(Number(first), ends);
}

/** Kills one broker after the other, and starts each again at once. Returns how many were killed. */
async function killBrokers(cluster: ClusterProcess, ledger: BankLedger, end: number): Promise<number> {
  let killed = 0;
  while (Date.now() + KILL_EVERY_MS < end) {
    await sleep(KILL_EVERY_MS);
    const { process } = cluster.brokers[killed++ % cluster.brokers.length]!;
    const from = Date.now();
    await process.kill();
    await process.start();
    ledger.takeOutage({ from, to: Date.now() + RECONNECT_MS });
  }
  return killed;
}

describe.each(SIZES)(`a bank on ${targetName()}, brokers: %i`, size => {
  test(`keeps its total for ${SECONDS} s, whatever is killed or stopped`, {
    timeout: PROGRAM_MS + 60_000,
  }, async () => {
    const cluster = await startBank(size);
    const { bootstrap } = cluster;
    const ledger = new BankLedger(TOTAL, TRANSACTION_TIMEOUT_MS + END_MS);
    const takeEnd = ([word = '', id = '']: string[]) => {
      if (['committed', 'aborted', 'unknown'].includes(word)) ledger.takeEnd(id, word);
    };
    await (await program(['deposit', bootstrap], takeEnd)).result;
    const observer = await program(['observer', bootstrap], words => readSnapshots(ledger, words));

    let stopNext = Date.now() + STOP_EVERY_MS / 2;
    let stopped = 0;
    const workers: RunningCommand[] = [];
    for (const [name, transactionalId] of WORKERS) {
      const args = ['worker', bootstrap, name, transactionalId, `${TRANSACTION_TIMEOUT_MS}`];
      const worker = await program(args, words => {
        takeEnd(words);
        if (words[0] !== 'middle' || Date.now() < stopNext) return;
        stopNext = Date.now() + STOP_EVERY_MS;
        stopped++;
        worker.child.kill('SIGSTOP');
        setTimeout(() => worker.child.kill('SIGCONT'), STOPPED_MS);
      });
      workers.push(worker);
    }

    const end = Date.now() + SECONDS * 1_000;
    const killed = await killBrokers(cluster, ledger, end);
    await sleep(Math.max(0, end - Date.now()));
    // From here on nobody is stopped, and those who are go on before they are told to end.
    stopNext = Number.MAX_SAFE_INTEGER;
    for (const { child } of workers) child.stdin?.end();
    for (const { result } of workers) await result;
    observer.child.stdin?.end();
    await observer.result;
    ledger.finish();

    const later = new BankLedger(TOTAL, TRANSACTION_TIMEOUT_MS + END_MS);
    const second = await program(['observer', bootstrap], words => readSnapshots(later, words));
    second.child.stdin?.end();
    await second.result;
    ledger.compareWith(later);

    const counts = (['committed', 'aborted', 'unknown'] as const).map(
      word => `${ledger.saidCount(word)} ${word}`,
    );
    console.log(
      `bank of ${size}: ${counts.join(', ')}, ${ledger.snapshots} snapshots, ${killed} kills, ${stopped} stops, ` +
        `longest open ${ledger.longestOpenMs} ms`,
    );
    expect(ledger.problems).toEqual([]);
    expect(killed).toBeGreaterThan(0);
    expect(stopped).toBeGreaterThan(0);
    expect(ledger.saidCount('committed')).toBeGreaterThan(SECONDS);
    expect(ledger.saidCount('aborted')).toBeGreaterThan(0);
  });
});
