import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from '../../src/protocol/messages/43-elect-leaders.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../src/protocol/messages/45-alter-partition-reassignments.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../../src/protocol/messages/46-list-partition-reassignments.ts';
import {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
} from '../../src/protocol/messages/55-describe-quorum.ts';
import {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../../src/protocol/messages/57-update-features.ts';
import { AddRaftVoterRequest, AddRaftVoterResponse } from '../../src/protocol/messages/80-add-raft-voter.ts';
import {
  RemoveRaftVoterRequest,
  RemoveRaftVoterResponse,
} from '../../src/protocol/messages/81-remove-raft-voter.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../src/protocol/messages/65-describe-transactions.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import { WireClient } from '../oracle/wire-client.ts';
import type { ClusterNode, ClusterProcess } from './cluster-process.ts';

/* What a check asks of a living cluster, each at one version of the API that every broker of today knows. */

const CREATE_TOPICS_VERSION = 5;
const ELECT_LEADERS_VERSION = 2;
const REASSIGNMENTS_VERSION = 0;
const DESCRIBE_QUORUM_VERSION = 2;
const RAFT_VOTER_VERSION = 0;
const API_VERSIONS_VERSION = 4;
const UPDATE_FEATURES_VERSION = 1;
const DESCRIBE_TRANSACTIONS_VERSION = 0;
const FIND_COORDINATOR_VERSION = 3;
const OFFSET_FETCH_VERSION = 7;
const LIST_OFFSETS_VERSION = 7;

const TOPIC_ALREADY_EXISTS = 36;
const ELECTION_NOT_NEEDED = 84;
const DUPLICATE_VOTER = 126;
const VOTER_NOT_FOUND = 127;
const PREFERRED = 0;
const UPGRADE = 1;
const SAFE_DOWNGRADE = 2;
const GROUP = 0;
const LATEST = -1;
const NO_BROKER = -1;
const REQUEST_MS = 3_000;
/** By the isolation level that asks for it: the high watermark, the last stable offset. */
const ISOLATION_LEVELS = { read_uncommitted: 0, read_committed: 1 } as const;

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor?: number;
  /** The replicas of each partition, the preferred leader first; instead of a placement by the controller. */
  readonly assignments?: readonly (readonly number[])[];
  readonly configs?: Readonly<Record<string, string>>;
}

/** Creates a topic; a second try after a lost answer finds it there and is content. */
export async function createTopic(
  cluster: ClusterProcess,
  topic: NewTopic,
  timeoutMs = 30_000,
): Promise<void> {
  const assignments = (topic.assignments ?? []).map((ids, partitionIndex) => ({
    partitionIndex,
    brokerIds: [...ids],
  }));
  const placed = assignments.length > 0;
  await cluster.eventually(`creation of ${topic.name}`, timeoutMs, async client => {
    const answer = await client.send(CreateTopicsRequest, CreateTopicsResponse, CREATE_TOPICS_VERSION, {
      topics: [
        {
          name: topic.name,
          numPartitions: placed ? -1 : topic.partitions,
          replicationFactor: placed ? -1 : (topic.replicationFactor ?? 3),
          assignments,
          configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
        },
      ],
      timeoutMs: REQUEST_MS,
    });
    const result = answer.topics[0];
    if (result?.errorCode === 0 || result?.errorCode === TOPIC_ALREADY_EXISTS) return true;
    throw new Error(`error ${result?.errorCode}: ${result?.errorMessage}`);
  });
}

export type QuorumState = Infer<typeof DescribeQuorumResponse>['topics'][number]['partitions'][number];

/** The quorum as its leader describes it to a living broker; `wanted` says whether that is enough to return it. */
export function describeQuorum(
  cluster: ClusterProcess,
  what: string,
  wanted: (quorum: QuorumState) => boolean,
  timeoutMs = 30_000,
): Promise<QuorumState> {
  return cluster.eventually(what, timeoutMs, async client => {
    const answer = await client.send(DescribeQuorumRequest, DescribeQuorumResponse, DESCRIBE_QUORUM_VERSION, {
      topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
    });
    const partition = answer.topics[0]?.partitions[0];
    const failed = answer.errorCode !== 0 || partition === undefined || partition.errorCode !== 0;
    if (failed) throw new Error(`DescribeQuorum: error ${answer.errorCode || partition?.errorCode}`);
    return wanted(partition) ? partition : undefined;
  });
}

/** The id of the node that leads the quorum, as a living broker knows it. */
export async function activeController(cluster: ClusterProcess, timeoutMs = 30_000): Promise<number> {
  const { leaderId } = await describeQuorum(
    cluster,
    'an active controller',
    quorum => quorum.leaderId >= 0,
    timeoutMs,
  );
  return leaderId;
}

/**
 * Puts a controller that has come back with an empty disk in the place of the voter that it was (KIP-853): the old one
 * is removed, the new one added when it has shown itself as an observer. Returns when it is a voter.
 */
export async function replaceVoter(cluster: ClusterProcess, node: ClusterNode): Promise<void> {
  const isOfNode = ({ replicaId }: { replicaId: number }) => replicaId === node.id;
  const { currentVoters, observers } = await describeQuorum(
    cluster,
    `node ${node.id} as an observer of the quorum`,
    quorum => quorum.observers.some(isOfNode),
  );
  const [oldVoter, newVoter] = [currentVoters.find(isOfNode), observers.find(isOfNode)];
  if (oldVoter === undefined || newVoter === undefined) throw new Error(`node ${node.id} is no voter`);
  await cluster.eventually(`removal of voter ${node.id}`, 30_000, async client => {
    const answer = await client.send(RemoveRaftVoterRequest, RemoveRaftVoterResponse, RAFT_VOTER_VERSION, {
      clusterId: null,
      voterId: node.id,
      voterDirectoryId: oldVoter.replicaDirectoryId,
    });
    if (answer.errorCode === 0 || answer.errorCode === VOTER_NOT_FOUND) return true;
    throw new Error(`error ${answer.errorCode}: ${answer.errorMessage}`);
  });
  await cluster.eventually(`addition of voter ${node.id}`, 30_000, async client => {
    const answer = await client.send(AddRaftVoterRequest, AddRaftVoterResponse, RAFT_VOTER_VERSION, {
      clusterId: null,
      timeoutMs: REQUEST_MS,
      voterId: node.id,
      voterDirectoryId: newVoter.replicaDirectoryId,
      listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: node.process.controllerPort }],
    });
    if (answer.errorCode === 0 || answer.errorCode === DUPLICATE_VOTER) return true;
    throw new Error(`error ${answer.errorCode}: ${answer.errorMessage}`);
  });
  await describeQuorum(cluster, `node ${node.id} as a voter`, quorum =>
    quorum.currentVoters.some(voter => voter.replicaDirectoryId === newVoter.replicaDirectoryId),
  );
}

/** Makes the first replica of every partition of the topic its leader, and waits until all are. */
export async function electPreferredLeaders(cluster: ClusterProcess, topic: string): Promise<void> {
  await cluster.eventually(`preferred leaders of ${topic}`, 30_000, async client => {
    const { topics } = await cluster.metadata([topic]);
    const partitions = topics[0]?.partitions ?? [];
    const wrong = partitions.filter(({ leaderId, replicaNodes }) => leaderId !== replicaNodes[0]);
    if (partitions.length > 0 && wrong.length === 0) return true;
    const answer = await client.send(ElectLeadersRequest, ElectLeadersResponse, ELECT_LEADERS_VERSION, {
      electionType: PREFERRED,
      topicPartitions: [{ topic, partitions: wrong.map(({ partitionIndex }) => partitionIndex) }],
      timeoutMs: REQUEST_MS,
    });
    const results = answer.replicaElectionResults.flatMap(({ partitionResult }) => partitionResult);
    const failed = results.find(({ errorCode }) => errorCode !== 0 && errorCode !== ELECTION_NOT_NEEDED);
    if (answer.errorCode !== 0) throw new Error(`ElectLeaders: error ${answer.errorCode}`);
    if (failed !== undefined) throw new Error(`partition ${failed.partitionId}: error ${failed.errorCode}`);
    return undefined;
  });
}

/** Asks for new replicas of each partition of a topic; the move goes on after this returns. */
export async function reassign(
  cluster: ClusterProcess,
  topic: string,
  replicas: ReadonlyMap<number, readonly number[]>,
): Promise<void> {
  const partitions = [...replicas].map(([partitionIndex, ids]) => ({ partitionIndex, replicas: [...ids] }));
  await cluster.eventually(`reassignment of ${topic}`, 30_000, async client => {
    const answer = await client.send(
      AlterPartitionReassignmentsRequest,
      AlterPartitionReassignmentsResponse,
      REASSIGNMENTS_VERSION,
      { timeoutMs: REQUEST_MS, topics: [{ name: topic, partitions }] },
    );
    if (answer.errorCode !== 0) throw new Error(`error ${answer.errorCode}: ${answer.errorMessage}`);
    const results = answer.responses.flatMap(response => response.partitions);
    const failed = results.find(({ errorCode }) => errorCode !== 0);
    if (failed === undefined) return true;
    throw new Error(`partition ${failed.partitionIndex}: error ${failed.errorCode}: ${failed.errorMessage}`);
  });
}

/** Waits until no reassignment is under way and the topic has just these replicas, all of them in sync. */
export async function waitForReassignment(
  cluster: ClusterProcess,
  topic: string,
  replicas: ReadonlyMap<number, readonly number[]>,
  timeoutMs = 60_000,
): Promise<void> {
  await cluster.eventually(`end of the reassignment of ${topic}`, timeoutMs, async client => {
    const answer = await client.send(
      ListPartitionReassignmentsRequest,
      ListPartitionReassignmentsResponse,
      REASSIGNMENTS_VERSION,
      { timeoutMs: REQUEST_MS, topics: null },
    );
    if (answer.errorCode !== 0) throw new Error(`error ${answer.errorCode}: ${answer.errorMessage}`);
    if (answer.topics.length > 0) throw new Error(`under way: ${JSON.stringify(answer.topics)}`);
    const { topics } = await cluster.metadata([topic]);
    const partitions = topics[0]?.partitions ?? [];
    const done = [...replicas].every(([index, wanted]) => {
      const found = partitions.find(({ partitionIndex }) => partitionIndex === index);
      const inSync = found?.isrNodes.length === wanted.length;
      return inSync && `${found.replicaNodes}` === `${wanted}`;
    });
    if (!done) throw new Error(`metadata says ${JSON.stringify(partitions)}`);
    return true;
  });
}

/** The leader of each partition of a topic. */
export async function leadersOf(cluster: ClusterProcess, topic: string): Promise<number[]> {
  const { topics } = await cluster.metadata([topic]);
  const leaders: number[] = [];
  for (const { partitionIndex, leaderId } of topics[0]?.partitions ?? []) leaders[partitionIndex] = leaderId;
  return leaders;
}

/** The living node that leads most partitions of the topics. */
export async function busiestLeader(
  cluster: ClusterProcess,
  topics: readonly string[],
): Promise<ClusterNode> {
  const metadata = await cluster.metadata(topics);
  const counts = new Map<number, number>();
  for (const { leaderId } of metadata.topics.flatMap(({ partitions }) => partitions)) {
    counts.set(leaderId, (counts.get(leaderId) ?? 0) + 1);
  }
  const [busiest] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  if (busiest === undefined || busiest < 0) throw new Error(`nobody leads a partition of ${topics}`);
  return cluster.node(busiest);
}

/**
 * The committed offset of each partition as the group's coordinator answers now (-1: none); `undefined` where there is
 * no coordinator that answers. Never rejects.
 */
export async function committedOffsets(
  cluster: ClusterProcess,
  group: string,
  topic: string,
  partitions: number,
): Promise<number[] | undefined> {
  for (const { process } of cluster.brokers) {
    if (!process.responsive) continue;
    try {
      const client = await WireClient.open(process.port, 1_000);
      const found = await client
        .send(FindCoordinatorRequest, FindCoordinatorResponse, FIND_COORDINATOR_VERSION, {
          key: group,
          keyType: GROUP,
        })
        .finally(() => client.close());
      if (found.errorCode !== 0 || !cluster.node(found.nodeId).process.responsive) continue;
      return await offsetsFrom(found.port, group, topic, partitions);
    } catch {
      // This one is down or slow: the next may know more.
    }
  }
  return undefined;
}

async function offsetsFrom(
  port: number,
  group: string,
  topic: string,
  partitions: number,
): Promise<number[] | undefined> {
  const client = await WireClient.open(port, 1_000);
  try {
    const answer = await client.send(OffsetFetchRequest, OffsetFetchResponse, OFFSET_FETCH_VERSION, {
      groupId: group,
      topics: [{ name: topic, partitionIndexes: Array.from({ length: partitions }, (_, index) => index) }],
    });
    if (answer.errorCode !== 0) return undefined;
    const offsets: number[] = [];
    for (const partition of answer.topics[0]?.partitions ?? []) {
      if (partition.errorCode !== 0) return undefined;
      offsets[partition.partitionIndex] = Number(partition.committedOffset);
    }
    return offsets.length === partitions ? offsets : undefined;
  } finally {
    client.close();
  }
}

/** The level of a feature as a broker tells its clients; 0 if it is not in use. */
async function featureLevel(client: WireClient, feature: string): Promise<number> {
  const software = { clientSoftwareName: 'check', clientSoftwareVersion: '1' };
  const answer = await client.send(ApiVersionsRequest, ApiVersionsResponse, API_VERSIONS_VERSION, software);
  if (answer.errorCode !== 0) throw new Error(`ApiVersions: error ${answer.errorCode}`);
  return answer.finalizedFeatures.find(({ name }) => name === feature)?.maxVersionLevel ?? 0;
}

/** Sets the level of a feature of the cluster (UpdateFeatures), and waits until all living brokers tell of it. */
export async function setFeature(cluster: ClusterProcess, feature: string, level: number): Promise<void> {
  await cluster.eventually(`${feature} ${level}`, 30_000, async client => {
    const present = await featureLevel(client, feature);
    if (present === level) return true;
    const answer = await client.send(UpdateFeaturesRequest, UpdateFeaturesResponse, UPDATE_FEATURES_VERSION, {
      timeoutMs: REQUEST_MS,
      featureUpdates: [
        { feature, maxVersionLevel: level, upgradeType: level > present ? UPGRADE : SAFE_DOWNGRADE },
      ],
    });
    if (answer.errorCode !== 0) throw new Error(`error ${answer.errorCode}: ${answer.errorMessage}`);
    return undefined;
  });
  for (const { id, process } of cluster.brokers) {
    await cluster.eventually(`${feature} ${level} at broker ${id}`, 30_000, async () => {
      const client = await WireClient.open(process.port);
      const present = await featureLevel(client, feature).finally(() => client.close());
      return present === level ? true : undefined;
    });
  }
}

/** Waits until a transactional id is in one of the states, as Kafka names them. Returns the state. */
export function waitForTransaction(
  cluster: ClusterProcess,
  transactionalId: string,
  states: readonly string[],
): Promise<string> {
  return cluster.eventually(`${transactionalId} in ${states}`, 30_000, async client => {
    const answer = await client.send(
      DescribeTransactionsRequest,
      DescribeTransactionsResponse,
      DESCRIBE_TRANSACTIONS_VERSION,
      { transactionalIds: [transactionalId] },
    );
    const found = answer.transactionStates[0];
    if (found?.errorCode !== 0) throw new Error(`error ${found?.errorCode}`);
    return states.includes(found.transactionState) ? found.transactionState : undefined;
  });
}

/** The offset at which a consumer with the isolation level finds the end of a partition, as its leader says. */
export function endOffset(
  cluster: ClusterProcess,
  topic: string,
  partitionIndex: number,
  isolation: keyof typeof ISOLATION_LEVELS,
  timeoutMs = 30_000,
): Promise<number> {
  return cluster.eventually(`end of ${topic}-${partitionIndex}`, timeoutMs, async client => {
    const answer = await client.send(ListOffsetsRequest, ListOffsetsResponse, LIST_OFFSETS_VERSION, {
      replicaId: NO_BROKER,
      isolationLevel: ISOLATION_LEVELS[isolation],
      topics: [{ name: topic, partitions: [{ partitionIndex, timestamp: LATEST }] }],
    });
    const found = answer.topics[0]?.partitions[0];
    // Only the leader knows it.
    return found?.errorCode === 0 ? Number(found.offset) : undefined;
  });
}
