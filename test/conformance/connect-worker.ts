import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchWithMaven, quietLogging } from '../support/apache-kafka.ts';
import { freePort } from '../support/free-ports.ts';
import { projectRoot, toolsDirectory } from '../support/project.ts';
import { type ServerCommand, ServerProcess } from '../support/server-process.ts';

const VERSION = '4.3.0';
const HEALTH_MS = 1_000;
const REQUEST_MS = 15_000;
const FLAGS = ['-Xmx384M', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true'];

/** A worker is taken for dead this long after its last heartbeat, and its tasks go to others. */
export const WORKER_SESSION_MS = 6_000;

/**
 * A worker that starts reads all of what the tasks have written of their progress, also in transactions that are open: it
 * waits for the end of those that a killed worker has left.
 */
const TRANSACTION_TIMEOUT_MS = 8_000;

export interface WorkerOptions {
  /** A folder of its own. */
  readonly workDirectory: string;
  readonly name: string;
  readonly bootstrap: string;
  /** Of the topics that the workers keep their state in. */
  readonly replicationFactor: number;
}

/** A connector or one of its tasks, as a worker says. */
interface Part {
  /** RUNNING, PAUSED, UNASSIGNED, RESTARTING or FAILED. */
  readonly state: string;
  /** The stack trace of one that has failed. */
  readonly trace?: string;
}

export interface ConnectorStatus {
  readonly name: string;
  readonly connector: Part;
  readonly tasks: readonly Part[];
}

/**
 * A worker of Apache Kafka Connect 4.3 in distributed mode, in a process of its own. All workers are of one group, with
 * exactly-once support for sources. `start` returns when the worker is in the group and says that it is healthy.
 */
export class ConnectWorker extends ServerProcess {
  private readonly url: string;
  private readonly args: readonly string[];

  private constructor(options: WorkerOptions, libraries: string, port: number) {
    super(`Connect worker ${options.name}`, join(options.workDirectory, 'connect.log'));
    this.url = `http://127.0.0.1:${port}`;
    const file = join(options.workDirectory, 'connect.properties');
    const lines = Object.entries(propertiesOf(options, this.url)).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(file, lines.join(''));
    const main = 'org.apache.kafka.connect.cli.ConnectDistributed';
    this.args = [...FLAGS, ...quietLogging(), '-cp', `${libraries}/*`, main, file];
  }

  static async create(options: WorkerOptions): Promise<ConnectWorker> {
    mkdirSync(options.workDirectory, { recursive: true });
    const pom = join(projectRoot, 'test/support/apache-kafka-connect/pom.xml');
    const folder = join(toolsDirectory, 'apache-kafka-connect', VERSION);
    const libraries = await fetchWithMaven(pom, 'connect.version', VERSION, folder);
    return new ConnectWorker(options, libraries, await freePort());
  }

  /** Asks the worker's REST API. Rejects if it does not answer or answers with an error. */
  async ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      signal: AbortSignal.timeout(REQUEST_MS),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  }

  protected command(): ServerCommand {
    return { file: 'java', args: this.args };
  }

  protected async isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(HEALTH_MS) });
      await answer.body?.cancel();
      if (answer.ok) return true;
    } catch {
      // It does not listen yet, or is not in the group yet.
    }
    await sleep(200);
    return false;
  }
}

function propertiesOf(options: WorkerOptions, url: string): Record<string, string> {
  const replicationFactor = `${options.replicationFactor}`;
  const converter = 'org.apache.kafka.connect.storage.StringConverter';
  return {
    'bootstrap.servers': options.bootstrap,
    'group.id': 'connect',
    'client.id': options.name,
    listeners: url,
    'exactly.once.source.support': 'enabled',
    'key.converter': converter,
    'value.converter': converter,
    'config.storage.topic': 'connect-configs',
    'config.storage.replication.factor': replicationFactor,
    'offset.storage.topic': 'connect-offsets',
    'offset.storage.replication.factor': replicationFactor,
    'offset.storage.partitions': '4',
    'status.storage.topic': 'connect-status',
    'status.storage.replication.factor': replicationFactor,
    'status.storage.partitions': '2',
    'offset.flush.interval.ms': '1000',
    'producer.transaction.timeout.ms': `${TRANSACTION_TIMEOUT_MS}`,
    'session.timeout.ms': `${WORKER_SESSION_MS}`,
    'heartbeat.interval.ms': '1000',
    // The tasks of a dead worker wait so long for it to come back.
    'scheduled.rebalance.max.delay.ms': '1000',
    'plugin.discovery': 'service_load',
  };
}
