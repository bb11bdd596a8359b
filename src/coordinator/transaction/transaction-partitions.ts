import type { TopicPartition } from '../../log/topic-partition.ts';

/** The partitions that a transaction has written to, by topic. Never changed in place. */
export type TransactionPartitions = ReadonlyMap<string, ReadonlySet<number>>;

/** Shared by all ids without an open transaction. */
export const NO_PARTITIONS: TransactionPartitions = new Map();

export function hasPartition(
  partitions: TransactionPartitions,
  { topic, partition }: TopicPartition,
): boolean {
  return partitions.get(topic)?.has(partition) === true;
}

/** `partitions` and `added` together. */
export function withPartitions(
  partitions: TransactionPartitions,
  added: readonly TopicPartition[],
): TransactionPartitions {
  const result = new Map<string, Set<number>>();
  for (const [topic, set] of partitions) result.set(topic, new Set(set));
  for (const { topic, partition } of added) {
    const set = result.get(topic);
    if (set === undefined) result.set(topic, new Set([partition]));
    else set.add(partition);
  }
  return result;
}

export function listPartitions(partitions: TransactionPartitions): TopicPartition[] {
  const list: TopicPartition[] = [];
  for (const [topic, set] of partitions) for (const partition of set) list.push({ topic, partition });
  return list;
}
