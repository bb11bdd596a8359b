import {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from '../../../src/protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../../src/protocol/messages/11-join-group.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../../src/protocol/messages/12-heartbeat.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../../src/protocol/messages/13-leave-group.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../../src/protocol/messages/14-sync-group.ts';
import {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../../../src/protocol/messages/15-describe-groups.ts';
import { ListGroupsRequest, ListGroupsResponse } from '../../../src/protocol/messages/16-list-groups.ts';
import {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from '../../../src/protocol/messages/42-delete-groups.ts';
import {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from '../../../src/protocol/messages/47-offset-delete.ts';
import type { Input, Message } from '../../../src/protocol/schema.ts';
import type { DifferentialCase, Session } from '../session.ts';

/** The versions by which a case prepares a group before it asks what it is about. */
const VERSIONS = new Map<Message, number>([
  [JoinGroupRequest, 5],
  [SyncGroupRequest, 3],
  [HeartbeatRequest, 3],
  [LeaveGroupRequest, 3],
  [OffsetCommitRequest, 7],
  [OffsetFetchRequest, 7],
  [OffsetDeleteRequest, 0],
]);

const SUBSCRIPTION = Buffer.from('0000000000010001740000000000', 'hex');
const ASSIGNMENT = Buffer.from('00000000000100017400000001000000000000', 'hex');

/** Groups for one case: the API under test goes at the case's version, all others at a fixed one. */
class Groups {
  private readonly session: Session;
  private readonly api: Message;
  readonly group: string;

  constructor(session: Session, api: Message) {
    this.session = session;
    this.api = api;
    this.group = session.name('g');
  }

  private version(request: Message): { version: number } {
    return { version: this.api === request ? this.session.version : (VERSIONS.get(request) ?? 0) };
  }

  join(step: string, memberId: string, extra: Partial<Input<typeof JoinGroupRequest>> = {}) {
    const body = {
      groupId: this.group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: SUBSCRIPTION }],
      ...extra,
    };
    return this.session.send(step, JoinGroupRequest, JoinGroupResponse, body, this.version(JoinGroupRequest));
  }

  sync(
    step: string,
    memberId: string,
    generationId: number,
    extra: Partial<Input<typeof SyncGroupRequest>> = {},
  ) {
    const body = {
      groupId: this.group,
      generationId,
      memberId,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [{ memberId, assignment: ASSIGNMENT }],
      ...extra,
    };
    return this.session.send(step, SyncGroupRequest, SyncGroupResponse, body, this.version(SyncGroupRequest));
  }

  heartbeat(
    step: string,
    memberId: string,
    generationId: number,
    groupId = this.group,
    groupInstanceId: string | null = null,
  ) {
    const body = { groupId, generationId, memberId, groupInstanceId };
    return this.session.send(step, HeartbeatRequest, HeartbeatResponse, body, this.version(HeartbeatRequest));
  }

  leave(step: string, memberId: string, groupId = this.group, groupInstanceId: string | null = null) {
    const { version } = this.version(LeaveGroupRequest);
    const body = version < 3 ? { groupId, memberId } : { groupId, members: [{ memberId, groupInstanceId }] };
    return this.session.send(step, LeaveGroupRequest, LeaveGroupResponse, body, { version });
  }

  commit(
    step: string,
    topic: { name: string; topicId: string },
    memberId: string,
    generation: number,
    extra: Partial<{
      offset: number;
      metadata: string | null;
      partition: number;
      groupId: string;
      groupInstanceId: string | null;
    }> = {},
  ) {
    const partition = {
      partitionIndex: extra.partition ?? 0,
      committedOffset: extra.offset ?? 5,
      committedMetadata: extra.metadata === undefined ? 'note' : extra.metadata,
    };
    const body = {
      groupId: extra.groupId ?? this.group,
      generationIdOrMemberEpoch: generation,
      memberId,
      groupInstanceId: extra.groupInstanceId ?? null,
      topics: [{ ...topic, partitions: [partition] }],
    };
    return this.session.send(
      step,
      OffsetCommitRequest,
      OffsetCommitResponse,
      body,
      this.version(OffsetCommitRequest),
    );
  }

  fetchOffsets(
    step: string,
    topics: { name: string; topicId: string }[] | null,
    partitions = [0],
    groupId = this.group,
  ) {
    const { version } = this.version(OffsetFetchRequest);
    const named = topics?.map(topic => ({ ...topic, partitionIndexes: partitions })) ?? null;
    const old = topics?.map(({ name }) => ({ name, partitionIndexes: partitions })) ?? null;
    const body: Input<typeof OffsetFetchRequest> =
      version >= 8 ? { groups: [{ groupId, topics: named }] } : { groupId, topics: old };
    return this.session.send(step, OffsetFetchRequest, OffsetFetchResponse, body, { version });
  }

  /** One stable member. Joining takes a second request where the broker first hands out the member id. */
  async member(
    extra: Partial<Input<typeof JoinGroupRequest>> = {},
  ): Promise<{ memberId: string; generationId: number }> {
    let joined = await this.join('join', '', extra);
    if (joined.errorCode !== 0) joined = await this.join('join with the id', joined.memberId, extra);
    await this.sync('sync', joined.memberId, joined.generationId, {
      ...(extra.groupInstanceId === undefined ? {} : { groupInstanceId: extra.groupInstanceId }),
    });
    return { memberId: joined.memberId, generationId: joined.generationId };
  }
}

async function topicOf(session: Session): Promise<{ name: string; topicId: string }> {
  return { topicId: await session.createTopic('t', 2), name: session.name('t') };
}

/** A case that first makes sure that the offsets topic exists: both brokers create it on the first question. */
function groupCase(
  api: Message,
  name: string,
  run: (session: Session, groups: Groups) => Promise<void>,
  versions: { minVersion?: number; maxVersion?: number } = {},
): DifferentialCase {
  return { api, name, ...versions, run: session => run(session, new Groups(session, api)) };
}

export const groupCases: readonly DifferentialCase[] = [
  groupCase(FindCoordinatorRequest, 'groups, and keys that are none', async session => {
    const ask = (step: string, key: string, keyType: number) =>
      session.send(step, FindCoordinatorRequest, FindCoordinatorResponse, {
        ...(session.version >= 4 ? { coordinatorKeys: [key, `${key}2`] } : { key }),
        ...(session.version >= 1 ? { keyType } : {}),
      });
    await ask('group', session.name('g'), 0);
    await ask('empty', '', 0);
    await ask('__proto__', '__proto__', 0);
    if (session.version >= 1) await ask('unknown type', 'x', 9);
  }),
  groupCase(JoinGroupRequest, 'one member, good and bad', async (_session, groups) => {
    const first = await groups.join('without an id', '');
    const joined = first.errorCode === 0 ? first : await groups.join('with the id', first.memberId);
    await groups.sync('sync', joined.memberId, joined.generationId);
    await groups.join('again', joined.memberId);
    await groups.join('an id that nobody has', 'nobody');
    await groups.join('another protocol type', '', { protocolType: 'connect' });
    await groups.join('no common protocol', '', { protocols: [{ name: 'other', metadata: SUBSCRIPTION }] });
    await groups.join('no protocols', '', { groupId: `${groups.group}-2`, protocols: [] });
    await groups.join('an empty protocol type', '', { groupId: `${groups.group}-3`, protocolType: '' });
    await groups.join('no group', '', { groupId: '' });
    await groups.join('too short a session', '', { sessionTimeoutMs: 1 });
    await groups.join('too long a session', '', { sessionTimeoutMs: 2_000_000_000 });
    await groups.join('an id in an unknown group', 'nobody', { groupId: `${groups.group}-4` });
  }),
  groupCase(
    JoinGroupRequest,
    'a static member and the one that takes its place',
    async (_session, groups) => {
      const instance = { groupInstanceId: 'one' };
      const { memberId, generationId } = await groups.member(instance);
      await groups.join('the same again', memberId, instance);
      await groups.join('another with its instance id', '', instance);
      await groups.heartbeat('the old id', memberId, generationId, groups.group, 'one');
      await groups.join('the old id joins', memberId, instance);
      await groups.join('an empty instance id', '', { groupInstanceId: '' });
      await groups.join('an illegal instance id', '', { groupInstanceId: 'a b' });
    },
    { minVersion: 5 },
  ),
  groupCase(SyncGroupRequest, 'good and bad', async (session, groups) => {
    let joined = await groups.join('join', '');
    if (joined.errorCode !== 0) joined = await groups.join('join with the id', joined.memberId);
    const { memberId, generationId } = joined;
    await groups.sync('a wrong generation', memberId, generationId + 3);
    await groups.sync('an unknown member', 'nobody', generationId);
    await groups.sync('an unknown group', memberId, generationId, { groupId: `${groups.group}-2` });
    await groups.sync('no group', memberId, generationId, { groupId: '' });
    if (session.version >= 5) {
      await groups.sync('another protocol', memberId, generationId, { protocolName: 'other' });
      await groups.sync('another protocol type', memberId, generationId, { protocolType: 'connect' });
    }
    await groups.sync('good', memberId, generationId);
    await groups.sync('again', memberId, generationId, { assignments: [] });
  }),
  groupCase(HeartbeatRequest, 'good and bad', async (session, groups) => {
    const { memberId, generationId } = await groups.member();
    await groups.heartbeat('good', memberId, generationId);
    await groups.heartbeat('a wrong generation', memberId, generationId + 1);
    await groups.heartbeat('an unknown member', 'nobody', generationId);
    await groups.heartbeat('an unknown group', memberId, generationId, `${groups.group}-2`);
    await groups.heartbeat('no group', memberId, generationId, '');
    if (session.version >= 3)
      await groups.heartbeat('an instance id', memberId, generationId, groups.group, 'x');
  }),
  groupCase(LeaveGroupRequest, 'good and bad', async (session, groups) => {
    const { memberId } = await groups.member();
    await groups.leave('an unknown member', 'nobody');
    await groups.leave('an unknown group', memberId, `${groups.group}-2`);
    await groups.leave('no group', memberId, '');
    if (session.version >= 3) await groups.leave('an unknown instance', '', groups.group, 'x');
    await groups.leave('good', memberId);
    await groups.leave('again', memberId);
  }),
  groupCase(OffsetCommitRequest, 'of members and of nobody', async (session, groups) => {
    const topic = await topicOf(session);
    const simple = { groupId: `${groups.group}-simple` };
    await groups.commit('a group without members', topic, '', -1, simple);
    if (session.version === 0) return;
    const { memberId, generationId } = await groups.member();
    await groups.commit('good', topic, memberId, generationId);
    await groups.commit('null metadata', topic, memberId, generationId, { metadata: null });
    await groups.commit('long metadata', topic, memberId, generationId, { metadata: 'x'.repeat(5_000) });
    await groups.commit('a wrong generation', topic, memberId, generationId + 1);
    await groups.commit('an unknown member', topic, 'nobody', generationId);
    await groups.commit('nobody', topic, '', -1);
    await groups.commit('a generation in an unknown group', topic, memberId, 3, {
      groupId: `${groups.group}-2`,
    });
    await groups.commit('no group', topic, '', -1, { groupId: '' });
    await groups.commit('partition 9', topic, memberId, generationId, { partition: 9 });
    await groups.commit('a negative offset', topic, memberId, generationId, { offset: -7 });
    await groups.commit(
      'an unknown topic',
      { name: session.name('none'), topicId: 'QUJDREVGR0hJSktMTU5PUA' },
      memberId,
      generationId,
    );
    if (session.version >= 7)
      await groups.commit('an instance id', topic, memberId, generationId, { groupInstanceId: 'x' });
    await groups.fetchOffsets('what is committed', [topic]);
  }),
  groupCase(
    OffsetFetchRequest,
    'known and unknown',
    async (session, groups) => {
      const topic = await topicOf(session);
      await groups.commit('commit', topic, '', -1);
      // Version 0 asks for offsets that were once kept elsewhere; brokers without that answer as they please.
      await groups.fetchOffsets('known', [topic], [0, 1]);
      await groups.fetchOffsets('partition 9', [topic], [9]);
      await groups.fetchOffsets('an unknown topic', [
        { name: session.name('none'), topicId: 'QUJDREVGR0hJSktMTU5PUA' },
      ]);
      await groups.fetchOffsets('an unknown group', [topic], [0], `${groups.group}-2`);
      await groups.fetchOffsets('no group', [topic], [0], '');
      await groups.fetchOffsets('no topics', []);
      if (session.version >= 2) await groups.fetchOffsets('all topics', null);
    },
    { minVersion: 1 },
  ),
  groupCase(DescribeGroupsRequest, 'each state', async (session, groups) => {
    const ask = (step: string, ids: string[], extra = {}) =>
      session.send(step, DescribeGroupsRequest, DescribeGroupsResponse, { groups: ids, ...extra });
    await ask('unknown', [groups.group]);
    const { memberId } = await groups.member();
    await ask('stable', [groups.group]);
    if (session.version >= 3) await ask('operations', [groups.group], { includeAuthorizedOperations: true });
    await ask('twice', [groups.group, groups.group]);
    await ask('no name', ['']);
    await groups.leave('leave', memberId);
    await ask('empty', [groups.group]);
  }),
  groupCase(ListGroupsRequest, 'with filters', async (session, groups) => {
    const ask = (step: string, body: Input<typeof ListGroupsRequest> = {}) =>
      session.send(step, ListGroupsRequest, ListGroupsResponse, body, {
        keep: answer => ({
          errorCode: answer.errorCode,
          groups: answer.groups.filter(({ groupId }) => groupId === groups.group),
        }),
      });
    const { memberId } = await groups.member();
    await ask('all');
    if (session.version >= 4) {
      await ask('stable', { statesFilter: ['Stable'] });
      await ask('in small letters', { statesFilter: ['stable'] });
      await ask('empty', { statesFilter: ['Empty'] });
      await ask('unknown', { statesFilter: ['Bored'] });
    }
    if (session.version >= 5) {
      await ask('classic', { typesFilter: ['classic'] });
      await ask('consumer', { typesFilter: ['Consumer'] });
      await ask('unknown type', { typesFilter: ['odd'] });
    }
    await groups.leave('leave', memberId);
    await ask('after the last has left');
  }),
  groupCase(DeleteGroupsRequest, 'full, empty and unknown', async (session, groups) => {
    const topic = await topicOf(session);
    const remove = (step: string, groupsNames: string[]) =>
      session.send(step, DeleteGroupsRequest, DeleteGroupsResponse, { groupsNames });
    const { memberId, generationId } = await groups.member();
    await groups.commit('commit', topic, memberId, generationId);
    await remove('with a member', [groups.group]);
    await groups.leave('leave', memberId);
    await remove('empty and unknown', [groups.group, `${groups.group}-2`]);
    await remove('again', [groups.group]);
    await remove('no name', ['']);
    await remove('none', []);
    await groups.fetchOffsets('its offsets', [topic]);
  }),
  groupCase(OffsetDeleteRequest, 'good and bad', async (session, groups) => {
    const topic = await topicOf(session);
    const remove = (step: string, partitionIndex: number, groupId = groups.group, name = topic.name) =>
      session.send(step, OffsetDeleteRequest, OffsetDeleteResponse, {
        groupId,
        topics: [{ name, partitions: [{ partitionIndex }] }],
      });
    await groups.commit('commit', topic, '', -1);
    await remove('known', 0);
    await remove('again', 0);
    await remove('partition 9', 9);
    await remove('unknown topic', 0, groups.group, session.name('none'));
    await remove('unknown group', 0, `${groups.group}-2`);
    await remove('no group', 0, '');
    await groups.fetchOffsets('what is left', [topic]);
  }),
];
