import { invariant } from '../base/assert.ts';
import { add64, type BrokerEpoch, type LeaderEpoch, max64, type Offset, sub64 } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { MetadataDelta } from '../metadata/metadata-delta.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import { type MetadataRecord, type MetadataRecordOf, metadataRecord } from '../metadata/metadata-record.ts';
import { encodeMetadataRecord } from '../metadata/metadata-record-serde.ts';
import { LeaderRecoveryState } from '../metadata/partition-registration.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { CreateTopicsRequest } from '../protocol/messages/19-create-topics.ts';
import type { DeleteTopicsRequest } from '../protocol/messages/20-delete-topics.ts';
import type { AlterConfigsRequest } from '../protocol/messages/33-alter-configs.ts';
import type { CreatePartitionsRequest } from '../protocol/messages/37-create-partitions.ts';
import type { ElectLeadersRequest, ElectLeadersResponse } from '../protocol/messages/43-elect-leaders.ts';
import type { IncrementalAlterConfigsRequest } from '../protocol/messages/44-incremental-alter-configs.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../protocol/messages/45-alter-partition-reassignments.ts';
import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../protocol/messages/46-list-partition-reassignments.ts';
import type {
  AlterPartitionRequest,
  AlterPartitionResponse,
} from '../protocol/messages/56-alter-partition.ts';
import type {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../protocol/messages/57-update-features.ts';
import type { BrokerRegistrationRequest } from '../protocol/messages/62-broker-registration.ts';
import type { BrokerHeartbeatRequest } from '../protocol/messages/63-broker-heartbeat.ts';
import type { ControllerRegistrationRequest } from '../protocol/messages/70-controller-registration.ts';
import type {
  AssignReplicasToDirsRequest,
  AssignReplicasToDirsResponse,
} from '../protocol/messages/73-assign-replicas-to-dirs.ts';
import type { Input } from '../protocol/schema.ts';
import type { LeaderAndEpoch, RaftClient } from '../raft/raft-client.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import { activationRecords } from './activation-records.ts';
import { BrokerHeartbeatManager } from './broker-heartbeat-manager.ts';
import { type BrokerHeartbeatReply, ClusterControlManager } from './cluster-control-manager.ts';
import {
  changedConfigs,
  ConfigurationControlManager,
  type ResourceResult,
} from './configuration-control-manager.ts';
import type { ControllerDecision, ControllerResult } from './controller-result.ts';
import { CrashedBrokerDetector } from './crashed-broker-detector.ts';
import { DeferredResponses } from './deferred-responses.ts';
import { ElectionControlManager, type ElectionRound } from './election-control-manager.ts';
import { FeatureControlManager, type KRaftVersionAccessor } from './feature-control-manager.ts';
import { PartitionIndex } from './partition-index.ts';
import { ProducerIdControlManager, type ProducerIdsBlock } from './producer-id-control-manager.ts';
import { ReassignmentControlManager } from './reassignment-control-manager.ts';
import { ReplicationControlManager } from './replication-control-manager.ts';
import {
  type CreatableTopicResult,
  type CreatePartitionsTopicResult,
  type DeletableTopicResult,
  TopicControlManager,
} from './topic-control-manager.ts';

/** Records of one batch, where an operation need not be atomic. */
const RECORDS_PER_BATCH = 5_000;
/** In the time of a session it is looked so often whether some have ended. */
const SESSION_CHECKS = 32;
/** This share of a session is the shortest pause that does not count: less is the lateness of a machine at work. */
const PAUSE_SHARE = 8;

/** What the controller uses of the quorum. */
export type ControllerLog = Pick<RaftClient, 'nodeId' | 'logEndOffset' | 'scheduleAppend' | 'resign'>;

/** What the controller uses of the loader, which it is a publisher of. */
export interface CommittedMetadata {
  image(): MetadataImage;
  readonly inTransaction: boolean;
}

export interface QuorumControllerOptions {
  readonly config: KafkaConfig;
  readonly clusterId: Uuid;
  /** From `bootstrap.checkpoint`, for an empty log. */
  readonly bootstrapRecords: readonly MetadataRecord[];
  /** Left out where the level of `kraft.version` cannot change while the quorum runs. */
  readonly kraftVersion?: KRaftVersionAccessor;
  /** The voters of the quorum: a feature goes up only when all of them have registered. */
  readonly voterIds?: () => readonly number[];
}

/**
 * Decides what becomes of the metadata while this node leads the quorum.
 *
 * An operation runs at once on the newest image, committed or not, and gives records; the image with them is the next
 * operation's. Its answer waits until the records are committed and published to this node, so whoever gets it finds
 * the effect in the broker's image too. An operation without records waits for those before it, on which its answer may
 * rest. What concerns very many partitions, and need not take effect at once, is decided in steps, each on the newest
 * image, between which others have their turn. When leadership is lost, everything uncommitted is forgotten and its
 * answers are NOT_CONTROLLER, which does not say that it did not happen.
 *
 * The committed image is the loader's: the controller keeps none beside it, only the uncommitted one, and that only
 * while it differs.
 */
export class QuorumController implements MetadataPublisher {
  readonly name = 'quorum-controller';
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly log: ControllerLog;
  private readonly committed: CommittedMetadata;
  private readonly options: QuorumControllerOptions;
  private readonly heartbeats: BrokerHeartbeatManager;
  private readonly configs: ConfigurationControlManager;
  private readonly cluster: ClusterControlManager;
  private readonly topics: TopicControlManager;
  private readonly index = new PartitionIndex();
  private readonly replication: ReplicationControlManager;
  private readonly elections: ElectionControlManager;
  private readonly reassignments: ReassignmentControlManager;
  private readonly features: FeatureControlManager;
  private readonly producerIds = new ProducerIdControlManager();
  private readonly deferred = new DeferredResponses();
  private readonly timers: Timer[] = [];
  private active: ActiveState | undefined;
  private closed = false;
  /** The next step of fencing a broker waits for its turn. */
  private isFencing = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    log: ControllerLog,
    committed: CommittedMetadata,
    options: QuorumControllerOptions,
  ) {
    const { config } = options;
    this.runtime = runtime;
    this.logger = logger.child('controller');
    this.log = log;
    this.committed = committed;
    this.options = options;
    this.heartbeats = new BrokerHeartbeatManager(config.int('broker.session.timeout.ms'));
    this.configs = new ConfigurationControlManager(config);
    this.replication = new ReplicationControlManager(this.configs, this.index);
    this.elections = new ElectionControlManager(this.configs, this.index);
    this.reassignments = new ReassignmentControlManager(this.configs, this.index);
    this.features = new FeatureControlManager({
      nodeId: log.nodeId,
      minInsyncReplicas: config.int('min.insync.replicas'),
      kraftVersion: options.kraftVersion,
      voterIds: options.voterIds ?? (() => []),
    });
    const identity = { nodeId: log.nodeId, clusterId: options.clusterId };
    this.cluster = new ClusterControlManager(identity, this.heartbeats, this.replication);
    const topicOptions = {
      defaultPartitions: config.int('num.partitions'),
      defaultReplicationFactor: config.int('default.replication.factor'),
      deleteEnabled: config.boolean('delete.topic.enable'),
    };
    this.topics = new TopicControlManager(runtime.random, topicOptions, this.configs);
  }

  /** Whether this node is the active controller. */
  isActive(): boolean {
    return this.active !== undefined;
  }

  /** The epoch that this node leads in, or -1. */
  get curClaimEpoch(): LeaderEpoch {
    return this.active?.epoch ?? -1;
  }

  /** The newest image: the uncommitted one while this node is active. */
  image(): MetadataImage {
    return this.active?.image ?? this.committed.image();
  }

  /** The configuration of this node with what was set while the cluster runs, as committed. */
  brokerConfig(): KafkaConfig {
    return this.configs.brokerConfig(this.committed.image());
  }

  // Operations. Each throws (as a rejection) NOT_CONTROLLER, and what its control manager says.

  /** All topics of the request with an answer each; see {@link TopicControlManager.createTopics}. */
  createTopics(request: CreateTopicsRequest): Promise<CreatableTopicResult[]> {
    return this.write('createTopics', request.timeoutMs, ({ image }) =>
      this.topics.createTopics(image, request.topics, request.validateOnly),
    );
  }

  deleteTopics(request: DeleteTopicsRequest): Promise<DeletableTopicResult[]> {
    return this.write('deleteTopics', request.timeoutMs, ({ image }) =>
      this.topics.deleteTopics(image, request),
    );
  }

  createPartitions(request: CreatePartitionsRequest): Promise<CreatePartitionsTopicResult[]> {
    return this.write('createPartitions', request.timeoutMs, ({ image }) =>
      this.topics.createPartitions(image, request),
    );
  }

  incrementalAlterConfigs(request: IncrementalAlterConfigsRequest): Promise<ResourceResult[]> {
    return this.alterConfigs('incrementalAlterConfigs', image =>
      this.configs.incrementalAlterConfigs(image, request),
    );
  }

  legacyAlterConfigs(request: AlterConfigsRequest): Promise<ResourceResult[]> {
    return this.alterConfigs('legacyAlterConfigs', image => this.configs.legacyAlterConfigs(image, request));
  }

  /** The broker's epoch in this life of it. */
  registerBroker(request: BrokerRegistrationRequest): Promise<BrokerEpoch> {
    return this.write('registerBroker', undefined, ({ image, nextOffset }) =>
      this.cluster.registerBroker(image, request, nextOffset, this.nowMs()),
    );
  }

  processBrokerHeartbeat(request: BrokerHeartbeatRequest): Promise<BrokerHeartbeatReply> {
    return this.write('processBrokerHeartbeat', undefined, ({ image, nextOffset }) =>
      this.cluster.processBrokerHeartbeat(image, request, nextOffset, this.nowMs()),
    );
  }

  unregisterBroker(brokerId: number): Promise<void> {
    return this.write('unregisterBroker', undefined, ({ image }) =>
      this.cluster.unregisterBroker(image, brokerId),
    );
  }

  registerController(request: ControllerRegistrationRequest): Promise<void> {
    return this.write('registerController', undefined, ({ image }) =>
      this.cluster.registerController(image, request),
    );
  }

  /** Takes a controller that is gone out of the cluster. CONTROLLER_ID_NOT_REGISTERED. */
  unregisterController(controllerId: number): Promise<void> {
    return this.write('unregisterController', undefined, ({ image }) =>
      this.cluster.unregisterController(image, controllerId),
    );
  }

  /** `apiVersion` decides how topics are named, how the ISR is given, and some error codes. */
  alterPartition(
    request: AlterPartitionRequest,
    apiVersion: number,
  ): Promise<Input<typeof AlterPartitionResponse>> {
    return this.write('alterPartition', undefined, ({ image }) =>
      this.replication.alterPartition(image, request, apiVersion),
    );
  }

  electLeaders(request: ElectLeadersRequest): Promise<Input<typeof ElectLeadersResponse>> {
    return this.write('electLeaders', request.timeoutMs, ({ image }) =>
      this.elections.electLeaders(image, request),
    );
  }

  alterPartitionReassignments(
    request: AlterPartitionReassignmentsRequest,
  ): Promise<Input<typeof AlterPartitionReassignmentsResponse>> {
    return this.write('alterPartitionReassignments', request.timeoutMs, ({ image }) =>
      this.reassignments.alterPartitionReassignments(image, request),
    );
  }

  listPartitionReassignments(
    request: ListPartitionReassignmentsRequest,
  ): Promise<Input<typeof ListPartitionReassignmentsResponse>> {
    return this.write('listPartitionReassignments', request.timeoutMs, ({ image }) =>
      this.reassignments.listPartitionReassignments(image, request),
    );
  }

  /** `apiVersion` decides how a downgrade is asked for, and how failures are answered. */
  updateFeatures(
    request: UpdateFeaturesRequest,
    apiVersion: number,
  ): Promise<Input<typeof UpdateFeaturesResponse>> {
    return this.write('updateFeatures', request.timeoutMs, ({ image }) =>
      this.features.updateFeatures(image, request, apiVersion),
    );
  }

  assignReplicasToDirs(
    request: AssignReplicasToDirsRequest,
  ): Promise<Input<typeof AssignReplicasToDirsResponse>> {
    return this.write('assignReplicasToDirs', undefined, ({ image }) =>
      this.replication.assignReplicasToDirs(image, request),
    );
  }

  allocateProducerIds(brokerId: number, brokerEpoch: BrokerEpoch): Promise<ProducerIdsBlock> {
    return this.write('allocateProducerIds', undefined, ({ image }) =>
      this.producerIds.generateNextBlock(image, brokerId, brokerEpoch),
    );
  }

  // As a publisher of the loader.

  onMetadataUpdate(_delta: MetadataDelta, image: MetadataImage): void {
    const { active } = this;
    if (active === undefined) return;
    // With nothing uncommitted left, both images say the same: keeping one halves the memory.
    if (image.highestOffset >= sub64(active.nextOffset, 1)) {
      this.index.rebase(active.image.topics, image.topics);
      active.image = image;
    }
    this.deferred.completeUpTo(image.highestOffset);
  }

  onControllerChange(leaderAndEpoch: LeaderAndEpoch): void {
    if (this.closed) return;
    const { leaderId, epoch } = leaderAndEpoch;
    if (leaderId === this.log.nodeId) {
      if (this.active?.epoch === epoch) return;
      this.renounce();
      this.claim(epoch);
    } else {
      this.renounce();
    }
  }

  close(): void {
    this.closed = true;
    this.renounce();
  }

  private claim(epoch: LeaderEpoch): void {
    const image = this.committed.image();
    const state: ActiveState = {
      epoch,
      image,
      nextOffset: this.log.logEndOffset(),
      lastWriteMs: this.nowMs(),
    };
    this.active = state;
    this.logger.info('became the active controller', { epoch, offset: state.nextOffset });
    const records = activationRecords({
      image,
      inTransaction: this.committed.inTransaction,
      bootstrapRecords: this.options.bootstrapRecords,
      minInsyncReplicas: this.options.config.int('min.insync.replicas'),
    });
    // The quorum may have gone on to another leader already: then this one has ended before it began.
    this.unasked('activate', active => {
      if (records.length > 0) this.append(active, records, true);
      this.index.at(active.image.topics);
      this.cluster.startSessions(active.image, this.nowMs());
      this.startTasks();
      this.electLeaderless();
    });
  }

  private startTasks(): void {
    const { config } = this.options;
    const sessionMs = config.int('broker.session.timeout.ms');
    const checkMs = Math.max(1, Math.floor(sessionMs / SESSION_CHECKS));
    let checkedMs = this.nowMs();
    this.every(checkMs, () => {
      // A timer that comes much too late means that this process stood still, and so could hear of nobody.
      const pauseMs = this.nowMs() - checkedMs - checkMs;
      if (pauseMs > sessionMs / PAUSE_SHARE) this.heartbeats.excuse(pauseMs);
      checkedMs = this.nowMs();
      this.fenceStaleBrokers();
    });
    if (config.boolean('broker.crash.detection.enable')) this.detectCrashes();
    const idleMs = config.int('metadata.max.idle.interval.ms');
    if (idleMs > 0) this.every(idleMs, () => this.writeNoOp(idleMs));
    if (config.boolean('auto.leader.rebalance.enable')) {
      const intervalMs = config.long('leader.imbalance.check.interval.seconds') * 1000;
      this.every(intervalMs, () => this.balanceLeaders());
    }
    this.every(config.long('unclean.leader.election.interval.ms'), () => this.electLeaderless());
  }

  private detectCrashes(): void {
    const intervalMs = this.options.config.int('broker.heartbeat.interval.ms');
    const detector = new CrashedBrokerDetector(this.runtime, this.heartbeats, intervalMs, ({ id }) => {
      this.logger.warn('a broker sends no heartbeats and nobody listens at its addresses: it has ended', {
        brokerId: id,
      });
      this.fenceStaleBrokers();
    });
    this.every(Math.max(1, Math.floor(intervalMs / 2)), () =>
      this.unasked('detectCrashes', ({ image }) => detector.check(image.cluster.brokers.values())),
    );
  }

  private balanceLeaders(): void {
    if (this.active === undefined || !this.elections.areLeadersImbalanced(this.active.image)) return;
    this.elect('gave partitions back to their preferred leaders', ({ image }) =>
      this.elections.balanceLeaders(image),
    ).then(
      isFull => isFull && this.balanceLeaders(),
      error => this.giveUp('balanceLeaders', error),
    );
  }

  /** Partitions that nobody leads get a leader; where their topic allows it, one that may lack records. */
  private electLeaderless(): void {
    if (this.active === undefined || !this.elections.areSomeLeaderless(this.active.image)) return;
    this.elect('elected leaders where there were none', ({ image }) =>
      this.elections.electLeaderless(image),
    ).then(
      isFull => isFull && this.electLeaderless(),
      error => this.giveUp('electLeaderless', error),
    );
  }

  /** One round of elections that nobody asked for. Resolves to whether another one should follow. */
  private async elect(
    what: string,
    operation: (state: ActiveState) => ControllerResult<ElectionRound>,
  ): Promise<boolean> {
    const { elected, isFull } = await this.write('elect', undefined, operation);
    if (elected > 0) this.logger.info(what, { partitions: elected });
    return isFull;
  }

  /** Configurations decide what replicas are eligible and which may be elected: both are looked at again at once. */
  private alterConfigs<T>(name: string, alter: (image: MetadataImage) => ControllerResult<T>): Promise<T> {
    let mayElect = false;
    const response = this.write(name, undefined, ({ image }) => {
      const result = alter(image);
      const changed = changedConfigs(result.records);
      mayElect = changed.has('unclean.leader.election.enable');
      const resources = changed.get('min.insync.replicas');
      if (resources === undefined) return result;
      const delta = new MetadataDelta(image);
      for (const record of result.records) delta.replay(record);
      const next = delta.apply(image.provenance);
      const topics = resources.has('')
        ? next.topics.topics()
        : [...resources].flatMap(topic => next.topics.topic(topic) ?? []);
      const eligible = this.replication.minInsyncReplicasUpdates(next, topics);
      return { ...result, records: [...result.records, ...eligible] };
    });
    if (mayElect) this.electLeaderless();
    return response;
  }

  private renounce(): void {
    const { active } = this;
    if (active === undefined) return;
    this.active = undefined;
    for (const timer of this.timers.splice(0)) timer.cancel();
    this.heartbeats.clear();
    this.index.clear();
    this.logger.info('is no longer the active controller', { epoch: active.epoch });
    this.deferred.failAll(notController());
  }

  /**
   * Runs one operation and gives its answer when it is committed. `timeoutMs` is the client's patience: after it the
   * answer is REQUEST_TIMED_OUT, whatever becomes of the records. Without any (0 or less) nothing is done, as in Kafka.
   */
  private write<T>(
    name: string,
    timeoutMs: number | undefined,
    operation: (state: ActiveState) => ControllerDecision<T>,
  ): Promise<T> {
    const { active } = this;
    if (active === undefined) return Promise.reject(notController());
    if (timeoutMs !== undefined && timeoutMs <= 0) return Promise.reject(timedOut(name, timeoutMs));
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined
          ? undefined
          : this.runtime.timers.after(timeoutMs, () => reject(timedOut(name, timeoutMs)));
      const fail = (error: unknown): void => {
        timer?.cancel();
        reject(error);
      };
      const run = (step: (state: ActiveState) => ControllerDecision<T>): void => {
        let decision: ControllerDecision<T>;
        try {
          decision = this.decide(name, active, step);
        } catch (error) {
          fail(error);
          return;
        }
        if ('rest' in decision) {
          const { rest } = decision;
          this.runtime.timers.soon(() => run(({ image, nextOffset }) => rest(image, nextOffset)));
          return;
        }
        const { response } = decision;
        const done = (): void => {
          timer?.cancel();
          resolve(response);
        };
        const offset = sub64(active.nextOffset, 1);
        if (this.committed.image().highestOffset >= offset) done();
        else this.deferred.add(offset, error => (error === undefined ? done() : fail(error)));
      };
      run(operation);
    });
  }

  /** Runs an operation, or a step of it, and appends its records. */
  private decide<T>(
    name: string,
    active: ActiveState,
    operation: (state: ActiveState) => ControllerDecision<T>,
  ): ControllerDecision<T> {
    // Leadership may have been lost, and won again, since the step before.
    if (this.active !== active) throw notController();
    try {
      this.skipOthersRecords(active);
      const decision = operation(active);
      this.append(active, decision.records, 'atomic' in decision && decision.atomic);
      return decision;
    } catch (error) {
      if (!(error instanceof KafkaError))
        this.logger.error('an operation failed', { name, error: String(error) });
      throw error;
    }
  }

  /** Appends the records and moves the uncommitted image on. */
  private append(state: ActiveState, records: readonly MetadataRecord[], atomic: boolean): void {
    if (records.length === 0) return;
    const size = atomic ? records.length : RECORDS_PER_BATCH;
    for (let start = 0; start < records.length; start += size) {
      const batch = records.slice(start, start + size);
      const delta = new MetadataDelta(state.image);
      for (const record of batch) {
        delta.replay(record);
        if (isUncleanElection(record)) this.warnOfUncleanElection(record);
      }
      const imageUpTo = (lastContainedOffset: Offset): MetadataImage =>
        delta.apply({
          lastContainedOffset,
          lastContainedEpoch: state.epoch,
          lastContainedLogTimeMs: this.runtime.clock.wallMs(),
        });
      this.skipOthersRecords(state);
      const expected = add64(state.nextOffset, batch.length - 1);
      let image = imageUpTo(expected);
      const lastOffset = this.schedule(state, batch.map(encodeMetadataRecord));
      invariant(lastOffset >= expected, 'M6', () => `records ended at ${lastOffset}, before ${expected}`);
      // A record of the quorum's own may wait to be written between the controller's last one and these.
      if (lastOffset !== expected) image = imageUpTo(lastOffset);
      if (delta.topics !== undefined) this.index.advance(delta.topics, image.topics);
      state.image = image;
      state.nextOffset = add64(lastOffset, 1);
      state.lastWriteMs = this.nowMs();
    }
  }

  /** The quorum may have written records of its own since. */
  private skipOthersRecords(state: ActiveState): void {
    state.nextOffset = max64(state.nextOffset, this.log.logEndOffset());
  }

  private warnOfUncleanElection({ data }: MetadataRecordOf<'PartitionChangeRecord'>): void {
    const { topicId, partitionId, leader } = data;
    this.logger.warn('elected a leader that may lack records: those that only others have are lost', {
      topicId,
      partitionId,
      leader,
    });
  }

  private schedule(state: ActiveState, values: readonly Buffer[]): Offset {
    try {
      return this.log.scheduleAppend(state.epoch, values);
    } catch (error) {
      // The quorum knows before the controller hears of it.
      if (error instanceof KafkaError && error.code === Errors.NOT_LEADER_OR_FOLLOWER) {
        this.renounce();
        throw notController();
      }
      throw error;
    }
  }

  /** Does at once what no request asks for, and so nobody waits for. Not if this node is not the active controller. */
  private unasked(name: string, operation: (state: ActiveState) => void): void {
    const { active } = this;
    if (active === undefined) return;
    try {
      operation(active);
    } catch (error) {
      this.giveUp(name, error);
    }
  }

  /** Leadership was lost on the way: the next controller looks for itself. What is no such error is a bug. */
  private giveUp(name: string, error: unknown): void {
    if (!(error instanceof KafkaError)) throw error;
    if (error.code === Errors.NOT_CONTROLLER) return;
    this.logger.error('what the controller does by itself has failed', { name, error: error.message });
  }

  private fenceStaleBrokers(): void {
    if (this.isFencing) return;
    this.unasked('fenceStaleBrokers', active => {
      const { records, atomic, response: step } = this.cluster.fenceStaleBroker(active.image, this.nowMs());
      if (step === undefined) return;
      this.append(active, records, atomic);
      if (step.isDone) this.logger.warn('fenced a broker that was not heard of', { brokerId: step.brokerId });
      // One step a turn, however often it is looked for stale brokers meanwhile.
      this.isFencing = true;
      this.runtime.timers.soon(() => {
        this.isFencing = false;
        this.fenceStaleBrokers();
      });
    });
  }

  /**
   * Kafka's controller writes an empty record every 500 ms while nothing else happens, so that other nodes can tell an
   * idle quorum from a lost one. A node that is alone has nobody to tell, and would fsync its disk awake for nothing.
   */
  private writeNoOp(idleMs: number): void {
    const { active } = this;
    if (active === undefined || this.nowMs() - active.lastWriteMs < idleMs) return;
    const { brokers, controllers } = active.image.cluster;
    const alone = (ids: Iterable<number>): boolean => [...ids].every(id => id === this.log.nodeId);
    if (alone(brokers.keys()) && alone(controllers.keys())) return;
    this.unasked('writeNoOp', state => this.append(state, [metadataRecord('NoOpRecord', {})], true));
  }

  private every(periodMs: number, task: () => void): void {
    const slot = this.timers.length;
    const run = (): void => {
      this.timers[slot] = this.runtime.timers.after(periodMs, () => {
        if (this.active === undefined) return;
        run();
        task();
      });
    };
    run();
  }

  private nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }
}

interface ActiveState {
  readonly epoch: LeaderEpoch;
  /** With everything that was appended, committed or not. */
  image: MetadataImage;
  /** Of the next record. */
  nextOffset: Offset;
  lastWriteMs: number;
}

function isUncleanElection(record: MetadataRecord): record is MetadataRecordOf<'PartitionChangeRecord'> {
  return (
    record.type === 'PartitionChangeRecord' &&
    record.data.leaderRecoveryState === LeaderRecoveryState.RECOVERING &&
    record.data.leader >= 0
  );
}

function notController(): KafkaError {
  return new KafkaError(Errors.NOT_CONTROLLER, 'this node is not the active controller');
}

function timedOut(name: string, timeoutMs: number): KafkaError {
  return new KafkaError(Errors.REQUEST_TIMED_OUT, `${name} was not committed within ${timeoutMs} ms`);
}
