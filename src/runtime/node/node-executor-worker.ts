import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { runHere, type TaskReply, type TaskRequest } from './node-executor.ts';

/* The program of one worker thread of {@link NodeExecutor}. */

const port = parentPort;
if (port === null) throw new Error('this module runs in a worker thread only');

/** Of 19; the event loop has 0. A worker still gets a quarter of a core that both want. */
const NICENESS = 6;

// A thread has a priority of its own on Linux only: elsewhere this would be that of the whole process.
if (process.platform === 'linux') {
  try {
    setPriority(NICENESS);
  } catch {
    // Not allowed here: then it works like everybody else.
  }
}

port.on('message', (request: TaskRequest) => {
  runHere(request, request.input).then(
    output => port.postMessage({ id: request.id, output } satisfies TaskReply),
    (error: unknown) => port.postMessage({ id: request.id, error } satisfies TaskReply),
  );
});
