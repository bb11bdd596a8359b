import type { BrokerProcess } from '../support/broker-process.ts';
import { startCommand } from '../support/run-command.ts';

const PROGRAM_MS = 170_000;

/**
 * Runs a client's program to its end and returns what it printed. At each of its lines "pause TAB step" the broker is
 * killed (-9) and started again; then the program, which has stopped in the middle of a transaction, is told to go on
 * by a line on its standard input.
 */
export async function runWithCrashes(
  broker: BrokerProcess,
  file: string,
  args: readonly string[],
): Promise<string> {
  let crashes: Promise<void> = Promise.resolve();
  const program = startCommand(file, args, {
    keepInputOpen: true,
    timeoutMs: PROGRAM_MS,
    onLine: line => {
      if (!line.startsWith('pause\t')) return;
      crashes = crashes.then(async () => {
        await broker.kill();
        await broker.start();
        program.child.stdin?.write('\n');
      });
      // The program waits for a line that does not come: it is ended here, and the reason is told below.
      crashes.catch(() => program.child.kill('SIGKILL'));
    },
  });
  try {
    const { stdout } = await program.result;
    return stdout;
  } catch (error) {
    await crashes;
    throw error;
  }
}
