import { MemoryLogger } from '../../src/base/logger.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import {
  DEFAULT_GROUP_COORDINATOR_CONFIG,
  type GroupCoordinatorConfig,
} from '../../src/coordinator/group/group-coordinator-config.ts';
import { GroupCoordinator } from '../../src/coordinator/group-coordinator.ts';
import { KafkaError, errorName } from '../../src/protocol/errors.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../src/protocol/messages/11-join-group.ts';
import type { OffsetCommitRequest } from '../../src/protocol/messages/08-offset-commit.ts';
import type { SyncGroupResponse } from '../../src/protocol/messages/14-sync-group.ts';
import type { TxnOffsetCommitRequest } from '../../src/protocol/messages/28-txn-offset-commit.ts';
import type { TransactionMarker } from '../../src/record/transaction-marker.ts';
import { groupRecordSerde } from '../../src/coordinator/group/group-records.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { MemoryPartitions } from './memory-partition.ts';
import { Pending } from './pending.ts';

export type Joined = Partial<JoinGroupResponse> & { error: string };
export type Synced = Partial<SyncGroupResponse> & { error: string };

/** A group coordinator with one partition in memory and a clock that stands still. */
export class GroupHarness {
  readonly clock: ManualRuntime;
  readonly partitions: MemoryPartitions;
  readonly logger = new MemoryLogger();
  readonly config: GroupCoordinatorConfig;
  coordinator: GroupCoordinator;
  private epoch = 0;

  constructor(
    config: Partial<GroupCoordinatorConfig> = {},
    clock = new ManualRuntime(),
    partitions = new MemoryPartitions(),
  ) {
    this.clock = clock;
    this.partitions = partitions;
    this.config = { ...DEFAULT_GROUP_COORDINATOR_CONFIG, ...config };
    this.coordinator = this.make();
  }

  private make(): GroupCoordinator {
    return new GroupCoordinator(this.clock, this.logger, {
      config: this.config,
      writer: this.partitions,
      reader: this.partitions,
      partitionCount: () => 1,
    });
  }

  static async started(config: Partial<GroupCoordinatorConfig> = {}): Promise<GroupHarness> {
    const harness = new GroupHarness(config);
    await harness.elect();
    return harness;
  }

  async elect(): Promise<void> {
    const load = this.coordinator.onElection(0, ++this.epoch);
    await this.clock.settle();
    await load;
  }

  /** The broker goes without a word, and another loads what it has written. */
  async failOver(): Promise<void> {
    this.coordinator.shutdown();
    this.coordinator = this.make();
    await this.elect();
  }

  joinRequest(options: JoinOptions = {}): JoinGroupRequest {
    return {
      groupId: options.group ?? 'g',
      sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 60_000,
      memberId: options.memberId ?? '',
      groupInstanceId: options.instance ?? null,
      protocolType: options.type ?? 'consumer',
      protocols: (options.protocols ?? ['range']).map(name => ({
        name,
        metadata: options.metadata ?? subscription(options.topics ?? ['t']),
      })),
      reason: null,
    };
  }

  join(options: JoinOptions = {}): Pending<Joined> {
    const context = {
      apiVersion: options.version ?? 9,
      clientId: options.client ?? 'c',
      clientHost: '/127.0.0.1',
    };
    return new Pending(
      this.coordinator.joinGroup(context, this.joinRequest(options)).then(answer => ({
        ...(answer as Partial<JoinGroupResponse>),
        error: errorName(answer.errorCode ?? 0),
      })),
    );
  }

  /** Joins as a new dynamic member of v4 and later does: first for an id, then with it. */
  async joinNew(options: JoinOptions = {}): Promise<{ memberId: string; answer: Pending<Joined> }> {
    const first = this.join(options);
    await this.clock.settle();
    const { error, memberId } = first.get();
    if (error !== 'MEMBER_ID_REQUIRED') throw new Error(error);
    const answer = this.join({ ...options, memberId: memberId! });
    await this.clock.settle();
    return { memberId: memberId!, answer };
  }

  sync(
    memberId: string,
    generationId: number,
    assignments: Record<string, string> = {},
    options: SyncOptions = {},
  ) {
    const request = {
      groupId: options.group ?? 'g',
      generationId,
      memberId,
      groupInstanceId: options.instance ?? null,
      protocolType: options.protocolType ?? null,
      protocolName: options.protocolName ?? null,
      assignments: Object.entries(assignments).map(([id, text]) => ({
        memberId: id,
        assignment: Buffer.from(text),
      })),
    };
    return new Pending<Synced>(
      this.coordinator.syncGroup(request).then(answer => ({
        ...(answer as Partial<SyncGroupResponse>),
        error: errorName(answer.errorCode ?? 0),
      })),
    );
  }

  async heartbeat(
    memberId: string,
    generationId: number,
    instance: string | null = null,
    group = 'g',
  ): Promise<string> {
    const beat = this.coordinator.heartbeat({
      groupId: group,
      generationId,
      memberId,
      groupInstanceId: instance,
    });
    await this.clock.settle();
    return errorName((await beat).errorCode ?? 0);
  }

  async leave(members: { memberId?: string; instance?: string }[], group = 'g'): Promise<string[]> {
    const leaving = this.coordinator.leaveGroup({
      groupId: group,
      memberId: '',
      members: members.map(({ memberId, instance }) => ({
        memberId: memberId ?? '',
        groupInstanceId: instance ?? null,
        reason: null,
      })),
    });
    await this.clock.settle();
    const answer = await leaving;
    if (answer.errorCode) return [errorName(answer.errorCode)];
    return (answer.members ?? []).map(member => errorName(member.errorCode ?? 0));
  }

  commitRequest(offset: number | bigint, options: CommitOptions = {}): OffsetCommitRequest {
    return {
      groupId: options.group ?? 'g',
      generationIdOrMemberEpoch: options.generationId ?? -1,
      memberId: options.memberId ?? '',
      groupInstanceId: options.instance ?? null,
      retentionTimeMs: options.retentionTimeMs ?? -1,
      topics: [
        {
          name: options.topic ?? 't',
          topicId: options.topicId ?? ZERO_UUID,
          partitions: [
            {
              partitionIndex: options.partition ?? 0,
              committedOffset: offset,
              committedLeaderEpoch: options.leaderEpoch ?? -1,
              commitTimestamp: -1,
              committedMetadata: options.metadata ?? '',
            },
          ],
        },
      ],
    };
  }

  /** The error of the request, or that of its only partition. */
  async commit(offset: number | bigint, options: CommitOptions = {}): Promise<string> {
    const committing = this.coordinator
      .commitOffsets(this.commitRequest(offset, options), options.version ?? 9)
      .then(
        answer => errorName(answer.topics![0]!.partitions![0]!.errorCode ?? 0),
        error => errorName(error instanceof KafkaError ? error.code : -1),
      );
    await this.clock.settle();
    return committing;
  }

  transactionalRequest(
    producerId: number,
    offset: number | bigint,
    options: TransactionalCommitOptions = {},
  ): TxnOffsetCommitRequest {
    return {
      ...this.commitRequest(offset, options),
      transactionalId: options.transactionalId ?? 'txn',
      producerId,
      producerEpoch: options.producerEpoch ?? 0,
    };
  }

  /** A commit in the transaction of a producer; its error, as of {@link commit}. */
  async commitIn(
    producerId: number,
    offset: number | bigint,
    options: TransactionalCommitOptions = {},
  ): Promise<string> {
    const request = this.transactionalRequest(producerId, offset, options);
    const committing = this.coordinator.commitTransactionalOffsets(request, options.version ?? 5).then(
      answer => errorName(answer.topics![0]!.partitions![0]!.errorCode ?? 0),
      error => errorName(error instanceof KafkaError ? error.code : -1),
    );
    await this.clock.settle();
    return committing;
  }

  /** Ends the transaction of a producer; the name of an error. */
  async end(producerId: number, isCommit: boolean, more: Partial<TransactionMarker> = {}): Promise<string> {
    const ending = this.coordinator
      .completeTransaction(0, {
        producerId,
        producerEpoch: 0,
        coordinatorEpoch: 0,
        isCommit,
        transactionVersion: 0,
        ...more,
      })
      .then(
        () => 'NONE',
        error => errorName(error instanceof KafkaError ? error.code : -1),
      );
    await this.clock.settle();
    return ending;
  }

  /** The committed offsets of a group, as `topic-partition` to offset; or the name of an error. */
  async fetchAll(group = 'g', requireStable = false): Promise<Record<string, unknown>> {
    const fetching = this.coordinator.fetchOffsets(
      { groupId: group, memberId: null, memberEpoch: -1, topics: null },
      requireStable,
    );
    const [answer] = await Promise.all([fetching, this.clock.settle()]);
    const found: [string, unknown][] = [];
    for (const topic of answer.topics ?? []) {
      for (const { partitionIndex, committedOffset, errorCode } of topic.partitions ?? []) {
        found.push([`${topic.name}-${partitionIndex}`, errorCode ? errorName(errorCode) : committedOffset]);
      }
    }
    return Object.fromEntries(found.sort());
  }

  async fetch(partition = 0, group = 'g', topic = 't'): Promise<unknown> {
    return (await this.fetchAll(group))[`${topic}-${partition}`] ?? -1;
  }

  /** The generation in the group's last record; 0 if it has none. */
  writtenGeneration(group = 'g'): number {
    let generation = 0;
    for (const { key, value } of this.partitions.records()) {
      const record = groupRecordSerde.deserialize(key, value);
      if (record?.type === 'group-metadata' && record.key.group === group)
        generation = record.value?.generation ?? 0;
    }
    return generation;
  }

  state(group = 'g'): string {
    const described = this.coordinator.describeGroups([group], 6)[0]!;
    return described.errorCode ? errorName(described.errorCode) : described.groupState!;
  }

  /** Brings `count` dynamic members into a stable group. The first is the leader; each gets `<member id>!`. */
  async stable(
    count: number,
    options: JoinOptions = {},
  ): Promise<{ memberIds: string[]; generationId: number }> {
    const joins = [];
    for (let i = 0; i < count; i++) joins.push(await this.joinNew(options));
    await this.clock.pass(this.config.initialRebalanceDelayMs * 2);
    const generationId = joins[0]!.answer.get().generationId!;
    const leader = joins[0]!.answer.get().leader!;
    const memberIds = joins.map(join => join.memberId);
    const assignments = Object.fromEntries(memberIds.map(id => [id, `${id}!`]));
    const group = { group: options.group ?? 'g' };
    const syncs = memberIds.map(id => this.sync(id, generationId, id === leader ? assignments : {}, group));
    await this.clock.settle();
    for (const sync of syncs) if (sync.get().error !== 'NONE') throw new Error(sync.get().error);
    return { memberIds, generationId };
  }
}

export interface JoinOptions {
  group?: string;
  memberId?: string;
  instance?: string;
  client?: string;
  type?: string;
  protocols?: string[];
  topics?: string[];
  metadata?: Buffer;
  sessionTimeoutMs?: number;
  rebalanceTimeoutMs?: number;
  version?: number;
}

export interface SyncOptions {
  group?: string;
  instance?: string;
  protocolType?: string;
  protocolName?: string;
}

export interface CommitOptions {
  group?: string;
  topic?: string;
  topicId?: string;
  partition?: number;
  generationId?: number;
  memberId?: string;
  instance?: string;
  metadata?: string;
  leaderEpoch?: number;
  retentionTimeMs?: number | bigint;
  version?: number;
}

export interface TransactionalCommitOptions extends CommitOptions {
  transactionalId?: string;
  producerEpoch?: number;
}

/** The metadata of a consumer: ConsumerProtocolSubscription, version 0. */
export function subscription(topics: string[]): Buffer {
  const parts = [Buffer.from([0, 0, 0, 0, 0, topics.length])];
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic));
  parts.push(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  return Buffer.concat(parts);
}
