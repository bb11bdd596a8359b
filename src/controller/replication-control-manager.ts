import type { Uuid } from '../base/uuid.ts';
import type { BrokerRegistration } from '../metadata/broker-registration.ts';
import { isReservedDirectory } from '../metadata/directory-id.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataRecord } from '../metadata/metadata-record.ts';
import {
  LeaderRecoveryState,
  NO_LEADER,
  NO_LEADER_CHANGE,
  type PartitionRegistration,
} from '../metadata/partition-registration.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import { Errors } from '../protocol/errors.ts';
import type {
  AlterPartitionRequest,
  AlterPartitionResponse,
} from '../protocol/messages/56-alter-partition.ts';
import type {
  AssignReplicasToDirsRequest,
  AssignReplicasToDirsResponse,
} from '../protocol/messages/73-assign-replicas-to-dirs.ts';
import { checkBrokerEpoch, checkDirectoryAssignment } from './broker-checks.ts';
import { type ControllerDecision, inSteps, PARTITIONS_PER_STEP } from './controller-result.ts';
import type { PartitionChangeBuilder } from './partition-change-builder.ts';
import {
  PartitionChanges,
  type TopicElectionConfigs,
  usesEligibleLeaderReplicas,
} from './partition-changes.ts';
import type { PartitionIndex } from './partition-index.ts';

type AlteredPartition = AlterPartitionResponse['topics'][number]['partitions'][number];
type PartitionAlteration = AlterPartitionRequest['topics'][number]['partitions'][number];

/** What happened to brokers. */
export interface BrokerStateChange {
  /** Gone from every ISR: fenced, or about to stop. */
  readonly brokerToRemove?: number;
  /** May lead from now on, though the image does not say so yet. */
  readonly brokerToAdd?: number;
  /** It stopped without a flush, or is gone for good: neither in sync nor eligible. */
  readonly uncleanShutdown?: number;
  /** Replicas of `brokerToRemove` only in these directories. */
  readonly directories?: ReadonlySet<Uuid>;
}

/** How far a change that is made in steps has come: of each topic it has looked at, the partition to go on with. */
export type ChangeProgress = Map<Uuid, number>;

/**
 * Moves leaders and in-sync replicas when brokers come and go, and when leaders ask for another ISR. All of it follows
 * from the image it is given; the index only finds what to look at.
 */
export class ReplicationControlManager {
  private readonly configs: TopicElectionConfigs;
  private readonly index: PartitionIndex;

  constructor(configs: TopicElectionConfigs, index: PartitionIndex) {
    this.configs = configs;
    this.index = index;
  }

  /** Whether the broker leads any partition. */
  hasLeaderships(image: MetadataImage, brokerId: number): boolean {
    return this.index.at(image.topics).leaderships(brokerId) > 0;
  }

  /**
   * One record for each partition that `change` concerns: those that `brokerToRemove` is in the ISR of, those that
   * `uncleanShutdown` is in the ISR or the ELR of, and those without a leader that `brokerToAdd` replicates.
   */
  leaderAndIsrUpdates(image: MetadataImage, change: BrokerStateChange): MetadataRecord[] {
    return this.updates(image, change, new Map(), Number.POSITIVE_INFINITY);
  }

  /**
   * The same in steps of {@link PARTITIONS_PER_STEP}, each on the image with those before. Every partition is looked at
   * once; with `isLast` come also those that others have changed back meanwhile.
   */
  nextLeaderAndIsrUpdates(
    image: MetadataImage,
    change: BrokerStateChange,
    progress: ChangeProgress,
  ): { readonly records: readonly MetadataRecord[]; readonly isLast: boolean } {
    const isFirst = progress.size === 0;
    const records = this.updates(image, change, progress, PARTITIONS_PER_STEP);
    if (records.length === PARTITIONS_PER_STEP) return { records, isLast: false };
    return { records: isFirst ? records : this.leaderAndIsrUpdates(image, change), isLast: true };
  }

  private updates(
    image: MetadataImage,
    change: BrokerStateChange,
    progress: ChangeProgress,
    limit: number,
  ): MetadataRecord[] {
    const { brokerToRemove, brokerToAdd, uncleanShutdown } = change;
    const index = this.index.at(image.topics);
    const topicIds = new Set<Uuid>();
    for (const brokerId of [brokerToRemove, uncleanShutdown, brokerToAdd]) {
      if (brokerId === undefined) continue;
      for (const topicId of index.topicsOnBroker(brokerId)) topicIds.add(topicId);
    }
    const isGone = (id: number): boolean => id === brokerToRemove || id === uncleanShutdown;
    const isActive = (id: number): boolean =>
      !isGone(id) && (id === brokerToAdd || image.cluster.isActive(id));
    const changes = new PartitionChanges(image, this.configs, { isActive });
    const edit = (builder: PartitionChangeBuilder): void => {
      if (brokerToRemove !== undefined || uncleanShutdown !== undefined) builder.removeFromIsr(isGone);
      if (uncleanShutdown !== undefined) builder.withUncleanShutdown([uncleanShutdown]);
    };
    for (const topicId of topicIds) {
      const topic = image.topics.topicById(topicId)!;
      const { partitions } = topic;
      for (let id = progress.get(topicId) ?? 0; id < partitions.length; id++) {
        const partition = partitions[id]!;
        if (isConcerned(partition, change)) changes.change(topic, id, partition, edit);
        if (changes.records.length < limit) continue;
        progress.set(topicId, id + 1);
        return changes.records;
      }
      progress.set(topicId, partitions.length);
    }
    return changes.records;
  }

  /**
   * What a new `min.insync.replicas` means for eligible leader replicas, once it is in `image`: where the ISR is large
   * enough now, its members acknowledge records again, which those outside need not have.
   */
  minInsyncReplicasUpdates(image: MetadataImage, topics: Iterable<TopicImage>): MetadataRecord[] {
    if (!usesEligibleLeaderReplicas(image)) return [];
    const changes = new PartitionChanges(image, this.configs);
    for (const topic of topics) {
      topic.partitions.forEach((partition, id) => {
        if (partition.elr.length > 0) changes.change(topic, id, partition);
      });
    }
    return changes.records;
  }

  /**
   * Gives leaders the ISR that they ask for. STALE_BROKER_EPOCH and BROKER_ID_NOT_REGISTERED for all; of a partition:
   *
   * ```
   * UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION   it is not there
   * NOT_CONTROLLER          the leader has seen a later epoch than this controller: another one leads by now
   * FENCED_LEADER_EPOCH     the leader epoch is an earlier one
   * INVALID_REQUEST         the sender does not lead; the ISR is empty, has strangers in it or lacks the leader; it has
   *                         others in it while the leader recovers; the leader would recover again
   * INVALID_UPDATE_VERSION  the partition has changed since the leader looked
   * INELIGIBLE_REPLICA      a broker of the ISR is fenced, stops, is not there, or not in the life that the leader saw
   * NEW_LEADER_ELECTED      done, and that ended a reassignment and with it this leadership
   * ```
   *
   * Versions 0 and 1 know fewer codes.
   */
  alterPartition(
    image: MetadataImage,
    request: AlterPartitionRequest,
    apiVersion: number,
  ): ControllerDecision<{ readonly topics: AlterPartitionResponse['topics'] }> {
    const { brokerId, brokerEpoch } = request;
    const byId = apiVersion > 1;
    const topics = request.topics.map(({ topicId, topicName }) => ({
      topicId,
      topicName,
      partitions: [] as AlteredPartition[],
    }));
    const alterations = request.topics.flatMap(({ partitions }, index) =>
      partitions.map(alteration => ({ answer: topics[index]!, alteration })),
    );
    const alter = (present: MetadataImage, part: Readonly<typeof alterations>): readonly MetadataRecord[] => {
      checkBrokerEpoch(present, brokerId, brokerEpoch);
      const changes = new PartitionChanges(present, this.configs);
      for (const { answer, alteration } of part) {
        const { topicId, topicName, partitions } = answer;
        const topic = byId ? present.topics.topicById(topicId) : present.topics.topic(topicName);
        if (topic === undefined) {
          const code = byId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION;
          partitions.push(refused(alteration.partitionIndex, code));
          continue;
        }
        const newIsr = apiVersion >= 3 ? alteration.newIsrWithEpochs : alteration.newIsr.map(withoutEpoch);
        const wanted = { ...alteration, newIsrWithEpochs: newIsr };
        partitions.push(alterOne(changes, topic, brokerId, wanted, byId));
      }
      return changes.records;
    };
    return inSteps(image, alterations, alter, { topics });
  }

  /**
   * Notes in which directories a broker has its replicas. UNSUPPORTED_VERSION, BROKER_ID_NOT_REGISTERED and
   * STALE_BROKER_EPOCH for all; UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION and NOT_LEADER_OR_FOLLOWER of a partition.
   */
  assignReplicasToDirs(
    image: MetadataImage,
    request: AssignReplicasToDirsRequest,
  ): ControllerDecision<{ readonly directories: AssignReplicasToDirsResponse['directories'] }> {
    checkDirectoryAssignment(image.features.metadataVersion);
    const directories = request.directories.map(({ id, topics }) => ({
      id,
      topics: topics.map(({ topicId }) => ({
        topicId,
        partitions: [] as { partitionIndex: number; errorCode: number }[],
      })),
    }));
    const assignments = request.directories.flatMap(({ id: directory, topics }, i) =>
      topics.flatMap(({ topicId, partitions }, j) =>
        partitions.map(({ partitionIndex }) => ({
          directory,
          topicId,
          partitionIndex,
          answers: directories[i]!.topics[j]!.partitions,
        })),
      ),
    );
    const assignAll = (
      present: MetadataImage,
      part: Readonly<typeof assignments>,
    ): readonly MetadataRecord[] => {
      const broker = checkBrokerEpoch(present, request.brokerId, request.brokerEpoch);
      const changes = new PartitionChanges(present, this.configs);
      for (const { directory, topicId, partitionIndex, answers } of part) {
        const topic = present.topics.topicById(topicId);
        const errorCode = assignOne(changes, broker, topic, partitionIndex, directory);
        answers.push({ partitionIndex, errorCode });
      }
      return changes.records;
    };
    return inSteps(image, assignments, assignAll, { directories });
  }
}

function assignOne(
  changes: PartitionChanges,
  broker: BrokerRegistration,
  topic: TopicImage | undefined,
  id: number,
  directory: Uuid,
): number {
  const brokerId = broker.id;
  if (topic === undefined) return Errors.UNKNOWN_TOPIC_ID;
  const partition = changes.partition(topic, id);
  if (partition === undefined) return Errors.UNKNOWN_TOPIC_OR_PARTITION;
  const index = partition.replicas.indexOf(brokerId);
  if (index < 0) return Errors.NOT_LEADER_OR_FOLLOWER;
  const isOnline = broker.directories.includes(directory);
  const before = partition.directories[index];
  // A replica that was in a directory which is no longer there begins anew. One in sync has fetched it all since.
  const isEmpty =
    before !== undefined &&
    before !== directory &&
    !partition.isr.includes(brokerId) &&
    !isReservedDirectory(before) &&
    !broker.directories.includes(before);
  const edit = (builder: PartitionChangeBuilder): void => {
    builder.withDirectory(brokerId, directory);
    if (!isOnline) builder.removeFromIsr(replica => replica === brokerId);
    if (isEmpty) builder.withEmptyReplica(brokerId);
  };
  changes.change(topic, id, partition, edit);
  return Errors.NONE;
}

function isConcerned(partition: PartitionRegistration, change: BrokerStateChange): boolean {
  const { brokerToRemove, brokerToAdd, uncleanShutdown, directories } = change;
  if (
    brokerToAdd !== undefined &&
    partition.leader === NO_LEADER &&
    partition.replicas.includes(brokerToAdd)
  ) {
    return true;
  }
  if (uncleanShutdown !== undefined) {
    if (partition.isr.includes(uncleanShutdown) || partition.elr.includes(uncleanShutdown)) return true;
  }
  if (brokerToRemove === undefined) return false;
  if (partition.leader !== brokerToRemove && !partition.isr.includes(brokerToRemove)) return false;
  if (directories === undefined) return true;
  const directory = partition.directories[partition.replicas.indexOf(brokerToRemove)];
  return directory !== undefined && directories.has(directory);
}

function alterOne(
  changes: PartitionChanges,
  topic: TopicImage,
  brokerId: number,
  alteration: PartitionAlteration,
  knowsNewCodes: boolean,
): AlteredPartition {
  const { partitionIndex } = alteration;
  const partition = changes.partition(topic, partitionIndex);
  if (partition === undefined) return refused(partitionIndex, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  const problem = alterationProblem(changes.image, brokerId, partition, alteration);
  if (problem !== undefined) {
    const unknown = problem === Errors.INELIGIBLE_REPLICA && !knowsNewCodes;
    return refused(partitionIndex, unknown ? Errors.OPERATION_NOT_ATTEMPTED : problem);
  }
  const change = changes.change(topic, partitionIndex, partition, builder => {
    builder
      .withIsr(alteration.newIsrWithEpochs.map(each => each.brokerId))
      .withRecoveryState(alteration.leaderRecoveryState);
  });
  if (change !== undefined && change.leader !== NO_LEADER_CHANGE && change.leader !== brokerId) {
    return refused(partitionIndex, knowsNewCodes ? Errors.NEW_LEADER_ELECTED : Errors.FENCED_LEADER_EPOCH);
  }
  const next = changes.partition(topic, partitionIndex)!;
  return {
    partitionIndex,
    errorCode: Errors.NONE,
    leaderId: next.leader,
    leaderEpoch: next.leaderEpoch,
    isr: [...next.isr],
    leaderRecoveryState: next.leaderRecoveryState,
    partitionEpoch: next.partitionEpoch,
  };
}

/** The code of the first check that fails, in Kafka's order. */
function alterationProblem(
  image: MetadataImage,
  brokerId: number,
  partition: PartitionRegistration,
  alteration: PartitionAlteration,
): number | undefined {
  const { leaderEpoch, partitionEpoch, leaderRecoveryState, newIsrWithEpochs } = alteration;
  if (leaderEpoch > partition.leaderEpoch) return Errors.NOT_CONTROLLER;
  if (partitionEpoch > partition.partitionEpoch) return Errors.NOT_CONTROLLER;
  if (leaderEpoch < partition.leaderEpoch) return Errors.FENCED_LEADER_EPOCH;
  if (brokerId !== partition.leader) return Errors.INVALID_REQUEST;
  if (partitionEpoch < partition.partitionEpoch) return Errors.INVALID_UPDATE_VERSION;
  const newIsr = new Set(newIsrWithEpochs.map(each => each.brokerId));
  if (newIsr.size !== newIsrWithEpochs.length || !newIsr.has(partition.leader)) return Errors.INVALID_REQUEST;
  for (const id of newIsr) if (!partition.replicas.includes(id)) return Errors.INVALID_REQUEST;
  const { RECOVERED, RECOVERING } = LeaderRecoveryState;
  if (leaderRecoveryState !== RECOVERED && leaderRecoveryState !== RECOVERING) return Errors.INVALID_REQUEST;
  if (leaderRecoveryState === RECOVERING) {
    if (newIsr.size > 1 || partition.leaderRecoveryState === RECOVERED) return Errors.INVALID_REQUEST;
  }
  const isEligible = (id: number, epoch: number | bigint): boolean =>
    image.cluster.isActive(id) && (epoch === -1 || image.cluster.broker(id)?.epoch === epoch);
  if (!newIsrWithEpochs.every(each => isEligible(each.brokerId, each.brokerEpoch))) {
    return Errors.INELIGIBLE_REPLICA;
  }
  return undefined;
}

function refused(partitionIndex: number, errorCode: number): AlteredPartition {
  return {
    partitionIndex,
    errorCode,
    leaderId: 0,
    leaderEpoch: 0,
    isr: [],
    leaderRecoveryState: LeaderRecoveryState.RECOVERED,
    partitionEpoch: 0,
  };
}

function withoutEpoch(brokerId: number): { brokerId: number; brokerEpoch: number } {
  return { brokerId, brokerEpoch: -1 };
}
