import type { Int64, ProducerId } from '../../base/int64.ts';
import type { SnapshotRegistry } from '../../base/snapshot-registry.ts';
import { TimelineMap } from '../../base/timeline-map.ts';
import type { OffsetAndMetadata } from './offset-and-metadata.ts';
import { Offsets } from './offsets.ts';

type ProducersByPartition = TimelineMap<number, TimelineMap<ProducerId, true>>;
type ProducersByTopic = TimelineMap<string, ProducersByPartition>;

/** Offsets that open transactions have written, by producer, and which group's partitions they touch (T7). */
export class PendingTransactions {
  private readonly registry: SnapshotRegistry;
  private readonly offsetsOf: TimelineMap<ProducerId, Offsets>;
  private readonly producersOf: TimelineMap<string, ProducersByTopic>;

  constructor(registry: SnapshotRegistry) {
    this.registry = registry;
    this.offsetsOf = new TimelineMap(registry);
    this.producersOf = new TimelineMap(registry);
  }

  /** The offsets that `producerId` has written in its open transaction. */
  offsets(producerId: ProducerId): Offsets {
    let offsets = this.offsetsOf.get(producerId);
    if (offsets === undefined) this.offsetsOf.set(producerId, (offsets = new Offsets(this.registry)));
    return offsets;
  }

  add(producerId: ProducerId, group: string, topic: string, partition: number): void {
    let topics = this.producersOf.get(group);
    if (topics === undefined) this.producersOf.set(group, (topics = new TimelineMap(this.registry)));
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = new TimelineMap(this.registry)));
    let producers = partitions.get(partition);
    if (producers === undefined) partitions.set(partition, (producers = new TimelineMap(this.registry)));
    producers.set(producerId, true);
  }

  /** Ends the transaction of `producerId` and returns what it had written. */
  end(producerId: ProducerId): Offsets | undefined {
    const offsets = this.offsetsOf.get(producerId);
    if (offsets === undefined) return undefined;
    this.offsetsOf.delete(producerId);
    for (const group of offsets.groupIds()) {
      for (const [topic, partitions] of offsets.ofGroup(group)!.entries()) {
        for (const partition of partitions.keys()) this.forget(producerId, group, topic, partition);
      }
    }
    return offsets;
  }

  /** A committed offset of the partition is gone for good: so is what open transactions would put in its place. */
  deletePartition(group: string, topic: string, partition: number): void {
    const producers = this.producersOf.get(group)?.get(topic)?.get(partition);
    if (producers === undefined) return;
    for (const producerId of [...producers.keys()]) {
      this.offsetsOf.get(producerId)?.delete(group, topic, partition);
      this.forget(producerId, group, topic, partition);
    }
  }

  hasPending(group: string, topic: string, partition: number, epoch?: Int64): boolean {
    return this.producersOf.get(group, epoch)?.get(topic, epoch)?.has(partition, epoch) === true;
  }

  hasPendingInGroup(group: string): boolean {
    return this.producersOf.has(group);
  }

  /** The partitions of a group that an open transaction has written. */
  *partitionsOf(group: string): IterableIterator<{ topic: string; partition: number }> {
    for (const [topic, partitions] of this.producersOf.get(group)?.entries() ?? []) {
      for (const partition of partitions.keys()) yield { topic, partition };
    }
  }

  /** The partitions of a topic that open transactions have written, of all groups, with what each would commit. */
  *writesTo(
    topic: string,
  ): IterableIterator<{ group: string; partition: number; offsets: readonly OffsetAndMetadata[] }> {
    for (const [group, topics] of this.producersOf.entries()) {
      for (const [partition, producers] of topics.get(topic)?.entries() ?? []) {
        const offsets: OffsetAndMetadata[] = [];
        for (const producerId of producers.keys()) {
          const offset = this.offsetsOf.get(producerId)?.get(group, topic, partition);
          if (offset !== undefined) offsets.push(offset);
        }
        yield { group, partition, offsets };
      }
    }
  }

  private forget(producerId: ProducerId, group: string, topic: string, partition: number): void {
    const topics = this.producersOf.get(group);
    const partitions = topics?.get(topic);
    const producers = partitions?.get(partition);
    if (topics === undefined || partitions === undefined || producers === undefined) return;
    producers.delete(producerId);
    if (producers.size === 0) partitions.delete(partition);
    if (partitions.size === 0) topics.delete(topic);
    if (topics.size === 0) this.producersOf.delete(group);
  }
}
