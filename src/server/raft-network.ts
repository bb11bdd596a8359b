import { LimitedLogger, type Logger } from '../base/logger.ts';
import { METADATA_TOPIC_ID, type Uuid } from '../base/uuid.ts';
import { ConnectionRefusedError, NetworkClient } from '../client/network-client.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { HostAndPort } from '../config/listeners.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { errorName, Errors, KafkaError } from '../protocol/errors.ts';
import type { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import type { VoteRequest, VoteResponse } from '../protocol/messages/52-vote.ts';
import type {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from '../protocol/messages/53-begin-quorum-epoch.ts';
import type {
  EndQuorumEpochRequest,
  EndQuorumEpochResponse,
} from '../protocol/messages/54-end-quorum-epoch.ts';
import type { FetchSnapshotRequest, FetchSnapshotResponse } from '../protocol/messages/59-fetch-snapshot.ts';
import type { Input } from '../protocol/schema.ts';
import type { LeaderAndEpoch } from '../raft/raft-client.ts';
import type { RaftDriver } from '../raft/raft-driver.ts';
import type { RaftMessage, RaftRequest, RaftResponse } from '../raft/raft-message.ts';
import type { RaftTransport } from '../raft/raft-transport.ts';
import type { QuorumStatus } from '../raft/ready.ts';
import { type ReplicaKey, type VoterEndpoint, VoterSet, voterNode } from '../raft/voter-set.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { RequestContext } from './handler.ts';
import type { ControllerEndpoint, QuorumAccess } from './quorum-access.ts';
import { QuorumMembership } from './raft-network-membership.ts';
import {
  exchangeOf,
  type NodeEndpoint,
  RefusedError,
  type Received,
  snapshotIdFields,
} from './raft-network-messages.ts';

type Answer<Response> = Promise<Input<Response>>;

/** An answer of the core on its way out. */
interface Reply<Response extends RaftResponse = RaftResponse> {
  readonly message: Response;
  readonly records: Buffer | undefined;
}

/** A request of the core, before it has a number of this node. */
type Incoming = RaftRequest extends infer R
  ? R extends RaftRequest
    ? Omit<R, 'to' | 'correlationId'>
    : never
  : never;

const METADATA_TOPIC = InternalTopic.CLUSTER_METADATA;
/** Ids of `controller.quorum.bootstrap.servers`, downwards, as Kafka gives them. */
const FIRST_BOOTSTRAP_ID = -2;
/** An answer to Fetch holds its first batch whole, whatever was asked for; Kafka's limit for one is 8 MiB. */
const FRAME_SLACK_BYTES = 16 * 1024 * 1024;
const LOG_PERIOD_MS = 30_000;
/** After a request that could not be sent, the next one to that peer waits; longer each time. */
const RECONNECT_BACKOFF_MS = 20;
const RECONNECT_BACKOFF_MAX_MS = 200;
/** A held Fetch is answered after this long at the latest, whatever it asks for. */
const MAX_WAIT_MS = 60_000;
/** Addresses of nodes that are no voters, as peers have named them. */
const LEARNED_MAX = 64;
/** Versions from which responses say where the leader is. */
const VOTE_ENDPOINTS_VERSION = 1;
const FETCH_ENDPOINTS_VERSION = 16;
const FETCH_SNAPSHOT_ENDPOINTS_VERSION = 1;

/**
 * Messages of the metadata quorum over connections: what the core sends becomes requests to the controller listeners
 * of other nodes; what comes in through the handlers of the controller listener becomes messages to the core.
 *
 * Order of use: `new RaftNetwork`; `new RaftDriver(..., {transport: network})` with `bootstrapIds: network.bootstrapIds`
 * and `staticVoters: network.staticVoters`; controller listener bound; {@link attach}; `driver.start()`; connections
 * served. At the end `driver.shutdown()`, which hands over leadership through here, then {@link close}.
 *
 * Where a node is: the leader, where its own messages of this epoch say; a voter, where the voter set of the log or
 * the configuration says; anyone else, where peers have said.
 */
export class RaftNetwork implements RaftTransport, QuorumAccess {
  /** Stand for `controller.quorum.bootstrap.servers`. */
  readonly bootstrapIds: readonly number[];
  /** From `controller.quorum.voters`. */
  readonly staticVoters: VoterSet;
  readonly self: ReplicaKey;
  readonly clusterId: Uuid;
  /** Requests beside those of the core go this way too. */
  readonly client: NetworkClient;
  readonly membership: QuorumMembership;

  private readonly runtime: Runtime;
  private readonly logger: LimitedLogger;
  /** Fetches are held by who answers them: what else there is to say must not wait behind them. */
  private readonly fetchClient: NetworkClient;
  private readonly bootstrapServers: readonly HostAndPort[];
  /** The first of `controller.listener.names`, in capitals. */
  readonly listenerName: string;
  private readonly requestTimeoutMs: number;
  private readonly fetchMaxBytes: number;
  private readonly fetchSnapshotMaxBytes: number;

  /** Once it is attached. */
  driver: RaftDriver | undefined;
  private ownEndpoints: readonly VoterEndpoint[] = [];
  private readonly learned = new Map<number, HostAndPort>();
  /** Where the leader is, by its own messages or by those of who follows it. */
  private leaderAt: (ControllerEndpoint & { readonly epoch: number }) | undefined;
  private readonly leaderListeners = new Set<() => void>();

  /** Requests that came in and are with the core, by the number they got here. */
  private readonly pending = new Map<number, (reply: Reply | undefined) => void>();
  private nextIncoming = 0;
  /** Failures in a row, by peer. */
  private readonly failures = new Map<number, number>();
  private readonly backoffs = new Set<Timer>();
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    config: KafkaConfig,
    ids: { readonly clusterId: Uuid; readonly directoryId: Uuid },
  ) {
    this.runtime = runtime;
    const log = logger.child('raft');
    this.logger = new LimitedLogger(log, () => runtime.clock.monotonicMs(), LOG_PERIOD_MS);
    this.clusterId = ids.clusterId;
    this.self = { id: config.nodeId, directoryId: ids.directoryId };
    this.listenerName = config.controllerListenerNames[0] ?? '';
    this.requestTimeoutMs = config.int('controller.quorum.request.timeout.ms');
    this.fetchMaxBytes = config.int('controller.quorum.fetch.max.bytes');
    this.fetchSnapshotMaxBytes = config.int('controller.quorum.fetch.snapshot.max.bytes');
    this.bootstrapServers = config.quorumBootstrapServers;
    this.bootstrapIds = this.bootstrapServers.map((_, index) => FIRST_BOOTSTRAP_ID - index);
    this.staticVoters = new VoterSet(
      config.quorumVoters.map(({ nodeId, host, port }) =>
        voterNode(nodeId, ZERO_UUID, [{ name: this.listenerName, host, port }]),
      ),
    );
    const options = {
      clientId: `raft-client-${config.nodeId}`,
      connectTimeoutMs: this.requestTimeoutMs,
      maxFrameBytes: Math.max(this.fetchMaxBytes, this.fetchSnapshotMaxBytes) + FRAME_SLACK_BYTES,
    };
    this.client = new NetworkClient(runtime, log, options);
    this.fetchClient = new NetworkClient(runtime, log, options);
    this.membership = new QuorumMembership(runtime, log, config, this);
  }

  /** `endpoints`: the advertised controller listeners with the ports in use; empty for a node that is only a broker. */
  attach(driver: RaftDriver, endpoints: readonly VoterEndpoint[]): void {
    this.driver = driver;
    this.ownEndpoints = endpoints;
    driver.watchLeader(() => this.tellLeader());
    this.membership.start();
  }

  /** Closes connections; requests that are with the core are not answered any more. */
  close(): void {
    this.closed = true;
    this.membership.stop();
    this.client.close();
    this.fetchClient.close();
    for (const timer of this.backoffs) timer.cancel();
    this.backoffs.clear();
    const { pending } = this;
    for (const [correlationId, reply] of [...pending]) {
      pending.delete(correlationId);
      reply(undefined);
    }
  }

  // QuorumAccess.

  leaderAndEpoch(): LeaderAndEpoch {
    return this.driver?.hasStarted === true
      ? this.driver.leaderAndEpoch()
      : { leaderId: undefined, epoch: 0 };
  }

  leaderEndpoint(): ControllerEndpoint | undefined {
    const { leaderId } = this.leaderAndEpoch();
    return leaderId === undefined ? undefined : this.endpointOf(leaderId);
  }

  voterEndpoints(): readonly ControllerEndpoint[] {
    const voters = this.driver?.hasStarted === true ? this.driver.voters : this.staticVoters;
    return voters.ids.flatMap(id => this.endpointOf(id) ?? []);
  }

  isMajorityUnreachable(): boolean {
    const voters = this.driver?.hasStarted === true ? this.driver.voters : this.staticVoters;
    return voters.size > 0 && voters.ids.filter(id => !this.failures.has(id)).length < voters.majority;
  }

  onLeaderChange(listener: () => void): () => void {
    this.leaderListeners.add(listener);
    return () => this.leaderListeners.delete(listener);
  }

  status(): QuorumStatus {
    return this.started().status();
  }

  private tellLeader(): void {
    for (const listener of [...this.leaderListeners]) listener();
  }

  // Where nodes are.

  /** Of a node's controller listener: `undefined` if it is not known. */
  endpointOf(id: number): ControllerEndpoint | undefined {
    if (id <= FIRST_BOOTSTRAP_ID) {
      const server = this.bootstrapServers[FIRST_BOOTSTRAP_ID - id];
      return server === undefined ? undefined : { id, host: server.host, port: server.port };
    }
    const own = id === this.self.id ? this.listenerOf(this.ownEndpoints) : undefined;
    const { leaderAt } = this;
    const saidByLeader = leaderAt?.id === id && leaderAt.epoch === this.leaderAndEpoch().epoch;
    const voters = this.driver?.hasStarted === true ? this.driver.voters : this.staticVoters;
    const address =
      own ??
      (saidByLeader ? leaderAt : undefined) ??
      this.listenerOf(voters.get(id)?.endpoints ?? []) ??
      this.staticVoters.get(id)?.endpoints[0] ??
      this.learned.get(id);
    return address === undefined ? undefined : { id, host: address.host, port: address.port };
  }

  /** The listener that members of the quorum use: the first of `controller.listener.names`. */
  listenerOf(endpoints: readonly VoterEndpoint[]): VoterEndpoint | undefined {
    return endpoints.find(({ name }) => name.toUpperCase() === this.listenerName);
  }

  /** This node as a voter with what it supports and where it is. */
  get ownVoter() {
    return voterNode(this.self.id, this.self.directoryId, this.ownEndpoints);
  }

  private learn(leaderId: number | undefined, epoch: number, nodes: readonly NodeEndpoint[]): void {
    for (const { nodeId, host, port } of nodes) {
      if (nodeId < 0 || host === '' || port === 0) continue;
      this.learned.delete(nodeId);
      if (this.learned.size >= LEARNED_MAX) {
        for (const oldest of this.learned.keys()) {
          this.learned.delete(oldest);
          break;
        }
      }
      this.learned.set(nodeId, { host, port });
      if (nodeId !== leaderId || epoch < (this.leaderAt?.epoch ?? 0)) continue;
      const { leaderAt } = this;
      const isNew =
        leaderAt?.id !== nodeId ||
        leaderAt.host !== host ||
        leaderAt.port !== port ||
        leaderAt.epoch !== epoch;
      this.leaderAt = { id: nodeId, host, port, epoch };
      const current = this.leaderAndEpoch();
      if (isNew && current.leaderId === nodeId && current.epoch === epoch) this.tellLeader();
    }
  }

  // Out: requests of the core, and its answers.

  send(message: RaftMessage, records: Buffer | undefined): void {
    switch (message.type) {
      case 'vote':
      case 'beginQuorumEpoch':
      case 'endQuorumEpoch':
      case 'fetch':
      case 'fetchSnapshot':
        this.sendRequest(message);
        return;
      default: {
        const reply = this.pending.get(message.correlationId);
        this.pending.delete(message.correlationId);
        reply?.({ message, records });
      }
    }
  }

  private sendRequest(request: RaftRequest): void {
    const to = this.endpointOf(request.to);
    if (to === undefined || this.closed) {
      this.failed(request, new KafkaError(Errors.NETWORK_EXCEPTION, 'its address is not known'), undefined);
      return;
    }
    const own = this.listenerOf(this.ownEndpoints);
    if (own !== undefined && own.host === to.host && own.port === to.port) {
      // This node is one of its own bootstrap servers.
      this.failed(request, undefined, to);
      return;
    }
    const { clusterId, fetchMaxBytes, fetchSnapshotMaxBytes } = this;
    const sender = { clusterId, endpoints: this.ownEndpoints, fetchMaxBytes, fetchSnapshotMaxBytes };
    const exchange = exchangeOf(request, sender);
    const isFetch = request.type === 'fetch' || request.type === 'fetchSnapshot';
    const client = isFetch ? this.fetchClient : this.client;
    client
      .send(to, exchange.api, version => exchange.body(version), { timeoutMs: this.requestTimeoutMs })
      .then(response => this.received(request, exchange.received(response as never)))
      .catch((error: unknown) => this.failed(request, error, to));
  }

  private received(request: RaftRequest, { message, records, endpoints }: Received): void {
    this.failures.delete(request.to);
    this.learn(message.leaderId, message.epoch, endpoints);
    this.driver?.receive(message, records);
  }

  /** The request is not answered. What the core makes of it waits a little, longer with each failure in a row. */
  private failed(request: RaftRequest, error: unknown, to: HostAndPort | undefined): void {
    if (this.closed) return;
    const { from, correlationId, epoch } = request;
    if (request.type === 'vote' && error instanceof KafkaError && error.code === Errors.UNSUPPORTED_VERSION) {
      const answer = { error: error.code, leaderId: undefined, epoch, voteGranted: false };
      this.driver?.receive(
        { type: 'voteResponse', from: request.to, to: from, correlationId, ...answer },
        undefined,
      );
      return;
    }
    if (error !== undefined) this.logFailure(request, error, to);
    const failures = this.failures.get(request.to) ?? 0;
    this.failures.set(request.to, failures + 1);
    const delayMs = Math.min(RECONNECT_BACKOFF_MAX_MS, RECONNECT_BACKOFF_MS * 2 ** Math.min(failures, 10));
    const timer = this.runtime.timers.after(delayMs, () => {
      this.backoffs.delete(timer);
      this.driver?.requestFailed(request.to, correlationId, error instanceof ConnectionRefusedError);
    });
    this.backoffs.add(timer);
  }

  private logFailure(request: RaftRequest, error: unknown, to: HostAndPort | undefined): void {
    const where = { ...(request.to < 0 ? {} : { id: request.to }), ...to };
    if (error instanceof RefusedError && error.code === Errors.INCONSISTENT_CLUSTER_ID) {
      this.logger.error(
        `cluster ${request.to}`,
        'a node that this configuration names belongs to another cluster: correct controller.quorum.voters or ' +
          'controller.quorum.bootstrap.servers, or format the storage of one of the two with the cluster id of the other',
        { ...where, ownClusterId: this.clusterId },
      );
      return;
    }
    const reason =
      error instanceof RefusedError
        ? errorName(error.code)
        : error instanceof Error
          ? error.message
          : String(error);
    this.logger.warn(
      `unreachable ${request.to}`,
      'a member of the metadata quorum does not answer; this node keeps asking',
      { ...where, request: request.type, reason },
    );
  }

  // In: requests of others, handed to the core as messages.

  /** The driver, if it has started. Throws `KafkaError` else: requests come when listeners serve. */
  started(): RaftDriver {
    if (this.driver?.hasStarted !== true) {
      throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'this node has not joined the metadata quorum yet');
    }
    return this.driver;
  }

  /** Resolves with what the core answers. Rejects if it does not any more. */
  private ask<Response extends RaftResponse>(
    request: Incoming,
    context: RequestContext | undefined,
  ): Promise<Reply<Response>> {
    return new Promise((resolve, reject) => {
      const driver = this.started();
      if (!driver.isRunning || this.closed) throw stopping();
      const correlationId = this.nextIncoming++;
      this.pending.set(correlationId, reply => {
        if (reply === undefined) reject(stopping());
        else resolve(reply as Reply<Response>);
      });
      context?.onClose(() => this.pending.delete(correlationId));
      driver.receive({ ...request, to: this.self.id, correlationId } as RaftRequest, undefined);
    });
  }

  /** Throws INCONSISTENT_CLUSTER_ID for a peer of another cluster. */
  checkCluster(clusterId: string | null): void {
    if (clusterId === null || clusterId === this.clusterId) return;
    throw new KafkaError(
      Errors.INCONSISTENT_CLUSTER_ID,
      `this node belongs to the cluster ${this.clusterId}`,
    );
  }

  /** Whom a request is meant for. Version 0 does not say, and `-1` is anyone. */
  private addressee(voterId: number, directoryId: Uuid): ReplicaKey {
    return { id: voterId === -1 ? this.self.id : voterId, directoryId };
  }

  /** The leader's address, in the versions of a response that have room for it. */
  private nodeEndpoints(
    leaderId: number | undefined,
    version: number,
    fromVersion: number,
  ): { nodeEndpoints?: NodeEndpoint[] } {
    if (version < fromVersion || leaderId === undefined) return {};
    const endpoint = this.endpointOf(leaderId);
    if (endpoint === undefined) return {};
    return { nodeEndpoints: [{ nodeId: leaderId, host: endpoint.host, port: endpoint.port }] };
  }

  async handleVote(request: VoteRequest, context: RequestContext): Answer<typeof VoteResponse> {
    this.checkCluster(request.clusterId);
    const partition = metadataPartition(
      request.topics,
      topic => topic.topicName,
      each => each.partitionIndex,
    );
    if (partition.replicaId < 0 || partition.replicaEpoch < 0)
      throw invalid('no candidate has such an id or epoch');
    const { message } = await this.ask<Extract<RaftResponse, { type: 'voteResponse' }>>(
      {
        type: 'vote',
        from: partition.replicaId,
        epoch: partition.replicaEpoch,
        candidate: { id: partition.replicaId, directoryId: partition.replicaDirectoryId },
        voter: this.addressee(request.voterId, partition.voterDirectoryId),
        lastEpoch: partition.lastOffsetEpoch,
        lastOffset: partition.lastOffset,
        preVote: partition.preVote,
      },
      context,
    );
    const { voteGranted } = message;
    return {
      topics: [
        {
          topicName: METADATA_TOPIC,
          partitions: [{ partitionIndex: 0, ...leaderFields(message), voteGranted }],
        },
      ],
      ...this.nodeEndpoints(message.leaderId, context.apiVersion, VOTE_ENDPOINTS_VERSION),
    };
  }

  async handleBeginQuorumEpoch(
    request: BeginQuorumEpochRequest,
    context: RequestContext,
  ): Answer<typeof BeginQuorumEpochResponse> {
    const { leaderId, leaderEpoch: epoch, voterDirectoryId } = this.quorumEpochOf(request);
    this.learnLeader(leaderId, epoch, request.leaderEndpoints);
    const voter = this.addressee(request.voterId, voterDirectoryId);
    return this.tellQuorumEpoch(
      { type: 'beginQuorumEpoch', from: leaderId, epoch, leaderId, voter },
      context,
    );
  }

  async handleEndQuorumEpoch(
    request: EndQuorumEpochRequest,
    context: RequestContext,
  ): Answer<typeof EndQuorumEpochResponse> {
    const partition = this.quorumEpochOf(request);
    const { leaderId, leaderEpoch: epoch, preferredSuccessors } = partition;
    const preferredCandidates =
      context.apiVersion === 0
        ? preferredSuccessors.map(id => ({ id, directoryId: ZERO_UUID }))
        : partition.preferredCandidates.map(({ candidateId, candidateDirectoryId }) => ({
            id: candidateId,
            directoryId: candidateDirectoryId,
          }));
    return this.tellQuorumEpoch(
      { type: 'endQuorumEpoch', from: leaderId, epoch, leaderId, preferredCandidates },
      context,
    );
  }

  /** What a leader says of its epoch. Throws INCONSISTENT_CLUSTER_ID and INVALID_REQUEST. */
  private quorumEpochOf<Partition extends QuorumEpochPartition>(request: {
    readonly clusterId: string | null;
    readonly topics: readonly { readonly topicName: string; readonly partitions: readonly Partition[] }[];
  }): Partition {
    this.checkCluster(request.clusterId);
    const partition = metadataPartition<Partition, (typeof request.topics)[number]>(
      request.topics,
      topic => topic.topicName,
      each => each.partitionIndex,
    );
    if (partition.leaderId < 0 || partition.leaderEpoch < 0) {
      throw invalid('no leader has such an id or epoch');
    }
    return partition;
  }

  private async tellQuorumEpoch(
    request: Extract<Incoming, { type: 'beginQuorumEpoch' | 'endQuorumEpoch' }>,
    context: RequestContext,
  ) {
    const { message } = await this.ask<RaftResponse>(request, context);
    return {
      topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0, ...leaderFields(message) }] }],
      ...this.nodeEndpoints(message.leaderId, context.apiVersion, VOTE_ENDPOINTS_VERSION),
    };
  }

  private learnLeader(leaderId: number, epoch: number, endpoints: readonly VoterEndpoint[]): void {
    const endpoint = this.listenerOf(endpoints);
    if (endpoint === undefined) return;
    this.learn(leaderId, epoch, [{ nodeId: leaderId, host: endpoint.host, port: endpoint.port }]);
  }

  async handleFetch(request: FetchRequest, context: RequestContext): Answer<typeof FetchResponse> {
    this.checkCluster(request.clusterId);
    const { apiVersion } = context;
    const partition = metadataPartition(
      request.topics,
      ({ topic, topicId }) => (apiVersion < 13 ? topic : topicId === METADATA_TOPIC_ID ? METADATA_TOPIC : ''),
      each => each.partition,
    );
    const { fetchOffset, lastFetchedEpoch, currentLeaderEpoch, replicaDirectoryId, highWatermark } =
      partition;
    if (fetchOffset < 0 || lastFetchedEpoch < 0 || currentLeaderEpoch < 0 || request.maxWaitMs < 0) {
      throw invalid('offset, epochs and wait of a fetch from the metadata log must not be negative');
    }
    const id = apiVersion < 15 ? request.replicaId : request.replicaState.replicaId;
    this.checkReplica(id, replicaDirectoryId, context);
    const { message, records } = await this.ask<Extract<RaftResponse, { type: 'fetchResponse' }>>(
      {
        type: 'fetch',
        from: id,
        epoch: currentLeaderEpoch,
        replica: { id, directoryId: replicaDirectoryId },
        fetchOffset,
        lastFetchedEpoch,
        highWatermark,
        maxWaitMs: Math.min(request.maxWaitMs, MAX_WAIT_MS),
        maxBytes: Math.max(0, request.maxBytes),
      },
      context,
    );
    const { divergingEpoch, snapshotId } = message;
    return {
      responses: [
        {
          topic: METADATA_TOPIC,
          topicId: METADATA_TOPIC_ID,
          partitions: [
            {
              partitionIndex: 0,
              errorCode: message.error,
              highWatermark: message.highWatermark,
              logStartOffset: message.logStartOffset,
              currentLeader: { leaderId: message.leaderId ?? -1, leaderEpoch: message.epoch },
              ...(divergingEpoch === undefined
                ? {}
                : { divergingEpoch: { epoch: divergingEpoch.epoch, endOffset: divergingEpoch.offset } }),
              ...(snapshotId === undefined ? {} : { snapshotId: snapshotIdFields(snapshotId) }),
              records: records ?? NO_RECORDS,
            },
          ],
        },
      ],
      ...this.nodeEndpoints(message.leaderId, apiVersion, FETCH_ENDPOINTS_VERSION),
    };
  }

  async handleFetchSnapshot(
    request: FetchSnapshotRequest,
    context: RequestContext,
  ): Answer<typeof FetchSnapshotResponse> {
    this.checkCluster(request.clusterId);
    const partition = metadataPartition(
      request.topics,
      topic => topic.name,
      each => each.partition,
    );
    const { currentLeaderEpoch, snapshotId, position, replicaDirectoryId } = partition;
    if (typeof position !== 'number' || position < 0) throw invalid('no snapshot has such a position');
    this.checkReplica(request.replicaId, replicaDirectoryId, context);
    const { message } = await this.ask<Extract<RaftResponse, { type: 'fetchSnapshotResponse' }>>(
      {
        type: 'fetchSnapshot',
        from: request.replicaId,
        epoch: currentLeaderEpoch,
        replica: { id: request.replicaId, directoryId: replicaDirectoryId },
        snapshotId: { offset: snapshotId.endOffset, epoch: snapshotId.epoch },
        position,
        maxBytes: Math.max(0, request.maxBytes),
      },
      context,
    );
    const { size = 0, bytes = NO_RECORDS } = message;
    const outside = message.error === Errors.NONE && position >= size;
    return {
      topics: [
        {
          name: METADATA_TOPIC,
          partitions: [
            {
              index: 0,
              errorCode: outside ? Errors.POSITION_OUT_OF_RANGE : message.error,
              snapshotId,
              currentLeader: { leaderId: message.leaderId ?? -1, leaderEpoch: message.epoch },
              size,
              position,
              unalignedRecords: bytes,
            },
          ],
        },
      ],
      ...this.nodeEndpoints(message.leaderId, context.apiVersion, FETCH_SNAPSHOT_ENDPOINTS_VERSION),
    };
  }

  /** Refuses a replica that has this node's id: its fetches would count as this node's own. */
  private checkReplica(id: number, directoryId: Uuid, { clientAddress }: RequestContext): void {
    if (id !== this.self.id) return;
    if (directoryId !== this.self.directoryId) {
      this.logger.error(
        'node id taken',
        'another node uses the node id of this one: give one of them another node.id',
        { id, clientAddress },
      );
    }
    throw invalid(`node id ${id} is taken: it is that of the node which was asked`);
  }
}

const NO_RECORDS = Buffer.alloc(0);

/** The fields that BeginQuorumEpoch and EndQuorumEpoch have in common. */
interface QuorumEpochPartition {
  readonly partitionIndex: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/** The metadata partition of a request that is about nothing else. Throws INVALID_REQUEST. */
function metadataPartition<Partition, Topic extends { readonly partitions: readonly Partition[] }>(
  topics: readonly Topic[],
  nameOf: (topic: Topic) => string,
  indexOf: (partition: Topic['partitions'][number]) => number,
): Topic['partitions'][number] {
  const [topic, ...others] = topics;
  const partition = topic?.partitions[0];
  const isOne = others.length === 0 && topic?.partitions.length === 1;
  if (!isOne || partition === undefined || nameOf(topic) !== METADATA_TOPIC || indexOf(partition) !== 0) {
    throw invalid(`controllers have one partition, ${METADATA_TOPIC}-0`);
  }
  return partition;
}

function leaderFields(message: RaftResponse) {
  return { errorCode: message.error, leaderId: message.leaderId ?? -1, leaderEpoch: message.epoch };
}

function invalid(message: string): KafkaError {
  return new KafkaError(Errors.INVALID_REQUEST, message);
}

function stopping(): KafkaError {
  return new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'this node is stopping');
}
