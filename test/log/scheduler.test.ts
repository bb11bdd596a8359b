import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../src/log/scheduler.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

describe('Scheduler', () => {
  it('runs periodic work at the end of each period, and what is due once, once', () => {
    const runtime = new ManualRuntime();
    const scheduler = new Scheduler(runtime.timers);
    const ran: string[] = [];
    scheduler.every(10, () => ran.push(`every ${runtime.nowMs}`));
    scheduler.after(15, () => ran.push(`after ${runtime.nowMs}`));
    runtime.advance(9);
    expect(ran).toEqual([]);
    runtime.advance(21);
    expect(ran).toEqual(['every 10', 'after 15', 'every 20', 'every 30']);
  });

  it('never runs what has no period, or one that is as good as none', () => {
    const runtime = new ManualRuntime();
    const scheduler = new Scheduler(runtime.timers);
    scheduler.every(undefined, () => expect.unreachable());
    scheduler.every(Number.MAX_SAFE_INTEGER, () => expect.unreachable());
    expect(runtime.pendingTimers).toBe(0);
  });

  it('runs nothing after a shutdown, not even if the work itself ends it or more is asked for', () => {
    const runtime = new ManualRuntime();
    const scheduler = new Scheduler(runtime.timers);
    let runs = 0;
    scheduler.after(30, () => runs++);
    scheduler.every(10, () => {
      runs++;
      scheduler.shutdown();
    });
    runtime.advance(100);
    scheduler.after(10, () => runs++);
    runtime.advance(100);
    expect(runs).toBe(1);
    expect(runtime.pendingTimers).toBe(0);
  });
});
