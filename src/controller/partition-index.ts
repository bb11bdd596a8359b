import type { Uuid } from '../base/uuid.ts';
import { NO_LEADER, type PartitionRegistration } from '../metadata/partition-registration.ts';
import type { TopicsDelta } from '../metadata/topics-delta.ts';
import { TopicsImage } from '../metadata/topics-image.ts';

/** How many partitions of each topic have some property; topics with none are not in it. */
class TopicCounts {
  private readonly counts = new Map<Uuid, number>();

  add(topicId: Uuid, change: number): void {
    const count = (this.counts.get(topicId) ?? 0) + change;
    if (count === 0) this.counts.delete(topicId);
    else this.counts.set(topicId, count);
  }

  topicIds(): Iterable<Uuid> {
    return this.counts.keys();
  }

  get isEmpty(): boolean {
    return this.counts.size === 0;
  }
}

/** What can be said of all partitions without looking at each of them. It names topics, whose partitions are few. */
export interface PartitionLookup {
  /** The topics with a replica on the broker. */
  topicsOnBroker(brokerId: number): Iterable<Uuid>;
  /** How many partitions the broker leads. */
  leaderships(brokerId: number): number;
  /** The topics with a partition that nobody leads. */
  leaderlessTopics(): Iterable<Uuid>;
  readonly hasLeaderless: boolean;
  /** The topics with a partition that is led, but not by its preferred leader. */
  imbalancedTopics(): Iterable<Uuid>;
  readonly hasImbalanced: boolean;
  /** The topics with a partition that is under reassignment. */
  reassigningTopics(): Iterable<Uuid>;
}

/**
 * Finds the partitions that a change of a broker concerns (Kafka's BrokersToIsrs). It follows from the image alone: it
 * is counted once, and from then on moved along with each delta, so that neither a heartbeat nor the loss of a broker
 * looks at every partition of the cluster.
 */
export class PartitionIndex implements PartitionLookup {
  private topics = TopicsImage.EMPTY;
  private replicas = new Map<number, TopicCounts>();
  private leaders = new Map<number, number>();
  private leaderless = new TopicCounts();
  private imbalanced = new TopicCounts();
  private reassigning = new TopicCounts();

  /** The index of `topics`: the present one if it is of them, else counted anew. */
  at(topics: TopicsImage): PartitionLookup {
    if (topics !== this.topics) {
      this.clear();
      for (const topic of topics.topics()) this.count(topic.id, topic.partitions, 1);
      this.topics = topics;
    }
    return this;
  }

  /** `delta` led from the image that this index is of to `next`. */
  advance(delta: TopicsDelta, next: TopicsImage): void {
    this.at(delta.image);
    for (const topic of delta.deletedTopics.values()) this.count(topic.id, topic.partitions, -1);
    for (const [topicId, topic] of delta.changedTopics) {
      const old = delta.image.topicById(topicId)?.partitions ?? [];
      if (topic.image.partitions !== old) this.count(topicId, old, -1);
      for (const [id, partition] of topic.partitionChanges) {
        this.move(topicId, topic.image.partitions[id], partition);
      }
    }
    this.topics = next;
  }

  /** `to` says the same as `from`, in another object. */
  rebase(from: TopicsImage, to: TopicsImage): void {
    if (this.topics === from) this.topics = to;
  }

  clear(): void {
    this.topics = TopicsImage.EMPTY;
    this.replicas = new Map();
    this.leaders = new Map();
    this.leaderless = new TopicCounts();
    this.imbalanced = new TopicCounts();
    this.reassigning = new TopicCounts();
  }

  topicsOnBroker(brokerId: number): Iterable<Uuid> {
    return this.replicas.get(brokerId)?.topicIds() ?? [];
  }

  leaderships(brokerId: number): number {
    return this.leaders.get(brokerId) ?? 0;
  }

  leaderlessTopics(): Iterable<Uuid> {
    return this.leaderless.topicIds();
  }

  get hasLeaderless(): boolean {
    return !this.leaderless.isEmpty;
  }

  imbalancedTopics(): Iterable<Uuid> {
    return this.imbalanced.topicIds();
  }

  get hasImbalanced(): boolean {
    return !this.imbalanced.isEmpty;
  }

  reassigningTopics(): Iterable<Uuid> {
    return this.reassigning.topicIds();
  }

  private count(topicId: Uuid, partitions: readonly PartitionRegistration[], change: 1 | -1): void {
    for (const partition of partitions) {
      this.countReplicas(topicId, partition, change);
      this.countState(topicId, partition, change);
    }
  }

  private move(topicId: Uuid, old: PartitionRegistration | undefined, next: PartitionRegistration): void {
    // Most changes leave the replicas alone, and then also the object that holds them.
    if (old?.replicas !== next.replicas) {
      if (old !== undefined) this.countReplicas(topicId, old, -1);
      this.countReplicas(topicId, next, 1);
    }
    if (old !== undefined) this.countState(topicId, old, -1);
    this.countState(topicId, next, 1);
  }

  private countReplicas(topicId: Uuid, { replicas }: PartitionRegistration, change: 1 | -1): void {
    for (const brokerId of replicas) {
      let counts = this.replicas.get(brokerId);
      if (counts === undefined) {
        counts = new TopicCounts();
        this.replicas.set(brokerId, counts);
      }
      counts.add(topicId, change);
      if (counts.isEmpty) this.replicas.delete(brokerId);
    }
  }

  private countState(topicId: Uuid, partition: PartitionRegistration, change: 1 | -1): void {
    const { leader } = partition;
    if (leader === NO_LEADER) this.leaderless.add(topicId, change);
    else {
      const led = (this.leaders.get(leader) ?? 0) + change;
      if (led === 0) this.leaders.delete(leader);
      else this.leaders.set(leader, led);
      if (isImbalanced(partition)) this.imbalanced.add(topicId, change);
    }
    if (isReassigning(partition)) this.reassigning.add(topicId, change);
  }
}

/** Whether the partition has a leader that is not the first of its replicas. */
export function isImbalanced({ leader, replicas }: PartitionRegistration): boolean {
  return leader !== NO_LEADER && replicas.length > 0 && leader !== replicas[0];
}

export function isReassigning(partition: PartitionRegistration): boolean {
  return partition.addingReplicas.length > 0 || partition.removingReplicas.length > 0;
}
