import type { Logger } from '../base/logger.ts';
import type { Errors } from '../protocol/errors.ts';

/* The face of a cluster that runs in this process: what its users see. */

/**
 * ```text
 *  stopped ──start──► starting ──► running ──stop──► stopped
 *     ▲                  │            │
 *     └──── (failed) ────┴────kill────┴────────────► killed ──restart──► starting
 * ```
 */
export type NodeState = 'starting' | 'running' | 'stopped' | 'killed';

/** The name of an error in Kafka's protocol, such as `NOT_LEADER_OR_FOLLOWER`. */
export type ErrorName = keyof typeof Errors;

export interface FailNextOptions {
  /** How many requests fail. 1 if left out. */
  readonly times?: number;
  /** The id of the broker whose requests fail; of any broker if left out. */
  readonly broker?: number;
}

export interface ClusterOptions {
  /** How many brokers, with the ids 1, 2 and so on. 3 if left out. */
  readonly brokers?: number;
  /**
   * `'combined'`: brokers are the controllers, all of 3 or 5, otherwise as many as give an odd number up to 5. A number:
   * so many nodes that are controllers only, with the ids 101, 102 and so on. `'combined'` if left out.
   */
  readonly controllers?: 'combined' | number;
  /** Racks, given to the brokers in turn. */
  readonly racks?: readonly string[];
  /** Keys of `server.properties` for every node, on top of the ones that {@link createCluster} chooses. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** Hears what the nodes log; the field `node` says which. Nothing is logged if left out. */
  readonly logger?: Logger;
  /**
   * Where the nodes keep their files, which stay there: a later cluster with as many nodes goes on with them. A
   * temporary directory if left out, removed by `close`.
   */
  readonly directory?: string;
}

/** A node of a cluster that runs in this process. */
export interface Node {
  readonly id: number;
  readonly rack: string | undefined;
  readonly isBroker: boolean;
  readonly isController: boolean;
  readonly host: string;
  readonly port: number;
  /** `host:port` */
  readonly address: string;
  /** Holds its logs. */
  readonly directory: string;
  readonly state: NodeState;
  /**
   * Ends as by `kill -9`, at once: connections break off, nothing is written or said any more. The promise resolves when
   * its files are closed.
   */
  kill(): Promise<void>;
  /** Stops as an operator does: leadership is handed over first, then everything is written and closed. */
  stop(): Promise<void>;
  /** Stops if need be, and starts again on the same directory and ports. Resolves when it serves. */
  restart(): Promise<void>;
}

/** A whole cluster in this process, on real TCP ports of the loopback interface. */
export interface Cluster {
  readonly clusterId: string;
  /** `host:port` of each broker, with commas between. */
  readonly bootstrapServers: string;
  readonly brokers: readonly Node[];
  /** The brokers that are controllers too, or the nodes that are nothing else. */
  readonly controllers: readonly Node[];
  /** The active controller. Waits until the nodes that run know one. */
  activeController(): Promise<Node>;
  /** The broker that leads a partition. Waits until one that runs does. */
  leaderOf(topic: string, partition?: number): Promise<Node>;
  /** Waits until every partition has a leader and all of its replicas in sync. */
  inSync(): Promise<void>;
  /**
   * Withholds what nodes send each other, as a network does that drops packets: connections stay open, and what was
   * sent arrives when the partition heals. Each of `a` is cut off from each of `b`. Clients reach all nodes all the
   * time, also a leader that was cut off: it tells them that it leads until it hears of its successor, as Kafka's does.
   */
  partition(
    a: Node | number | readonly (Node | number)[],
    b: Node | number | readonly (Node | number)[],
  ): void;
  /** Ends all partitions. */
  heal(): void;
  /** Whatever nodes send, to each other and to clients, arrives `ms` later from now on; 0 ends that. */
  delay(ms: number): void;
  /**
   * The next request of an API (`'Produce'`) that a client sends is answered with an error and has no other effect.
   * Requests between nodes are not touched.
   */
  failNext(api: string | number, error: ErrorName | number, options?: FailNextOptions): void;
  /** Ends all nodes and frees ports and files; a temporary directory is removed. */
  close(): Promise<void>;
}
