import { setTimeout as sleep } from 'node:timers/promises';
import { fetchApacheKafka, quietLogging } from '../support/apache-kafka.ts';
import { JAVA_FLAGS } from '../support/client-tools.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';

const RUN_MS = 600_000;
const PAUSE_MS = 300;

export interface CopierOptions {
  readonly bootstrap: string;
  readonly inputTopic: string;
  readonly outputTopic: string;
  readonly group: string;
  readonly transactionalId: string;
  readonly recordsPerTransaction: number;
  readonly transactionTimeoutMs: number;
}

/**
 * Apache Kafka's TransactionalMessageCopier as a member of a group: it copies what is in its partitions when it gets them,
 * in transactions with the offsets in them, some of which it aborts at random, and ends. Whenever it ends, and however, it
 * is started again with the same transactional id.
 */
export class MessageCopier {
  /** Records in transactions whose commit has returned, over all its lives. */
  committed = 0;
  kills = 0;
  /** What it said when it ended with an error. */
  readonly failures: string[] = [];
  private readonly options: CopierOptions;
  private readonly libraries: string;
  private command: RunningCommand | undefined;
  private inputEnded = false;
  private disposed = false;
  private readonly done: Promise<void>;

  private constructor(options: CopierOptions, libraries: string) {
    this.options = options;
    this.libraries = libraries;
    this.done = this.live();
  }

  static async start(options: CopierOptions): Promise<MessageCopier> {
    return new MessageCopier(options, await fetchApacheKafka('4.3.0'));
  }

  /** kill -9, unless it has just ended by itself. */
  kill(): void {
    const child = this.command?.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.kills++;
    child.kill('SIGKILL');
  }

  /** To be told when all input is written. Resolves when a copier that was started after that has copied all. */
  finish(): Promise<void> {
    this.inputEnded = true;
    return this.done;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    this.command?.child.kill('SIGKILL');
    await this.done;
  }

  private async live(): Promise<void> {
    while (!this.disposed) {
      const last = this.inputEnded;
      if ((await this.liveOnce()) && last) return;
      await sleep(PAUSE_MS);
    }
  }

  /** Whether it ended because it had copied all. */
  private async liveOnce(): Promise<boolean> {
    const { options } = this;
    const args = [
      ...['--broker-list', options.bootstrap, '--input-topic', options.inputTopic],
      // Required, and without a meaning for a member of a group.
      ...['--input-partition', '0', '--output-topic', options.outputTopic],
      ...['--consumer-group', options.group, '--group-mode', '--use-group-metadata'],
      ...['--transactional-id', options.transactionalId, '--enable-random-aborts'],
      ...['--transaction-size', `${options.recordsPerTransaction}`],
      ...['--transaction-timeout', `${options.transactionTimeoutMs}`],
    ];
    const main = 'org.apache.kafka.tools.TransactionalMessageCopier';
    const before = this.committed;
    const command = startCommand(
      'java',
      [...JAVA_FLAGS, ...quietLogging(), '-cp', `${this.libraries}/*`, main, ...args],
      { timeoutMs: RUN_MS, onLine: line => this.take(line, before) },
    );
    this.command = command;
    const result = await command.result.catch((error: Error) => error);
    if (!(result instanceof Error)) return true;
    if (command.child.signalCode !== 'SIGKILL') this.failures.push(result.message);
    return false;
  }

  /** A line of JSON tells how many records this life has copied. */
  private take(line: string, before: number): void {
    if (!line.startsWith('{')) return;
    const { totalProcessed } = JSON.parse(line) as { totalProcessed: number };
    this.committed = before + totalProcessed;
  }
}
