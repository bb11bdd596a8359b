import { invariant } from '../../base/assert.ts';
import type { Offset } from '../../base/int64.ts';
import { TimelineMap } from '../../base/timeline-map.ts';
import type { DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import type { ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import type { Input } from '../../protocol/schema.ts';
import type { CoordinatorShardContext } from '../runtime/coordinator-shard.ts';
import { ClassicGroup } from './classic-group.ts';
import { type ClassicGroupMember, EMPTY_BYTES } from './classic-group-member.ts';
import type { GroupMetadataRecord, GroupRecord } from './group-records.ts';

export type DescribedGroup = NonNullable<Input<typeof DescribeGroupsResponse>['groups']>[number];
export type ListedGroup = NonNullable<Input<typeof ListGroupsResponse>['groups']>[number];

/**
 * The groups of a shard by id: finding, creating, describing, listing and deleting them, whatever their kind. What
 * happens inside a group is the matter of its kind's manager.
 *
 * A group object changes in place: only its being there belongs to the timeline.
 */
export class GroupManager {
  private readonly context: CoordinatorShardContext<GroupRecord>;
  private readonly groups: TimelineMap<string, ClassicGroup>;
  private readonly nowMs: () => number;

  constructor(context: CoordinatorShardContext<GroupRecord>) {
    this.context = context;
    this.groups = new TimelineMap(context.registry);
    this.nowMs = () => context.runtime.clock.wallMs();
  }

  find(groupId: string, epoch?: Offset): ClassicGroup | undefined {
    return this.groups.get(groupId, epoch);
  }

  /** Throws `GROUP_ID_NOT_FOUND`. */
  group(groupId: string, epoch?: Offset): ClassicGroup {
    const group = this.groups.get(groupId, epoch);
    if (group === undefined) throw new KafkaError(Errors.GROUP_ID_NOT_FOUND, groupNotFound(groupId));
    return group;
  }

  all(): IterableIterator<ClassicGroup> {
    return this.groups.values();
  }

  create(groupId: string): ClassicGroup {
    invariant(!this.groups.has(groupId), 'group-new', 'a group is created twice');
    const group = new ClassicGroup(groupId, this.nowMs);
    this.groups.set(groupId, group);
    return group;
  }

  getOrCreate(groupId: string): ClassicGroup {
    return this.groups.get(groupId) ?? this.create(groupId);
  }

  replay({ key, value }: GroupMetadataRecord): void {
    if (value === null) this.groups.delete(key.group);
    else this.groups.set(key.group, ClassicGroup.fromRecord(key.group, value, this.nowMs));
  }

  /** Adds what deletes `groupId` to `records`, if it is there and empty. */
  maybeDelete(groupId: string, records: GroupRecord[]): void {
    if (this.groups.get(groupId)?.isInState('Empty') === true) records.push(groupTombstone(groupId));
  }

  /** Throws `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`. */
  validateDelete(groupId: string): void {
    this.group(groupId).validateDeleteGroup();
  }

  /** A group that is not there counts as dead; v6 and later say that it is not there. */
  describe(groupId: string, apiVersion: number, committedOffset: Offset): DescribedGroup {
    const group = this.groups.get(groupId, committedOffset);
    if (group === undefined) {
      const dead = { groupId, groupState: 'Dead' };
      return apiVersion < 6
        ? dead
        : { ...dead, errorCode: Errors.GROUP_ID_NOT_FOUND, errorMessage: groupNotFound(groupId) };
    }
    const stable = group.isInState('Stable');
    return {
      groupId,
      groupState: group.state,
      protocolType: group.protocolType ?? '',
      protocolData: stable ? (group.protocolName ?? '') : '',
      members: Array.from(group.members, member =>
        describeMember(member, stable ? member.metadata(group.protocolName) : EMPTY_BYTES),
      ),
    };
  }

  /** `states` and `types` are names in any case; an empty set lets all through. */
  list(states: ReadonlySet<string>, types: ReadonlySet<string>, committedOffset: Offset): ListedGroup[] {
    if (types.size > 0 && !types.has('classic')) return [];
    const listed: ListedGroup[] = [];
    for (const group of this.groups.values(committedOffset)) {
      if (states.size > 0 && !states.has(group.state.toLowerCase())) continue;
      listed.push({
        groupId: group.groupId,
        protocolType: group.protocolType ?? '',
        groupState: group.state,
        groupType: 'classic',
      });
    }
    return listed;
  }

  /** The groups go with their coordinator: those who wait in them are sent to look for the next one. */
  onUnloaded(): void {
    for (const group of this.groups.values()) {
      group.transitionTo('Dead');
      group.completeAllJoins(Errors.NOT_COORDINATOR);
      group.completeAllSyncs(Errors.NOT_COORDINATOR);
    }
    this.context.logger.debug('dropped the groups of a shard', { partition: this.context.partition });
  }
}

export function groupTombstone(groupId: string): GroupMetadataRecord {
  return { type: 'group-metadata', key: { group: groupId }, value: null };
}

function groupNotFound(groupId: string): string {
  return `Group ${groupId} not found.`;
}

function describeMember(member: ClassicGroupMember, memberMetadata: Buffer) {
  return {
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    memberMetadata,
    memberAssignment: member.assignment,
  };
}
