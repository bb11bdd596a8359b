import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-ports.ts';
import { type ServerCommand, ServerProcess } from './server-process.ts';

/** How one kind of broker is formatted and started from a properties file. */
export interface BrokerLaunch {
  /** For messages: `odradek`, `apache-kafka-4.3.0`. */
  readonly name: string;
  /** Makes an empty data directory ready. Called once for a new directory. `more`: further arguments of the tool. */
  format(configFile: string, clusterId: string, more: readonly string[]): Promise<void>;
  command(configFile: string, workDirectory: string): ServerCommand;
}

export interface BrokerOptions {
  /** A folder of its own: holds the config file, the output and, unless told otherwise, the data. */
  readonly workDirectory: string;
  /** Default `<workDirectory>/data`. A directory that has `meta.properties` is taken as it is. */
  readonly dataDirectory?: string;
  /** Default: a free port. */
  readonly port?: number;
  readonly controllerPort?: number;
  /** Lines of the properties file that replace or follow the usual ones; `null` leaves a usual one out. */
  readonly properties?: Readonly<Record<string, string | null>>;
  /** Default: one fixed id, so that two kinds of broker can be started on one directory. */
  readonly clusterId?: string;
  /** Of the tool that formats. Default: none, as for a static quorum. */
  readonly formatArguments?: readonly string[];
  /** When `start` may return. Default: the port answers Metadata with a broker. Must not reject. */
  readonly ready?: (broker: BrokerProcess) => Promise<boolean>;
}

const DEFAULT_CLUSTER_ID = 'b2RyYWRlay10ZXN0LWNsdQ';

/**
 * One broker in a process of its own: unless its properties say otherwise, a combined node (broker and controller) on
 * 127.0.0.1. `start` returns when it answers Metadata with a broker in it, so the next request finds a working broker.
 */
export class BrokerProcess extends ServerProcess {
  readonly port: number;
  readonly controllerPort: number;
  readonly dataDirectory: string;
  readonly configFile: string;
  private readonly launch: BrokerLaunch;
  private readonly workDirectory: string;
  private readonly clusterId: string;
  private readonly ready: (broker: BrokerProcess) => Promise<boolean>;

  private constructor(launch: BrokerLaunch, options: BrokerOptions, port: number, controllerPort: number) {
    super(launch.name, join(options.workDirectory, `${launch.name}.log`));
    this.launch = launch;
    this.port = port;
    this.controllerPort = controllerPort;
    this.workDirectory = options.workDirectory;
    this.dataDirectory = options.dataDirectory ?? join(options.workDirectory, 'data');
    this.clusterId = options.clusterId ?? DEFAULT_CLUSTER_ID;
    this.ready = options.ready ?? (broker => answersMetadata(broker.port, 1_000));
    this.configFile = join(this.workDirectory, `${launch.name}.properties`);
    mkdirSync(this.dataDirectory, { recursive: true });
    const properties = { ...this.usualProperties(), ...options.properties };
    const lines = Object.entries(properties).flatMap(([key, value]) =>
      value === null ? [] : [`${key}=${value}\n`],
    );
    writeFileSync(this.configFile, lines.join(''));
  }

  /** Writes the config file and formats the directory when it is new; does not start the broker. */
  static async create(launch: BrokerLaunch, options: BrokerOptions): Promise<BrokerProcess> {
    mkdirSync(options.workDirectory, { recursive: true });
    const port = options.port ?? (await freePort());
    const controllerPort = options.controllerPort ?? (await freePort());
    const broker = new BrokerProcess(launch, options, port, controllerPort);
    if (!readdirSync(broker.dataDirectory).includes('meta.properties')) {
      await launch.format(broker.configFile, broker.clusterId, options.formatArguments ?? []);
    }
    return broker;
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`;
  }

  protected command(): ServerCommand {
    return this.launch.command(this.configFile, this.workDirectory);
  }

  protected isReady(): Promise<boolean> {
    return this.ready(this);
  }

  /**
   * Empties the data directory of an ended process and formats it anew, as after the loss of a disk. In a dynamic quorum
   * that takes `--no-initial-controllers`: the others have the voters.
   */
  async wipe(formatArguments: readonly string[] = []): Promise<void> {
    if (this.running) throw new Error(`${this.name} is running: its disk cannot be wiped`);
    rmSync(this.dataDirectory, { recursive: true, force: true });
    mkdirSync(this.dataDirectory, { recursive: true });
    await this.launch.format(this.configFile, this.clusterId, formatArguments);
  }

  private usualProperties(): Record<string, string> {
    return {
      'process.roles': 'broker,controller',
      'node.id': '1',
      'controller.quorum.voters': `1@127.0.0.1:${this.controllerPort}`,
      listeners: `PLAINTEXT://127.0.0.1:${this.port},CONTROLLER://127.0.0.1:${this.controllerPort}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${this.port}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'controller.listener.names': 'CONTROLLER',
      'log.dirs': this.dataDirectory,
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'group.initial.rebalance.delay.ms': '0',
    };
  }
}

// Metadata v1, correlation id 1, null client id, no topics: 4 bytes of size and 14 of request.
const METADATA_REQUEST = Buffer.from('0000000e0003000100000001ffff00000000', 'hex');

/** Whether the port answers Metadata with at least one broker. Never rejects. */
export function answersMetadata(port: number, timeoutMs: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('connect', () => socket.write(METADATA_REQUEST));
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 12 || received.length < 4 + received.readInt32BE(0)) return;
      finish(received.readInt32BE(8) > 0);
    });
  });
}
