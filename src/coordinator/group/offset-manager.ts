import type { Int64, Offset, ProducerId, Timestamp } from '../../base/int64.ts';
import { add64, diff64, INT64_MAX, sub64 } from '../../base/int64.ts';
import { type Uuid, ZERO_UUID } from '../../base/uuid.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import type {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../protocol/messages/28-txn-offset-commit.ts';
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import type { Input } from '../../protocol/schema.ts';
import type {
  CoordinatorResult,
  CoordinatorShardContext,
  RecordPosition,
} from '../runtime/coordinator-shard.ts';
import type { ClassicGroup } from './classic-group.ts';
import type { ClassicGroupManager } from './classic-group-manager.ts';
import type { GroupCoordinatorConfig } from './group-coordinator-config.ts';
import type { GroupManager } from './group-manager.ts';
import type { GroupRecord, OffsetCommitRecord } from './group-records.ts';
import {
  offsetCommitRecord,
  offsetCommitTombstone,
  type OffsetAndMetadata,
  offsetOfRecord,
} from './offset-and-metadata.ts';
import { Offsets } from './offsets.ts';
import { PendingTransactions } from './pending-transactions.ts';

export type OffsetCommitAnswer = Input<typeof OffsetCommitResponse>;
export type TxnOffsetCommitAnswer = Input<typeof TxnOffsetCommitResponse>;
export type OffsetDeleteAnswer = Input<typeof OffsetDeleteResponse>;
/** One group of an OffsetFetch request, as v8 and later have it. */
export type OffsetFetchGroup = OffsetFetchRequest['groups'][number];
export type OffsetFetchGroupAnswer = NonNullable<Input<typeof OffsetFetchResponse>['groups']>[number];
type FetchedTopic = NonNullable<OffsetFetchGroupAnswer['topics']>[number];
type FetchedPartition = NonNullable<FetchedTopic['partitions']>[number];

/** A topic that is gone. */
export interface DeletedTopic {
  readonly name: string;
  readonly topicId: Uuid;
}

const INVALID_OFFSET = -1;
/** A commit that goes by the broker's retention. */
const NO_RETENTION_TIME = -1;
const NO_LEADER_EPOCH = -1;
/** Since OffsetCommit v9 a group that is not there is told from a generation that has passed. */
const GROUP_ID_NOT_FOUND_MIN_VERSION = 9;

/** The committed offsets of a shard's groups: commit, fetch, delete, expire. */
export class OffsetManager {
  private readonly context: CoordinatorShardContext<GroupRecord>;
  private readonly config: GroupCoordinatorConfig;
  private readonly groups: GroupManager;
  private readonly classic: ClassicGroupManager;
  private readonly offsets: Offsets;
  private readonly pending: PendingTransactions;

  constructor(
    context: CoordinatorShardContext<GroupRecord>,
    config: GroupCoordinatorConfig,
    groups: GroupManager,
    classic: ClassicGroupManager,
  ) {
    this.context = context;
    this.config = config;
    this.groups = groups;
    this.classic = classic;
    this.offsets = new Offsets(context.registry);
    this.pending = new PendingTransactions(context.registry);
  }

  // OffsetCommit

  /**
   * Throws `KafkaError` where nothing can be committed: `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`,
   * `FENCED_INSTANCE_ID`, `REBALANCE_IN_PROGRESS`, `GROUP_ID_NOT_FOUND`, `COORDINATOR_NOT_AVAILABLE`.
   */
  commit(
    request: OffsetCommitRequest,
    apiVersion: number,
  ): CoordinatorResult<OffsetCommitAnswer, GroupRecord> {
    this.validateCommit(request, apiVersion);
    return this.commitTopics(request, request.retentionTimeMs);
  }

  private validateCommit(request: OffsetCommitRequest, apiVersion: number): void {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch } = request;
    if (generationIdOrMemberEpoch >= 0 && apiVersion >= GROUP_ID_NOT_FOUND_MIN_VERSION)
      this.groups.group(groupId);
    const group = this.groupOfCommit(groupId, generationIdOrMemberEpoch);
    group.validateOffsetCommit(memberId, groupInstanceId, generationIdOrMemberEpoch);
    this.classic.rescheduleHeartbeat(group, memberId);
  }

  /** Who commits without a generation has no group before its first offset. Throws `ILLEGAL_GENERATION`. */
  private groupOfCommit(groupId: string, generationId: number): ClassicGroup {
    const group = this.groups.find(groupId);
    if (group !== undefined) return group;
    if (generationId >= 0) throw new KafkaError(Errors.ILLEGAL_GENERATION);
    return this.groups.create(groupId);
  }

  // TxnOffsetCommit

  /**
   * Offsets that a producer sends to its open transaction: they are pending until its marker comes (T7). Throws
   * `KafkaError`: `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `COORDINATOR_NOT_AVAILABLE`.
   */
  commitTransactional(
    request: TxnOffsetCommitRequest,
  ): CoordinatorResult<TxnOffsetCommitAnswer, GroupRecord> {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch } = request;
    const group = this.groupOfCommit(groupId, generationIdOrMemberEpoch);
    group.validateOffsetCommit(memberId, groupInstanceId, generationIdOrMemberEpoch, true);
    return this.commitTopics(request, NO_RETENTION_TIME);
  }

  // Both

  /** The records of all partitions whose metadata is not too large, and the answer. */
  private commitTopics(
    request: OffsetCommitRequest | TxnOffsetCommitRequest,
    retentionTimeMs: Int64,
  ): CoordinatorResult<TxnOffsetCommitAnswer, GroupRecord> {
    const commitTimestampMs = this.context.runtime.clock.wallMs();
    const expireTimestampMs = expiryOf(commitTimestampMs, retentionTimeMs);
    const records: GroupRecord[] = [];
    const topics = request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(partition => {
        const metadata = partition.committedMetadata ?? '';
        // Kafka counts UTF-16 units here, not bytes.
        if (metadata.length > this.config.offsetMetadataMaxBytes) {
          return { partitionIndex: partition.partitionIndex, errorCode: Errors.OFFSET_METADATA_TOO_LARGE };
        }
        const offset: OffsetAndMetadata = {
          committedOffset: partition.committedOffset,
          leaderEpoch: partition.committedLeaderEpoch,
          metadata,
          commitTimestampMs,
          expireTimestampMs,
          topicId,
          recordOffset: -1,
        };
        records.push(offsetCommitRecord(request.groupId, name, partition.partitionIndex, offset));
        return { partitionIndex: partition.partitionIndex, errorCode: Errors.NONE };
      }),
    }));
    return { records, response: { topics } };
  }

  // OffsetFetch

  /**
   * The offsets of the topics asked for; all of the group for null. With `requireStable` the state is read as it is
   * and partitions that an open transaction has written say so; without, as of `committedOffset`.
   */
  fetch(request: OffsetFetchGroup, requireStable: boolean, committedOffset: Offset): OffsetFetchGroupAnswer {
    const { groupId } = request;
    const epoch = requireStable ? undefined : committedOffset;
    if (request.topics === null) return { groupId, topics: this.fetchAll(groupId, requireStable, epoch) };
    const known = this.groups.find(groupId, epoch) !== undefined;
    const topics = request.topics.map(({ name, topicId, partitionIndexes }) => ({
      name,
      topicId,
      partitions: partitionIndexes.map((partitionIndex): FetchedPartition => {
        if (requireStable && this.pending.hasPending(groupId, name, partitionIndex))
          return unstable(partitionIndex);
        const offset = known ? this.offsets.get(groupId, name, partitionIndex, epoch) : undefined;
        // One of a topic that has been deleted, and created again under its name.
        return fetched(partitionIndex, offset && isOfTopic(offset, topicId) ? offset : undefined);
      }),
    }));
    return { groupId, topics };
  }

  private fetchAll(groupId: string, requireStable: boolean, epoch: Int64 | undefined): FetchedTopic[] {
    const topics: FetchedTopic[] = [];
    if (this.groups.find(groupId, epoch) === undefined) return topics;
    for (const [name, byPartition] of this.offsets.ofGroup(groupId, epoch)?.entries(epoch) ?? []) {
      const partitions: FetchedPartition[] = [];
      for (const [partitionIndex, offset] of byPartition.entries(epoch)) {
        const waits = requireStable && this.pending.hasPending(groupId, name, partitionIndex);
        partitions.push(waits ? unstable(partitionIndex) : fetched(partitionIndex, offset));
      }
      if (partitions.length > 0) topics.push({ name, partitions });
    }
    return topics;
  }

  // OffsetDelete

  /** Throws `KafkaError`: `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`. */
  delete(request: OffsetDeleteRequest): CoordinatorResult<OffsetDeleteAnswer, GroupRecord> {
    const group = this.groups.group(request.groupId);
    group.validateOffsetDelete();
    const records: GroupRecord[] = [];
    const topics = request.topics.map(({ name, partitions }) => {
      const errorCode = group.isSubscribedToTopic(name) ? Errors.GROUP_SUBSCRIBED_TO_TOPIC : Errors.NONE;
      if (errorCode === Errors.NONE) {
        for (const { partitionIndex } of partitions) {
          if (this.isKept(request.groupId, name, partitionIndex)) {
            records.push(offsetCommitTombstone(request.groupId, name, partitionIndex));
          }
        }
      }
      return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) };
    });
    return { records, response: { topics }, atomic: false };
  }

  private isKept(groupId: string, topic: string, partition: number): boolean {
    return (
      this.offsets.get(groupId, topic, partition) !== undefined ||
      this.pending.hasPending(groupId, topic, partition)
    );
  }

  /** Adds what deletes all offsets of a group to `records`, those of open transactions too. */
  deleteAll(groupId: string, records: GroupRecord[]): void {
    for (const [topic, partitions] of this.offsets.ofGroup(groupId)?.entries() ?? []) {
      for (const partition of partitions.keys())
        records.push(offsetCommitTombstone(groupId, topic, partition));
    }
    for (const { topic, partition } of this.pending.partitionsOf(groupId)) {
      if (this.offsets.get(groupId, topic, partition) === undefined) {
        records.push(offsetCommitTombstone(groupId, topic, partition));
      }
    }
  }

  /**
   * What removes the offsets of topics that are gone, those of open transactions too. An offset that names another
   * topic id belongs to a topic that has been created again under the name.
   */
  deleteTopics(topics: readonly DeletedTopic[]): GroupRecord[] {
    const records: GroupRecord[] = [];
    for (const groupId of this.offsets.groupIds()) {
      const byTopic = this.offsets.ofGroup(groupId)!;
      for (const { name, topicId } of topics) {
        for (const [partition, offset] of byTopic.get(name)?.entries() ?? []) {
          if (isOfTopic(offset, topicId)) records.push(offsetCommitTombstone(groupId, name, partition));
        }
      }
    }
    for (const { name, topicId } of topics) {
      for (const { group, partition, offsets } of this.pending.writesTo(name)) {
        if (this.offsets.get(group, name, partition) !== undefined) continue;
        if (offsets.every(offset => isOfTopic(offset, topicId)))
          records.push(offsetCommitTombstone(group, name, partition));
      }
    }
    return records;
  }

  // Expiry (G6)

  /**
   * Adds what removes expired offsets of a group to `records`. Returns whether the group has no others.
   *
   * | group                                     | its offsets go                                                  |
   * |-------------------------------------------|-----------------------------------------------------------------|
   * | never had members                         | a retention time after their commit                             |
   * | Empty                                     | a retention time after the group became empty                   |
   * | Stable, of consumers                      | a retention time after their commit, if nobody reads their topic|
   * | rebalancing, or not of consumers          | never                                                           |
   *
   * An offset with an expiry of its own goes by that instead. One that an open transaction writes stays.
   */
  cleanupExpired(groupId: string, records: GroupRecord[]): boolean {
    const byTopic = this.offsets.ofGroup(groupId);
    if (byTopic === undefined) return !this.pending.hasPendingInGroup(groupId);
    const group = this.groups.find(groupId);
    const since = group && expiryBase(group);
    if (group === undefined || since === undefined) return false;
    const now = this.context.runtime.clock.wallMs();
    let all = true;
    for (const [topic, partitions] of byTopic.entries()) {
      if (group.isSubscribedToTopic(topic)) {
        all = false;
        continue;
      }
      for (const [partition, offset] of partitions.entries()) {
        if (
          this.isExpired(offset, since(offset), now) &&
          !this.pending.hasPending(groupId, topic, partition)
        ) {
          records.push(offsetCommitTombstone(groupId, topic, partition));
        } else {
          all = false;
        }
      }
    }
    return all && !this.pending.hasPendingInGroup(groupId);
  }

  private isExpired(offset: OffsetAndMetadata, since: Timestamp, now: number): boolean {
    if (offset.expireTimestampMs !== undefined) return now >= offset.expireTimestampMs;
    return diff64(now, since) >= this.config.offsetsRetentionMs;
  }

  // Replay

  replay({ key, value }: OffsetCommitRecord, { offset, producerId }: RecordPosition): void {
    const { group, topic, partition } = key;
    if (value === null) {
      this.offsets.delete(group, topic, partition);
      this.pending.deletePartition(group, topic, partition);
      return;
    }
    // A consumer that only commits has no group until its first offset.
    this.groups.getOrCreate(group);
    const committed = offsetOfRecord(value, offset);
    if (producerId === -1) {
      this.offsets.set(group, topic, partition, committed);
    } else {
      this.pending.offsets(producerId).set(group, topic, partition, committed);
      this.pending.add(producerId, group, topic, partition);
    }
  }

  /** T7: what a transaction has written counts from its marker on, unless somebody has committed after that. */
  replayEndTransactionMarker(producerId: ProducerId, committed: boolean): void {
    const written = this.pending.end(producerId);
    if (written === undefined || !committed) return;
    for (const group of written.groupIds()) {
      for (const [topic, partitions] of written.ofGroup(group)!.entries()) {
        for (const [partition, offset] of partitions.entries()) {
          const present = this.offsets.get(group, topic, partition);
          if (present === undefined || offset.recordOffset > present.recordOffset) {
            this.offsets.set(group, topic, partition, offset);
          }
        }
      }
    }
  }
}

/** Whether an offset is of the topic `topicId`, as far as both are known by id. */
function isOfTopic(offset: OffsetAndMetadata, topicId: Uuid): boolean {
  return offset.topicId === ZERO_UUID || topicId === ZERO_UUID || offset.topicId === topicId;
}

/** When an offset with a retention time of its own goes; -1 asks for none. */
function expiryOf(commitTimestampMs: number, retentionTimeMs: Int64): Timestamp | undefined {
  if (retentionTimeMs === NO_RETENTION_TIME) return undefined;
  return retentionTimeMs > sub64(INT64_MAX, commitTimestampMs)
    ? INT64_MAX
    : add64(commitTimestampMs, retentionTimeMs);
}

/** From when the retention of a group's offsets counts; `undefined` while they do not expire. */
function expiryBase(group: ClassicGroup): ((offset: OffsetAndMetadata) => Timestamp) | undefined {
  if (group.protocolType === undefined) return offset => offset.commitTimestampMs;
  if (group.isInState('Empty')) return offset => group.currentStateTimestamp ?? offset.commitTimestampMs;
  if (group.usesConsumerProtocol && group.subscribedTopics !== undefined && group.isInState('Stable')) {
    return offset => offset.commitTimestampMs;
  }
  return undefined;
}

function fetched(partitionIndex: number, offset: OffsetAndMetadata | undefined): FetchedPartition {
  return {
    partitionIndex,
    committedOffset: offset?.committedOffset ?? INVALID_OFFSET,
    committedLeaderEpoch: offset?.leaderEpoch ?? NO_LEADER_EPOCH,
    metadata: offset?.metadata ?? '',
    errorCode: Errors.NONE,
  };
}

function unstable(partitionIndex: number): FetchedPartition {
  return { ...fetched(partitionIndex, undefined), errorCode: Errors.UNSTABLE_OFFSET_COMMIT };
}
