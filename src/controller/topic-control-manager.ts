import { randomUuid, type Uuid, ZERO_UUID } from '../base/uuid.ts';
import { ConfigResourceType } from '../metadata/config-resource.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import { recordVersions } from '../metadata/metadata-version.ts';
import { LeaderRecoveryState, partitionRecord } from '../metadata/partition-registration.ts';
import { InternalTopic, topicNameProblem } from '../metadata/topic-name.ts';
import { type TopicImage, unifiedName } from '../metadata/topics-image.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../protocol/messages/20-delete-topics.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../protocol/messages/37-create-partitions.ts';
import type { Random } from '../runtime/runtime.ts';
import { describeTopicConfigs } from './config-describer.ts';
import { ConfigOperation, type ConfigurationControlManager } from './configuration-control-manager.ts';
import { atomicResult, type ControllerResult } from './controller-result.ts';
import type { PartitionChangeQuota } from './partition-change-quota.ts';
import type { CreateTopicRequestMetadata, PolicyChecks } from './policies.ts';
import { defaultDirectory, type PartitionAssignment, ReplicaPlacer } from './replica-placer.ts';

/** How many partitions one request may create, and about how many records one operation may write. */
const MAX_PARTITIONS_PER_REQUEST = 10_000;

export type CreatableTopic = CreateTopicsRequest['topics'][number];
export type CreatableTopicResult = CreateTopicsResponse['topics'][number];
export type DeletableTopicResult = DeleteTopicsResponse['responses'][number];
export type CreatePartitionsTopicResult = CreatePartitionsResponse['results'][number];

export interface TopicControlOptions {
  /** `num.partitions` */
  readonly defaultPartitions: number;
  /** `default.replication.factor` */
  readonly defaultReplicationFactor: number;
  /** `delete.topic.enable` */
  readonly deleteEnabled: boolean;
}

/** A topic that can be created, if nobody minds. */
interface TopicPlan {
  readonly topic: CreatableTopic;
  readonly configRecords: readonly MetadataRecord[];
  readonly assignments: readonly PartitionAssignment[];
}

/** Creates and deletes topics and adds partitions. Topics of one request succeed or fail one by one. */
export class TopicControlManager {
  private readonly random: Random;
  private readonly options: TopicControlOptions;
  private readonly configs: ConfigurationControlManager;
  private readonly policies: PolicyChecks;
  private readonly placer: ReplicaPlacer;

  constructor(
    random: Random,
    options: TopicControlOptions,
    configs: ConfigurationControlManager,
    policies: PolicyChecks,
  ) {
    this.random = random;
    this.options = options;
    this.configs = configs;
    this.policies = policies;
    this.placer = new ReplicaPlacer(random);
  }

  /**
   * Errors of a topic: INVALID_REQUEST (in the request twice, or assignments beside counts), INVALID_TOPIC_EXCEPTION,
   * TOPIC_ALREADY_EXISTS, INVALID_CONFIG, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT,
   * POLICY_VIOLATION, and what `quota` throws; of all of them: POLICY_VIOLATION for more than
   * {@link MAX_PARTITIONS_PER_REQUEST} partitions.
   */
  createTopics(
    image: MetadataImage,
    topics: readonly CreatableTopic[],
    validateOnly: boolean,
    quota: PartitionChangeQuota,
  ): ControllerResult<CreatableTopicResult[]> {
    const counts = countBy(topics.map(topic => topic.name));
    const total = topics.reduce((sum, topic) => sum + this.partitionsAsked(topic), 0);
    const byName = new Map(topics.map(topic => [topic.name, topic]));
    const plans = [...counts].map(([name, count]) =>
      capture<TopicPlan | KafkaError>(
        () => {
          if (count > 1)
            throw new KafkaError(Errors.INVALID_REQUEST, `topic '${name}' is in the request twice`);
          if (total > MAX_PARTITIONS_PER_REQUEST) throw tooMany();
          checkNewName(image, name);
          return this.planTopic(image, byName.get(name)!);
        },
        error => error,
      ),
    );
    const sound = plans.filter((plan): plan is TopicPlan => !(plan instanceof KafkaError));
    const refusals = this.policies.checkCreateTopics(sound.map(policyMetadata));
    const refused = new Map(sound.map((plan, i) => [plan, refusals[i]]));
    const records: MetadataRecord[] = [];
    const results = [...counts.keys()].map((name, i) =>
      capture(
        () => {
          const plan = plans[i]!;
          if (plan instanceof KafkaError) throw plan;
          const refusal = refused.get(plan);
          if (refusal !== undefined) throw refusal;
          quota(plan.assignments.length);
          const created = this.createTopic(image, plan);
          records.push(...created.records);
          return created.result;
        },
        error => failedTopic(name, error),
      ),
    );
    return atomicResult(validateOnly ? [] : records, results);
  }

  /**
   * Errors of a topic: INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED, and what
   * `quota` throws.
   */
  deleteTopics(
    image: MetadataImage,
    request: DeleteTopicsRequest,
    quota: PartitionChangeQuota,
  ): ControllerResult<DeletableTopicResult[]> {
    const wanted = [
      ...request.topicNames.map(name => ({ name: name as string | null, topicId: ZERO_UUID as Uuid })),
      ...request.topics,
    ];
    const byName = countBy(wanted.flatMap(topic => (topic.name === null ? [] : [topic.name])));
    const byId = countBy(wanted.flatMap(topic => (topic.topicId === ZERO_UUID ? [] : [topic.topicId])));
    const records: MetadataRecord[] = [];
    const deleted = new Set<Uuid>();
    const reported = new Set<string>();
    const results: DeletableTopicResult[] = [];
    for (const { name, topicId } of wanted) {
      const key = `${topicId}${name ?? ''}`;
      if (reported.has(key)) continue;
      reported.add(key);
      results.push(
        capture<DeletableTopicResult>(
          () => {
            if ((byName.get(name ?? '') ?? 0) > 1) throw twice(`topic '${name}'`);
            if ((byId.get(topicId) ?? 0) > 1) throw twice(`topic id ${topicId}`);
            const topic = this.topicToDelete(image, name, topicId);
            if (deleted.has(topic.id)) throw twice(`topic '${topic.name}', by name and by id`);
            quota(topic.partitions.length);
            deleted.add(topic.id);
            records.push(metadataRecord('RemoveTopicRecord', { topicId: topic.id }));
            return { name: topic.name, topicId: topic.id, errorCode: Errors.NONE, errorMessage: null };
          },
          error => ({ name, topicId, errorCode: error.code, errorMessage: error.message }),
        ),
      );
    }
    return atomicResult(records, results);
  }

  /**
   * Errors of a topic: INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, and
   * what `quota` throws.
   */
  createPartitions(
    image: MetadataImage,
    request: CreatePartitionsRequest,
    quota: PartitionChangeQuota,
  ): ControllerResult<CreatePartitionsTopicResult[]> {
    const counts = countBy(request.topics.map(topic => topic.name));
    const records: MetadataRecord[] = [];
    const results: CreatePartitionsTopicResult[] = [];
    for (const [name, count] of counts) {
      results.push(
        capture<CreatePartitionsTopicResult>(
          () => {
            if (count > 1) throw twice(`topic '${name}'`);
            const topic = request.topics.find(each => each.name === name)!;
            const most = MAX_PARTITIONS_PER_REQUEST - records.length;
            const added = this.addPartitions(image, topic, most, quota);
            records.push(...added);
            return { name, errorCode: Errors.NONE, errorMessage: null };
          },
          error => ({ name, errorCode: error.code, errorMessage: error.message }),
        ),
      );
    }
    return atomicResult(request.validateOnly ? [] : records, results);
  }

  private partitionsAsked(topic: CreatableTopic): number {
    if (topic.assignments.length > 0) return topic.assignments.length;
    return topic.numPartitions === -1 ? this.options.defaultPartitions : Math.max(0, topic.numPartitions);
  }

  private planTopic(image: MetadataImage, topic: CreatableTopic): TopicPlan {
    const { name } = topic;
    // As in Kafka, the last value of a key counts, and a null is a bad value rather than a bad request.
    const given = new Map(topic.configs.map(config => [config.name, config.value]));
    for (const [key, value] of given) {
      if (value === null) throw new KafkaError(Errors.INVALID_CONFIG, `${key} cannot be set to null`);
    }
    const configRecords = this.configs.alter(
      image,
      { type: ConfigResourceType.TOPIC, name },
      [...given].map(([key, value]) => ({ name: key, value, operation: ConfigOperation.SET })),
      () => true,
    );
    const assignments =
      topic.assignments.length > 0 ? manualAssignments(image, topic) : this.place(image, topic);
    return { topic, configRecords, assignments };
  }

  private createTopic(
    image: MetadataImage,
    { topic: { name }, configRecords, assignments }: TopicPlan,
  ): { records: MetadataRecord[]; result: CreatableTopicResult } {
    const topicId = randomUuid(size => this.random.bytes(size));
    const records: MetadataRecord[] = [
      metadataRecord('TopicRecord', { name, topicId }),
      ...configRecords,
      ...assignments.map((assignment, id) => newPartition(image, topicId, id, assignment)),
    ];
    const values = new Map<string, string>();
    for (const record of configRecords) {
      if (record.type === 'ConfigRecord' && record.data.value !== null)
        values.set(record.data.name, record.data.value);
    }
    const configs = describeTopicConfigs(this.configs.brokerConfig(image), values).map(entry => ({
      name: entry.name,
      value: entry.value,
      readOnly: entry.readOnly,
      configSource: entry.source,
      isSensitive: entry.isSensitive,
    }));
    const result: CreatableTopicResult = {
      name,
      topicId,
      errorCode: Errors.NONE,
      errorMessage: null,
      topicConfigErrorCode: Errors.NONE,
      numPartitions: assignments.length,
      replicationFactor: assignments[0]!.replicas.length,
      configs,
    };
    return { records, result };
  }

  private place(image: MetadataImage, topic: CreatableTopic): PartitionAssignment[] {
    const { numPartitions, replicationFactor } = topic;
    if (replicationFactor < -1 || replicationFactor === 0) {
      const text = `the replication factor is ${replicationFactor}: it must be positive, or -1 for the default`;
      throw new KafkaError(Errors.INVALID_REPLICATION_FACTOR, text);
    }
    if (numPartitions < -1 || numPartitions === 0) {
      const text = `the number of partitions is ${numPartitions}: it must be positive, or -1 for the default`;
      throw new KafkaError(Errors.INVALID_PARTITIONS, text);
    }
    const partitionCount = numPartitions === -1 ? this.options.defaultPartitions : numPartitions;
    const factor = replicationFactor === -1 ? this.options.defaultReplicationFactor : replicationFactor;
    return this.placeNew(image, 0, partitionCount, factor);
  }

  private placeNew(
    image: MetadataImage,
    start: number,
    count: number,
    factor: number,
  ): PartitionAssignment[] {
    const fail = (reason: string): KafkaError => {
      return new KafkaError(
        Errors.INVALID_REPLICATION_FACTOR,
        `replication factor ${factor} is out of reach: ${reason}`,
      );
    };
    try {
      const spec = { partitionCount: count, replicationFactor: factor };
      const placed = this.placer.place(image.cluster.brokers.values(), spec);
      for (const [i, { replicas }] of placed.entries()) {
        if (replicas.some(id => image.cluster.isActive(id))) continue;
        throw new KafkaError(
          Errors.INVALID_REPLICATION_FACTOR,
          `no broker for partition ${start + i} may lead`,
        );
      }
      return placed;
    } catch (error) {
      throw error instanceof KafkaError ? fail(error.message) : error;
    }
  }

  private topicToDelete(image: MetadataImage, name: string | null, topicId: Uuid): TopicImage {
    const invalid = (text: string): KafkaError => new KafkaError(Errors.INVALID_REQUEST, text);
    if (name === null && topicId === ZERO_UUID)
      throw invalid('a topic is given by name or by id, this one by neither');
    if (name !== null && topicId !== ZERO_UUID)
      throw invalid('a topic is given by name or by id, this one by both');
    if (!this.options.deleteEnabled) {
      throw new KafkaError(Errors.TOPIC_DELETION_DISABLED, 'delete.topic.enable is false');
    }
    if (name === null) {
      const topic = image.topics.topicById(topicId);
      if (topic === undefined)
        throw new KafkaError(Errors.UNKNOWN_TOPIC_ID, `there is no topic with id ${topicId}`);
      return topic;
    }
    const topic = image.topics.topic(name);
    if (topic === undefined) throw unknownTopic(name);
    return topic;
  }

  private addPartitions(
    image: MetadataImage,
    request: CreatePartitionsRequest['topics'][number],
    most: number,
    quota: PartitionChangeQuota,
  ): MetadataRecord[] {
    const topic = image.topics.topic(request.name);
    if (topic === undefined) throw unknownTopic(request.name);
    const present = topic.partitions.length;
    if (request.count <= present) {
      const text = `topic '${request.name}' has ${present} partition(s) already, ${request.count} would not be more`;
      throw new KafkaError(Errors.INVALID_PARTITIONS, text);
    }
    const additional = request.count - present;
    // Replicas that a reassignment is about to take away do not count.
    const { replicas, removingReplicas } = topic.partitions[0]!;
    const factor = replicas.length - removingReplicas.length;
    if (request.assignments !== null && request.assignments.length !== additional) {
      const text = `${additional} partition(s) are new, but ${request.assignments.length} assignment(s) are given`;
      throw new KafkaError(Errors.INVALID_REPLICA_ASSIGNMENT, text);
    }
    if (additional > most) throw tooMany();
    quota(additional);
    const placed =
      request.assignments === null
        ? this.placeNew(image, present, additional, factor)
        : request.assignments.map((each, i) => manualAssignment(image, present + i, each.brokerIds, factor));
    return placed.map((assignment, i) => newPartition(image, topic.id, present + i, assignment));
  }
}

/** As in Kafka, the policy is told of replicas only where they are assigned by hand, and else of their numbers. */
function policyMetadata({ topic, assignments }: TopicPlan): CreateTopicRequestMetadata {
  const byHand = topic.assignments.length > 0;
  return {
    topic: topic.name,
    numPartitions: byHand ? null : assignments.length,
    replicationFactor: byHand ? null : assignments[0]!.replicas.length,
    replicasAssignments: byHand
      ? new Map(assignments.map(({ replicas }, partition) => [partition, [...replicas]]))
      : null,
    configs: new Map(topic.configs.map(({ name, value }) => [name, value!])),
  };
}

function checkNewName(image: MetadataImage, name: string): void {
  if (name === InternalTopic.CLUSTER_METADATA) {
    throw new KafkaError(Errors.INVALID_REQUEST, `'${name}' is the log of the controllers`);
  }
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new KafkaError(Errors.INVALID_TOPIC_EXCEPTION, problem);
  if (image.topics.topic(name) !== undefined) {
    throw new KafkaError(Errors.TOPIC_ALREADY_EXISTS, `there is a topic '${name}' already`);
  }
  // As in Kafka, only topics that are there count: two of one request may collide.
  const unified = unifiedName(name);
  const other = unified === undefined ? undefined : image.topics.collidingNames.get(unified)?.[0];
  if (other === undefined) return;
  const text = `'${name}' collides with topic '${other}': '.' and '_' are one in the names of metrics`;
  throw new KafkaError(Errors.INVALID_TOPIC_EXCEPTION, text);
}

function manualAssignments(image: MetadataImage, topic: CreatableTopic): PartitionAssignment[] {
  if (topic.replicationFactor !== -1 || topic.numPartitions !== -1) {
    const text = 'with replicas assigned by hand, partition count and replication factor must be -1';
    throw new KafkaError(Errors.INVALID_REQUEST, text);
  }
  const byPartition = new Map<number, PartitionAssignment>();
  let factor: number | undefined;
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (byPartition.has(partitionIndex)) {
      throw new KafkaError(
        Errors.INVALID_REPLICA_ASSIGNMENT,
        `partition ${partitionIndex} is assigned twice`,
      );
    }
    byPartition.set(partitionIndex, manualAssignment(image, partitionIndex, brokerIds, factor));
    factor = brokerIds.length;
  }
  return Array.from({ length: byPartition.size }, (_, id) => {
    const assignment = byPartition.get(id);
    if (assignment !== undefined) return assignment;
    throw new KafkaError(
      Errors.INVALID_REPLICA_ASSIGNMENT,
      `partitions are numbered from 0: ${id} is not assigned`,
    );
  });
}

function manualAssignment(
  image: MetadataImage,
  partition: number,
  brokerIds: readonly number[],
  factor: number | undefined,
): PartitionAssignment {
  const invalid = (text: string): KafkaError => {
    return new KafkaError(Errors.INVALID_REPLICA_ASSIGNMENT, `partition ${partition}: ${text}`);
  };
  if (brokerIds.length === 0) throw invalid('the list of replicas is empty');
  if (new Set(brokerIds).size < brokerIds.length) throw invalid('a broker is in the list twice');
  const directories = brokerIds.map(id => {
    const broker = image.cluster.broker(id);
    if (broker === undefined) throw invalid(`broker ${id} is not registered`);
    return defaultDirectory(broker);
  });
  if (factor !== undefined && brokerIds.length !== factor) {
    throw invalid(`it has ${brokerIds.length} replica(s), the partitions before it have ${factor}`);
  }
  if (!brokerIds.some(id => image.cluster.isActive(id))) {
    throw invalid('all its brokers are fenced or about to stop');
  }
  return { replicas: [...brokerIds], directories };
}

function newPartition(
  image: MetadataImage,
  topicId: Uuid,
  partitionId: number,
  assignment: PartitionAssignment,
): MetadataRecord {
  const isr = assignment.replicas.filter(id => image.cluster.isActive(id));
  const version = recordVersions.partition(image.features.metadataVersion);
  const partition = {
    replicas: assignment.replicas,
    directories: assignment.directories,
    isr,
    removingReplicas: [],
    addingReplicas: [],
    elr: [],
    lastKnownElr: [],
    leader: isr[0]!,
    leaderRecoveryState: LeaderRecoveryState.RECOVERED,
    leaderEpoch: 0,
    partitionEpoch: 0,
  };
  return metadataRecord(
    'PartitionRecord',
    partitionRecord(topicId, partitionId, partition, version),
    version,
  );
}

function failedTopic(name: string, error: KafkaError): CreatableTopicResult {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode: error.code,
    errorMessage: error.message,
    topicConfigErrorCode: Errors.NONE,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}

/** Runs `body`; a refusal becomes a result. */
function capture<T>(body: () => T, failed: (error: KafkaError) => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof KafkaError) return failed(error);
    throw error;
  }
}

function countBy<K>(keys: readonly K[]): Map<K, number> {
  const counts = new Map<K, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function unknownTopic(name: string): KafkaError {
  return new KafkaError(Errors.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic '${name}'`);
}

function twice(what: string): KafkaError {
  return new KafkaError(Errors.INVALID_REQUEST, `${what} is in the request twice`);
}

function tooMany(): KafkaError {
  const text = `a request may create ${MAX_PARTITIONS_PER_REQUEST} partitions: split it`;
  return new KafkaError(Errors.POLICY_VIOLATION, text);
}
