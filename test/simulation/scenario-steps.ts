import type { SimConnection } from './sim-connection.ts';
import type { ClusterNode } from './sim-node.ts';
import type { World } from './world.ts';

/** How long a scenario waits for its moment; then others may try theirs. */
export const PATIENCE_MS = 4_000;
/** What is held back is looked at again after so many ms. */
const HOLD_MS = 20;

/** What a scenario has done and not undone, and what it waits for. */
export class ScenarioSteps {
  private readonly world: World;
  private readonly watches: Set<() => boolean>;
  private readonly block: (from: string, to: string, change: number) => void;
  private readonly own = new Set<() => boolean>();
  private links: [from: string, to: string][] = [];
  private readonly slow: [from: string, to: string][] = [];
  private paused: ClusterNode[] = [];
  private readonly down = new Set<ClusterNode>();
  private readonly undo: (() => void)[] = [];
  private isOver = false;
  /** That no other fault should touch meanwhile. */
  node: ClusterNode | undefined;
  /** Called when there is nothing more to do. */
  onDone: (() => void) | undefined;

  constructor(
    world: World,
    watches: Set<() => boolean>,
    block: (from: string, to: string, change: number) => void,
  ) {
    this.world = world;
    this.watches = watches;
    this.block = block;
  }

  /** Calls `watch` after each event until it gives true. */
  when(watch: () => boolean): void {
    if (this.isOver) return;
    this.own.add(watch);
    this.watches.add(watch);
  }

  /** As {@link when}; if that does not come within `ms`, all is over. */
  soon(watch: () => boolean, ms = PATIENCE_MS): void {
    let isDone = false;
    this.when(() => {
      isDone = watch();
      return isDone;
    });
    this.later(ms, () => {
      if (!isDone) this.finish();
    });
  }

  /** Nothing more is to be done. */
  finish(): void {
    this.onDone?.();
  }

  /** Calls `undo` when all is over. */
  onEnd(undo: () => void): void {
    this.undo.push(undo);
  }

  /**
   * What is on its way to the servers of these connections arrives when the returned function has been called. `late`: the
   * clients see a reset, and connect again. Undefined if there is nothing on its way: then all is over.
   */
  holdAll(connections: readonly SimConnection[], how: 'held' | 'late'): (() => void) | undefined {
    if (connections.length === 0) {
      this.finish();
      return undefined;
    }
    let isHeld = true;
    if (how === 'late') for (const connection of connections) connection.resetWithLateBytes(HOLD_MS);
    const extend = (): void => {
      if (!isHeld) return;
      for (const { client } of connections) client.outgoing.stalledUntilMs = this.world.nowMs + 2 * HOLD_MS;
      this.later(HOLD_MS, extend);
    };
    extend();
    return () => {
      isHeld = false;
    };
  }

  later(delayMs: number, run: () => void): void {
    this.world.scheduler.after(delayMs, 'step', () => {
      if (!this.isOver) run();
    });
  }

  blockLink(from: string, to: string): void {
    if (from === to) return;
    this.links.push([from, to]);
    this.block(from, to, 1);
  }

  blockBoth(a: string, b: string): void {
    this.blockLink(a, b);
    this.blockLink(b, a);
  }

  unblock(): void {
    for (const [from, to] of this.links) this.block(from, to, -1);
    this.links = [];
  }

  slowLink(from: string, to: string, extraMs: number): void {
    if (extraMs === 0) return;
    this.world.network.link(from, to).extraDelayMs = extraMs;
    this.slow.push([from, to]);
  }

  pause(node: ClusterNode): void {
    if (!node.process.isAlive || node.process.isPaused) return;
    node.process.pause();
    this.paused.push(node);
  }

  /** All that are paused, if no nodes are given. */
  resume(...nodes: readonly ClusterNode[]): void {
    const resumed = this.paused.filter(node => nodes.length === 0 || nodes.includes(node));
    this.paused = this.paused.filter(node => !resumed.includes(node));
    for (const node of resumed) node.process.resume();
  }

  /**
   * Ends it, if the cluster must survive that now, and starts it again after some ms. `power`, `wipe`: the caller has made
   * sure that it must survive this.
   */
  endProcess(node: ClusterNode, downMs: number, how: 'kill' | 'power if possible' | 'power' | 'wipe'): void {
    const { world } = this;
    if (!node.process.isAlive || !world.mayDie(node)) return;
    const losesPower = how === 'power' || (how === 'power if possible' && world.mayLose(node, 'unsynced'));
    if (losesPower) world.losePower(node);
    else world.kill(node);
    if (how === 'wipe') world.wipe(node);
    this.down.add(node);
    world.scheduler.after(downMs, 'restart', () => this.startAgain(node));
  }

  private startAgain(node: ClusterNode): void {
    if (this.down.delete(node)) this.world.start(node);
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const watch of this.own) this.watches.delete(watch);
    for (const undo of this.undo) undo();
    this.unblock();
    for (const [from, to] of this.slow) this.world.network.link(from, to).extraDelayMs = 0;
    this.resume();
    for (const node of [...this.down]) this.startAgain(node);
  }
}
