import type {
  Clock,
  Executor,
  Network,
  Random,
  Runtime,
  ServerSocket,
  Socket,
  Timer,
  Timers,
} from '../../src/runtime/runtime.ts';
import { runTask } from './executor-tasks.ts';
import { MemoryDisk } from './memory-disk.ts';

/** Where the wall clock of a {@link ManualRuntime} begins. Producers of much older batches count as expired. */
export const NOW_MS = 1_700_000_000_000;

interface ManualTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export interface ManualRuntimeOptions {
  /** Default: an empty one. */
  readonly disk?: MemoryDisk;
  readonly seed?: number;
  /** Of the wall clock, ms since the epoch. */
  readonly startMs?: number;
}

/**
 * The {@link Runtime} of unit tests: its time stands still until a test moves it, its timers run in the order in which
 * they are due, its randomness comes from a seed, its disk is memory, and its network is in the hands of the test. The
 * simulator has its own, in which time goes by and things go wrong by themselves.
 */
export class ManualRuntime implements Runtime {
  /** Of the monotonic clock. A test that adds to it has the process stand still for so long: no timer runs. */
  nowMs = 0;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: MemoryDisk;
  readonly network: ManualNetwork;
  readonly executor: Executor;
  private readonly waiting = new Set<ManualTimer>();
  private endOfTurn: (() => void)[] = [];
  private order = 0;
  private seed: number;

  constructor({ disk = new MemoryDisk(), seed = 1, startMs = NOW_MS }: ManualRuntimeOptions = {}) {
    this.seed = seed;
    this.clock = { wallMs: () => Math.floor(startMs + this.nowMs), monotonicMs: () => this.nowMs };
    this.timers = {
      after: (delayMs, callback) => this.after(delayMs, callback),
      soon: callback => void this.endOfTurn.push(callback),
    };
    this.random = {
      bytes: size => Buffer.from(Array.from({ length: size }, () => this.below(256))),
      below: bound => this.below(bound),
    };
    this.disk = disk;
    disk.nowMs = this.clock.wallMs;
    this.network = new ManualNetwork();
    this.executor = {
      run: async (task, input) => runTask(task, input, this.disk),
      close: async () => {},
    };
  }

  get pendingTimers(): number {
    return this.waiting.size;
  }

  /** Runs what waits for the end of the turn, and what that makes wait, until there is nothing left. */
  turn(): void {
    while (this.endOfTurn.length > 0) {
      const callbacks = this.endOfTurn;
      this.endOfTurn = [];
      for (const callback of callbacks) callback();
    }
  }

  /** Moves time on by `ms`, running timers when they are due, each in a turn of its own. */
  advance(ms: number): void {
    this.turn();
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.nextTimer();
      if (next === undefined || next.dueMs > endMs) break;
      this.waiting.delete(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.callback();
      this.turn();
    }
    this.nowMs = endMs;
  }

  /** Runs turns and promise callbacks until nothing is left to do without time passing. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.endOfTurn.length > 0) quiet = 0;
      this.turn();
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  /** {@link advance} and {@link settle}. */
  async pass(ms: number): Promise<void> {
    await this.settle();
    this.advance(ms);
    await this.settle();
  }

  /** Drops what a process that ends takes with it. */
  die(): void {
    this.endOfTurn = [];
    this.waiting.clear();
  }

  private after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.order++, callback };
    this.waiting.add(timer);
    return { cancel: () => void this.waiting.delete(timer) };
  }

  private nextTimer(): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of this.waiting) {
      if (
        next === undefined ||
        timer.dueMs < next.dueMs ||
        (timer.dueMs === next.dueMs && timer.order < next.order)
      ) {
        next = timer;
      }
    }
    return next;
  }

  private below(bound: number): number {
    // mulberry32
    this.seed = (this.seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  }
}

/** Listeners without a system below them: a test brings them its sockets. */
export class ManualNetwork implements Network {
  closedListeners = 0;
  private readonly listeners = new Map<number, (socket: Socket) => void>();

  async listen({ port }: { port: number }, onConnection: (socket: Socket) => void): Promise<ServerSocket> {
    this.listeners.set(port, onConnection);
    return {
      port,
      close: async () => {
        this.closedListeners++;
      },
    };
  }

  /** Hands `socket` to the listener at `port`, as a connection that came in. */
  accept<Kind extends Socket>(port: number, socket: Kind): Kind {
    this.listeners.get(port)!(socket);
    return socket;
  }

  async connect(): Promise<Socket> {
    throw new Error('nobody can be reached from this runtime');
  }
}
