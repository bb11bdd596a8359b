import { CLEANER_TASK, CLEANER_TASK_LOCATION } from '../log/cleaner/cleaner-task.ts';
import type { TaskLocation } from '../runtime/node/node-executor.ts';

/** What the worker threads of a server are to know. */
export const WORKER_TASKS: ReadonlyMap<string, TaskLocation> = new Map([
  [CLEANER_TASK, CLEANER_TASK_LOCATION],
]);
