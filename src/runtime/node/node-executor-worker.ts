import { parentPort } from 'node:worker_threads';
import { runHere, type TaskReply, type TaskRequest } from './node-executor.ts';

/* The program of one worker thread of {@link NodeExecutor}. */

const port = parentPort;
if (port === null) throw new Error('this module runs in a worker thread only');

port.on('message', (request: TaskRequest) => {
  runHere(request, request.input).then(
    output => port.postMessage({ id: request.id, output } satisfies TaskReply),
    (error: unknown) => port.postMessage({ id: request.id, error } satisfies TaskReply),
  );
});
