import { LimitedLogger, type Logger } from '../base/logger.ts';
import { type Uuid, ZERO_UUID } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { FeatureName } from '../metadata/features.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { errorName, Errors, KafkaError } from '../protocol/errors.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import type {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
} from '../protocol/messages/55-describe-quorum.ts';
import { AddRaftVoterRequest, AddRaftVoterResponse } from '../protocol/messages/80-add-raft-voter.ts';
import {
  RemoveRaftVoterRequest,
  RemoveRaftVoterResponse,
} from '../protocol/messages/81-remove-raft-voter.ts';
import {
  UpdateRaftVoterRequest,
  UpdateRaftVoterResponse,
} from '../protocol/messages/82-update-raft-voter.ts';
import type { Input } from '../protocol/schema.ts';
import type { RaftDriver } from '../raft/raft-driver.ts';
import type { ReplicaStatus } from '../raft/ready.ts';
import { type VoterEndpoint, type VoterNode, VoterSet, voterNode } from '../raft/voter-set.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { ControllerEndpoint } from './quorum-access.ts';
import type { RaftNetwork } from './raft-network.ts';

type Answer<Response> = Promise<Input<Response>>;

const LOG_PERIOD_MS = 30_000;
/** A quorum may be without a leader for so long before somebody is told. */
const LEADERLESS_MS = 5_000;
/** A change of the voters takes no longer, whatever its request says. */
const CHANGE_MAX_MS = 10 * 60_000;
/** Before a new voter that did not answer is asked again. */
const ASK_AGAIN_MS = 200;
const KRAFT_VERSION_WITH_VOTERS = 1;
/** How this node names itself when it asks a new voter what that supports. */
const SOFTWARE = { clientSoftwareName: 'odradek', clientSoftwareVersion: '1' };

/**
 * Who is in the metadata quorum: answers to DescribeQuorum, AddRaftVoter, RemoveRaftVoter and UpdateRaftVoter
 * (KIP-853), and what this node does for its own place in it. Every fetch timeout it looks whether the voter set says
 * of this node what is true, and has it corrected; whether it should join by itself
 * (`controller.quorum.auto.join.enable`); and whether there is a leader at all.
 */
export class QuorumMembership {
  private readonly runtime: Runtime;
  private readonly logger: LimitedLogger;
  private readonly network: RaftNetwork;
  private readonly isController: boolean;
  private readonly joins: boolean;
  private readonly periodMs: number;
  private readonly requestTimeoutMs: number;
  private timer: Timer | undefined;
  private busy = false;
  private leaderlessSinceMs: number | undefined;
  /** In which epoch the leader has heard of this voter, while voters are configuration. */
  private reportedEpoch = -1;
  /** What voters have said of themselves while voters are configuration: what an upgrade makes of them. */
  private readonly reported = new Map<number, VoterNode>();

  constructor(runtime: Runtime, logger: Logger, config: KafkaConfig, network: RaftNetwork) {
    this.runtime = runtime;
    this.logger = new LimitedLogger(logger, () => runtime.clock.monotonicMs(), LOG_PERIOD_MS);
    this.network = network;
    this.isController = config.processRoles.has('controller');
    this.joins = this.isController && config.boolean('controller.quorum.auto.join.enable');
    this.periodMs = config.int('controller.quorum.fetch.timeout.ms');
    this.requestTimeoutMs = config.int('controller.quorum.request.timeout.ms');
  }

  start(): void {
    this.timer = this.runtime.timers.after(this.periodMs, () => {
      this.start();
      this.maintain();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  // This node's own place.

  private maintain(): void {
    const { driver } = this.network;
    if (driver?.isRunning !== true || this.busy) return;
    const { leaderId, epoch } = driver.leaderAndEpoch();
    const { clock } = this.runtime;
    if (leaderId === undefined) {
      this.leaderlessSinceMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - this.leaderlessSinceMs >= LEADERLESS_MS) this.logLeaderless(driver);
      return;
    }
    this.leaderlessSinceMs = undefined;
    const task = this.isController ? this.dueTask(driver, leaderId, epoch) : undefined;
    if (task === undefined) return;
    this.busy = true;
    task().then(
      () => {
        this.busy = false;
      },
      (error: unknown) => {
        this.busy = false;
        this.logger.warn('membership', 'this node could not have its place in the quorum corrected yet', {
          reason: error instanceof Error ? error.message : String(error),
        });
      },
    );
  }

  private logLeaderless(driver: RaftDriver): void {
    const { voters } = driver;
    const known = this.network.voterEndpoints();
    this.logger.warn(
      'leaderless',
      voters.size === 0
        ? 'no leader of the metadata quorum has been found: none of controller.quorum.bootstrap.servers names one'
        : 'the metadata quorum has no leader: more of its voters must run and reach each other',
      {
        voters: voters.ids.map(id => addressText(id, known)),
        needed: voters.majority,
      },
    );
  }

  private dueTask(driver: RaftDriver, leaderId: number, epoch: number): (() => Promise<void>) | undefined {
    const { self, ownVoter } = this.network;
    const leads = leaderId === self.id;
    const listed = driver.voters.get(self.id);
    if (driver.kraftVersion < KRAFT_VERSION_WITH_VOTERS) {
      if (!driver.isVoter || this.reportedEpoch === epoch || leads) return undefined;
      return () => this.reportOwnVoter(epoch);
    }
    if (driver.isVoter) {
      if (listed === undefined || sameVoter(listed, ownVoter)) return undefined;
      if (!leads) return () => this.reportOwnVoter(epoch);
      return () => driver.updateVoter(ownVoter, { timeoutMs: this.requestTimeoutMs, ackWhenCommitted: true });
    }
    if (!this.joins || leads) return undefined;
    // A voter with our id and another disk is what this node was before.
    return listed === undefined ? () => this.join(ownVoter) : () => this.leave(listed);
  }

  private async reportOwnVoter(epoch: number): Promise<void> {
    const { ownVoter, clusterId } = this.network;
    const { errorCode } = await this.network.client.send(
      this.leader(),
      { request: UpdateRaftVoterRequest, response: UpdateRaftVoterResponse },
      {
        clusterId,
        currentLeaderEpoch: epoch,
        voterId: ownVoter.id,
        voterDirectoryId: ownVoter.directoryId,
        listeners: ownVoter.endpoints,
        kRaftVersionFeature: {
          minSupportedVersion: ownVoter.minKRaftVersion,
          maxSupportedVersion: ownVoter.maxKRaftVersion,
        },
      },
      { timeoutMs: this.requestTimeoutMs },
    );
    throwIfRefused(errorCode, null);
    this.reportedEpoch = epoch;
  }

  private async join({ id, directoryId, endpoints }: VoterNode): Promise<void> {
    const { errorCode, errorMessage } = await this.network.client.send(
      this.leader(),
      { request: AddRaftVoterRequest, response: AddRaftVoterResponse },
      version => ({
        clusterId: this.network.clusterId,
        timeoutMs: this.requestTimeoutMs,
        voterId: id,
        voterDirectoryId: directoryId,
        listeners: endpoints,
        ...(version >= 1 ? { ackWhenCommitted: false } : {}),
      }),
      { timeoutMs: this.requestTimeoutMs },
    );
    if (errorCode !== Errors.DUPLICATE_VOTER) throwIfRefused(errorCode, errorMessage);
  }

  private async leave({ id, directoryId }: VoterNode): Promise<void> {
    const { errorCode, errorMessage } = await this.network.client.send(
      this.leader(),
      { request: RemoveRaftVoterRequest, response: RemoveRaftVoterResponse },
      { clusterId: this.network.clusterId, voterId: id, voterDirectoryId: directoryId },
      { timeoutMs: this.requestTimeoutMs },
    );
    if (errorCode !== Errors.VOTER_NOT_FOUND) throwIfRefused(errorCode, errorMessage);
  }

  private leader(): ControllerEndpoint {
    const leader = this.network.leaderEndpoint();
    if (leader === undefined) {
      throw new KafkaError(Errors.NETWORK_EXCEPTION, 'the address of the leader is not known');
    }
    return leader;
  }

  // Requests of others.

  describeQuorum(request: DescribeQuorumRequest, apiVersion: number): Input<typeof DescribeQuorumResponse> {
    const driver = this.leadingDriver();
    const status = driver.status();
    const { wallMs, monotonicMs } = {
      wallMs: this.runtime.clock.wallMs(),
      monotonicMs: this.runtime.clock.monotonicMs(),
    };
    const toWall = (ms: number): number => (ms < 0 ? -1 : Math.round(wallMs - (monotonicMs - ms)));
    const stateOf = (replica: ReplicaStatus) => ({
      replicaId: replica.id,
      ...(apiVersion >= 2 ? { replicaDirectoryId: replica.directoryId } : {}),
      logEndOffset: replica.logEndOffset,
      lastFetchTimestamp: toWall(replica.lastFetchMs),
      lastCaughtUpTimestamp: toWall(replica.lastCaughtUpMs),
    });
    const { voters } = status;
    return {
      topics: request.topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) => {
          if (topicName !== InternalTopic.CLUSTER_METADATA || partitionIndex !== 0) {
            return { partitionIndex, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION };
          }
          return {
            partitionIndex,
            leaderId: status.leaderId ?? -1,
            leaderEpoch: status.epoch,
            highWatermark: status.highWatermark ?? -1,
            currentVoters: status.replicas.filter(replica => replica.isVoter).map(stateOf),
            observers: status.replicas.filter(replica => !replica.isVoter).map(stateOf),
          };
        }),
      })),
      ...(apiVersion >= 2
        ? { nodes: voters.voters.map(({ id, endpoints }) => ({ nodeId: id, listeners: endpoints })) }
        : {}),
    };
  }

  async addRaftVoter(request: AddRaftVoterRequest): Answer<typeof AddRaftVoterResponse> {
    this.network.checkCluster(request.clusterId);
    const driver = this.changeableDriver();
    const { voterId, voterDirectoryId, listeners } = request;
    const endpoint = this.checkVoter(voterId, voterDirectoryId, listeners);
    if (driver.voters.get(voterId) !== undefined) {
      throw new KafkaError(Errors.DUPLICATE_VOTER, `node ${voterId} is a voter already: remove it first`);
    }
    const timeoutMs = Math.max(1, Math.min(request.timeoutMs, CHANGE_MAX_MS));
    const begunMs = this.runtime.clock.monotonicMs();
    const [min, max] = await this.kraftVersionsOf(endpoint, timeoutMs);
    if (driver.kraftVersion < min || driver.kraftVersion > max) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        `node ${voterId} supports kraft.version ${min} to ${max}, the quorum is at ${driver.kraftVersion}`,
      );
    }
    const leftMs = Math.max(1, timeoutMs - (this.runtime.clock.monotonicMs() - begunMs));
    await driver.addVoter(voterNode(voterId, voterDirectoryId, copied(listeners), min, max), {
      timeoutMs: leftMs,
      ackWhenCommitted: request.ackWhenCommitted,
    });
    return { errorMessage: null };
  }

  async removeRaftVoter(request: RemoveRaftVoterRequest): Answer<typeof RemoveRaftVoterResponse> {
    this.network.checkCluster(request.clusterId);
    const driver = this.changeableDriver();
    const { voterId: id, voterDirectoryId: directoryId } = request;
    if (driver.voters.get(id)?.directoryId !== directoryId) {
      throw new KafkaError(Errors.VOTER_NOT_FOUND, `no voter has id ${id} and directory id ${directoryId}`);
    }
    if (driver.voters.size === 1) {
      throw new KafkaError(Errors.INVALID_REQUEST, `node ${id} is the only voter: add another one first`);
    }
    await driver.removeVoter(
      { id, directoryId },
      { timeoutMs: this.requestTimeoutMs, ackWhenCommitted: true },
    );
    return {};
  }

  async updateRaftVoter(request: UpdateRaftVoterRequest): Answer<typeof UpdateRaftVoterResponse> {
    const currentLeader = this.currentLeader();
    try {
      await this.applyUpdate(request);
      return { ...currentLeader };
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { errorCode: error.code, ...this.currentLeader() };
    }
  }

  private async applyUpdate(request: UpdateRaftVoterRequest): Promise<void> {
    this.network.checkCluster(request.clusterId);
    const driver = this.leadingDriver();
    const { epoch } = driver.leaderAndEpoch();
    if (request.currentLeaderEpoch !== epoch) {
      const older = request.currentLeaderEpoch < epoch;
      throw new KafkaError(older ? Errors.FENCED_LEADER_EPOCH : Errors.UNKNOWN_LEADER_EPOCH);
    }
    const { voterId, voterDirectoryId, listeners, kRaftVersionFeature } = request;
    this.checkVoter(voterId, voterDirectoryId, listeners);
    const { minSupportedVersion: min, maxSupportedVersion: max } = kRaftVersionFeature;
    const voter = voterNode(voterId, voterDirectoryId, copied(listeners), min, max);
    if (driver.kraftVersion < KRAFT_VERSION_WITH_VOTERS) {
      if (driver.voters.get(voterId) === undefined) throw new KafkaError(Errors.VOTER_NOT_FOUND);
      this.reported.set(voterId, voter);
      return;
    }
    await driver.updateVoter(voter, { timeoutMs: this.requestTimeoutMs, ackWhenCommitted: true });
  }

  // kraft.version.

  /** The level of `kraft.version`. */
  finalizedKRaftVersion(): number {
    return this.network.driver?.hasStarted === true ? this.network.driver.kraftVersion : 0;
  }

  /**
   * Raises `kraft.version` to 1: the voters of the configuration become records, with directory ids and endpoints as
   * each of them has reported. Throws `KafkaError` INVALID_UPDATE_VERSION. The records are appended when it returns.
   */
  upgradeKRaftVersion(level: number, validateOnly: boolean): void {
    const driver = this.leadingDriver();
    const { kraftVersion, voters } = driver;
    const refuse = (why: string): never => {
      throw new KafkaError(Errors.INVALID_UPDATE_VERSION, why);
    };
    if (level === kraftVersion) return;
    if (level < kraftVersion) refuse(`kraft.version cannot go down from ${kraftVersion} to ${level}`);
    if (level > KRAFT_VERSION_WITH_VOTERS) refuse(`kraft.version ${level} is not known to this node`);
    const { self, ownVoter } = this.network;
    const upgraded = voters.ids.map(id => (id === self.id ? ownVoter : this.reported.get(id)));
    const missing = voters.ids.filter((_, index) => upgraded[index] === undefined);
    if (missing.length > 0) {
      refuse(
        `the voters ${missing.join(', ')} have not said yet whether they support kraft.version ${level}`,
      );
    }
    const known = upgraded.filter(voter => voter !== undefined);
    for (const { id, minKRaftVersion: min, maxKRaftVersion: max } of known) {
      if (level < min || level > max) refuse(`voter ${id} supports kraft.version ${min} to ${max}`);
    }
    if (validateOnly) return;
    const refused = driver.upgradeVoters(new VoterSet(known), level);
    if (refused !== undefined) throw new KafkaError(refused, 'the quorum cannot be upgraded now: try again');
  }

  // Checks.

  private leadingDriver(): RaftDriver {
    const driver = this.network.started();
    if (!driver.isRunning || driver.leaderAndEpoch().leaderId !== this.network.self.id) {
      throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER, 'this node does not lead the metadata quorum');
    }
    return driver;
  }

  /** Throws UNSUPPORTED_VERSION while the voters are configuration. */
  private changeableDriver(): RaftDriver {
    const driver = this.leadingDriver();
    if (driver.kraftVersion < KRAFT_VERSION_WITH_VOTERS) {
      throw new KafkaError(
        Errors.UNSUPPORTED_VERSION,
        'the voters are given by controller.quorum.voters (kraft.version 0): raise kraft.version to 1 to change them',
      );
    }
    return driver;
  }

  /** Throws INVALID_REQUEST for what cannot be a voter. Returns where the members of the quorum would reach it. */
  private checkVoter(id: number, directoryId: Uuid, listeners: readonly VoterEndpoint[]): VoterEndpoint {
    if (id < 0 || directoryId === ZERO_UUID) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        'a voter has a node id and the id of its metadata directory',
      );
    }
    const endpoint = this.network.listenerOf(listeners);
    if (endpoint === undefined || endpoint.host === '' || endpoint.port === 0) {
      throw new KafkaError(
        Errors.INVALID_REQUEST,
        `node ${id} names no address for the listener ${this.network.listenerName}, which the voters use`,
      );
    }
    return endpoint;
  }

  /** Inclusive. A node that is just starting may not answer yet: it is asked until the time is over. */
  private async kraftVersionsOf(to: VoterEndpoint, timeoutMs: number): Promise<[number, number]> {
    const api = { request: ApiVersionsRequest, response: ApiVersionsResponse };
    const { clock, timers } = this.runtime;
    const endMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      try {
        const leftMs = Math.max(1, endMs - clock.monotonicMs());
        const response = await this.network.client.send(to, api, SOFTWARE, { timeoutMs: leftMs });
        throwIfRefused(response.errorCode, null);
        const feature = response.supportedFeatures.find(({ name }) => name === FeatureName.KRAFT_VERSION);
        return feature === undefined ? [0, 0] : [feature.minVersion, feature.maxVersion];
      } catch (error) {
        if (clock.monotonicMs() + ASK_AGAIN_MS >= endMs) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new KafkaError(
            Errors.REQUEST_TIMED_OUT,
            `the new voter cannot be asked what it supports: ${reason}`,
          );
        }
        await new Promise<void>(resolve => timers.after(ASK_AGAIN_MS, resolve));
      }
    }
  }

  private currentLeader() {
    const { leaderId, epoch } = this.network.leaderAndEpoch();
    if (leaderId === undefined) return {};
    const { host, port } = this.network.endpointOf(leaderId) ?? { host: '', port: 0 };
    return { currentLeader: { leaderId, leaderEpoch: epoch, host, port } };
  }
}

/** What a voter set keeps outlives the request. */
function copied(endpoints: readonly VoterEndpoint[]): VoterEndpoint[] {
  return endpoints.map(({ name, host, port }) => ({ name, host, port }));
}

function sameVoter(a: VoterNode, b: VoterNode): boolean {
  return (
    a.minKRaftVersion === b.minKRaftVersion &&
    a.maxKRaftVersion === b.maxKRaftVersion &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every(endpoint =>
      b.endpoints.some(
        ({ name, host, port }) => name === endpoint.name && host === endpoint.host && port === endpoint.port,
      ),
    )
  );
}

function throwIfRefused(errorCode: number, message: string | null): void {
  if (errorCode !== Errors.NONE) throw new KafkaError(errorCode, message ?? errorName(errorCode));
}

function addressText(id: number, known: readonly ControllerEndpoint[]): string {
  const endpoint = known.find(each => each.id === id);
  return endpoint === undefined ? `${id}` : `${id}@${endpoint.host}:${endpoint.port}`;
}
