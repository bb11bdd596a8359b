import type { LeaderEpoch, Offset, Timestamp } from '../../base/int64.ts';
import type { Uuid } from '../../base/uuid.ts';
import type { OffsetCommitRecord } from './group-records.ts';

/** A committed offset. */
export interface OffsetAndMetadata {
  /** The next offset that the group will read. */
  readonly committedOffset: Offset;
  /** Of the record before it; -1 if it is not known. */
  readonly leaderEpoch: LeaderEpoch;
  readonly metadata: string;
  /** Wall clock, ms. */
  readonly commitTimestampMs: Timestamp;
  /** When it goes, wall clock, ms; `undefined` to go by the broker's retention. Only clients of v2-v4 ask for one. */
  readonly expireTimestampMs: Timestamp | undefined;
  /** `ZERO_UUID` if it is not known. */
  readonly topicId: Uuid;
  /** Where its record stands in the log of the coordinator; -1 before it has a place. */
  readonly recordOffset: Offset;
}

export function offsetCommitRecord(
  group: string,
  topic: string,
  partition: number,
  offset: OffsetAndMetadata,
): OffsetCommitRecord {
  return {
    type: 'offset-commit',
    key: { group, topic, partition },
    value: {
      offset: offset.committedOffset,
      leaderEpoch: offset.leaderEpoch,
      metadata: offset.metadata,
      commitTimestamp: offset.commitTimestampMs,
      expireTimestamp: offset.expireTimestampMs ?? -1,
      topicId: offset.topicId,
    },
  };
}

export function offsetCommitTombstone(group: string, topic: string, partition: number): OffsetCommitRecord {
  return { type: 'offset-commit', key: { group, topic, partition }, value: null };
}

/** The opposite of {@link offsetCommitRecord}. */
export function offsetOfRecord(
  value: NonNullable<OffsetCommitRecord['value']>,
  recordOffset: Offset,
): OffsetAndMetadata {
  return {
    committedOffset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp === -1 ? undefined : value.expireTimestamp,
    topicId: value.topicId,
    recordOffset,
  };
}
