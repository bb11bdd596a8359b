import type { MetadataImage } from '../metadata/metadata-image.ts';
import { LeaderRecoveryState, type PartitionRegistration } from '../metadata/partition-registration.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../protocol/messages/45-alter-partition-reassignments.ts';
import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from '../protocol/messages/46-list-partition-reassignments.ts';
import { atomicResult, type ControllerResult } from './controller-result.ts';
import { PartitionChanges, type TopicElectionConfigs } from './partition-changes.ts';
import { isReassigning, type PartitionIndex } from './partition-index.ts';
import { reassignmentTo, revertedReassignment } from './partition-reassignment.ts';

/** How many partitions one request may move: their records are one batch. */
const MAX_REASSIGNMENTS_PER_REQUEST = 10_000;

type OngoingTopic = ListPartitionReassignmentsResponse['topics'][number];

interface AlterationResults {
  readonly allowReplicationFactorChange: boolean;
  readonly errorMessage: null;
  readonly responses: AlterPartitionReassignmentsResponse['responses'];
}

/**
 * Moves replicas (KIP-455):
 *
 * ```
 * asked for     replicas = targets + those that must go; adding, removing; the replicas to come fetch from the leader
 * in the ISR    when all targets are: replicas = targets, and whoever must go leaves the ISR. Whatever change of the
 *               partition comes next does that, most often the leader's that takes the last target into the ISR
 * cancelled     replicas = those before
 * ```
 */
export class ReassignmentControlManager {
  private readonly configs: TopicElectionConfigs;
  private readonly index: PartitionIndex;

  constructor(configs: TopicElectionConfigs, index: PartitionIndex) {
    this.configs = configs;
    this.index = index;
  }

  /**
   * Begins reassignments, or cancels those without replicas. Of a partition: UNKNOWN_TOPIC_OR_PARTITION,
   * INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR where the request forbids another one,
   * NO_REASSIGNMENT_IN_PROGRESS for one that cannot be cancelled.
   */
  alterPartitionReassignments(
    image: MetadataImage,
    request: AlterPartitionReassignmentsRequest,
  ): ControllerResult<AlterationResults> {
    const changes = new PartitionChanges(image, this.configs);
    const { allowReplicationFactorChange } = request;
    const responses = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, replicas }) => {
        try {
          const topic = image.topics.topic(name);
          const partition = topic === undefined ? undefined : changes.partition(topic, partitionIndex);
          if (topic === undefined || partition === undefined) throw unknown(name, topic, partitionIndex);
          if (changes.records.length >= MAX_REASSIGNMENTS_PER_REQUEST) throw tooMany();
          if (replicas === null) cancel(changes, topic, partitionIndex, partition);
          else {
            if (!allowReplicationFactorChange) checkFactor(partition, replicas);
            reassign(changes, topic, partitionIndex, partition, replicas);
          }
          return { partitionIndex, errorCode: Errors.NONE, errorMessage: null };
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error;
          return { partitionIndex, errorCode: error.code, errorMessage: error.message };
        }
      }),
    }));
    const results = { allowReplicationFactorChange, errorMessage: null, responses };
    return atomicResult(changes.records, results);
  }

  /** Those under way; what is not there, or not moving, is left out. */
  listPartitionReassignments(
    image: MetadataImage,
    request: ListPartitionReassignmentsRequest,
  ): ControllerResult<{ readonly errorMessage: null; readonly topics: OngoingTopic[] }> {
    const topics: OngoingTopic[] = [];
    const list = (topic: TopicImage | undefined, ids: Iterable<number>): void => {
      if (topic === undefined) return;
      const partitions: OngoingTopic['partitions'] = [];
      for (const id of ids) {
        const partition = topic.partitions[id];
        if (partition === undefined || !isReassigning(partition)) continue;
        partitions.push({
          partitionIndex: id,
          replicas: [...partition.replicas],
          addingReplicas: [...partition.addingReplicas],
          removingReplicas: [...partition.removingReplicas],
        });
      }
      if (partitions.length > 0) topics.push({ name: topic.name, partitions });
    };
    if (request.topics === null) {
      for (const topicId of this.index.at(image.topics).reassigningTopics()) {
        const topic = image.topics.topicById(topicId)!;
        list(topic, topic.partitions.keys());
      }
    } else {
      for (const { name, partitionIndexes } of request.topics)
        list(image.topics.topic(name), partitionIndexes);
    }
    return atomicResult([], { errorMessage: null, topics });
  }
}

function reassign(
  changes: PartitionChanges,
  topic: TopicImage,
  id: number,
  partition: PartitionRegistration,
  targets: readonly number[],
): void {
  const invalid = (text: string): KafkaError => new KafkaError(Errors.INVALID_REPLICA_ASSIGNMENT, text);
  if (targets.length === 0) throw invalid('the list of replicas is empty: a partition needs at least one');
  if (new Set(targets).size < targets.length) throw invalid('a broker is in the list of replicas twice');
  for (const brokerId of targets) {
    if (changes.image.cluster.broker(brokerId) === undefined) {
      throw invalid(`broker ${brokerId} is not registered: start it first, or choose another one`);
    }
  }
  const { replicas, adding, removing } = reassignmentTo(partition, targets);
  changes.change(topic, id, partition, builder => builder.withReplicas(replicas, adding, removing));
}

function cancel(
  changes: PartitionChanges,
  topic: TopicImage,
  id: number,
  partition: PartitionRegistration,
): void {
  if (!isReassigning(partition)) {
    throw new KafkaError(Errors.NO_REASSIGNMENT_IN_PROGRESS, 'the partition is not being reassigned');
  }
  const { replicas, isr, unclean } = revertedReassignment(partition);
  if (unclean && !changes.allowsUncleanElection(topic)) {
    const text =
      'the reassignment cannot be cancelled: none of the replicas before is in sync, and ' +
      'unclean.leader.election.enable is false. Wait until one is, or reassign to replicas that are';
    throw new KafkaError(Errors.INVALID_REPLICA_ASSIGNMENT, text);
  }
  changes.change(topic, id, partition, builder => {
    builder.withReplicas(replicas, [], []).withIsr(isr);
    if (unclean) builder.withRecoveryState(LeaderRecoveryState.RECOVERING);
  });
}

/** Of a reassignment under way, its target counts. */
function checkFactor(partition: PartitionRegistration, targets: readonly number[]): void {
  const { replicas, addingReplicas, removingReplicas } = partition;
  const factor = isReassigning(partition)
    ? new Set([...replicas, ...addingReplicas].filter(id => !removingReplicas.includes(id))).size
    : replicas.length;
  if (targets.length === factor) return;
  const text = `the replication factor would change from ${factor} to ${targets.length}, which the request forbids`;
  throw new KafkaError(Errors.INVALID_REPLICATION_FACTOR, text);
}

function unknown(name: string, topic: TopicImage | undefined, id: number): KafkaError {
  const text = topic === undefined ? `there is no topic '${name}'` : `topic '${name}' has no partition ${id}`;
  return new KafkaError(Errors.UNKNOWN_TOPIC_OR_PARTITION, text);
}

function tooMany(): KafkaError {
  const text = `a request may move ${MAX_REASSIGNMENTS_PER_REQUEST} partitions: split it`;
  return new KafkaError(Errors.POLICY_VIOLATION, text);
}
