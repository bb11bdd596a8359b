import type { Disk, Executor } from '../../src/runtime/runtime.ts';
import { runTask } from '../support/executor-tasks.ts';
import type { SimProcess } from './sim-process.ts';

/** Runs tasks at a later moment of the same loop. */
export class SimExecutor implements Executor {
  private readonly process: SimProcess;
  private readonly incarnation: number;
  private readonly disk: Disk;

  constructor(process: SimProcess, incarnation: number, disk: Disk) {
    this.process = process;
    this.incarnation = incarnation;
    this.disk = disk;
  }

  run(task: string, input: unknown): Promise<unknown> {
    const { process, disk } = this;
    return new Promise((resolve, reject) => {
      process.schedule(this.incarnation, process.random.scaled(0.1, 5), `task ${task}`, () => {
        try {
          resolve(runTask(task, input, disk));
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
