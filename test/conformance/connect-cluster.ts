import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectorStatus, ConnectWorker, type WorkerOptions } from './connect-worker.ts';

const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 500;
const STARTS_MAX = 3;

/** The workers of one group, with the operator who looks after them: failed tasks and ended workers are started again. */
export class ConnectCluster {
  readonly workers: readonly ConnectWorker[];
  /** What has failed by itself, as the workers say: connector or task, and the cause. */
  readonly failures: string[] = [];
  private operating = true;
  /** Those that are down on purpose. */
  private readonly bounced = new Set<ConnectWorker>();
  private operator: Promise<void> = Promise.resolve();

  private constructor(workers: readonly ConnectWorker[]) {
    this.workers = workers;
  }

  static async start(count: number, options: Omit<WorkerOptions, 'name'>): Promise<ConnectCluster> {
    const workers = Array.from({ length: count }, (_, index) => {
      const name = `worker-${index + 1}`;
      return ConnectWorker.create({ ...options, name, workDirectory: join(options.workDirectory, name) });
    });
    const cluster = new ConnectCluster(await Promise.all(workers));
    // The first of a group creates the topics of its state.
    for (const worker of cluster.workers) await worker.start();
    cluster.operator = cluster.operate();
    return cluster;
  }

  /** Creates a connector, or gives it another configuration. */
  async configure(name: string, config: Readonly<Record<string, string>>): Promise<void> {
    await this.askUntil(`configuration of ${name}`, worker =>
      worker.ask('PUT', `/connectors/${name}/config`, config),
    );
  }

  /** Restarts a connector and its task, which end as they do when they are told to. */
  async restart(name: string): Promise<void> {
    await this.askUntil(`restart of ${name}`, worker =>
      worker.ask('POST', `/connectors/${name}/restart?includeTasks=true`),
    );
  }

  /** kill -9, and a start some time later. */
  async bounce(worker: ConnectWorker, downMs: number): Promise<void> {
    this.bounced.add(worker);
    try {
      await worker.kill();
      await sleep(downMs);
      await this.startAgain(worker);
    } finally {
      this.bounced.delete(worker);
    }
  }

  async dispose(): Promise<void> {
    this.operating = false;
    await Promise.all(this.workers.map(worker => (worker.running ? worker.kill() : undefined)));
    await this.operator;
  }

  /** For the message of a failure. */
  logTails(): string {
    return this.workers.map(worker => `--- ${worker.name}\n${worker.logTail()}`).join('\n');
  }

  /** Asks living workers in turn until one has an answer: in a rebalance they have none. */
  private async askUntil(what: string, ask: (worker: ConnectWorker) => Promise<unknown>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    let last: unknown;
    while (performance.now() < deadline) {
      for (const worker of this.living()) {
        try {
          await ask(worker);
          return;
        } catch (error) {
          last = error;
        }
      }
      await sleep(LOOK_EVERY_MS);
    }
    throw new Error(`${what}: not within ${PATIENCE_MS} ms (${last})\n${this.logTails()}`);
  }

  private living(): ConnectWorker[] {
    return this.workers.filter(worker => worker.responsive && worker.unexpectedExit === undefined);
  }

  private async operate(): Promise<void> {
    while (this.operating) {
      await sleep(LOOK_EVERY_MS);
      for (const worker of this.workers) {
        if (worker.unexpectedExit === undefined || this.bounced.has(worker)) continue;
        this.failures.push(`${worker.name} ended with ${worker.unexpectedExit}: ${worker.logTail()}`);
        await worker.kill();
        await this.startAgain(worker);
      }
      const [worker] = this.living();
      // A worker that was killed meanwhile does not answer; the next look is at another one.
      if (worker !== undefined) await this.restartFailed(worker).catch(() => {});
    }
  }

  /** A worker ends by itself if it finds no broker when it starts. */
  private async startAgain(worker: ConnectWorker): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await worker.start();
        return;
      } catch (error) {
        if (attempt === STARTS_MAX || !this.operating) throw error;
        this.failures.push(String(error));
        await worker.kill();
      }
    }
  }

  private async restartFailed(worker: ConnectWorker): Promise<void> {
    const all = await worker.ask<Record<string, { status: ConnectorStatus }>>(
      'GET',
      '/connectors?expand=status',
    );
    for (const { status } of Object.values(all)) {
      const failed = [status.connector, ...status.tasks].filter(({ state }) => state === 'FAILED');
      if (failed.length === 0) continue;
      for (const { trace } of failed) this.failures.push(`${status.name}: ${trace}`);
      await worker.ask('POST', `/connectors/${status.name}/restart?includeTasks=true&onlyFailed=true`);
    }
  }
}
