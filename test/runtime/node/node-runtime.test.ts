import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { NodeExecutor } from '../../../src/runtime/node/node-executor.ts';
import { NodeRuntime } from '../../../src/runtime/node/node-runtime.ts';

const runtime = new NodeRuntime();

describe('NodeRuntime', () => {
  test('never fires a timer early', async () => {
    for (const delayMs of [0, 0.4, 1, 1.7, 3]) {
      const start = runtime.clock.monotonicMs();
      await new Promise<void>(resolve => runtime.timers.after(delayMs, resolve));
      expect(runtime.clock.monotonicMs() - start).toBeGreaterThanOrEqual(delayMs);
    }
  });

  test('keeps a timer that is years away from firing now, and cancels timers', async () => {
    let fired = 0;
    const far = runtime.timers.after(2 ** 40, () => fired++);
    const never = runtime.timers.after(Number.POSITIVE_INFINITY, () => fired++);
    const near = runtime.timers.after(0, () => fired++);
    near.cancel();
    await new Promise<void>(resolve => runtime.timers.after(5, resolve));
    far.cancel();
    never.cancel();
    expect(fired).toBe(0);
  });

  test('gives random bytes and numbers below a bound', () => {
    expect(runtime.random.bytes(16)).toHaveLength(16);
    expect(runtime.random.bytes(16)).not.toEqual(runtime.random.bytes(16));
    const seen = new Set(Array.from({ length: 200 }, () => runtime.random.below(3)));
    expect([...seen].sort()).toEqual([0, 1, 2]);
  });

  test('has a wall clock in whole ms', () => {
    expect(Number.isInteger(runtime.clock.wallMs())).toBe(true);
    expect(Math.abs(runtime.clock.wallMs() - Date.now())).toBeLessThan(10_000);
  });
});

/** What the workers of a built broker run; it is not part of the sources of the test. */
const BUILT = new URL('../../../dist/runtime/node/node-executor.js', import.meta.url);

describe('NodeExecutor', () => {
  const module = new URL('./executor-tasks.mjs', import.meta.url).href;
  const tasks = new Map(
    ['double', 'thread', 'fail', 'leave', 'missing'].map(name => [name, { module, export: name }]),
  );

  test('knows registered tasks only', async () => {
    const executor = new NodeExecutor(tasks);
    expect(await executor.run('double', 21)).toBe(42);
    await expect(executor.run('../../etc/passwd', 1)).rejects.toThrow(
      "no task '../../etc/passwd' is registered",
    );
    await executor.close();
    await expect(executor.run('double', 1)).rejects.toThrow('the executor is closed');
  });

  test.runIf(existsSync(BUILT))('runs tasks in as many threads as it may start', async () => {
    const { NodeExecutor: Built } = (await import(BUILT.href)) as { NodeExecutor: typeof NodeExecutor };
    const executor = new Built(tasks, 2);
    const threads = await Promise.all(Array.from({ length: 8 }, () => executor.run('thread', 0)));
    expect(new Set(threads).size).toBe(2);
    expect(threads).not.toContain(0);
    expect(await Promise.all([1, 2, 3].map(each => executor.run('double', each)))).toEqual([2, 4, 6]);
    await expect(executor.run('fail', 'why')).rejects.toThrow('why');
    await expect(executor.run('missing', 0)).rejects.toThrow("exports no function 'missing'");
    await expect(executor.run('leave', 3)).rejects.toThrow('a worker ended with code 3');
    expect(await executor.run('double', 4)).toBe(8);
    const unfinished = executor.run('thread', 60_000);
    unfinished.catch(() => {});
    await executor.close();
    await expect(unfinished).rejects.toThrow('a worker ended');
  });
});
