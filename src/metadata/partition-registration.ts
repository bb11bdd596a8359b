import type { LeaderEpoch } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import { DirectoryId } from './directory-id.ts';
import type { MetadataRecordData } from './metadata-record.ts';

export const NO_LEADER = -1;
/** In a PartitionChangeRecord: the leader and its epoch stay. */
export const NO_LEADER_CHANGE = -2;

export const LeaderRecoveryState = { RECOVERED: 0, RECOVERING: 1 } as const;

/** The state of one partition, as the controller decided it. Lists of replicas hold broker ids. */
export interface PartitionRegistration {
  /** The first one is preferred as leader. */
  readonly replicas: readonly number[];
  /** The log directory of each replica, in the order of `replicas`. */
  readonly directories: readonly Uuid[];
  readonly isr: readonly number[];
  readonly removingReplicas: readonly number[];
  readonly addingReplicas: readonly number[];
  /** Replicas outside the ISR that hold everything below the high watermark (KIP-966). */
  readonly elr: readonly number[];
  readonly lastKnownElr: readonly number[];
  /** {@link NO_LEADER} if there is none. */
  readonly leader: number;
  readonly leaderRecoveryState: number;
  /** Grows with each election. */
  readonly leaderEpoch: LeaderEpoch;
  /** Grows with each change of any field. */
  readonly partitionEpoch: number;
}

export function partitionRegistrationFrom(
  record: MetadataRecordData<'PartitionRecord'>,
): PartitionRegistration {
  const { replicas } = record;
  return {
    replicas,
    directories:
      record.directories.length === 0 && replicas.length > 0
        ? replicas.map(() => DirectoryId.MIGRATING)
        : record.directories,
    isr: shared(record.isr, replicas),
    removingReplicas: shared(record.removingReplicas, NONE),
    addingReplicas: shared(record.addingReplicas, NONE),
    elr: shared(record.eligibleLeaderReplicas ?? NONE, NONE),
    lastKnownElr: shared(record.lastKnownElr ?? NONE, NONE),
    leader: record.leader,
    leaderRecoveryState: record.leaderRecoveryState,
    leaderEpoch: record.leaderEpoch,
    partitionEpoch: record.partitionEpoch,
  };
}

/** The partition after a change. Its epoch grows by one; the leader epoch too if the record names a leader. */
export function mergePartition(
  old: PartitionRegistration,
  change: MetadataRecordData<'PartitionChangeRecord'>,
): PartitionRegistration {
  const newLeader = change.leader !== NO_LEADER_CHANGE;
  return {
    replicas: change.replicas ?? old.replicas,
    directories: change.directories ?? old.directories,
    isr: change.isr ?? old.isr,
    removingReplicas: change.removingReplicas ?? old.removingReplicas,
    addingReplicas: change.addingReplicas ?? old.addingReplicas,
    elr: change.eligibleLeaderReplicas ?? old.elr,
    lastKnownElr: change.lastKnownElr ?? old.lastKnownElr,
    leader: newLeader ? change.leader : old.leader,
    leaderRecoveryState:
      change.leaderRecoveryState === -1 ? old.leaderRecoveryState : change.leaderRecoveryState,
    leaderEpoch: newLeader ? old.leaderEpoch + 1 : old.leaderEpoch,
    partitionEpoch: old.partitionEpoch + 1,
  };
}

/** The whole state as a record of `version` (see {@link recordVersions}), without what that version cannot say. */
export function partitionRecord(
  topicId: Uuid,
  partitionId: number,
  partition: PartitionRegistration,
  version: number,
): MetadataRecordData<'PartitionRecord'> {
  const { elr, lastKnownElr } = partition;
  return {
    partitionId,
    topicId,
    replicas: [...partition.replicas],
    isr: [...partition.isr],
    removingReplicas: [...partition.removingReplicas],
    addingReplicas: [...partition.addingReplicas],
    leader: partition.leader,
    leaderRecoveryState: partition.leaderRecoveryState,
    leaderEpoch: partition.leaderEpoch,
    partitionEpoch: partition.partitionEpoch,
    directories: version >= 1 ? [...partition.directories] : [],
    eligibleLeaderReplicas: version >= 2 && elr.length > 0 ? [...elr] : null,
    lastKnownElr: version >= 2 && lastKnownElr.length > 0 ? [...lastKnownElr] : null,
  };
}

/** A change record that changes nothing yet. */
export function emptyPartitionChange(
  topicId: Uuid,
  partitionId: number,
): MetadataRecordData<'PartitionChangeRecord'> {
  return {
    partitionId,
    topicId,
    isr: null,
    leader: NO_LEADER_CHANGE,
    replicas: null,
    removingReplicas: null,
    addingReplicas: null,
    leaderRecoveryState: -1,
    directories: null,
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  };
}

const NONE: readonly number[] = [];

/** `other` if it says the same as `list`: most partitions have ISR = replicas, and most lists are empty. */
function shared(list: readonly number[], other: readonly number[]): readonly number[] {
  return list.length === other.length && list.every((id, i) => id === other[i]) ? other : list;
}
