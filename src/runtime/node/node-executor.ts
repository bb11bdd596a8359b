import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Executor, ExecutorTask } from '../runtime.ts';
import { NodeDisk } from './node-disk.ts';

/** Where the code of a task is: an export of a module, an `ExecutorTask`, which may give a Promise of its output. */
export interface TaskLocation {
  /** The URL of the module. */
  readonly module: string;
  readonly export: string;
}

/** What goes to a worker. */
export interface TaskRequest extends TaskLocation {
  readonly id: number;
  readonly input: unknown;
}

/** What comes back. */
export interface TaskReply {
  readonly id: number;
  readonly output?: unknown;
  readonly error?: unknown;
}

interface Pending {
  readonly request: TaskRequest;
  resolve(output: unknown): void;
  reject(error: unknown): void;
}

/**
 * A pool of worker threads, started when there is work and no idle one, each with one task at a time. The tasks are
 * fixed when the pool is made: a name can never become the path of a module.
 *
 * Run from TypeScript sources (tests), where a worker of Node 20 could not load them, tasks run in this thread.
 */
export class NodeExecutor implements Executor {
  private readonly tasks: ReadonlyMap<string, TaskLocation>;
  private readonly workersMax: number;
  private readonly idle: Worker[] = [];
  private readonly busy = new Map<Worker, Pending>();
  private readonly waiting: Pending[] = [];
  private nextId = 0;
  private closed = false;

  constructor(
    tasks: ReadonlyMap<string, TaskLocation>,
    workersMax: number = Math.max(1, availableParallelism() - 1),
  ) {
    this.tasks = tasks;
    this.workersMax = workersMax;
  }

  run(task: string, input: unknown): Promise<unknown> {
    const location = this.tasks.get(task);
    if (location === undefined) return Promise.reject(new Error(`no task '${task}' is registered`));
    if (this.closed) return Promise.reject(new Error('the executor is closed'));
    if (import.meta.url.endsWith('.ts')) return runHere(location, input);
    return new Promise((resolve, reject) => {
      this.waiting.push({ request: { ...location, id: this.nextId++, input }, resolve, reject });
      this.dispatch();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const pending of this.waiting.splice(0)) pending.reject(new Error('the executor is closed'));
    await Promise.all([...this.idle, ...this.busy.keys()].map(worker => worker.terminate()));
  }

  private dispatch(): void {
    while (this.waiting.length > 0) {
      const worker = this.idle.pop() ?? this.startWorker();
      if (worker === undefined) return;
      const pending = this.waiting.shift()!;
      this.busy.set(worker, pending);
      worker.ref();
      worker.postMessage(pending.request);
    }
  }

  private startWorker(): Worker | undefined {
    if (this.busy.size + this.idle.length >= this.workersMax) return undefined;
    const worker = new Worker(new URL('./node-executor-worker.js', import.meta.url));
    let failure: unknown;
    worker.on('message', (reply: TaskReply) => {
      const pending = this.busy.get(worker);
      this.busy.delete(worker);
      this.idle.push(worker);
      // An idle worker does not keep the process.
      worker.unref();
      if ('error' in reply) pending?.reject(reply.error);
      else pending?.resolve(reply.output);
      this.dispatch();
    });
    worker.on('error', error => {
      failure = error;
    });
    worker.on('exit', code => {
      const pending = this.busy.get(worker);
      this.busy.delete(worker);
      const at = this.idle.indexOf(worker);
      if (at >= 0) this.idle.splice(at, 1);
      pending?.reject(failure ?? new Error(`a worker ended with code ${code} in the middle of a task`));
      if (!this.closed) this.dispatch();
    });
    return worker;
  }
}

/** The task at `location`, with `input`. */
export async function runHere(location: TaskLocation, input: unknown): Promise<unknown> {
  const module = (await import(location.module)) as Record<string, unknown>;
  const task = module[location.export];
  if (typeof task !== 'function')
    throw new Error(`${location.module} exports no function '${location.export}'`);
  return await (task as ExecutorTask)(input as never, { disk: new NodeDisk() });
}
