import type { History } from '../checkers/history.ts';
import type { SimClient } from '../simulation-types.ts';
import type { ClusterClient } from './cluster-client.ts';

export interface WorkerSettings {
  /** The mean time between the end of a piece of work and the next one. */
  readonly thinkMs: number;
}

/** A client that does one thing after another until it is stopped, or has done all it has to. */
export abstract class SimWorker<Settings extends WorkerSettings> implements SimClient {
  readonly name: string;
  protected readonly cluster: ClusterClient;
  protected readonly settings: Settings;
  protected readonly history: History;
  private running: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(cluster: ClusterClient, settings: Settings, history: History) {
    this.name = cluster.name;
    this.cluster = cluster;
    this.settings = settings;
    this.history = history;
  }

  start(): void {
    this.running = this.run();
  }

  /** Resolves when the work at hand is done, and what comes last. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
    await this.finish();
    this.cluster.close();
  }

  protected get isStopping(): boolean {
    return this.stopping;
  }

  /** What comes before all else. */
  protected prepare(): Promise<void> {
    return Promise.resolve();
  }

  /** What comes after all else, when everything is whole. */
  protected finish(): Promise<void> {
    return Promise.resolve();
  }

  protected get isDone(): boolean {
    return false;
  }

  /** One piece of work, with metadata that are not old. */
  protected abstract work(): Promise<void>;

  private async run(): Promise<void> {
    const { cluster, settings } = this;
    await this.prepare();
    while (!this.stopping && !this.isDone) {
      await cluster.sleep(settings.thinkMs * 2 * cluster.random.next());
      await cluster.freshMetadata();
      if (!this.stopping) await this.work();
    }
  }
}
