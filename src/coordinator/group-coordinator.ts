import type { LeaderEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { OffsetCommitRequest } from '../protocol/messages/08-offset-commit.ts';
import type { JoinGroupRequest } from '../protocol/messages/11-join-group.ts';
import type { HeartbeatRequest } from '../protocol/messages/12-heartbeat.ts';
import type { LeaveGroupRequest } from '../protocol/messages/13-leave-group.ts';
import type { SyncGroupRequest } from '../protocol/messages/14-sync-group.ts';
import type { ListGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import type { TxnOffsetCommitRequest } from '../protocol/messages/28-txn-offset-commit.ts';
import type { OffsetDeleteRequest } from '../protocol/messages/47-offset-delete.ts';
import type { Input } from '../protocol/schema.ts';
import { transactionOperationOf } from '../protocol/transaction-operation.ts';
import type { TransactionMarker } from '../record/transaction-marker.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type {
  GroupRequestContext,
  HeartbeatAnswer,
  LeaveGroupAnswer,
} from './group/classic-group-manager.ts';
import type { JoinGroupAnswer, SyncGroupAnswer } from './group/classic-group-member.ts';
import type { GroupCoordinatorConfig } from './group/group-coordinator-config.ts';
import { type DeletedGroupResult, GroupCoordinatorShard } from './group/group-coordinator-shard.ts';
import type { DescribedGroup, ListedGroup } from './group/group-manager.ts';
import { type GroupRecord, groupRecordSerde } from './group/group-records.ts';
import type {
  DeletedTopic,
  OffsetCommitAnswer,
  OffsetDeleteAnswer,
  OffsetFetchGroup,
  OffsetFetchGroupAnswer,
  TxnOffsetCommitAnswer,
} from './group/offset-manager.ts';
import { coordinatorErrorOf } from './runtime/coordinator-errors.ts';
import { coordinatorPartitionOf } from './runtime/coordinator-partition.ts';
import { CoordinatorRuntime } from './runtime/coordinator-runtime.ts';
import type { CoordinatorResult } from './runtime/coordinator-shard.ts';
import type { PartitionReader, PartitionWriter } from './runtime/partition-writer.ts';

export interface GroupCoordinatorOptions {
  readonly config: GroupCoordinatorConfig;
  readonly writer: PartitionWriter;
  readonly reader: PartitionReader;
  /** How many partitions `__consumer_offsets` has; `undefined` while it is not there. */
  readonly partitionCount: () => number | undefined;
}

export type ListGroupsAnswer = Input<typeof ListGroupsResponse>;

/**
 * The group coordinator of a broker: every group belongs to one partition of `__consumer_offsets`, and is served by
 * the leader of that partition.
 *
 * Methods that serve a request run their synchronous half in the call. They reject with `KafkaError` where the request
 * fails as a whole; besides the codes given with each, `NOT_COORDINATOR`, `COORDINATOR_LOAD_IN_PROGRESS` and
 * `COORDINATOR_NOT_AVAILABLE` send the client to look for the coordinator again.
 */
export class GroupCoordinator {
  private readonly config: GroupCoordinatorConfig;
  private readonly partitionCount: () => number | undefined;
  private readonly shards: CoordinatorRuntime<GroupCoordinatorShard, GroupRecord>;
  private stopped = false;

  constructor(runtime: Runtime, logger: Logger, options: GroupCoordinatorOptions) {
    const { config, writer, reader, partitionCount } = options;
    this.config = config;
    this.partitionCount = partitionCount;
    this.shards = new CoordinatorRuntime(runtime, logger.child('group-coordinator'), {
      topic: InternalTopic.CONSUMER_OFFSETS,
      serde: groupRecordSerde,
      shardFactory: context => new GroupCoordinatorShard(context, config),
      writer,
      reader,
      appendLingerMs: config.appendLingerMs,
      writeTimeoutMs: config.offsetCommitTimeoutMs,
      compression: config.offsetsTopicCompression,
    });
  }

  // The partitions

  /** The partition of `__consumer_offsets` that a group belongs to. */
  partitionFor(groupId: string): number {
    return coordinatorPartitionOf(groupId, this.partitionCount() ?? this.config.offsetsTopicPartitions);
  }

  /**
   * This broker has become the leader of a partition of `__consumer_offsets`: its groups are served when it has loaded.
   * Resolves then.
   */
  onElection(partition: number, leaderEpoch: LeaderEpoch): Promise<void> {
    return this.stopped ? Promise.resolve() : this.shards.load(partition, leaderEpoch);
  }

  /** Another broker leads the partition as of `leaderEpoch`, or (without an epoch) the partition is gone. */
  onResignation(partition: number, leaderEpoch?: LeaderEpoch): void {
    this.shards.unload(partition, leaderEpoch);
  }

  /** Removes the offsets that groups have committed for topics that are deleted. */
  async onTopicsDeleted(topics: readonly DeletedTopic[]): Promise<void> {
    if (topics.length === 0) return;
    const writes = this.shards
      .activePartitions()
      .map(partition => this.shards.write(partition, shard => shard.onTopicsDeleted(topics)));
    // A shard that is lost meanwhile leaves them to expire.
    await Promise.allSettled(writes);
  }

  /** Unloads all partitions; nothing is served afterwards. */
  shutdown(): void {
    this.stopped = true;
    this.shards.close();
  }

  // Members

  /** Waits for the rebalance. Errors are in the answer. */
  async joinGroup(context: GroupRequestContext, request: JoinGroupRequest): Promise<JoinGroupAnswer> {
    const { memberId, sessionTimeoutMs } = request;
    if (request.groupId === '') return { memberId, errorCode: Errors.INVALID_GROUP_ID };
    if (
      sessionTimeoutMs < this.config.minSessionTimeoutMs ||
      sessionTimeoutMs > this.config.maxSessionTimeoutMs
    ) {
      return { memberId, errorCode: Errors.INVALID_SESSION_TIMEOUT };
    }
    return new Promise(resolve => {
      this.write(request.groupId, shard => shard.join(context, request, resolve)).catch(error =>
        resolve({ memberId, errorCode: errorCodeOf(error) }),
      );
    });
  }

  /** Waits for the assignment. Errors are in the answer. */
  async syncGroup(request: SyncGroupRequest): Promise<SyncGroupAnswer> {
    if (request.groupId === '') return { errorCode: Errors.INVALID_GROUP_ID };
    return new Promise(resolve => {
      this.write(request.groupId, shard => shard.sync(request, resolve)).catch(error =>
        resolve({ errorCode: errorCodeOf(error) }),
      );
    });
  }

  /** Errors are in the answer. */
  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer> {
    if (request.groupId === '') return { errorCode: Errors.INVALID_GROUP_ID };
    try {
      return await this.write(request.groupId, shard => shard.heartbeat(request));
    } catch (error) {
      const errorCode = errorCodeOf(error);
      // The member is not late as long as nobody counts.
      return { errorCode: errorCode === Errors.COORDINATOR_LOAD_IN_PROGRESS ? Errors.NONE : errorCode };
    }
  }

  /** Errors are in the answer, one for each member where the group is not there. */
  async leaveGroup(request: LeaveGroupRequest): Promise<LeaveGroupAnswer> {
    if (request.groupId === '') return { errorCode: Errors.INVALID_GROUP_ID };
    try {
      return await this.write(request.groupId, shard => shard.leave(request));
    } catch (error) {
      const errorCode = errorCodeOf(error);
      if (errorCode !== Errors.UNKNOWN_MEMBER_ID) return { errorCode };
      return {
        members: request.members.map(({ memberId, groupInstanceId }) => ({
          memberId,
          groupInstanceId,
          errorCode,
        })),
      };
    }
  }

  // Groups

  /** Groups that cannot be described carry their error. */
  describeGroups(groupIds: readonly string[], apiVersion: number): DescribedGroup[] {
    return groupIds.map(groupId => {
      try {
        return this.shards.read(this.activePartition(groupId), (shard, committedOffset) =>
          shard.describeGroup(groupId, apiVersion, committedOffset),
        );
      } catch (error) {
        return { groupId, errorCode: coordinatorErrorOf(error) };
      }
    });
  }

  /** The groups that this broker serves, by names of states and types in any case; no names let all through. */
  listGroups(states: readonly string[], types: readonly string[]): ListGroupsAnswer {
    if (this.stopped) return { errorCode: Errors.COORDINATOR_NOT_AVAILABLE };
    const stateSet = new Set(states.map(state => state.toLowerCase()));
    const typeSet = new Set(types.map(type => type.toLowerCase()));
    const groups: ListedGroup[] = [];
    for (const partition of this.shards.partitions()) {
      try {
        const listed = this.shards.read(partition, (shard, offset) =>
          shard.listGroups(stateSet, typeSet, offset),
        );
        for (const group of listed) groups.push(group);
      } catch (error) {
        const errorCode = errorCodeOf(error);
        // Another broker lists those.
        if (errorCode !== Errors.NOT_COORDINATOR) return { errorCode };
      }
    }
    return { errorCode: Errors.NONE, groups };
  }

  /** One result for each group. */
  async deleteGroups(groupIds: readonly string[]): Promise<DeletedGroupResult[]> {
    const byPartition = new Map<number, string[]>();
    for (const groupId of new Set(groupIds)) {
      const partition = this.partitionFor(groupId);
      const ids = byPartition.get(partition);
      if (ids === undefined) byPartition.set(partition, [groupId]);
      else ids.push(groupId);
    }
    const results = await Promise.all(
      Array.from(byPartition, async ([partition, ids]) => {
        try {
          return await this.shards.write(partition, shard => shard.deleteGroups(ids));
        } catch (error) {
          const errorCode = errorCodeOf(error);
          return ids.map(groupId => ({ groupId, errorCode }));
        }
      }),
    );
    return results.flat();
  }

  // Offsets

  /**
   * Rejects with `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `REBALANCE_IN_PROGRESS`,
   * `GROUP_ID_NOT_FOUND`. Kafka allows the empty group id here and for fetches.
   */
  commitOffsets(request: OffsetCommitRequest, apiVersion: number): Promise<OffsetCommitAnswer> {
    return this.write(request.groupId, shard => shard.commitOffsets(request, apiVersion));
  }

  /**
   * Offsets that a producer commits with its transaction, for `request.groupId`. Rejects with `INVALID_GROUP_ID`,
   * `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`; `INVALID_PRODUCER_EPOCH`, `INVALID_TXN_STATE`,
   * and what the coordinator of the transaction says.
   */
  async commitTransactionalOffsets(
    request: TxnOffsetCommitRequest,
    apiVersion: number,
  ): Promise<TxnOffsetCommitAnswer> {
    const { groupId, transactionalId, producerId, producerEpoch } = request;
    const partition = this.activePartition(groupId);
    if (groupId === '') throw new KafkaError(Errors.INVALID_GROUP_ID);
    // Such a producer has no transaction, whoever is asked.
    if (producerId < 0) throw new KafkaError(Errors.INVALID_PRODUCER_ID_MAPPING);
    const operation = transactionOperationOf('TxnOffsetCommit', apiVersion);
    const transaction = { transactionalId, producerId, producerEpoch, operation };
    return this.shards.writeTransactional(partition, transaction, shard =>
      shard.commitTransactionalOffsets(request),
    );
  }

  /**
   * A transaction that has committed offsets to groups of `partition` has ended: writes its marker there, and from then on
   * they count, or are gone. Resolves when that is committed.
   *
   * Besides the codes that send somebody to look for the coordinator again, rejects with `INVALID_PRODUCER_EPOCH` and
   * `TRANSACTION_COORDINATOR_FENCED` where the marker comes too late.
   */
  async completeTransaction(partition: number, marker: TransactionMarker): Promise<void> {
    if (this.stopped) throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE);
    return this.shards.completeTransaction(partition, marker);
  }

  /**
   * The offsets of a group: of the topics asked for, or all for null. With `requireStable` a partition that an open
   * transaction has written answers `UNSTABLE_OFFSET_COMMIT`.
   */
  async fetchOffsets(request: OffsetFetchGroup, requireStable: boolean): Promise<OffsetFetchGroupAnswer> {
    if (!requireStable) {
      return this.shards.read(this.activePartition(request.groupId), (shard, committedOffset) =>
        shard.fetchOffsets(request, false, committedOffset),
      );
    }
    // As a write: the answer waits until all that it has seen is committed.
    return this.write(request.groupId, shard => ({
      records: [],
      response: shard.fetchOffsets(request, true, 0),
    }));
  }

  /** Rejects with `INVALID_GROUP_ID`, `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`. */
  async deleteOffsets(request: OffsetDeleteRequest): Promise<OffsetDeleteAnswer> {
    if (request.groupId === '') throw new KafkaError(Errors.INVALID_GROUP_ID);
    return this.write(request.groupId, shard => shard.deleteOffsets(request));
  }

  private async write<T>(
    groupId: string,
    operation: (shard: GroupCoordinatorShard) => CoordinatorResult<T, GroupRecord>,
  ): Promise<T> {
    return this.shards.write(this.activePartition(groupId), operation);
  }

  private activePartition(groupId: string): number {
    if (this.stopped) throw new KafkaError(Errors.COORDINATOR_NOT_AVAILABLE);
    return this.partitionFor(groupId);
  }
}
