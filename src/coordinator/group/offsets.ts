import type { Int64 } from '../../base/int64.ts';
import type { SnapshotRegistry } from '../../base/snapshot-registry.ts';
import { TimelineMap } from '../../base/timeline-map.ts';
import type { OffsetAndMetadata } from './offset-and-metadata.ts';

export type OffsetsByPartition = TimelineMap<number, OffsetAndMetadata>;
export type OffsetsByTopic = TimelineMap<string, OffsetsByPartition>;

/** Offsets by group, topic and partition, with their history. A group or topic without offsets has no entry. */
export class Offsets {
  private readonly registry: SnapshotRegistry;
  private readonly groups: TimelineMap<string, OffsetsByTopic>;

  constructor(registry: SnapshotRegistry) {
    this.registry = registry;
    this.groups = new TimelineMap(registry);
  }

  get(group: string, topic: string, partition: number, epoch?: Int64): OffsetAndMetadata | undefined {
    return this.groups.get(group, epoch)?.get(topic, epoch)?.get(partition, epoch);
  }

  ofGroup(group: string, epoch?: Int64): OffsetsByTopic | undefined {
    return this.groups.get(group, epoch);
  }

  get isEmpty(): boolean {
    return this.groups.size === 0;
  }

  groupIds(): IterableIterator<string> {
    return this.groups.keys();
  }

  set(group: string, topic: string, partition: number, offset: OffsetAndMetadata): void {
    let topics = this.groups.get(group);
    if (topics === undefined) this.groups.set(group, (topics = new TimelineMap(this.registry)));
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = new TimelineMap(this.registry)));
    partitions.set(partition, offset);
  }

  delete(group: string, topic: string, partition: number): void {
    const topics = this.groups.get(group);
    const partitions = topics?.get(topic);
    if (topics === undefined || partitions === undefined) return;
    partitions.delete(partition);
    if (partitions.size === 0) topics.delete(topic);
    if (topics.size === 0) this.groups.delete(group);
  }
}
