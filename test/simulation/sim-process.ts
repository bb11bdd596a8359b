import type { Clock, Runtime, Timer, Timers } from '../../src/runtime/runtime.ts';
import { MountedDisk, type SimDisk } from './sim-disk.ts';
import { SimExecutor } from './sim-executor.ts';
import { ProcessNetwork, type SimNetwork } from './sim-network.ts';
import type { SimRandom } from './sim-random.ts';
import type { SimEvent, SimScheduler } from './sim-scheduler.ts';

const WALL_START_MS = 1_700_000_000_000;
/** A turn of the event loop takes this long at least, so that a loop of turns is not a loop without time. */
const TURN_MS = 0.02;

export interface ProcessOptions {
  readonly name: string;
  /** The address that others reach it by. */
  readonly host: string;
  readonly scheduler: SimScheduler;
  readonly network: SimNetwork;
  /** Of a node; a client has none. */
  readonly disk: SimDisk | undefined;
  readonly random: SimRandom;
  /** How fast its clocks run: 1.01 gains 10 ms in a second. */
  readonly clockRate: number;
  /** Wall clock, ms ahead of the others. */
  readonly wallOffsetMs: number;
  /** An exception that nobody caught: the real process would have ended. */
  readonly onUncaught: (process: SimProcess, error: unknown) => void;
}

/**
 * One operating-system process with one event loop: callbacks run one at a time, in the order in which their events
 * came, not while it is paused and not while it is busy. An incarnation begins with {@link start} and ends with
 * {@link kill}; nothing of an ended incarnation runs again, whatever was on its way to it.
 */
export class SimProcess {
  readonly name: string;
  readonly host: string;
  readonly scheduler: SimScheduler;
  readonly network: SimNetwork;
  readonly disk: SimDisk | undefined;
  readonly random: SimRandom;
  /** Each callback keeps the loop busy for this long. */
  callbackMs = 0;
  /** Counts the starts. */
  incarnation = 0;
  isAlive = false;
  /** Whether its machine is on: one that is on answers for a process that is gone. */
  isPowered = false;
  private isPausedNow = false;
  private readonly clockRate: number;
  private readonly clockBaseMs: number;
  private readonly phaseMs: number;
  private wallOffsetMs: number;
  private readonly onUncaught: (process: SimProcess, error: unknown) => void;
  private busyUntilMs = 0;
  private inbox: (() => void)[] = [];
  private wake: SimEvent | undefined;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.host = options.host;
    this.scheduler = options.scheduler;
    this.network = options.network;
    this.disk = options.disk;
    this.random = options.random;
    this.clockRate = options.clockRate;
    this.wallOffsetMs = options.wallOffsetMs;
    this.onUncaught = options.onUncaught;
    this.clockBaseMs = 1_000 + options.random.below(1_000_000);
    this.phaseMs = options.random.next();
  }

  /** Begins a life. What it gives is of use to this life only. */
  start(): Runtime {
    if (this.isAlive) throw new Error(`${this.name} is running`);
    this.isAlive = true;
    this.isPowered = true;
    this.isPausedNow = false;
    this.busyUntilMs = 0;
    this.network.processStarted(this);
    const incarnation = ++this.incarnation;
    const random = this.random.fork(`incarnation ${incarnation}`);
    const disk = this.disk === undefined ? noDisk : new MountedDisk(this, this.disk, incarnation);
    return {
      clock: this.clock,
      timers: this.timersOf(incarnation),
      random,
      disk,
      network: new ProcessNetwork(this, this.network, incarnation),
      executor: new SimExecutor(this, incarnation, disk),
    };
  }

  /** kill -9: the system closes its sockets and keeps its files as they are. */
  kill(): void {
    this.end();
    this.network.processEnded(this, 'killed');
  }

  /** The machine is off: nobody is told that its connections are gone, and the disk loses what was not synced. */
  losePower(): void {
    this.end();
    this.isPowered = false;
    this.network.processEnded(this, 'powerLost');
  }

  private end(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.isPausedNow = false;
    this.inbox = [];
    if (this.wake !== undefined) this.wake.cancelled = true;
    this.wake = undefined;
  }

  isCurrent(incarnation: number): boolean {
    return this.isAlive && incarnation === this.incarnation;
  }

  get isPaused(): boolean {
    return this.isPausedNow;
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.isAlive) this.isPausedNow = true;
  }

  /** SIGCONT: what came meanwhile, timers too, is handled now, in order. */
  resume(): void {
    if (!this.isPausedNow) return;
    this.isPausedNow = false;
    this.arm();
  }

  /** The loop does nothing else for this long from now on. */
  stall(ms: number): void {
    this.busyUntilMs = Math.max(this.busyUntilMs, this.scheduler.nowMs) + ms;
  }

  jumpWallClock(ms: number): void {
    this.wallOffsetMs += ms;
  }

  /** As the others have it: somebody set it right. */
  setWallClock(): void {
    this.wallOffsetMs = 0;
  }

  readonly clock: Clock = {
    wallMs: () => Math.floor(WALL_START_MS + this.wallOffsetMs + this.scheduler.nowMs * this.clockRate),
    monotonicMs: () => this.clockBaseMs + this.scheduler.nowMs * this.clockRate,
  };

  /** `run` as an event of this incarnation. */
  schedule(incarnation: number, delayMs: number, label: string, run: () => void): SimEvent {
    return this.scheduler.after(delayMs, `${this.name} ${label}`, () => this.deliver(incarnation, run));
  }

  /** Runs `run` now, or when the loop comes to it. */
  deliver(incarnation: number, run: () => void): void {
    if (!this.isCurrent(incarnation)) return;
    if (this.isPausedNow || this.inbox.length > 0 || this.busyUntilMs > this.scheduler.nowMs) {
      this.inbox.push(run);
      this.arm();
    } else {
      this.runNow(run);
    }
  }

  private arm(): void {
    if (this.isPausedNow || this.wake !== undefined || this.inbox.length === 0) return;
    const delayMs = Math.max(0, this.busyUntilMs - this.scheduler.nowMs);
    this.wake = this.scheduler.after(delayMs, `${this.name} wake`, () => {
      this.wake = undefined;
      if (this.isPausedNow) return;
      if (this.busyUntilMs <= this.scheduler.nowMs) {
        const next = this.inbox.shift();
        if (next !== undefined) this.runNow(next);
      }
      this.arm();
    });
  }

  private runNow(run: () => void): void {
    const { incarnation } = this;
    this.scheduler.current = this.name;
    if (this.callbackMs > 0) this.busyUntilMs = this.scheduler.nowMs + this.callbackMs;
    try {
      run();
    } catch (error) {
      // A process that died in the middle of this turn has thrown because of that.
      if (this.isCurrent(incarnation)) this.onUncaught(this, error);
    }
  }

  private timersOf(incarnation: number): Timers {
    return {
      after: (delayMs, callback): Timer => {
        const { scheduler } = this;
        // Like Node's, timers fire at whole milliseconds of their loop: equal ones in the order they were made.
        const dueMs = scheduler.nowMs + Math.max(delayMs, 0) / this.clockRate;
        const atMs = Math.ceil(dueMs - this.phaseMs + 1e-6) + this.phaseMs;
        let cancelled = false;
        const event = this.schedule(incarnation, atMs - scheduler.nowMs, 'timer', () => {
          if (!cancelled) callback();
        });
        return {
          cancel: () => {
            cancelled = true;
            event.cancelled = true;
          },
        };
      },
      soon: callback => {
        this.schedule(incarnation, TURN_MS, 'soon', callback);
      },
    };
  }
}

const noDisk = new Proxy({} as Runtime['disk'], {
  get() {
    throw new Error('a client has no disk');
  },
});
