import { SimRandom } from './sim-random.ts';
import { Trace } from './trace.ts';

/** Something that will happen at a moment of virtual time, unless it is cancelled. */
export interface SimEvent {
  readonly atMs: number;
  /** Enters the digest when the event runs. */
  readonly label: string;
  cancelled: boolean;
}

interface HeapEvent extends SimEvent {
  readonly order: number;
  run(): void;
}

/** So many events are queued in one turn of the real event loop; microtasks run between them all the same. */
const EVENTS_PER_TURN = 64;

/**
 * Virtual time and what happens in it. Events run one after another, in the order of their times and, at one time, in
 * the order in which they were made; after each, all promise callbacks that it made ready run before the next one.
 */
export class SimScheduler {
  readonly seed: number;
  readonly random: SimRandom;
  readonly trace: Trace;
  /** Called after each event and its microtasks. */
  afterEvent: (() => void) | undefined;
  /** The process whose callback ran last. */
  current = '';
  /** Events that ran. */
  eventCount = 0;
  private readonly heap: HeapEvent[] = [];
  private order = 0;
  private now = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new SimRandom(seed, 'scheduler');
    this.trace = new Trace();
  }

  /** Virtual time, ms since the start. */
  get nowMs(): number {
    return this.now;
  }

  after(delayMs: number, label: string, run: () => void): SimEvent {
    return this.at(this.now + Math.max(0, delayMs), label, run);
  }

  at(atMs: number, label: string, run: () => void): SimEvent {
    const event: HeapEvent = {
      atMs: Math.max(atMs, this.now),
      label,
      cancelled: false,
      order: this.order++,
      run,
    };
    this.push(event);
    return event;
  }

  /**
   * Runs events until `until()` holds after one of them, the next one would be later than `limitMs`, or there is none.
   * Whether `until()` held. Time stands at `limitMs` in the second case.
   */
  run(limitMs: number, until: () => boolean = () => false): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (value: boolean): void => {
        over = true;
        resolve(value);
      };
      // Each immediate first looks at what the event before it, and its microtasks, left.
      const step = (): void => {
        if (over) return;
        try {
          this.afterEvent?.();
          if (until()) finish(true);
          else if (!this.runNext(limitMs)) finish(false);
        } catch (error) {
          over = true;
          reject(error);
        }
      };
      const turn = (): void => {
        if (over) return;
        for (let count = 0; count < EVENTS_PER_TURN; count++) setImmediate(step);
        setImmediate(turn);
      };
      turn();
    });
  }

  private runNext(limitMs: number): boolean {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > limitMs) {
        if (Number.isFinite(limitMs)) this.now = Math.max(this.now, limitMs);
        return false;
      }
      this.pop();
      if (next.cancelled) continue;
      this.now = next.atMs;
      this.eventCount++;
      this.trace.add(`${next.atMs.toFixed(3)} ${next.label}`);
      next.run();
      return true;
    }
  }

  private push(event: HeapEvent): void {
    const { heap } = this;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: HeapEvent, b: HeapEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
