import type { TopicPartition } from '../log/topic-partition.ts';

/** Partitions as requests name them: one entry for each topic, made by `entry`, in the order of first appearance. */
export function partitionsByTopic<T>(
  partitions: readonly TopicPartition[],
  entry: (topic: string, indexes: number[]) => T,
): T[] {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const indexes = byTopic.get(topic);
    if (indexes === undefined) byTopic.set(topic, [partition]);
    else indexes.push(partition);
  }
  return Array.from(byTopic, ([topic, indexes]) => entry(topic, indexes));
}
