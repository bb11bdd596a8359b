/** The longest name: with a dash and the digits of a partition id it is still a file name. */
const TOPIC_NAME_MAX = 249;

/** Kafka's own topics. Applications read them at most. */
export const InternalTopic = {
  CONSUMER_OFFSETS: '__consumer_offsets',
  TRANSACTION_STATE: '__transaction_state',
  SHARE_GROUP_STATE: '__share_group_state',
  CLUSTER_METADATA: '__cluster_metadata',
} as const;

/** Whether brokers keep their own records in it. */
export function isInternalTopic(name: string): boolean {
  return (
    name === InternalTopic.CONSUMER_OFFSETS ||
    name === InternalTopic.TRANSACTION_STATE ||
    name === InternalTopic.SHARE_GROUP_STATE
  );
}

/**
 * What is wrong with a topic name, or `undefined`. The name becomes part of a directory's name, so this is asked
 * wherever one comes in: when topics are created, when metadata is loaded.
 */
export function topicNameProblem(name: string): string | undefined {
  if (name === '') return 'a topic name may not be empty';
  if (name === '.' || name === '..') return `a topic may not be named '${name}'`;
  if (name.length > TOPIC_NAME_MAX) {
    return `a topic name may have ${TOPIC_NAME_MAX} characters, this one has ${name.length}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `a topic name may hold only ASCII letters, digits, '.', '_' and '-'`;
  }
  return undefined;
}
