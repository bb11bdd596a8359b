import { threadId } from 'node:worker_threads';

/** Tasks for the test of the executor. */
export const double = input => input * 2;

export const thread = async delayMs => {
  await new Promise(resolve => setTimeout(resolve, delayMs));
  return threadId;
};

export const fail = message => {
  throw new Error(message);
};

export const leave = exitCode => process.exit(exitCode);
