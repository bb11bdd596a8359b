/**
 * Told of partitions that are about to be created or deleted for a client. Throws THROTTLING_QUOTA_EXCEEDED if the
 * client has to wait; the topic at hand is then refused.
 */
export type PartitionChangeQuota = (partitions: number) => void;

export const NO_PARTITION_CHANGE_QUOTA: PartitionChangeQuota = () => {};
