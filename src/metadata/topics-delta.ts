import { MalformedError } from '../base/byte-reader.ts';
import type { Uuid } from '../base/uuid.ts';
import type { MetadataRecordData } from './metadata-record.ts';
import {
  emptyPartitionChange,
  mergePartition,
  type PartitionRegistration,
  partitionRegistrationFrom,
} from './partition-registration.ts';
import { topicNameProblem } from './topic-name.ts';
import { type TopicImage, TopicsImage, unifiedName } from './topics-image.ts';

/** A topic under change. */
export class TopicDelta {
  /** As it was; without partitions if the topic is new. */
  readonly image: TopicImage;
  /** The new state of each partition that was created or changed. */
  readonly partitionChanges = new Map<number, PartitionRegistration>();

  constructor(image: TopicImage) {
    this.image = image;
  }

  get name(): string {
    return this.image.name;
  }

  get id(): Uuid {
    return this.image.id;
  }

  partition(id: number): PartitionRegistration | undefined {
    return this.partitionChanges.get(id) ?? this.image.partitions[id];
  }

  apply(): TopicImage {
    const partitions = this.image.partitions.slice();
    for (const [id, partition] of this.partitionChanges) {
      if (id < 0 || id >= this.image.partitions.length + this.partitionChanges.size) {
        throw new MalformedError(`partition ${id} of topic ${this.id} leaves a gap in the partition ids`);
      }
      partitions[id] = partition;
    }
    for (let id = this.image.partitions.length; id < partitions.length; id++) {
      if (partitions[id] === undefined) {
        throw new MalformedError(`topic ${this.id} has no partition ${id}, but later ones`);
      }
    }
    return { name: this.image.name, id: this.image.id, partitions };
  }
}

/** A partition, with what is needed to act on its new state. */
export interface PartitionInfo {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitionId: number;
  readonly partition: PartitionRegistration;
}

/** What a change of the topics means for one broker. */
export interface LocalReplicaChanges {
  /** Replicas that this broker must drop: of deleted topics, or moved to other brokers. */
  readonly deletes: readonly {
    readonly topic: string;
    readonly topicId: Uuid;
    readonly partitionId: number;
  }[];
  /** Partitions that this broker leads now and whose leader epoch is new. */
  readonly electedLeaders: readonly PartitionInfo[];
  /** All changed partitions that this broker leads. */
  readonly leaders: readonly PartitionInfo[];
  /** All changed partitions that this broker replicates without leading. */
  readonly followers: readonly PartitionInfo[];
}

/** Changes of topics and partitions on top of an image. */
export class TopicsDelta {
  readonly image: TopicsImage;
  /** Created or changed, by id. */
  readonly changedTopics = new Map<Uuid, TopicDelta>();
  /** Those of the image that are gone. */
  readonly deletedTopics = new Map<Uuid, TopicImage>();
  /** Created in this delta and still there, by name. */
  readonly createdTopics = new Map<string, Uuid>();

  constructor(image: TopicsImage) {
    this.image = image;
  }

  /** As it is with the changes so far. */
  topic(id: Uuid): TopicDelta | TopicImage | undefined {
    if (this.deletedTopics.has(id)) return undefined;
    return this.changedTopics.get(id) ?? this.image.topicById(id);
  }

  replayTopic(record: MetadataRecordData<'TopicRecord'>): void {
    const problem = topicNameProblem(record.name);
    if (problem !== undefined) throw new MalformedError(`topic ${record.topicId}: ${problem}`);
    const topic = new TopicDelta({ name: record.name, id: record.topicId, partitions: [] });
    this.changedTopics.set(record.topicId, topic);
    this.deletedTopics.delete(record.topicId);
    this.createdTopics.set(record.name, record.topicId);
  }

  replayPartition(record: MetadataRecordData<'PartitionRecord'>): void {
    this.change(record.topicId).partitionChanges.set(record.partitionId, partitionRegistrationFrom(record));
  }

  replayPartitionChange(record: MetadataRecordData<'PartitionChangeRecord'>): void {
    const topic = this.change(record.topicId);
    const old = topic.partition(record.partitionId);
    if (old === undefined) {
      throw new MalformedError(
        `partition ${record.partitionId} of topic ${record.topicId} changes, but is not there`,
      );
    }
    topic.partitionChanges.set(record.partitionId, mergePartition(old, record));
  }

  replayRemoveTopic(record: MetadataRecordData<'RemoveTopicRecord'>): void {
    const changed = this.changedTopics.get(record.topicId);
    const old = this.image.topicById(record.topicId);
    if (this.deletedTopics.has(record.topicId) || (changed === undefined && old === undefined)) {
      throw new MalformedError(`topic ${record.topicId} is removed, but is not there`);
    }
    this.changedTopics.delete(record.topicId);
    if (changed !== undefined && this.createdTopics.get(changed.name) === record.topicId) {
      this.createdTopics.delete(changed.name);
    }
    if (old !== undefined) this.deletedTopics.set(record.topicId, old);
  }

  /** Forgets the eligible leader replicas of one topic, or of all for an empty name. */
  replayClearElr(record: MetadataRecordData<'ClearElrRecord'>): void {
    for (const topic of this.topicsNamed(record.topicName)) {
      const partitions = 'partitions' in topic ? topic.partitions : topic.apply().partitions;
      partitions.forEach((partition, id) => {
        if (partition.elr.length === 0 && partition.lastKnownElr.length === 0) return;
        this.replayPartitionChange({
          ...emptyPartitionChange(topic.id, id),
          eligibleLeaderReplicas: [],
          lastKnownElr: [],
        });
      });
    }
  }

  /** A snapshot has been read: what it did not name is gone. */
  finishSnapshot(): void {
    for (const topic of this.image.topics()) {
      if (!this.changedTopics.has(topic.id)) this.deletedTopics.set(topic.id, topic);
    }
  }

  topicWasDeleted(name: string): boolean {
    const old = this.image.topic(name);
    return old !== undefined && this.deletedTopics.has(old.id);
  }

  apply(): TopicsImage {
    if (this.changedTopics.size === 0 && this.deletedTopics.size === 0) return this.image;
    let partitionCount = this.image.partitionCount;
    const topics = [...this.changedTopics.values()].map(delta => delta.apply());
    const byId = this.image.byId.mutate(draft => {
      for (const [id, topic] of this.deletedTopics) {
        partitionCount -= topic.partitions.length;
        draft.delete(id);
      }
      for (const topic of topics) {
        partitionCount += topic.partitions.length - (draft.get(topic.id)?.partitions.length ?? 0);
        draft.set(topic.id, topic);
      }
    });
    const byName = this.image.byName.mutate(draft => {
      for (const topic of this.deletedTopics.values()) draft.delete(topic.name);
      for (const topic of topics) draft.set(topic.name, topic);
    });
    const collidingNames = this.image.collidingNames.mutate(draft => {
      for (const { name } of this.deletedTopics.values()) {
        const unified = unifiedName(name);
        if (unified === undefined) continue;
        const rest = draft.get(unified)?.filter(other => other !== name) ?? [];
        if (rest.length === 0) draft.delete(unified);
        else draft.set(unified, rest);
      }
      for (const { name } of topics) {
        const unified = unifiedName(name);
        if (unified === undefined) continue;
        const names = draft.get(unified) ?? [];
        if (!names.includes(name)) draft.set(unified, [...names, name].sort());
      }
    });
    return new TopicsImage(byId, byName, collidingNames, partitionCount);
  }

  /** What the changes mean for the replicas of `brokerId`. */
  localChanges(brokerId: number): LocalReplicaChanges {
    const deletes: { topic: string; topicId: Uuid; partitionId: number }[] = [];
    const electedLeaders: PartitionInfo[] = [];
    const leaders: PartitionInfo[] = [];
    const followers: PartitionInfo[] = [];
    for (const topic of this.deletedTopics.values()) {
      topic.partitions.forEach((partition, partitionId) => {
        if (partition.replicas.includes(brokerId)) {
          deletes.push({ topic: topic.name, topicId: topic.id, partitionId });
        }
      });
    }
    for (const topic of this.changedTopics.values()) {
      for (const [partitionId, partition] of topic.partitionChanges) {
        const old = this.image.partitionById(topic.id, partitionId);
        if (!partition.replicas.includes(brokerId)) {
          if (old?.replicas.includes(brokerId)) {
            deletes.push({ topic: topic.name, topicId: topic.id, partitionId });
          }
          continue;
        }
        const info = { topic: topic.name, topicId: topic.id, partitionId, partition };
        if (partition.leader === brokerId) {
          leaders.push(info);
          if (old === undefined || old.leaderEpoch !== partition.leaderEpoch) electedLeaders.push(info);
        } else {
          followers.push(info);
        }
      }
    }
    return { deletes, electedLeaders, leaders, followers };
  }

  private change(topicId: Uuid): TopicDelta {
    const changed = this.changedTopics.get(topicId);
    if (changed !== undefined) return changed;
    const image = this.deletedTopics.has(topicId) ? undefined : this.image.topicById(topicId);
    if (image === undefined) throw new MalformedError(`topic ${topicId} changes, but is not there`);
    const delta = new TopicDelta(image);
    this.changedTopics.set(topicId, delta);
    return delta;
  }

  private *topicsNamed(name: string): Iterable<TopicDelta | TopicImage> {
    const ids = new Set([...this.image.byId.keys(), ...this.changedTopics.keys()]);
    for (const id of ids) {
      const topic = this.topic(id);
      if (topic !== undefined && (name === '' || topic.name === name)) yield topic;
    }
  }
}
