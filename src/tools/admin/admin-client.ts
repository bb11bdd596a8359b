import type { Logger } from '../../base/logger.ts';
import type { Uuid } from '../../base/uuid.ts';
import { type Api, type HostAndPort, NetworkClient } from '../../client/network-client.ts';
import { Errors, errorName, KafkaError } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../protocol/messages/18-api-versions.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/messages/43-elect-leaders.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import { DescribeQuorumRequest, DescribeQuorumResponse } from '../../protocol/messages/55-describe-quorum.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import {
  RemoveRaftVoterRequest,
  RemoveRaftVoterResponse,
} from '../../protocol/messages/81-remove-raft-voter.ts';
import type { Infer, Input, Message } from '../../protocol/schema.ts';
import type { Runtime } from '../../runtime/runtime.ts';

export interface BrokerDescription {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  /** It is not running, or has not been let in: it leads nothing. */
  readonly fenced: boolean;
}

export interface ClusterDescription {
  readonly clusterId: string;
  readonly brokers: readonly BrokerDescription[];
}

/** Lists hold broker ids. */
export interface PartitionDescription {
  readonly topic: string;
  readonly partition: number;
  /** -1 if there is none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface Reassignment extends TopicPartition {
  /** All replicas while it lasts: the ones that stay, that come and that go. */
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export interface VoterDescription {
  readonly id: number;
  /** Of its metadata log. */
  readonly directoryId: Uuid;
  /** Records of the metadata log that it does not have yet. */
  readonly lag: number;
  /** How long it has not asked for more; -1 if that is not known. */
  readonly silentMs: number;
}

export interface QuorumDescription {
  readonly leaderId: number;
  readonly leaderEpoch: number;
  /** Voters are in the log and can be changed (KIP-853), not in `controller.quorum.voters`. */
  readonly isDynamic: boolean;
  readonly voters: readonly VoterDescription[];
}

/** The configurations that name a topic or a broker. */
export interface ConfigResource {
  readonly resource: 'topic' | 'broker';
  readonly name: string;
}

/** A change of one key of a topic or a broker; `null` removes it. */
export interface ConfigChange extends ConfigResource {
  readonly key: string;
  readonly value: string | null;
}

/** A place that has a value for a key of a broker, the weakest last: what it was started with, Kafka's default. */
export interface BrokerConfigLayer {
  readonly source: 'this broker' | 'cluster default' | 'start' | 'default';
  /** `null` for a secret. */
  readonly value: string | null;
}

/** A key of a running broker. */
export interface BrokerConfigEntry {
  readonly name: string;
  readonly isSensitive: boolean;
  /** It changes by a restart only. */
  readonly readOnly: boolean;
  /** The strongest first; none for a key that has no value. */
  readonly layers: readonly BrokerConfigLayer[];
}

const CLIENT_ID = 'odradek-admin';
const REQUEST_TIMEOUT_MS = 15_000;
/** How long an answer is sought from one broker after the other: they may be electing a controller. */
const PATIENCE_MS = 45_000;
/** The same as long as none has answered at all, which is rather an address that is wrong. */
const FIRST_PATIENCE_MS = 3_000;
const RETRY_MS = 250;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_FRAME_BYTES = 100 * 1024 * 1024;
const KRAFT_VERSION = 'kraft.version';
const METADATA_TOPIC = '__cluster_metadata';
const RESOURCE_TYPES = { topic: 2, broker: 4 } as const;
const SET = 0;
const DELETE = 1;
const PREFERRED = 0;
/** Where a value comes from that was set for the topic or the broker. */
const DYNAMIC_SOURCES: ReadonlySet<number> = new Set([1, 2]);

/** Kafka's numbers for where a value of a broker comes from. */
const LAYER_SOURCES: ReadonlyMap<number, BrokerConfigLayer['source']> = new Map([
  [2, 'this broker'],
  [3, 'cluster default'],
  [4, 'start'],
  [5, 'default'],
]);

/** Failures that another broker, or the same one a little later, may not have. */
const RETRIABLE: ReadonlySet<number> = new Set([
  Errors.NETWORK_EXCEPTION,
  Errors.REQUEST_TIMED_OUT,
  Errors.NOT_CONTROLLER,
  Errors.BROKER_NOT_AVAILABLE,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.NOT_LEADER_OR_FOLLOWER,
]);

/**
 * What the tools ask a cluster for. Requests go to any broker that answers; every one of them may be repeated without
 * harm, and is, for a while. Methods reject with `KafkaError`, whose message says what was asked for.
 */
export class AdminClient {
  private readonly runtime: Runtime;
  private readonly client: NetworkClient;
  /** The one that answered last comes first. */
  private addresses: HostAndPort[];
  private hasAnswered = false;
  private closed = false;

  constructor(runtime: Runtime, logger: Logger, bootstrap: readonly HostAndPort[]) {
    this.runtime = runtime;
    this.addresses = [...bootstrap];
    this.client = new NetworkClient(runtime, logger, {
      clientId: CLIENT_ID,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maxFrameBytes: MAX_FRAME_BYTES,
    });
  }

  close(): void {
    this.closed = true;
    this.client.close();
  }

  /** With brokers that are fenced. */
  async describeCluster(): Promise<ClusterDescription> {
    const answer = await this.ask(
      'describe the cluster',
      { request: DescribeClusterRequest, response: DescribeClusterResponse },
      version => (version >= 2 ? { includeFencedBrokers: true } : {}),
      topLevel,
    );
    const brokers = answer.brokers.map(({ brokerId, host, port, rack, isFenced }) => ({
      id: brokerId,
      host,
      port,
      rack,
      fenced: isFenced,
    }));
    for (const { fenced, host, port } of brokers) if (!fenced) this.remember({ host, port });
    return { clusterId: answer.clusterId, brokers: brokers.sort((a, b) => a.id - b.id) };
  }

  /** All partitions, those of internal topics too, by topic and number; as the broker at `from` knows them, or any. */
  async partitions(from?: HostAndPort): Promise<PartitionDescription[]> {
    const answer = await this.askAt(
      from,
      'list the topics',
      { request: MetadataRequest, response: MetadataResponse },
      { topics: null, allowAutoTopicCreation: false },
      topLevel,
    );
    const partitions = answer.topics.flatMap(topic =>
      topic.partitions.map(each => ({
        topic: topic.name!,
        partition: each.partitionIndex,
        leader: each.leaderId,
        replicas: each.replicaNodes,
        isr: each.isrNodes,
      })),
    );
    return partitions.sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition);
  }

  /** The size in bytes of each replica that a broker holds, by {@link partitionName}. */
  async replicaSizes({ id, host, port }: BrokerDescription): Promise<Map<string, number>> {
    const what = `ask broker ${id} for the sizes of its logs`;
    const answer = await this.send(
      what,
      { host, port },
      { request: DescribeLogDirsRequest, response: DescribeLogDirsResponse },
      { topics: null },
    );
    failOn(what, answer);
    const sizes = new Map<string, number>();
    for (const { topics } of answer.results) {
      for (const { name, partitions } of topics) {
        for (const { partitionIndex, partitionSize, isFutureKey } of partitions) {
          if (!isFutureKey) sizes.set(partitionName(name, partitionIndex), Number(partitionSize));
        }
      }
    }
    return sizes;
  }

  async reassignments(): Promise<Reassignment[]> {
    const answer = await this.ask(
      'list the reassignments',
      { request: ListPartitionReassignmentsRequest, response: ListPartitionReassignmentsResponse },
      { topics: null, timeoutMs: REQUEST_TIMEOUT_MS },
      topLevel,
    );
    return answer.topics.flatMap(({ name, partitions }) =>
      partitions.map(each => ({
        topic: name,
        partition: each.partitionIndex,
        replicas: each.replicas,
        adding: each.addingReplicas,
        removing: each.removingReplicas,
      })),
    );
  }

  /** Gives partitions new lists of replicas. What must be copied is copied after this has resolved. */
  async reassign(
    targets: readonly (TopicPartition & { readonly replicas: readonly number[] })[],
  ): Promise<void> {
    const what = 'reassign partitions';
    const topics = Array.from(byTopic(targets), ([name, each]) => ({
      name,
      partitions: each.map(({ partition, replicas }) => ({
        partitionIndex: partition,
        replicas: [...replicas],
      })),
    }));
    const answer = await this.ask(
      what,
      { request: AlterPartitionReassignmentsRequest, response: AlterPartitionReassignmentsResponse },
      { topics, timeoutMs: REQUEST_TIMEOUT_MS },
      topLevel,
    );
    for (const { name, partitions } of answer.responses) {
      for (const { partitionIndex, errorCode, errorMessage } of partitions) {
        failOn(`reassign ${partitionName(name, partitionIndex)}`, { errorCode, errorMessage });
      }
    }
  }

  /** Lets the first replica of each partition lead it, where it is in sync; elsewhere the leader stays. */
  async electPreferredLeaders(partitions: readonly TopicPartition[]): Promise<void> {
    const topicPartitions = Array.from(byTopic(partitions), ([topic, each]) => ({
      topic,
      partitions: each.map(({ partition }) => partition),
    }));
    await this.ask(
      'elect the preferred leaders',
      { request: ElectLeadersRequest, response: ElectLeadersResponse },
      { electionType: PREFERRED, topicPartitions, timeoutMs: REQUEST_TIMEOUT_MS },
      topLevel,
    );
  }

  /**
   * Which of `keys` have a value of their own, by resource. A broker is asked for its own ones: `from` says where it
   * is.
   */
  async configsThatAreSet(
    resources: readonly ConfigResource[],
    keys: readonly string[],
    from?: HostAndPort,
  ): Promise<ConfigChange[]> {
    const what = `describe configurations of ${from === undefined ? 'topics' : `${from.host}:${from.port}`}`;
    const api = { request: DescribeConfigsRequest, response: DescribeConfigsResponse };
    const body = {
      resources: resources.map(({ resource, name }) => ({
        resourceType: RESOURCE_TYPES[resource],
        resourceName: name,
        configurationKeys: [...keys],
      })),
      includeSynonyms: false,
      includeDocumentation: false,
    };
    const { results } = await this.askAt(from, what, api, body, () => undefined);
    return results.flatMap(({ resourceType, resourceName, configs }) =>
      configs
        .filter(({ configSource }) => DYNAMIC_SOURCES.has(configSource))
        .map(({ name, value }) => ({
          resource: resourceType === RESOURCE_TYPES.topic ? ('topic' as const) : ('broker' as const),
          name: resourceName,
          key: name,
          value,
        })),
    );
  }

  /** All keys of a broker that runs, as it knows them itself. */
  async brokerConfig({ id, host, port }: BrokerDescription): Promise<BrokerConfigEntry[]> {
    const what = `ask broker ${id} for its configuration`;
    const { results } = await this.send(
      what,
      { host, port },
      { request: DescribeConfigsRequest, response: DescribeConfigsResponse },
      {
        resources: [
          { resourceType: RESOURCE_TYPES.broker, resourceName: String(id), configurationKeys: null },
        ],
        includeSynonyms: true,
        includeDocumentation: false,
      },
    );
    for (const { errorCode, errorMessage } of results) failOn(what, { errorCode, errorMessage });
    return results.flatMap(({ configs }) =>
      configs.map(({ name, isSensitive, readOnly, synonyms }) => ({
        name,
        isSensitive,
        readOnly,
        // Others stand in for the key: they have entries of their own.
        layers: synonyms
          .filter(synonym => synonym.name === name)
          .map(({ source, value }) => ({ source: LAYER_SOURCES.get(source) ?? 'default', value })),
      })),
    );
  }

  async alterConfigs(changes: readonly ConfigChange[]): Promise<void> {
    const resources = new Map<string, { type: number; name: string; changes: ConfigChange[] }>();
    for (const change of changes) {
      const key = `${change.resource} ${change.name}`;
      const resource = resources.get(key) ?? {
        type: RESOURCE_TYPES[change.resource],
        name: change.name,
        changes: [],
      };
      resource.changes.push(change);
      resources.set(key, resource);
    }
    const answer = await this.ask(
      'change configurations',
      { request: IncrementalAlterConfigsRequest, response: IncrementalAlterConfigsResponse },
      {
        resources: Array.from(resources.values(), ({ type, name, changes: own }) => ({
          resourceType: type,
          resourceName: name,
          configs: own.map(({ key, value }) => ({
            name: key,
            configOperation: value === null ? DELETE : SET,
            value,
          })),
        })),
        validateOnly: false,
      },
      () => undefined,
    );
    for (const { errorCode, errorMessage, resourceName } of answer.responses) {
      failOn(`change the configuration of ${resourceName}`, { errorCode, errorMessage });
    }
  }

  async quorum(): Promise<QuorumDescription> {
    const what = 'describe the metadata quorum';
    const answer = await this.ask(
      what,
      { request: DescribeQuorumRequest, response: DescribeQuorumResponse },
      { topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }] },
      response => topLevel(response) ?? topLevel(response.topics[0]?.partitions[0] ?? {}),
    );
    const partition = answer.topics[0]?.partitions[0];
    if (partition === undefined)
      throw new KafkaError(Errors.UNKNOWN_SERVER_ERROR, `${what}: the answer is empty`);
    const { leaderId, leaderEpoch, currentVoters } = partition;
    const leader = currentVoters.find(({ replicaId }) => replicaId === leaderId);
    const voters = currentVoters.map(each => ({
      id: each.replicaId,
      directoryId: each.replicaDirectoryId,
      lag: Number(leader?.logEndOffset ?? each.logEndOffset) - Number(each.logEndOffset),
      silentMs: silenceOf(each.lastFetchTimestamp, leader?.lastFetchTimestamp),
    }));
    const { finalizedFeatures } = await this.ask(
      'ask for the levels of features',
      { request: ApiVersionsRequest, response: ApiVersionsResponse },
      { clientSoftwareName: CLIENT_ID, clientSoftwareVersion: '1' },
      topLevel,
    );
    const level = finalizedFeatures.find(({ name }) => name === KRAFT_VERSION)?.maxVersionLevel ?? 0;
    return { leaderId, leaderEpoch, isDynamic: level > 0, voters: voters.sort((a, b) => a.id - b.id) };
  }

  async unregisterBroker(id: number): Promise<void> {
    await this.ask(
      `unregister broker ${id}`,
      { request: UnregisterBrokerRequest, response: UnregisterBrokerResponse },
      { brokerId: id },
      topLevel,
    );
  }

  /** Takes a voter out of a quorum whose voters are in its log (KIP-853). */
  async removeVoter(clusterId: string, id: number, directoryId: Uuid): Promise<void> {
    await this.ask(
      `remove voter ${id} from the metadata quorum`,
      { request: RemoveRaftVoterRequest, response: RemoveRaftVoterResponse },
      { clusterId, voterId: id, voterDirectoryId: directoryId },
      topLevel,
    );
  }

  /** Asks one broker after the other until one answers without an error that may pass. */
  private async ask<Req extends Message, Res extends Message>(
    what: string,
    api: Api<Req, Res>,
    body: Input<Req> | ((version: number) => Input<Req>),
    failure: (response: Infer<Res>) => Failure | undefined,
  ): Promise<Infer<Res>> {
    const { clock, timers } = this.runtime;
    const startMs = clock.monotonicMs();
    for (let attempt = 0; ; attempt++) {
      const address = this.addresses[attempt % this.addresses.length]!;
      try {
        const answer = await this.send(what, address, api, body);
        failOn(what, failure(answer) ?? { errorCode: Errors.NONE });
        if (attempt > 0) this.prefer(address);
        return answer;
      } catch (error) {
        const patienceMs = this.hasAnswered ? PATIENCE_MS : FIRST_PATIENCE_MS;
        const isLast = clock.monotonicMs() - startMs > patienceMs;
        if (!(error instanceof KafkaError) || !RETRIABLE.has(error.code) || isLast || this.closed)
          throw error;
      }
      if ((attempt + 1) % this.addresses.length === 0) {
        await new Promise<void>(resolve => timers.after(RETRY_MS, resolve));
      }
    }
  }

  /** Asks the broker at `from`, once; or, where that is undefined, any of them. */
  private async askAt<Req extends Message, Res extends Message>(
    from: HostAndPort | undefined,
    what: string,
    api: Api<Req, Res>,
    body: Input<Req> | ((version: number) => Input<Req>),
    failure: (response: Infer<Res>) => Failure | undefined,
  ): Promise<Infer<Res>> {
    if (from === undefined) return await this.ask(what, api, body, failure);
    const answer = await this.send(what, from, api, body);
    failOn(what, failure(answer) ?? { errorCode: Errors.NONE });
    return answer;
  }

  private async send<Req extends Message, Res extends Message>(
    what: string,
    address: HostAndPort,
    api: Api<Req, Res>,
    body: Input<Req> | ((version: number) => Input<Req>),
  ): Promise<Infer<Res>> {
    try {
      const answer = await this.client.send(address, api, body, { timeoutMs: REQUEST_TIMEOUT_MS });
      this.hasAnswered = true;
      return answer;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      throw new KafkaError(error.code, `cannot ${what}: ${error.message}`);
    }
  }

  private remember(address: HostAndPort): void {
    const known = this.addresses.some(({ host, port }) => host === address.host && port === address.port);
    if (!known) this.addresses.push(address);
  }

  private prefer(address: HostAndPort): void {
    this.addresses = [address, ...this.addresses.filter(each => each !== address)];
  }
}

/** `topic-partition`, as log directories are named. */
export function partitionName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

interface Failure {
  readonly errorCode?: number;
  readonly errorMessage?: string | null;
}

/** `leaderMs`: when the leader, which is up to date all the time, has last fetched, by its own clock. */
function silenceOf(fetchedMs: number | bigint, leaderMs: number | bigint | undefined): number {
  if (leaderMs === undefined || leaderMs < 0 || fetchedMs < 0) return -1;
  return Math.max(0, Number(leaderMs) - Number(fetchedMs));
}

function topLevel(response: Failure): Failure {
  return response;
}

function failOn(what: string, { errorCode = Errors.NONE, errorMessage }: Failure): void {
  if (errorCode === Errors.NONE) return;
  const detail = errorMessage == null || errorMessage === '' ? '' : `: ${errorMessage}`;
  throw new KafkaError(errorCode, `cannot ${what}: ${errorName(errorCode)}${detail}`);
}

function byTopic<T extends TopicPartition>(partitions: readonly T[]): Map<string, T[]> {
  const topics = new Map<string, T[]>();
  for (const each of partitions) {
    const others = topics.get(each.topic);
    if (others === undefined) topics.set(each.topic, [each]);
    else others.push(each);
  }
  return topics;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
