import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from './project.ts';

/** What a process is started with. */
export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;

/** Of a process that has stopped when told to: 0, and Java's code for a shutdown by SIGTERM. */
const CLEAN_EXITS: readonly (number | string | undefined)[] = [0, 128 + 15];

/**
 * A server in a process of its own, which may be ended, paused and started again: a broker, a worker of Kafka Connect. Its
 * output is appended to `logFile`.
 */
export abstract class ServerProcess {
  readonly name: string;
  readonly logFile: string;
  private paused = false;
  private child: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private exitCode: number | string | undefined;

  protected constructor(name: string, logFile: string) {
    this.name = name;
    this.logFile = logFile;
  }

  protected abstract command(): ServerCommand;

  /** When `start` may return. Must not reject. */
  protected abstract isReady(): Promise<boolean>;

  /** Whether the process was started and has not been ended by this object; it may be paused. */
  get running(): boolean {
    return this.child !== undefined;
  }

  /** Whether the process runs and is not paused. */
  get responsive(): boolean {
    return this.running && !this.paused;
  }

  /** The exit code or the signal of a process that has ended without being told to by this object. */
  get unexpectedExit(): number | string | undefined {
    return this.running ? this.exitCode : undefined;
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    return pid;
  }

  /** Starts the process. Returns the milliseconds until it is ready, as `isReady` means it. */
  async start(): Promise<number> {
    const { file, args, env } = this.command();
    const log = openSync(this.logFile, 'a');
    const startedAt = performance.now();
    const child = spawn(file, [...args], {
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
      if (await this.isReady()) return performance.now() - startedAt;
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
