import type { Uuid } from '../../../src/base/uuid.ts';
import type { HostAndPort } from '../../../src/config/listeners.ts';
import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/03-metadata.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import type { Infer, Input, Message } from '../../../src/protocol/schema.ts';
import type { Runtime, Timer } from '../../../src/runtime/runtime.ts';
import { type PartitionKey, partitionKey } from '../checkers/history.ts';
import type { SimRandom } from '../sim-random.ts';
import {
  type Api,
  type FinalizedFeatures,
  type LateBytes,
  ProtocolConnection,
  Unanswered,
} from './protocol-connection.ts';

/** What a client believes of a partition. */
export interface KnownPartition {
  readonly key: PartitionKey;
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  leader: number;
  leaderEpoch: number;
  replicas: readonly number[];
}

/** What is drawn for producers and consumers alike. */
export interface TrafficSettings {
  readonly topics: readonly string[];
  /** The newest version of Produce or Fetch that it speaks. */
  readonly maxVersion: number;
  /** How often it does what no good client does, per request. */
  readonly misbehaves: number;
}

export interface ClusterClientOptions {
  readonly name: string;
  readonly runtime: Runtime;
  readonly random: SimRandom;
  readonly bootstrap: readonly HostAndPort[];
  readonly requestTimeoutMs: number;
  readonly metadataMaxAgeMs: number;
  /** Told of answers that are none. */
  onProtocolError(problem: string): void;
}

/** A client that does not wait for its answer. */
export interface Cut {
  /** After the request was sent, ms. */
  readonly afterMs: number;
  /** See {@link ProtocolConnection.cut}. */
  readonly lateMs: number;
  onCut(late: LateBytes): void;
}

const METADATA = { request: MetadataRequest, response: MetadataResponse };
/** Java's retry.backoff.ms. */
const RETRY_BACKOFF_MS = 100;
/** Any broker will do. */
export const NO_BROKER = -1;

/**
 * What every client of the cluster needs: connections to its brokers, and a view of its metadata that is refreshed when
 * it grows old or proves wrong. As in the Java clients, a leader epoch never goes back for the same topic id.
 */
export class ClusterClient {
  readonly name: string;
  readonly runtime: Runtime;
  readonly random: SimRandom;
  readonly options: ClusterClientOptions;
  private readonly connections = new Map<number, ProtocolConnection>();
  private readonly opening = new Map<number, Promise<ProtocolConnection>>();
  private bootstrapConnection: ProtocolConnection | undefined;
  private readonly brokers = new Map<number, HostAndPort>();
  private readonly topics = new Map<string, KnownPartition[]>();
  private readonly timers = new Set<Timer>();
  private refreshing: Promise<void> | undefined;
  private refreshedMs = Number.NEGATIVE_INFINITY;
  private closed = false;
  private features: FinalizedFeatures = { epoch: -1, levels: new Map() };
  /** Topics that are asked for. */
  private readonly interest: readonly string[];

  constructor(options: ClusterClientOptions, interest: readonly string[]) {
    this.options = options;
    this.name = options.name;
    this.runtime = options.runtime;
    this.random = options.random;
    this.interest = interest;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }

  /** The level of a feature by the newest of what brokers said when connections to them were made; 0 if it has none. */
  featureLevel(name: string): number {
    return this.features.levels.get(name) ?? 0;
  }

  /** Partitions of a topic, empty until metadata name it. */
  partitionsOf(topic: string): readonly KnownPartition[] {
    return this.topics.get(topic) ?? [];
  }

  knownBrokers(): readonly number[] {
    return [...this.brokers.keys()];
  }

  /** Vanishes: connections are cut, nothing that was started goes on. */
  close(): void {
    this.closed = true;
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    for (const connection of this.connections.values()) connection.destroy('the client has gone');
    this.bootstrapConnection?.destroy('the client has gone');
    this.connections.clear();
  }

  /** Resolves after `ms`; never when the client is closed before. */
  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.later(ms, resolve));
  }

  /** Calls `run` after `ms`, if the client is not closed before. */
  later(ms: number, run: () => void): void {
    const timer = this.runtime.timers.after(ms, () => {
      this.timers.delete(timer);
      if (!this.closed) run();
    });
    this.timers.add(timer);
  }

  /** Sends to a broker by its id; {@link NO_BROKER} stands for any. Rejects with {@link Unanswered}. */
  async ask<Req extends Message, Res extends Message>(
    broker: number,
    api: Api<Req, Res>,
    body: (version: number) => Input<Req>,
    options: { timeoutMs?: number; maxVersion?: number | undefined; cut?: Cut | undefined } = {},
  ): Promise<Infer<Res>> {
    const connection = await this.connection(broker);
    const timeoutMs = options.timeoutMs ?? this.options.requestTimeoutMs;
    const answer = connection.request(api, body, timeoutMs, options.maxVersion);
    if (options.cut !== undefined) this.cutLater(connection, options.cut);
    return answer;
  }

  /** The connection to a broker, opened if need be. */
  async connection(broker: number): Promise<ProtocolConnection> {
    if (this.closed) throw new Unanswered('the client has gone', false);
    if (broker === NO_BROKER) return this.anyConnection();
    const known = this.connections.get(broker);
    if (known !== undefined && !known.isClosed) return known;
    const address = this.brokers.get(broker);
    if (address === undefined) throw new Unanswered(`the address of broker ${broker} is not known`, false);
    let opening = this.opening.get(broker);
    if (opening === undefined) {
      opening = this.open(address).then(
        connection => {
          this.opening.delete(broker);
          this.connections.set(broker, connection);
          return connection;
        },
        error => {
          this.opening.delete(broker);
          this.forgetMetadata();
          throw error;
        },
      );
      this.opening.set(broker, opening);
    }
    return opening;
  }

  private cutLater(connection: ProtocolConnection, { afterMs, lateMs, onCut }: Cut): void {
    const cut = (): void => {
      const late = connection.cut(lateMs);
      if (late !== undefined) onCut(late);
    };
    if (afterMs === 0) cut();
    else this.later(afterMs, cut);
  }

  /** Cuts the connection to a broker as a client does that gives up; requests on it may still be carried out. */
  disconnect(broker: number, reason: string): void {
    this.connections.get(broker)?.destroy(reason);
    this.connections.delete(broker);
  }

  private async anyConnection(): Promise<ProtocolConnection> {
    const open = [...this.connections.values()].filter(connection => !connection.isClosed);
    if (open.length > 0 && this.random.chance(0.8)) return this.random.pick(open);
    if (this.bootstrapConnection === undefined || this.bootstrapConnection.isClosed) {
      const addresses = this.brokers.size > 0 ? [...this.brokers.values()] : this.options.bootstrap;
      const useBootstrap = this.brokers.size === 0 || this.random.chance(0.2);
      const address = this.random.pick(useBootstrap ? this.options.bootstrap : addresses);
      this.bootstrapConnection = await this.open(address);
    }
    return this.bootstrapConnection;
  }

  private async open(address: HostAndPort): Promise<ProtocolConnection> {
    const { requestTimeoutMs, onProtocolError } = this.options;
    const connection = await ProtocolConnection.open(
      this.runtime,
      address,
      this.name,
      requestTimeoutMs,
      problem => onProtocolError(problem),
    );
    if (connection.features.epoch > this.features.epoch) this.features = connection.features;
    if (this.closed) {
      connection.destroy('the client has gone');
      throw new Unanswered('the client has gone', false);
    }
    return connection;
  }

  /** The metadata proved wrong: the next {@link freshMetadata} asks for them. */
  forgetMetadata(): void {
    this.refreshedMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * Waits for metadata that are not too old. Those in which a topic or its leader is missing grow old soon. Resolves also
   * if nobody answered: the old ones stay.
   */
  async freshMetadata(): Promise<void> {
    const lacks = this.interest.some(topic => {
      const partitions = this.partitionsOf(topic);
      return partitions.length === 0 || partitions.some(({ leader }) => leader < 0);
    });
    const maxAgeMs = lacks ? RETRY_BACKOFF_MS : this.options.metadataMaxAgeMs;
    if (this.nowMs() - this.refreshedMs < maxAgeMs) return;
    this.refreshing ??= this.refresh().finally(() => {
      this.refreshing = undefined;
    });
    await this.refreshing;
  }

  private async refresh(): Promise<void> {
    try {
      const answer = await this.ask(NO_BROKER, METADATA, version => ({
        topics: this.interest.map(name => ({ name })),
        allowAutoTopicCreation: version < 4,
      }));
      this.learn(answer);
      this.refreshedMs = this.nowMs();
    } catch {
      // Another broker is asked the next time.
      this.bootstrapConnection?.destroy('no metadata from it');
      this.bootstrapConnection = undefined;
      await this.sleep(20 + this.random.below(80));
    }
  }

  /** Takes what an answer says of leaders. */
  learn(answer: Infer<typeof MetadataResponse>): void {
    if (answer.brokers.length > 0) {
      this.brokers.clear();
      for (const { nodeId, host, port } of answer.brokers) this.brokers.set(nodeId, { host, port });
    }
    for (const { errorCode, name, topicId, partitions } of answer.topics) {
      if (name === null || errorCode !== Errors.NONE) continue;
      const known = new Map((this.topics.get(name) ?? []).map(partition => [partition.key, partition]));
      const now: KnownPartition[] = [];
      for (const { partitionIndex, leaderId, leaderEpoch, replicaNodes } of partitions) {
        const key = partitionKey(topicId, partitionIndex);
        const before = known.get(key);
        if (before !== undefined && leaderEpoch >= 0 && leaderEpoch < before.leaderEpoch) {
          now.push(before);
          continue;
        }
        const partition = before ?? {
          key,
          topic: name,
          topicId,
          index: partitionIndex,
          leader: leaderId,
          leaderEpoch,
          replicas: replicaNodes,
        };
        partition.leader = leaderId;
        partition.leaderEpoch = leaderEpoch;
        partition.replicas = replicaNodes;
        now.push(partition);
      }
      now.sort((a, b) => a.index - b.index);
      this.topics.set(name, now);
    }
  }

  /** Takes a leader that an error answer named (KIP-951), if it is newer than what is known. */
  learnLeader(
    partition: KnownPartition,
    leader: { readonly leaderId: number; readonly leaderEpoch: number },
    endpoints: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[],
  ): boolean {
    if (leader.leaderEpoch <= partition.leaderEpoch || leader.leaderId < 0) return false;
    for (const { nodeId, host, port } of endpoints) {
      if (!this.brokers.has(nodeId)) this.brokers.set(nodeId, { host, port });
    }
    partition.leader = leader.leaderId;
    partition.leaderEpoch = leader.leaderEpoch;
    return true;
  }
}
