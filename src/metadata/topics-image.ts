import { PersistentMap } from '../base/persistent-map.ts';
import type { Uuid } from '../base/uuid.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';
import { recordVersions } from './metadata-version.ts';
import { type PartitionRegistration, partitionRecord } from './partition-registration.ts';

export interface TopicImage {
  readonly name: string;
  readonly id: Uuid;
  /** By partition id, which run from 0 without a gap. */
  readonly partitions: readonly PartitionRegistration[];
}

/** All topics, by name and by id. */
export class TopicsImage {
  static readonly EMPTY = new TopicsImage(
    PersistentMap.empty(),
    PersistentMap.empty(),
    PersistentMap.empty(),
    0,
  );

  readonly byId: PersistentMap<Uuid, TopicImage>;
  readonly byName: PersistentMap<string, TopicImage>;
  /**
   * The names that may collide with others because they hold '.' or '_', by {@link unifiedName}. In Kafka's metric
   * names both characters look the same.
   */
  readonly collidingNames: PersistentMap<string, readonly string[]>;
  /** Of all topics. */
  readonly partitionCount: number;

  constructor(
    byId: PersistentMap<Uuid, TopicImage>,
    byName: PersistentMap<string, TopicImage>,
    collidingNames: PersistentMap<string, readonly string[]>,
    partitionCount: number,
  ) {
    this.byId = byId;
    this.byName = byName;
    this.collidingNames = collidingNames;
    this.partitionCount = partitionCount;
  }

  /** The count of topics. */
  get size(): number {
    return this.byId.size;
  }

  topic(name: string): TopicImage | undefined {
    return this.byName.get(name);
  }

  topicById(id: Uuid): TopicImage | undefined {
    return this.byId.get(id);
  }

  partition(topic: string, partition: number): PartitionRegistration | undefined {
    return this.byName.get(topic)?.partitions[partition];
  }

  partitionById(topicId: Uuid, partition: number): PartitionRegistration | undefined {
    return this.byId.get(topicId)?.partitions[partition];
  }

  /** In no particular order, which stays the same for the same topics. */
  topics(): Iterable<TopicImage> {
    return this.byName.values();
  }

  *records(metadataVersion: number): Iterable<MetadataRecord> {
    const version = recordVersions.partition(metadataVersion);
    for (const topic of this.byId.values()) {
      yield metadataRecord('TopicRecord', { name: topic.name, topicId: topic.id });
      for (let id = 0; id < topic.partitions.length; id++) {
        const data = partitionRecord(topic.id, id, topic.partitions[id]!, version);
        yield metadataRecord('PartitionRecord', data, version);
      }
    }
  }
}

/** The name with '.' and '_' made alike; `undefined` for a name that has neither. */
export function unifiedName(topic: string): string | undefined {
  return topic.includes('.') || topic.includes('_') ? topic.replaceAll('.', '_') : undefined;
}
