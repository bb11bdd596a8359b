import { CLEANER_TASK, cleanLogStep } from '../../src/log/cleaner/cleaner-task.ts';
import type { Disk, ExecutorTask } from '../../src/runtime/runtime.ts';

/** What the workers of a server know. */
const executorTasks = new Map<string, ExecutorTask>([[CLEANER_TASK, cleanLogStep]]);

/** Runs a task as a worker does, which shares no memory but what is made for that; here and now. */
export function runTask(task: string, input: unknown, disk: Disk): unknown {
  const found = executorTasks.get(task);
  if (found === undefined) throw new Error(`no task '${task}' is registered`);
  return structuredClone(found(structuredClone(input) as never, { disk }));
}
