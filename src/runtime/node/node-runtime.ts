import type { Clock, Disk, Executor, Network, Random, Runtime, Timers } from '../runtime.ts';
import { NodeClock, NodeTimers } from './node-clock.ts';
import { NodeDisk } from './node-disk.ts';
import { NodeExecutor, type TaskLocation } from './node-executor.ts';
import { NodeNetwork } from './node-network.ts';
import { NodeRandom } from './node-random.ts';

export interface NodeRuntimeOptions {
  /** The tasks that {@link Executor.run} knows. */
  readonly tasks?: ReadonlyMap<string, TaskLocation>;
  /** A connection could not be taken (EMFILE). It may come in floods. */
  readonly onAcceptError?: (error: Error) => void;
}

/** The effects of a process of Node. */
export class NodeRuntime implements Runtime {
  readonly clock: Clock = new NodeClock();
  readonly timers: Timers = new NodeTimers();
  readonly random: Random = new NodeRandom();
  readonly disk: Disk = new NodeDisk();
  readonly network: Network;
  readonly executor: Executor;

  constructor(options: NodeRuntimeOptions = {}) {
    this.network = new NodeNetwork(options.onAcceptError);
    this.executor = new NodeExecutor(options.tasks ?? new Map());
  }
}
