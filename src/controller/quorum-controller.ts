import type { BrokerEpoch, LeaderEpoch } from '../base/int64.ts';
import { LimitedLogger, type Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { MetadataDelta } from '../metadata/metadata-delta.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataPublisher } from '../metadata/metadata-publisher.ts';
import type { MetadataRecord } from '../metadata/metadata-record.ts';
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
import type { AlterClientQuotasRequest } from '../protocol/messages/49-alter-client-quotas.ts';
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
import type { LeaderAndEpoch } from '../raft/raft-client.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { activationRecords } from './activation-records.ts';
import { BrokerHeartbeatManager } from './broker-heartbeat-manager.ts';
import { type AlterQuotasResult, ClientQuotaControlManager } from './client-quota-control-manager.ts';
import { type BrokerHeartbeatReply, ClusterControlManager } from './cluster-control-manager.ts';
import {
  changedConfigs,
  ConfigurationControlManager,
  type ResourceResult,
} from './configuration-control-manager.ts';
import { type CommittedMetadata, type ControllerLog, ControllerLogWriter } from './controller-log-writer.ts';
import type { ControllerResult } from './controller-result.ts';
import { ControllerTasks } from './controller-tasks.ts';
import { ElectionControlManager } from './election-control-manager.ts';
import { FeatureControlManager, type KRaftVersionAccessor } from './feature-control-manager.ts';
import { NO_PARTITION_CHANGE_QUOTA, type PartitionChangeQuota } from './partition-change-quota.ts';
import { PartitionIndex } from './partition-index.ts';
import { type Policies, PolicyChecks } from './policies.ts';
import { ProducerIdControlManager, type ProducerIdsBlock } from './producer-id-control-manager.ts';
import { ReassignmentControlManager } from './reassignment-control-manager.ts';
import { ReplicationControlManager } from './replication-control-manager.ts';
import {
  type CreatableTopicResult,
  type CreatePartitionsTopicResult,
  type DeletableTopicResult,
  TopicControlManager,
} from './topic-control-manager.ts';

export interface QuorumControllerOptions {
  readonly config: KafkaConfig;
  readonly clusterId: Uuid;
  /** From `bootstrap.checkpoint`, for an empty log. */
  readonly bootstrapRecords: readonly MetadataRecord[];
  /** Left out where the level of `kraft.version` cannot change while the quorum runs. */
  readonly kraftVersion?: KRaftVersionAccessor;
  /** The voters of the quorum: a feature goes up only when all of them have registered. */
  readonly voterIds?: () => readonly number[];
  /** Of the user of this node. */
  readonly policies?: Policies | undefined;
}

const POLICY_LOG_PERIOD_MS = 10_000;

/**
 * Decides what becomes of the metadata while this node leads the quorum: the operations that others ask for, each of
 * which is a control manager's, written by a {@link ControllerLogWriter}. What nobody asks for is in
 * {@link ControllerTasks}.
 */
export class QuorumController implements MetadataPublisher {
  readonly name = 'quorum-controller';
  private readonly runtime: Runtime;
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
  private readonly clientQuotas = new ClientQuotaControlManager();
  private readonly producerIds = new ProducerIdControlManager();
  private readonly writer: ControllerLogWriter;
  private readonly tasks: ControllerTasks;
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    log: ControllerLog,
    committed: CommittedMetadata,
    options: QuorumControllerOptions,
  ) {
    const { config } = options;
    this.runtime = runtime;
    this.log = log;
    this.committed = committed;
    this.options = options;
    this.heartbeats = new BrokerHeartbeatManager(config.int('broker.session.timeout.ms'));
    const ownLogger = logger.child('controller');
    const policyLogger = new LimitedLogger(
      ownLogger,
      () => runtime.clock.monotonicMs(),
      POLICY_LOG_PERIOD_MS,
    );
    const policies = new PolicyChecks(runtime.clock, policyLogger, options.policies);
    this.configs = new ConfigurationControlManager(config, policies);
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
    this.topics = new TopicControlManager(runtime.random, topicOptions, this.configs, policies);
    this.writer = new ControllerLogWriter(runtime, ownLogger, log, committed, this.index, () => {
      this.tasks.stop();
      this.heartbeats.clear();
    });
    const { heartbeats, cluster, elections } = this;
    const managers = { heartbeats, cluster, elections };
    this.tasks = new ControllerTasks(runtime, ownLogger, config, log.nodeId, this.writer, managers);
  }

  /** Whether this node is the active controller. */
  isActive(): boolean {
    return this.writer.active !== undefined;
  }

  /** The epoch that this node leads in, or -1. */
  get curClaimEpoch(): LeaderEpoch {
    return this.writer.active?.epoch ?? -1;
  }

  /** The newest image: the uncommitted one while this node is active. */
  image(): MetadataImage {
    return this.writer.active?.image ?? this.committed.image();
  }

  // Operations. Each throws (as a rejection) NOT_CONTROLLER, and what its control manager says.

  /** All topics of the request with an answer each; see {@link TopicControlManager.createTopics}. */
  createTopics(
    request: CreateTopicsRequest,
    quota: PartitionChangeQuota = NO_PARTITION_CHANGE_QUOTA,
  ): Promise<CreatableTopicResult[]> {
    return this.writer.write('createTopics', request.timeoutMs, ({ image }) =>
      this.topics.createTopics(image, request.topics, request.validateOnly, quota),
    );
  }

  deleteTopics(
    request: DeleteTopicsRequest,
    quota: PartitionChangeQuota = NO_PARTITION_CHANGE_QUOTA,
  ): Promise<DeletableTopicResult[]> {
    return this.writer.write('deleteTopics', request.timeoutMs, ({ image }) =>
      this.topics.deleteTopics(image, request, quota),
    );
  }

  createPartitions(
    request: CreatePartitionsRequest,
    quota: PartitionChangeQuota = NO_PARTITION_CHANGE_QUOTA,
  ): Promise<CreatePartitionsTopicResult[]> {
    return this.writer.write('createPartitions', request.timeoutMs, ({ image }) =>
      this.topics.createPartitions(image, request, quota),
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

  alterClientQuotas(request: AlterClientQuotasRequest): Promise<AlterQuotasResult[]> {
    return this.writer.write('alterClientQuotas', undefined, ({ image }) =>
      this.clientQuotas.alterClientQuotas(image, request),
    );
  }

  /** The broker's epoch in this life of it. */
  registerBroker(request: BrokerRegistrationRequest): Promise<BrokerEpoch> {
    return this.writer.write('registerBroker', undefined, ({ image, nextOffset }) =>
      this.cluster.registerBroker(image, request, nextOffset, this.nowMs()),
    );
  }

  processBrokerHeartbeat(request: BrokerHeartbeatRequest): Promise<BrokerHeartbeatReply> {
    return this.writer.write('processBrokerHeartbeat', undefined, ({ image, nextOffset }) =>
      this.cluster.processBrokerHeartbeat(image, request, nextOffset, this.nowMs()),
    );
  }

  unregisterBroker(brokerId: number): Promise<void> {
    return this.writer.write('unregisterBroker', undefined, ({ image }) =>
      this.cluster.unregisterBroker(image, brokerId),
    );
  }

  registerController(request: ControllerRegistrationRequest): Promise<void> {
    return this.writer.write('registerController', undefined, ({ image }) =>
      this.cluster.registerController(image, request),
    );
  }

  /** Takes a controller that is gone out of the cluster. CONTROLLER_ID_NOT_REGISTERED. */
  unregisterController(controllerId: number): Promise<void> {
    return this.writer.write('unregisterController', undefined, ({ image }) =>
      this.cluster.unregisterController(image, controllerId),
    );
  }

  /** `apiVersion` decides how topics are named, how the ISR is given, and some error codes. */
  alterPartition(
    request: AlterPartitionRequest,
    apiVersion: number,
  ): Promise<Input<typeof AlterPartitionResponse>> {
    return this.writer.write('alterPartition', undefined, ({ image }) =>
      this.replication.alterPartition(image, request, apiVersion),
    );
  }

  electLeaders(request: ElectLeadersRequest): Promise<Input<typeof ElectLeadersResponse>> {
    return this.writer.write('electLeaders', request.timeoutMs, ({ image }) =>
      this.elections.electLeaders(image, request),
    );
  }

  alterPartitionReassignments(
    request: AlterPartitionReassignmentsRequest,
  ): Promise<Input<typeof AlterPartitionReassignmentsResponse>> {
    return this.writer.write('alterPartitionReassignments', request.timeoutMs, ({ image }) =>
      this.reassignments.alterPartitionReassignments(image, request),
    );
  }

  listPartitionReassignments(
    request: ListPartitionReassignmentsRequest,
  ): Promise<Input<typeof ListPartitionReassignmentsResponse>> {
    return this.writer.write('listPartitionReassignments', request.timeoutMs, ({ image }) =>
      this.reassignments.listPartitionReassignments(image, request),
    );
  }

  /** `apiVersion` decides how a downgrade is asked for, and how failures are answered. */
  updateFeatures(
    request: UpdateFeaturesRequest,
    apiVersion: number,
  ): Promise<Input<typeof UpdateFeaturesResponse>> {
    return this.writer.write('updateFeatures', request.timeoutMs, ({ image }) =>
      this.features.updateFeatures(image, request, apiVersion),
    );
  }

  assignReplicasToDirs(
    request: AssignReplicasToDirsRequest,
  ): Promise<Input<typeof AssignReplicasToDirsResponse>> {
    return this.writer.write('assignReplicasToDirs', undefined, ({ image }) =>
      this.replication.assignReplicasToDirs(image, request),
    );
  }

  allocateProducerIds(brokerId: number, brokerEpoch: BrokerEpoch): Promise<ProducerIdsBlock> {
    return this.writer.write('allocateProducerIds', undefined, ({ image }) =>
      this.producerIds.generateNextBlock(image, brokerId, brokerEpoch),
    );
  }

  // As a publisher of the loader.

  onMetadataUpdate(_delta: MetadataDelta, image: MetadataImage): void {
    this.writer.onCommitted(image);
  }

  onControllerChange(leaderAndEpoch: LeaderAndEpoch): void {
    if (this.closed) return;
    const { leaderId, epoch } = leaderAndEpoch;
    if (leaderId === this.log.nodeId) {
      if (this.curClaimEpoch === epoch) return;
      this.writer.renounce();
      this.claim(epoch);
    } else {
      this.writer.renounce();
    }
  }

  close(): void {
    this.closed = true;
    this.writer.renounce();
  }

  private claim(epoch: LeaderEpoch): void {
    this.writer.claim(epoch);
    const records = activationRecords({
      image: this.committed.image(),
      inTransaction: this.committed.inTransaction,
      bootstrapRecords: this.options.bootstrapRecords,
      minInsyncReplicas: this.options.config.int('min.insync.replicas'),
    });
    // The quorum may have gone on to another leader already: then this one has ended before it began.
    this.writer.unasked('activate', active => {
      this.writer.activate(records);
      this.cluster.startSessions(active.image, this.nowMs());
      this.tasks.start();
    });
  }

  /** Configurations decide what replicas are eligible and which may be elected: both are looked at again at once. */
  private alterConfigs<T>(name: string, alter: (image: MetadataImage) => ControllerResult<T>): Promise<T> {
    let mayElect = false;
    const response = this.writer.write(name, undefined, ({ image }) => {
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
    if (mayElect) this.tasks.electLeaderless();
    return response;
  }

  private nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }
}
