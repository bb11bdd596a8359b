import { createContext, Script } from 'node:vm';

/**
 * A function that calls `run`, which is synchronous and may be code that never ends: after `limitMs` it is broken off
 * wherever it is, without its `catch` and `finally`, and the function gives `false`. What `run` throws is thrown. A
 * call costs about a tenth of a millisecond, for the thread that watches the time.
 */
export function createRunWithin(): (limitMs: number, run: () => void) => boolean {
  // Making the context is what costs most, so it is made once.
  const globals: { run: () => void } = { run: () => {} };
  const context = createContext(globals);
  const call = new Script('run()');
  return (limitMs, run) => {
    globals.run = run;
    try {
      call.runInContext(context, { timeout: limitMs });
      return true;
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
      throw error;
    }
  };
}
