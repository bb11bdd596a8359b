import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import type { HostAndPort } from '../../src/config/listeners.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { NodeServer } from './node-server.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimRandom } from './sim-random.ts';
import type { WorldOptions } from './world-options.ts';

/**
 * `safety`: faults happen and clients work. `liveness`: everything is whole again, clients still work and then finish;
 * all must come to rest in bounded time. `end`: servers still run, nothing happens any more, checkers look.
 */
export type Phase = 'safety' | 'liveness' | 'end';

/** An invariant that did not hold. */
export interface Violation {
  /** Its number (`R4`, `M1`) or name (`lost-write`). */
  readonly invariant: string;
  /** What was seen, in one sentence. */
  readonly message: string;
}

/**
 * Something that a client saw or did. `kind` and the other fields are the business of the client and of the checkers
 * that read it; they hold plain data only.
 */
export interface HistoryEvent {
  /** Virtual time, ms since the start of the world. */
  readonly atMs: number;
  /** Who: `client-3`. */
  readonly process: string;
  readonly kind: string;
}

/** What all clients did and saw, in the order of virtual time. */
export interface History<Event extends HistoryEvent = HistoryEvent> {
  readonly events: readonly Event[];
  add(event: Event): void;
}

/** A client of the cluster. It has a process of its own: `world.runtimeFor(name)`. */
export interface SimClient {
  readonly name: string;
  start(): void;
  /**
   * Called in the liveness phase. Stops making new work, finishes what was begun (a producer has its answers, a
   * consumer has read to the end) and resolves. A promise that does not resolve in time is a violation.
   */
  stop(): Promise<void>;
}

/** Looks at the whole run when it is over. */
export type Checker = (history: History, world: WorldView) => Violation[] | Promise<Violation[]>;

/** The clients of a world and what must hold for them. */
export interface Workload {
  readonly history: History;
  readonly clients: readonly SimClient[];
  readonly checkers: readonly Checker[];
  /** All is at rest, and all nodes will go down and come up again. */
  readonly beforeLastRestart?: () => void;
}

/** A node of the cluster. */
export interface SimNode {
  readonly id: number;
  readonly isBroker: boolean;
  readonly isController: boolean;
  readonly config: KafkaConfig;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  /** What runs now; `undefined` while the process is dead. */
  readonly server: NodeServer | undefined;
  /** Alive, and its `start()` has resolved. */
  readonly isUp: boolean;
  /** The life of the process that ended last had come up, and did not stop by itself. */
  readonly endedUncleanly: boolean;
}

/** A partition that has no leader, and no replica that may become one without a word from an operator. */
export interface AbandonedPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What clients, probes and checkers may see and do of the world. */
export interface WorldView {
  readonly seed: number;
  readonly options: WorldOptions;
  readonly phase: Phase;
  /** Virtual time, ms since the start of the world, the same for all (no process's clock shows it). */
  readonly nowMs: number;
  readonly nodes: readonly SimNode[];
  node(id: number): SimNode;
  /** `node-1`, `client-3`. */
  process(name: string): SimProcess;
  disk(nodeId: number): SimDisk;
  /** The runtime of a client process, which is made by the first call. Clients are not crashed by the world. */
  runtimeFor(name: string): Runtime;
  /** A stream of random numbers that is the same for each run of a seed, and of its own for each name. */
  randomFor(name: string): SimRandom;
  /** The broker listeners of all brokers. */
  bootstrap(): HostAndPort[];
  /** Those that only an operator can help; none while a broker is missing. */
  abandonedPartitions(): AbandonedPartition[];
  /**
   * Called after each event, when its microtasks have run: all servers are between two turns. `process` is whose event
   * it was. Must be cheap.
   */
  onTick(listener: (process: SimProcess | undefined) => void): void;
  /** Called every `periodMs` of virtual time. */
  onPeriod(periodMs: number, listener: () => void): void;
  /** Called after a node's process has died, and when it has been started again. */
  onNodeChange(
    listener: (node: SimNode, change: 'crashed' | 'damaged' | 'powerLost' | 'started' | 'wiped') => void,
  ): void;
  /** Ends the run with a failure. The first one counts. */
  violation(violation: Violation): void;
  /** One line of the timeline that a failure prints. */
  note(line: string): void;
  /** Counts that an interesting state was reached. */
  sometimes(name: string): void;
}
