import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataRecord } from '../metadata/metadata-record.ts';
import { NO_LEADER, NO_LEADER_CHANGE } from '../metadata/partition-registration.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { ElectLeadersRequest, ElectLeadersResponse } from '../protocol/messages/43-elect-leaders.ts';
import {
  type ControllerDecision,
  type ControllerResult,
  inSteps,
  splittableResult,
} from './controller-result.ts';
import { PartitionChanges, type TopicElectionConfigs } from './partition-changes.ts';
import { isImbalanced, type PartitionIndex } from './partition-index.ts';

const ElectionType = { PREFERRED: 0, UNCLEAN: 1 } as const;

/** How many leaders one round of balancing, or of unclean elections, changes: others get their turn in between. */
export const MAX_ELECTIONS_PER_ROUND = 1_000;

type TopicResult = ElectLeadersResponse['replicaElectionResults'][number];

/** What one round of elections by the controller itself did. */
export interface ElectionRound {
  readonly elected: number;
  /** Whether it stopped at {@link MAX_ELECTIONS_PER_ROUND}. */
  readonly isFull: boolean;
}

/** Elects leaders because somebody asks for it, or because the controller keeps order by itself. */
export class ElectionControlManager {
  private readonly configs: TopicElectionConfigs;
  private readonly index: PartitionIndex;

  constructor(configs: TopicElectionConfigs, index: PartitionIndex) {
    this.configs = configs;
    this.index = index;
  }

  /**
   * INVALID_REQUEST for a kind of election that does not exist. Of a partition: UNKNOWN_TOPIC_OR_PARTITION,
   * ELECTION_NOT_NEEDED if it is led by its preferred leader (or, for an unclean election, at all),
   * PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE. Where all partitions are asked for, those that need
   * no election are left out of the answer.
   */
  electLeaders(
    image: MetadataImage,
    request: ElectLeadersRequest,
  ): ControllerDecision<{ readonly replicaElectionResults: TopicResult[] }> {
    const { electionType, topicPartitions } = request;
    if (electionType !== ElectionType.PREFERRED && electionType !== ElectionType.UNCLEAN) {
      throw new KafkaError(Errors.INVALID_REQUEST, `there is no election of type ${electionType}`);
    }
    const election = electionType === ElectionType.PREFERRED ? 'PREFERRED' : 'UNCLEAN';
    const asked = topicPartitions ?? Array.from(image.topics.topics(), everyPartition);
    const results: TopicResult[] = asked.map(({ topic }) => ({ topic, partitionResult: [] }));
    const partitions = asked.flatMap((topic, index) =>
      topic.partitions.map(id => ({ answer: results[index]!, id })),
    );
    const elect = (present: MetadataImage, part: Readonly<typeof partitions>): readonly MetadataRecord[] => {
      const changes = new PartitionChanges(present, this.configs, { election });
      for (const { answer, id } of part) {
        const result = electOne(changes, present.topics.topic(answer.topic), id, electionType);
        const isNews = topicPartitions !== null || result.errorCode !== Errors.ELECTION_NOT_NEEDED;
        if (isNews) answer.partitionResult.push(result);
      }
      return changes.records;
    };
    return inSteps(image, partitions, elect, { replicaElectionResults: results });
  }

  /** Whether {@link balanceLeaders} has anything to look at. */
  areLeadersImbalanced(image: MetadataImage): boolean {
    return this.index.at(image.topics).hasImbalanced;
  }

  /** Whether {@link electLeaderless} has anything to look at. */
  areSomeLeaderless(image: MetadataImage): boolean {
    return this.index.at(image.topics).hasLeaderless;
  }

  /** Gives partitions back to their preferred leaders where those can lead (`auto.leader.rebalance.enable`). */
  balanceLeaders(image: MetadataImage): ControllerResult<ElectionRound> {
    const changes = new PartitionChanges(image, this.configs, { election: 'PREFERRED' });
    for (const topicId of this.index.at(image.topics).imbalancedTopics()) {
      const topic = image.topics.topicById(topicId)!;
      for (const [id, partition] of topic.partitions.entries()) {
        if (changes.records.length >= MAX_ELECTIONS_PER_ROUND) return round(changes.records);
        if (!isImbalanced(partition)) continue;
        const preferred = partition.replicas[0]!;
        // A partition whose preferred leader is still away stays as it is: it is looked at again in the next round.
        if (!partition.isr.includes(preferred) || !image.cluster.isActive(preferred)) continue;
        changes.change(topic, id, partition);
      }
    }
    return round(changes.records);
  }

  /**
   * Elects leaders where there are none: from those that have all records, as a controller may have come only half way
   * when a broker came back; where nobody of them is up and the topic's configuration allows it, from all.
   */
  electLeaderless(image: MetadataImage): ControllerResult<ElectionRound> {
    const changes = new PartitionChanges(image, this.configs);
    for (const topicId of this.index.at(image.topics).leaderlessTopics()) {
      const topic = image.topics.topicById(topicId)!;
      for (const [id, partition] of topic.partitions.entries()) {
        if (changes.records.length >= MAX_ELECTIONS_PER_ROUND) return round(changes.records);
        if (partition.leader !== NO_LEADER) continue;
        changes.change(topic, id, partition);
      }
    }
    return round(changes.records);
  }
}

function everyPartition({ name, partitions }: TopicImage): { topic: string; partitions: number[] } {
  return { topic: name, partitions: [...partitions.keys()] };
}

function electOne(
  changes: PartitionChanges,
  topic: TopicImage | undefined,
  partitionId: number,
  electionType: number,
): TopicResult['partitionResult'][number] {
  const refuse = (errorCode: number, errorMessage: string) => ({ partitionId, errorCode, errorMessage });
  if (topic === undefined) return refuse(Errors.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic');
  const partition = changes.partition(topic, partitionId);
  if (partition === undefined) return refuse(Errors.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such partition');
  const { leader, replicas } = partition;
  const isPreferred = electionType === ElectionType.PREFERRED;
  if (isPreferred && leader === replicas[0]) {
    return refuse(Errors.ELECTION_NOT_NEEDED, 'the preferred leader leads already');
  }
  if (!isPreferred && leader !== NO_LEADER) {
    return refuse(Errors.ELECTION_NOT_NEEDED, `broker ${leader} leads: nobody need take over`);
  }
  const change = changes.change(topic, partitionId, partition);
  if (change !== undefined && change.leader !== NO_LEADER_CHANGE) {
    return { partitionId, errorCode: Errors.NONE, errorMessage: null };
  }
  return isPreferred
    ? refuse(
        Errors.PREFERRED_LEADER_NOT_AVAILABLE,
        `broker ${replicas[0]} is not in sync, or is not up: wait until it is`,
      )
    : refuse(Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE, 'no replica is up: start one of its brokers');
}

function round(records: readonly MetadataRecord[]): ControllerResult<ElectionRound> {
  const isFull = records.length >= MAX_ELECTIONS_PER_ROUND;
  return splittableResult(records, { elected: records.length, isFull });
}
