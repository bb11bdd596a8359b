/** One partition of a topic, by name. Compare by {@link topicPartitionKey}, not by identity. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * `topic-partition`, unique because the part behind the last dash is the number. For `Map` keys and
 * messages.
 */
export function topicPartitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
