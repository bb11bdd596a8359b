import { METADATA_TOPIC_ID, type Uuid } from '../base/uuid.ts';
import type { Api } from '../client/network-client.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { VoteRequest, VoteResponse } from '../protocol/messages/52-vote.ts';
import {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from '../protocol/messages/53-begin-quorum-epoch.ts';
import { EndQuorumEpochRequest, EndQuorumEpochResponse } from '../protocol/messages/54-end-quorum-epoch.ts';
import { FetchSnapshotRequest, FetchSnapshotResponse } from '../protocol/messages/59-fetch-snapshot.ts';
import type { Infer, Input, Message } from '../protocol/schema.ts';
import type { OffsetAndEpoch } from '../raft/raft-client.ts';
import type * as raft from '../raft/raft-message.ts';
import type { VoterEndpoint } from '../raft/voter-set.ts';

/** An address of a node as responses name it. */
export interface NodeEndpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** What every request of the quorum says of its sender. */
export interface Sender {
  readonly clusterId: Uuid;
  readonly endpoints: readonly VoterEndpoint[];
  /** Of records that one Fetch brings, about; of a snapshot that one FetchSnapshot brings. */
  readonly fetchMaxBytes: number;
  readonly fetchSnapshotMaxBytes: number;
}

/** What came back, or which of the message's parts was an error. */
export interface Received {
  readonly message: raft.RaftResponse;
  readonly records: Buffer | undefined;
  /** Where nodes are, as the peer says. */
  readonly endpoints: readonly NodeEndpoint[];
}

/** The answer as a whole is a refusal: nothing in it is about the quorum. */
export class RefusedError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`error ${code}`);
    this.name = 'RefusedError';
    this.code = code;
  }
}

/** One request of the core, as an API. */
export interface Exchange<Req extends Message = Message, Res extends Message = Message> {
  readonly api: Api<Req, Res>;
  body(version: number): Input<Req>;
  /** Throws {@link RefusedError}. */
  received(response: Infer<Res>): Received;
}

/** The first version of Fetch that followers of the quorum can use: it has the last fetched epoch. */
export const FETCH_MIN_VERSION = 12;
const PRE_VOTE_MIN_VERSION = 2;

const METADATA_TOPIC = InternalTopic.CLUSTER_METADATA;

export function exchangeOf(request: raft.RaftRequest, sender: Sender): Exchange {
  switch (request.type) {
    case 'vote':
      return voteExchange(request, sender) as unknown as Exchange;
    case 'beginQuorumEpoch':
      return beginExchange(request, sender) as unknown as Exchange;
    case 'endQuorumEpoch':
      return endExchange(request, sender) as unknown as Exchange;
    case 'fetch':
      return fetchExchange(request, sender) as unknown as Exchange;
    case 'fetchSnapshot':
      return fetchSnapshotExchange(request, sender) as unknown as Exchange;
  }
}

/** What a response has in common, from the fields of its partition. The answer is as if from whom was asked. */
function common(
  request: raft.RaftRequest,
  partition: { errorCode: number },
  leader: { leaderId: number; leaderEpoch: number },
) {
  return {
    from: request.to,
    to: request.from,
    correlationId: request.correlationId,
    error: partition.errorCode,
    leaderId: leader.leaderId < 0 ? undefined : leader.leaderId,
    epoch: leader.leaderEpoch < 0 ? request.epoch : leader.leaderEpoch,
  };
}

/** The only partition of a response. Throws {@link RefusedError}. */
function onlyPartition<Partition>(
  errorCode: number,
  topics: readonly { readonly partitions: readonly Partition[] }[],
): Partition {
  if (errorCode !== Errors.NONE) throw new RefusedError(errorCode);
  const partition = topics[0]?.partitions[0];
  if (partition === undefined) throw new RefusedError(Errors.UNKNOWN_SERVER_ERROR);
  return partition;
}

function voteExchange(
  request: raft.VoteRequest,
  { clusterId }: Sender,
): Exchange<typeof VoteRequest, typeof VoteResponse> {
  return {
    api: { request: VoteRequest, response: VoteResponse },
    body(version) {
      if (request.preVote && version < PRE_VOTE_MIN_VERSION) {
        throw new KafkaError(Errors.UNSUPPORTED_VERSION, `Vote version ${version} has no pre-votes`);
      }
      const partition = {
        partitionIndex: 0,
        replicaEpoch: request.epoch,
        replicaId: request.candidate.id,
        replicaDirectoryId: request.candidate.directoryId,
        voterDirectoryId: request.voter.directoryId,
        lastOffsetEpoch: request.lastEpoch,
        lastOffset: request.lastOffset,
        preVote: request.preVote,
      };
      return {
        clusterId,
        voterId: request.voter.id,
        topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }],
      };
    },
    received({ errorCode, topics, nodeEndpoints }) {
      const partition = onlyPartition(errorCode, topics);
      const { voteGranted } = partition;
      return {
        message: { type: 'voteResponse', ...common(request, partition, partition), voteGranted },
        records: undefined,
        endpoints: nodeEndpoints,
      };
    },
  };
}

function beginExchange(
  request: raft.BeginQuorumEpochRequest,
  { clusterId, endpoints }: Sender,
): Exchange<typeof BeginQuorumEpochRequest, typeof BeginQuorumEpochResponse> {
  return {
    api: { request: BeginQuorumEpochRequest, response: BeginQuorumEpochResponse },
    body: () => ({
      clusterId,
      voterId: request.voter.id,
      topics: [
        {
          topicName: METADATA_TOPIC,
          partitions: [
            {
              partitionIndex: 0,
              voterDirectoryId: request.voter.directoryId,
              leaderId: request.leaderId,
              leaderEpoch: request.epoch,
            },
          ],
        },
      ],
      leaderEndpoints: endpoints,
    }),
    received: response => quorumEpochReceived(request, 'beginQuorumEpochResponse', response),
  };
}

function endExchange(
  request: raft.EndQuorumEpochRequest,
  { clusterId, endpoints }: Sender,
): Exchange<typeof EndQuorumEpochRequest, typeof EndQuorumEpochResponse> {
  return {
    api: { request: EndQuorumEpochRequest, response: EndQuorumEpochResponse },
    body: () => ({
      clusterId,
      topics: [
        {
          topicName: METADATA_TOPIC,
          partitions: [
            {
              partitionIndex: 0,
              leaderId: request.leaderId,
              leaderEpoch: request.epoch,
              preferredSuccessors: request.preferredCandidates.map(({ id }) => id),
              preferredCandidates: request.preferredCandidates.map(({ id, directoryId }) => ({
                candidateId: id,
                candidateDirectoryId: directoryId,
              })),
            },
          ],
        },
      ],
      leaderEndpoints: endpoints,
    }),
    received: response => quorumEpochReceived(request, 'endQuorumEpochResponse', response),
  };
}

/** The answers of BeginQuorumEpoch and EndQuorumEpoch have the same fields. */
function quorumEpochReceived(
  request: raft.BeginQuorumEpochRequest | raft.EndQuorumEpochRequest,
  type: 'beginQuorumEpochResponse' | 'endQuorumEpochResponse',
  {
    errorCode,
    topics,
    nodeEndpoints,
  }: Infer<typeof BeginQuorumEpochResponse | typeof EndQuorumEpochResponse>,
): Received {
  const partition = onlyPartition(errorCode, topics);
  return {
    message: { type, ...common(request, partition, partition) },
    records: undefined,
    endpoints: nodeEndpoints,
  };
}

function fetchExchange(
  request: raft.FetchRequest,
  { clusterId, fetchMaxBytes }: Sender,
): Exchange<typeof FetchRequest, typeof FetchResponse> {
  return {
    api: { request: FetchRequest, response: FetchResponse },
    body(version) {
      if (version < FETCH_MIN_VERSION) {
        throw new KafkaError(
          Errors.UNSUPPORTED_VERSION,
          `Fetch version ${version} has no last fetched epoch`,
        );
      }
      const { id, directoryId } = request.replica;
      return {
        clusterId,
        ...(version < 15 ? { replicaId: id } : { replicaState: { replicaId: id } }),
        maxWaitMs: request.maxWaitMs,
        maxBytes: fetchMaxBytes,
        topics: [
          {
            topic: METADATA_TOPIC,
            topicId: METADATA_TOPIC_ID,
            partitions: [
              {
                partition: 0,
                currentLeaderEpoch: request.epoch,
                fetchOffset: request.fetchOffset,
                lastFetchedEpoch: request.lastFetchedEpoch,
                replicaDirectoryId: directoryId,
                highWatermark: request.highWatermark,
              },
            ],
          },
        ],
      };
    },
    received({ errorCode, responses, nodeEndpoints }) {
      const partition = onlyPartition(errorCode, responses);
      const { divergingEpoch, snapshotId, highWatermark, logStartOffset, records } = partition;
      return {
        message: {
          type: 'fetchResponse',
          ...common(request, partition, partition.currentLeader),
          highWatermark,
          logStartOffset,
          ...(divergingEpoch.epoch < 0
            ? {}
            : { divergingEpoch: { epoch: divergingEpoch.epoch, offset: divergingEpoch.endOffset } }),
          ...(snapshotId.epoch < 0 || snapshotId.endOffset < 0
            ? {}
            : { snapshotId: { epoch: snapshotId.epoch, offset: snapshotId.endOffset } }),
        },
        records: records === null || records.length === 0 ? undefined : records,
        endpoints: nodeEndpoints,
      };
    },
  };
}

function fetchSnapshotExchange(
  request: raft.FetchSnapshotRequest,
  { clusterId, fetchSnapshotMaxBytes }: Sender,
): Exchange<typeof FetchSnapshotRequest, typeof FetchSnapshotResponse> {
  return {
    api: { request: FetchSnapshotRequest, response: FetchSnapshotResponse },
    body: () => ({
      clusterId,
      replicaId: request.replica.id,
      maxBytes: fetchSnapshotMaxBytes,
      topics: [
        {
          name: METADATA_TOPIC,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: request.epoch,
              snapshotId: snapshotIdFields(request.snapshotId),
              position: request.position,
              replicaDirectoryId: request.replica.directoryId,
            },
          ],
        },
      ],
    }),
    received({ errorCode, topics, nodeEndpoints }) {
      const partition = onlyPartition(errorCode, topics);
      const { snapshotId, position, size, unalignedRecords } = partition;
      return {
        message: {
          type: 'fetchSnapshotResponse',
          ...common(request, partition, partition.currentLeader),
          snapshotId: { offset: snapshotId.endOffset, epoch: snapshotId.epoch },
          // A snapshot past 2^53 bytes does not exist; such a position matches none that was asked for.
          position: Number(position),
          size: Number(size),
          bytes: unalignedRecords,
        },
        records: undefined,
        endpoints: nodeEndpoints,
      };
    },
  };
}

export function snapshotIdFields({ offset, epoch }: OffsetAndEpoch) {
  return { endOffset: offset, epoch };
}
