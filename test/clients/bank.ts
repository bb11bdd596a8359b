import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { targetName, temporaryFolder } from '../support/broker-target.ts';
import { compileJava, JAVA_FLAGS } from '../support/client-tools.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';
import { createTopic } from '../support/cluster-process-admin.ts';
import type { LateBytesProxy } from '../support/late-bytes-proxy.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';
import { createTransactionalCluster } from '../support/transactional-cluster.ts';
import { BankLedger, type PartitionEnds } from './bank-ledger.ts';

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

/** Name and transactional id of each worker. */
const WORKERS = [
  ['w1', 'alone-1'],
  ['w2', 'alone-2'],
  ['w3', 'shared'],
  ['w4', 'shared'],
] as const;

export interface BankOptions {
  readonly brokers: number;
  /** How long the workers work. */
  readonly seconds: number;
  /** Clients reach the brokers through it; one port for each broker. */
  readonly proxy?: LateBytesProxy;
}

/** How long a check may take whose bank works for so many seconds. */
export const bankTimeoutMs = (seconds: number): number => (seconds + 240) * 1_000;

/**
 * A bank: transactional workers move amounts between the partitions of six topics and are stopped in the middle of a
 * transaction for longer than its timeout. Two of them share a transactional id and fence each other all the time.
 * `test/clients/bank-ledger.ts` says what must hold.
 */
export class Bank {
  readonly cluster: ClusterProcess;
  readonly ledger = new BankLedger(TOTAL, TRANSACTION_TIMEOUT_MS + END_MS);
  private readonly options: BankOptions;
  private readonly removeFolder: () => void;
  private readonly running: RunningCommand[] = [];
  /** When the next worker may be stopped. */
  private stopNext = 0;
  private stopCount = 0;
  private killCount = 0;

  private constructor(options: BankOptions, cluster: ClusterProcess, removeFolder: () => void) {
    this.options = options;
    this.cluster = cluster;
    this.removeFolder = removeFolder;
  }

  /** Starts the brokers and creates the topics. */
  static async open(options: BankOptions): Promise<Bank> {
    const { brokers, proxy } = options;
    const folder = temporaryFolder('bank');
    const cluster = await createTransactionalCluster(brokers, folder.path, at => {
      const port = proxy?.ports[at];
      return port === undefined ? {} : { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}` };
    });
    const bank = new Bank(options, cluster, folder.remove);
    try {
      await proxy?.start(cluster.nodes.map(({ process }) => process.port));
      await cluster.start();
      const names = Array.from({ length: TOPICS }, (_, at) => `account-${at}`);
      for (const name of names)
        await createTopic(cluster, { name, partitions: 2, replicationFactor: brokers });
      await cluster.waitUntilHealthy(names);
      return bank;
    } catch (error) {
      await bank.close();
      throw error;
    }
  }

  /** How many brokers were killed. */
  get kills(): number {
    return this.killCount;
  }

  /** How many times a worker was stopped in the middle of a transaction. */
  get stops(): number {
    return this.stopCount;
  }

  /**
   * Has the workers work while `disturb` does what it does until `end`, in ms since the epoch. Returns when everything
   * that was written has been read twice and is in the ledger.
   */
  async run(disturb: (end: number) => Promise<void>): Promise<void> {
    const { ledger } = this;
    await (await this.program(['deposit'], words => this.takeEnd(words))).result;
    const observer = await this.program(['observer'], words => readSnapshots(ledger, words));
    this.stopNext = Date.now() + STOP_EVERY_MS / 2;
    const workers: RunningCommand[] = [];
    for (const [name, transactionalId] of WORKERS) {
      const args = ['worker', name, transactionalId, `${TRANSACTION_TIMEOUT_MS}`];
      const worker = await this.program(args, words => {
        this.takeEnd(words);
        if (words[0] === 'middle') this.stopForAWhile(worker);
      });
      workers.push(worker);
    }

    const end = Date.now() + this.options.seconds * 1_000;
    await disturb(end);
    await sleep(Math.max(0, end - Date.now()));
    // From here on nobody is stopped, and those who are go on before they are told to end.
    this.stopNext = Number.MAX_SAFE_INTEGER;
    for (const { child } of workers) child.stdin?.end();
    for (const { result } of workers) await result;
    observer.child.stdin?.end();
    await observer.result;
    ledger.finish();

    const later = new BankLedger(TOTAL, TRANSACTION_TIMEOUT_MS + END_MS);
    const second = await this.program(['observer'], words => readSnapshots(later, words));
    second.child.stdin?.end();
    await second.result;
    ledger.compareWith(later);
  }

  /** Kills the next broker in turn with -9, and starts it again at once. */
  async killNext(): Promise<void> {
    const { brokers } = this.cluster;
    const { process } = brokers[this.killCount++ % brokers.length]!;
    const from = Date.now();
    await process.kill();
    await process.start();
    this.ledger.takeOutage({ from, to: Date.now() + RECONNECT_MS });
  }

  /** Kills one broker after the other. */
  async killUntil(end: number): Promise<void> {
    while (Date.now() + KILL_EVERY_MS < end) {
      await sleep(KILL_EVERY_MS);
      await this.killNext();
    }
  }

  /** What must hold after {@link run}. Says what the bank did. */
  expectSound(): void {
    const { ledger, options, stops, kills } = this;
    const words = ['committed', 'aborted', 'unknown'] as const;
    const counts = words.map(word => `${ledger.saidCount(word)} ${word}`);
    console.log(
      `bank of ${options.brokers}, ${options.seconds} s: ${counts.join(', ')}, ${ledger.snapshots} snapshots, ` +
        `${kills} kills, ${stops} stops, longest open ${ledger.longestOpenMs} ms`,
    );
    expect(ledger.problems).toEqual([]);
    expect(kills).toBeGreaterThan(0);
    expect(stops).toBeGreaterThan(0);
    expect(ledger.saidCount('committed')).toBeGreaterThan(options.seconds);
    expect(ledger.saidCount('aborted')).toBeGreaterThan(0);
  }

  /** Ends everything. Never fails. */
  async close(): Promise<void> {
    // A process that is stopped by a signal does not end by itself.
    for (const { child } of this.running.splice(0)) child.kill('SIGKILL');
    await this.cluster.dispose();
    await this.options.proxy?.close();
    this.removeFolder();
  }

  private stopForAWhile({ child }: RunningCommand): void {
    if (Date.now() < this.stopNext) return;
    this.stopNext = Date.now() + STOP_EVERY_MS;
    this.stopCount++;
    child.kill('SIGSTOP');
    setTimeout(() => child.kill('SIGCONT'), STOPPED_MS);
  }

  private takeEnd([word = '', id = '']: string[]): void {
    if (['committed', 'aborted', 'unknown'].includes(word)) this.ledger.takeEnd(id, word);
  }

  /** Starts one of the bank's programs; every line of it goes to `say`, split at its tabs. */
  private async program(
    [role = '', ...args]: readonly string[],
    say: (words: string[]) => void,
  ): Promise<RunningCommand> {
    const classPath = await compileJava('bank', '4.3.0');
    const { proxy, seconds } = this.options;
    const bootstrap = proxy?.bootstrap ?? this.cluster.bootstrap;
    const command = startCommand(
      'java',
      [...JAVA_FLAGS, '-cp', classPath, 'Main', role, bootstrap, ...args],
      { keepInputOpen: true, timeoutMs: bankTimeoutMs(seconds), onLine: line => say(line.split('\t')) },
    );
    this.running.push(command);
    return command;
  }
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

/**
 * The check of a bank while a broker is killed every few seconds. The environment has the last word: BANK_SECONDS is how
 * long it goes on, for each of BANK_BROKERS (default 1,3).
 */
export function checkBank(usualSeconds: number): void {
  const seconds = Number(process.env['BANK_SECONDS'] ?? usualSeconds);
  const sizes = (process.env['BANK_BROKERS'] ?? '1,3').split(',').map(Number);
  describe.each(sizes)(`a bank on ${targetName()}, brokers: %i`, brokers => {
    test(`keeps its total for ${seconds} s, whatever is killed or stopped`, {
      timeout: bankTimeoutMs(seconds),
    }, async () => {
      const bank = await Bank.open({ brokers, seconds });
      try {
        await bank.run(end => bank.killUntil(end));
        bank.expectSound();
      } finally {
        await bank.close();
      }
    });
  });
}
