import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from './project.ts';
import { freePort } from './free-ports.ts';

/** How one kind of broker is formatted and started from a properties file. */
export interface BrokerLaunch {
  /** For messages: `odradek`, `apache-kafka-4.3.0`. */
  readonly name: string;
  /** Makes an empty data directory ready. Called once for a new directory. `more`: further arguments of the tool. */
  format(configFile: string, clusterId: string, more: readonly string[]): Promise<void>;
  command(
    configFile: string,
    workDirectory: string,
  ): { file: string; args: string[]; env?: NodeJS.ProcessEnv };
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
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;

/** Of a process that has stopped when told to: 0, and Java's code for a shutdown by SIGTERM. */
const CLEAN_EXITS: readonly (number | string | undefined)[] = [0, 128 + 15];

/**
 * One broker in a process of its own: unless its properties say otherwise, a combined node (broker and controller) on
 * 127.0.0.1. `start` returns when it answers Metadata with a broker in it, so the next request finds a working broker.
 */
export class BrokerProcess {
  readonly name: string;
  readonly port: number;
  readonly controllerPort: number;
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly logFile: string;
  private readonly launch: BrokerLaunch;
  private readonly workDirectory: string;
  private readonly clusterId: string;
  private readonly ready: (broker: BrokerProcess) => Promise<boolean>;
  private paused = false;
  private child: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private exitCode: number | string | undefined;

  private constructor(launch: BrokerLaunch, options: BrokerOptions, port: number, controllerPort: number) {
    this.launch = launch;
    this.name = launch.name;
    this.port = port;
    this.controllerPort = controllerPort;
    this.workDirectory = options.workDirectory;
    this.dataDirectory = options.dataDirectory ?? join(options.workDirectory, 'data');
    this.clusterId = options.clusterId ?? DEFAULT_CLUSTER_ID;
    this.ready = options.ready ?? (broker => answersMetadata(broker.port, 1_000));
    this.configFile = join(this.workDirectory, `${launch.name}.properties`);
    this.logFile = join(this.workDirectory, `${launch.name}.log`);
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

  /** Whether the process was started and has not been ended by this object; it may be paused. */
  get running(): boolean {
    return this.child !== undefined;
  }

  /** Whether the process runs and is not paused. */
  get responsive(): boolean {
    return this.running && !this.paused;
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    return pid;
  }

  /** Starts the process. Returns the milliseconds until it is ready, as the options mean it. */
  async start(): Promise<number> {
    const { file, args, env } = this.launch.command(this.configFile, this.workDirectory);
    const log = openSync(this.logFile, 'a');
    const startedAt = performance.now();
    const child = spawn(file, args, {
      cwd: projectRoot,
      env: env ?? process.env,
      // It stays in the process group of the tests, so that whoever ends those by force ends it too.
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.child = child;
    this.paused = false;
    this.exitCode = undefined;
    this.exited = new Promise(resolve => {
      child.on('exit', (code, signal) => {
        this.exitCode = code ?? signal ?? 'unknown';
        resolve();
      });
      child.on('error', error => {
        this.exitCode = error.message;
        resolve();
      });
    });
    while (performance.now() - startedAt < START_TIMEOUT_MS) {
      if (this.exitCode !== undefined) break;
      if (await this.ready(this)) return performance.now() - startedAt;
      await sleep(5);
    }
    const { exitCode } = this;
    if (exitCode === undefined) await this.kill();
    throw new Error(`${this.name} did not start (${exitCode ?? 'no answer'}):\n${this.logTail()}`);
  }

  /** A clean stop (SIGTERM). Returns the milliseconds it took; throws if the process crashed instead. */
  async stop(): Promise<number> {
    const startedAt = performance.now();
    const { running } = this;
    const ended = await this.end('SIGTERM', STOP_TIMEOUT_MS);
    if (!ended) {
      await this.kill();
      throw new Error(`${this.name} did not stop within ${STOP_TIMEOUT_MS} ms:\n${this.logTail()}`);
    }
    if (running && !CLEAN_EXITS.includes(this.exitCode)) {
      throw new Error(`${this.name} ended with ${this.exitCode} instead of stopping:\n${this.logTail()}`);
    }
    return performance.now() - startedAt;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', STOP_TIMEOUT_MS);
  }

  /** SIGSTOP: the process keeps its connections and does nothing. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
    this.paused = true;
  }

  /** SIGCONT. */
  resume(): void {
    process.kill(this.pid, 'SIGCONT');
    this.paused = false;
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

  /** For afterAll: ends the process if it runs, and never fails. */
  async dispose(): Promise<void> {
    if (this.paused && this.running) this.resume();
    if (!(await this.end('SIGTERM', 20_000))) await this.end('SIGKILL', 5_000);
  }

  logTail(): string {
    return readFileSync(this.logFile, 'utf8').slice(-4000);
  }

  /** CPU seconds (user and system) of the process and its children so far. */
  cpuSeconds(): number {
    return processTree(this.pid).reduce((sum, pid) => sum + cpuTicks(pid), 0) / CLOCK_TICKS_PER_SECOND;
  }

  /** Resident memory in bytes of the process and its children. */
  residentBytes(): number {
    return processTree(this.pid).reduce((sum, pid) => sum + residentBytesOf(pid), 0);
  }

  private async end(signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
    const child = this.child;
    if (child?.pid === undefined) return true;
    try {
      process.kill(child.pid, signal);
    } catch {
      // It has ended by itself.
    }
    const ended = await Promise.race([this.exited.then(() => true), sleep(timeoutMs, false, { ref: false })]);
    if (ended) this.child = undefined;
    return ended;
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

const CLOCK_TICKS_PER_SECOND = 100;

function processTree(root: number): number[] {
  const found = [root];
  for (let i = 0; i < found.length; i++) {
    try {
      const children = readFileSync(`/proc/${found[i]}/task/${found[i]}/children`, 'utf8');
      found.push(...children.split(' ').filter(Boolean).map(Number));
    } catch {
      // It ended between two looks.
    }
  }
  return found;
}

function cpuTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name (field 2) may hold spaces; fields 14 and 15 are counted after its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

function residentBytesOf(pid: number): number {
  try {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
