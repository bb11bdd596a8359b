import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { randomUuid } from '../../src/base/uuid.ts';
import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { BrokerServices } from '../../src/server/broker-services.ts';
import { KafkaRaftServer } from '../../src/server/kafka-raft-server.ts';
import { WORKER_TASKS } from '../../src/server/worker-tasks.ts';
import { formatStorage } from '../../src/tools/storage-formatter.ts';

export interface TestBrokerOptions {
  /** Keys of `server.properties` that differ from {@link DEFAULTS}. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly logger?: Logger;
  readonly runtime?: Runtime;
}

const NODE_ID = 1;
const DEFAULTS: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': String(NODE_ID),
  listeners: 'PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0',
  'advertised.listeners': 'PLAINTEXT://127.0.0.1:0',
  'controller.listener.names': 'CONTROLLER',
  'controller.quorum.voters': `${NODE_ID}@127.0.0.1:9093`,
  'offsets.topic.num.partitions': '4',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
};

/**
 * A broker of this process, on a temporary directory and free ports, over the real network and disk.
 *
 * ```ts
 * const broker = await TestBroker.start();
 * // ... broker.host, broker.port
 * await broker.close();
 * ```
 */
export class TestBroker {
  readonly host = '127.0.0.1';
  /** The log directory. */
  readonly directory: string;
  readonly config: KafkaConfig;
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private server: KafkaRaftServer;

  private constructor(directory: string, config: KafkaConfig, runtime: Runtime, logger: Logger) {
    this.directory = directory;
    this.config = config;
    this.runtime = runtime;
    this.logger = logger;
    this.server = new KafkaRaftServer(runtime, config, logger);
  }

  /** Formats a fresh directory and starts a broker on it. */
  static async start(options: TestBrokerOptions = {}): Promise<TestBroker> {
    const directory = mkdtempSync(join(tmpdir(), 'odradek-test-'));
    const properties = { ...DEFAULTS, 'log.dirs': directory, ...options.properties };
    const { config } = loadKafkaConfig({
      file: undefined,
      overrides: Object.entries(properties),
      workingDirectory: directory,
      hostName: '127.0.0.1',
    });
    const runtime = options.runtime ?? new NodeRuntime({ tasks: WORKER_TASKS });
    formatStorage(runtime, config, {
      clusterId: randomUuid(size => runtime.random.bytes(size)),
      initialVoters: { kind: 'fixed' },
      ignoreFormatted: false,
    });
    const broker = new TestBroker(directory, config, runtime, options.logger ?? silentLogger);
    await broker.server.start();
    return broker;
  }

  get port(): number {
    return this.server.port('PLAINTEXT')!;
  }

  get controllerPort(): number {
    return this.server.port('CONTROLLER')!;
  }

  /** For `brokers` of kafkajs and its like. */
  get bootstrap(): string {
    return `${this.host}:${this.port}`;
  }

  get services(): BrokerServices {
    return this.server.services!;
  }

  /** Resolves when the broker has failed for good and stops, as a process would that ends. */
  get failed(): Promise<Error> {
    return this.server.failed;
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  /** Stops if need be, and starts again on the same directory. Ports change. */
  async restart(): Promise<void> {
    await this.server.stop();
    this.server = new KafkaRaftServer(this.runtime, this.config, this.logger);
    await this.server.start();
  }

  /** Stops, and removes the directory. */
  async close(): Promise<void> {
    await this.server.stop();
    await this.runtime.executor.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
