import type { Offset, ProducerId } from '../../base/int64.ts';
import type { OffsetCommitRequest } from '../../protocol/messages/08-offset-commit.ts';
import type { JoinGroupRequest } from '../../protocol/messages/11-join-group.ts';
import type { HeartbeatRequest } from '../../protocol/messages/12-heartbeat.ts';
import type { LeaveGroupRequest } from '../../protocol/messages/13-leave-group.ts';
import type { SyncGroupRequest } from '../../protocol/messages/14-sync-group.ts';
import type { TxnOffsetCommitRequest } from '../../protocol/messages/28-txn-offset-commit.ts';
import type { OffsetDeleteRequest } from '../../protocol/messages/47-offset-delete.ts';
import { errorCodeOf, Errors } from '../../protocol/errors.ts';
import type {
  CoordinatorResult,
  CoordinatorShard,
  CoordinatorShardContext,
  RecordPosition,
} from '../runtime/coordinator-shard.ts';
import {
  ClassicGroupManager,
  type GroupRequestContext,
  type HeartbeatAnswer,
  type LeaveGroupAnswer,
} from './classic-group-manager.ts';
import type { JoinGroupAnswer, Respond, SyncGroupAnswer } from './classic-group-member.ts';
import type { GroupCoordinatorConfig } from './group-coordinator-config.ts';
import { type DescribedGroup, GroupManager, groupTombstone, type ListedGroup } from './group-manager.ts';
import type { GroupRecord } from './group-records.ts';
import {
  type DeletedTopic,
  type OffsetCommitAnswer,
  type OffsetDeleteAnswer,
  type OffsetFetchGroup,
  type OffsetFetchGroupAnswer,
  OffsetManager,
  type TxnOffsetCommitAnswer,
} from './offset-manager.ts';

type Result<T = void> = CoordinatorResult<T, GroupRecord>;

export interface DeletedGroupResult {
  readonly groupId: string;
  readonly errorCode: number;
}

const EXPIRY_KEY = 'expire-offsets';

/** The groups and offsets of one partition of `__consumer_offsets`. */
export class GroupCoordinatorShard implements CoordinatorShard<GroupRecord> {
  private readonly context: CoordinatorShardContext<GroupRecord>;
  private readonly config: GroupCoordinatorConfig;
  private readonly groups: GroupManager;
  private readonly classic: ClassicGroupManager;
  private readonly offsets: OffsetManager;

  constructor(context: CoordinatorShardContext<GroupRecord>, config: GroupCoordinatorConfig) {
    this.context = context;
    this.config = config;
    this.groups = new GroupManager(context);
    this.classic = new ClassicGroupManager(context, config, this.groups);
    this.offsets = new OffsetManager(context, config, this.groups, this.classic);
  }

  // Members

  join(context: GroupRequestContext, request: JoinGroupRequest, respond: Respond<JoinGroupAnswer>): Result {
    return this.classic.join(context, request, respond);
  }

  sync(request: SyncGroupRequest, respond: Respond<SyncGroupAnswer>): Result {
    return this.classic.sync(request, respond);
  }

  heartbeat(request: HeartbeatRequest): Result<HeartbeatAnswer> {
    return this.classic.heartbeat(request);
  }

  leave(request: LeaveGroupRequest): Result<LeaveGroupAnswer> {
    return this.classic.leave(request);
  }

  // Groups

  describeGroup(groupId: string, apiVersion: number, committedOffset: Offset): DescribedGroup {
    return this.groups.describe(groupId, apiVersion, committedOffset);
  }

  listGroups(
    states: ReadonlySet<string>,
    types: ReadonlySet<string>,
    committedOffset: Offset,
  ): ListedGroup[] {
    return this.groups.list(states, types, committedOffset);
  }

  deleteGroups(groupIds: readonly string[]): Result<DeletedGroupResult[]> {
    const records: GroupRecord[] = [];
    const results = groupIds.map(groupId => {
      try {
        this.groups.validateDelete(groupId);
      } catch (error) {
        return { groupId, errorCode: errorCodeOf(error) };
      }
      this.offsets.deleteAll(groupId, records);
      records.push(groupTombstone(groupId));
      return { groupId, errorCode: Errors.NONE };
    });
    return { records, response: results, atomic: false };
  }

  // Offsets

  commitOffsets(request: OffsetCommitRequest, apiVersion: number): Result<OffsetCommitAnswer> {
    return this.offsets.commit(request, apiVersion);
  }

  commitTransactionalOffsets(request: TxnOffsetCommitRequest): Result<TxnOffsetCommitAnswer> {
    return this.offsets.commitTransactional(request);
  }

  fetchOffsets(
    request: OffsetFetchGroup,
    requireStable: boolean,
    committedOffset: Offset,
  ): OffsetFetchGroupAnswer {
    return this.offsets.fetch(request, requireStable, committedOffset);
  }

  deleteOffsets(request: OffsetDeleteRequest): Result<OffsetDeleteAnswer> {
    return this.offsets.delete(request);
  }

  onTopicsDeleted(topics: readonly DeletedTopic[]): Result {
    return { records: this.offsets.deleteTopics(topics), response: undefined, atomic: false };
  }

  /** Removes what has expired, and groups of which nothing is left. */
  private cleanup(): Result {
    const records: GroupRecord[] = [];
    for (const { groupId } of this.groups.all()) {
      if (this.offsets.cleanupExpired(groupId, records)) this.groups.maybeDelete(groupId, records);
    }
    if (records.length > 0) {
      this.context.logger.info('removing expired offsets and groups', {
        partition: this.context.partition,
        records: records.length,
      });
    }
    this.scheduleCleanup();
    return { records, response: undefined, atomic: false };
  }

  private scheduleCleanup(): void {
    this.context.timer.schedule(EXPIRY_KEY, this.config.offsetsRetentionCheckIntervalMs, () =>
      this.cleanup(),
    );
  }

  // CoordinatorShard

  replay(record: GroupRecord, position: RecordPosition): void {
    if (record.type === 'offset-commit') this.offsets.replay(record, position);
    else this.groups.replay(record);
  }

  replayEndTransactionMarker(producerId: ProducerId, _producerEpoch: number, committed: boolean): void {
    this.offsets.replayEndTransactionMarker(producerId, committed);
  }

  onLoaded(): void {
    this.classic.onLoaded();
    this.scheduleCleanup();
  }

  onUnloaded(): void {
    this.groups.onUnloaded();
  }
}
