import type { Executor } from '../../src/runtime/runtime.ts';
import type { SimProcess } from './sim-process.ts';

/** Tasks by name: what the real executor loads in a worker. */
export const executorTasks = new Map<string, (input: unknown) => unknown>();

/** Runs tasks at a later moment of the same loop. */
export class SimExecutor implements Executor {
  private readonly process: SimProcess;
  private readonly incarnation: number;

  constructor(process: SimProcess, incarnation: number) {
    this.process = process;
    this.incarnation = incarnation;
  }

  run(task: string, input: unknown): Promise<unknown> {
    const found = executorTasks.get(task);
    if (found === undefined) return Promise.reject(new Error(`no task '${task}' is registered`));
    const { process } = this;
    return new Promise((resolve, reject) => {
      process.schedule(this.incarnation, process.random.scaled(0.1, 5), `task ${task}`, () => {
        try {
          resolve(found(structuredClone(input)));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
