import { describe, expect, it } from 'vitest';
import { GroupHarness, subscription } from '../group-harness.ts';

describe('joining a classic group', () => {
  it('gives a new member its id first, then waits the initial delay for others', async () => {
    const h = await GroupHarness.started();
    const asked = h.join({ client: 'app' });
    await h.clock.settle();
    expect(asked.get().error).toBe('MEMBER_ID_REQUIRED');
    expect(asked.get().memberId).toMatch(
      /^app-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    const joined = h.join({ memberId: asked.get().memberId! });
    await h.clock.pass(2999);
    expect(joined.isThere).toBe(false);
    expect(h.state()).toBe('PreparingRebalance');
    await h.clock.pass(1);
    expect(joined.get()).toMatchObject({
      error: 'NONE',
      generationId: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: asked.get().memberId,
      skipAssignment: false,
    });
    expect(joined.get().members).toHaveLength(1);
    expect(h.state()).toBe('CompletingRebalance');
  });

  it('lets a member of version 3 join without asking for an id', async () => {
    const h = await GroupHarness.started();
    const joined = h.join({ version: 3 });
    await h.clock.pass(3000);
    expect(joined.get()).toMatchObject({ error: 'NONE', generationId: 1 });
  });

  it('makes the initial delay longer while members come, up to the rebalance timeout', async () => {
    const h = await GroupHarness.started();
    const first = h.join({ version: 3, rebalanceTimeoutMs: 7000 });
    await h.clock.pass(2000);
    const second = h.join({ version: 3, rebalanceTimeoutMs: 7000 });
    await h.clock.pass(1000);
    expect(first.isThere).toBe(false);
    await h.clock.pass(2000);
    const third = h.join({ version: 3, rebalanceTimeoutMs: 7000 });
    await h.clock.pass(1000);
    expect(first.isThere).toBe(false);
    await h.clock.pass(1000);
    for (const join of [first, second, third])
      expect(join.get()).toMatchObject({ error: 'NONE', generationId: 1 });
    expect([first, second, third].map(join => join.get().members!.length).sort()).toEqual([0, 0, 3]);
  });

  it('gives every member the assignment of the leader, when that is committed', async () => {
    const h = await GroupHarness.started();
    const a = await h.joinNew();
    const b = await h.joinNew();
    await h.clock.pass(6000);
    const early = h.sync(b.memberId, 1);
    await h.clock.settle();
    expect(early.isThere).toBe(false);
    h.partitions.autoCommit = false;
    const leads = h.sync(a.memberId, 1, { [a.memberId]: 'A', [b.memberId]: 'B' });
    await h.clock.settle();
    expect(leads.isThere).toBe(false);
    expect(h.state()).toBe('CompletingRebalance');
    h.partitions.commit();
    await h.clock.settle();
    expect(leads.get()).toMatchObject({ error: 'NONE', protocolType: 'consumer', protocolName: 'range' });
    expect(leads.get().assignment!.toString()).toBe('A');
    expect(early.get().assignment!.toString()).toBe('B');
    expect(h.state()).toBe('Stable');
    const again = h.sync(b.memberId, 1, {}, { protocolType: 'consumer', protocolName: 'range' });
    await h.clock.settle();
    expect(again.get().assignment!.toString()).toBe('B');
  });

  it('chooses the protocol that most members like best of those that all support', async () => {
    const h = await GroupHarness.started();
    const joins = [
      await h.joinNew({ protocols: ['only-a', 'range', 'roundrobin'] }),
      await h.joinNew({ protocols: ['roundrobin', 'range'] }),
      await h.joinNew({ protocols: ['roundrobin', 'range', 'only-c'] }),
    ];
    await h.clock.pass(6000);
    for (const { answer } of joins) expect(answer.get().protocolName).toBe('roundrobin');
  });

  it('refuses members that have no protocol in common with the group', async () => {
    const h = await GroupHarness.started();
    await h.joinNew({ protocols: ['range'] });
    const other = h.join({ protocols: ['sticky'] });
    const type = h.join({ type: 'connect', protocols: ['range'] });
    const none = h.join({ group: 'new', protocols: [] });
    const noType = h.join({ group: 'new', type: '' });
    await h.clock.settle();
    for (const join of [other, type, none, noType])
      expect(join.get().error).toBe('INCONSISTENT_GROUP_PROTOCOL');
  });

  it('refuses session timeouts out of bounds, empty group ids and unknown members', async () => {
    const h = await GroupHarness.started();
    const short = h.join({ sessionTimeoutMs: 5999 });
    const long = h.join({ sessionTimeoutMs: 1_800_001 });
    const empty = h.join({ group: '' });
    const stranger = h.join({ memberId: 'nobody' });
    await h.stable(1);
    const strangerHere = h.join({ memberId: 'nobody' });
    await h.clock.settle();
    expect(short.get().error).toBe('INVALID_SESSION_TIMEOUT');
    expect(long.get().error).toBe('INVALID_SESSION_TIMEOUT');
    expect(empty.get().error).toBe('INVALID_GROUP_ID');
    expect(stranger.get()).toMatchObject({ error: 'UNKNOWN_MEMBER_ID', memberId: 'nobody' });
    expect(strangerHere.get().error).toBe('UNKNOWN_MEMBER_ID');
  });

  it('keeps a group within its size', async () => {
    const h = await GroupHarness.started({ groupMaxSize: 2 });
    await h.stable(2);
    const third = h.join({ version: 3 });
    await h.clock.settle();
    expect(third.get()).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED', memberId: '' });
    expect(h.state()).toBe('Stable');
  });

  it('drops a member that was given an id and never came back with it', async () => {
    const h = await GroupHarness.started();
    const { answer } = await h.joinNew();
    h.join({ sessionTimeoutMs: 6000 });
    await h.clock.pass(3000);
    expect(answer.get().generationId).toBe(1);
    await h.clock.pass(3000);
    expect(h.state()).toBe('CompletingRebalance');
  });
});

describe('a rebalance', () => {
  it('begins when somebody new joins, and takes the others in with their heartbeats', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1);
    const joining = await h.joinNew();
    expect(h.state()).toBe('PreparingRebalance');
    expect(joining.answer.isThere).toBe(false);
    expect(await h.heartbeat(memberIds[0]!, generationId)).toBe('REBALANCE_IN_PROGRESS');
    const rejoining = h.join({ memberId: memberIds[0]! });
    await h.clock.settle();
    expect(rejoining.get()).toMatchObject({ error: 'NONE', generationId: 2, leader: memberIds[0] });
    expect(joining.answer.get()).toMatchObject({ error: 'NONE', generationId: 2, members: [] });
  });

  it('ends with those who have come when the rebalance timeout is over', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(2, {
      rebalanceTimeoutMs: 20_000,
      sessionTimeoutMs: 30_000,
    });
    const rejoining = h.join({
      memberId: memberIds[1]!,
      topics: ['t', 'u'],
      rebalanceTimeoutMs: 20_000,
      sessionTimeoutMs: 30_000,
    });
    await h.clock.pass(19_999);
    expect(rejoining.isThere).toBe(false);
    await h.clock.pass(1);
    expect(rejoining.get()).toMatchObject({
      error: 'NONE',
      generationId: generationId + 1,
      leader: memberIds[1],
    });
    expect(await h.heartbeat(memberIds[0]!, generationId)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('begins when a member has not sent heartbeats for its session timeout', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(2, { sessionTimeoutMs: 10_000 });
    await h.clock.pass(9000);
    expect(await h.heartbeat(memberIds[0]!, generationId)).toBe('NONE');
    await h.clock.pass(1000);
    expect(await h.heartbeat(memberIds[0]!, generationId)).toBe('REBALANCE_IN_PROGRESS');
    expect(await h.heartbeat(memberIds[1]!, generationId)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('begins when the leader joins again, or a member with other topics, not when a member repeats itself', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(2);
    const same = h.join({ memberId: memberIds[1]! });
    await h.clock.settle();
    expect(same.get()).toMatchObject({ error: 'NONE', generationId, members: [] });
    expect(h.state()).toBe('Stable');
    const leader = h.join({ memberId: memberIds[0]! });
    await h.clock.settle();
    expect(leader.isThere).toBe(false);
    expect(h.state()).toBe('PreparingRebalance');
  });

  it('voids an assignment that was not yet committed', async () => {
    const h = await GroupHarness.started();
    const a = await h.joinNew();
    await h.clock.pass(3000);
    h.partitions.autoCommit = false;
    const sync = h.sync(a.memberId, 1, { [a.memberId]: 'A' });
    await h.clock.settle();
    const b = h.join({ version: 3 });
    await h.clock.settle();
    expect(sync.get().error).toBe('REBALANCE_IN_PROGRESS');
    h.partitions.commit();
    await h.clock.settle();
    expect(h.state()).toBe('PreparingRebalance');
    expect(b.isThere).toBe(false);
  });

  it('does not take an assignment of the generation before, however late it is committed', async () => {
    const h = await GroupHarness.started();
    const a = await h.joinNew();
    await h.clock.pass(3000);
    h.partitions.autoCommit = false;
    h.sync(a.memberId, 1, { [a.memberId]: 'old' });
    await h.clock.settle();
    const again = h.join({ memberId: a.memberId, topics: ['t', 'u'] });
    await h.clock.settle();
    expect(again.get()).toMatchObject({ error: 'NONE', generationId: 2 });
    const sync = h.sync(a.memberId, 2, { [a.memberId]: 'new' });
    h.partitions.commit();
    expect(h.state()).toBe('CompletingRebalance');
    await h.clock.settle();
    expect(sync.isThere).toBe(false);
    h.partitions.commit();
    await h.clock.settle();
    expect(sync.get().assignment!.toString()).toBe('new');
  });

  it('removes members that never ask for their assignment', async () => {
    const h = await GroupHarness.started();
    const options = { rebalanceTimeoutMs: 10_000, sessionTimeoutMs: 30_000 };
    const a = await h.joinNew(options);
    const b = await h.joinNew(options);
    await h.clock.pass(6000);
    const sync = h.sync(a.memberId, 1, { [a.memberId]: 'A', [b.memberId]: 'B' });
    await h.clock.pass(9999);
    expect(sync.get().error).toBe('NONE');
    expect(h.state()).toBe('Stable');
    await h.clock.pass(1);
    expect(h.state()).toBe('PreparingRebalance');
    expect(await h.heartbeat(b.memberId, 1)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('fails the assignment and starts again when it cannot be written', async () => {
    const h = await GroupHarness.started();
    const a = await h.joinNew();
    await h.clock.pass(3000);
    h.partitions.failWith = 19; // NOT_ENOUGH_REPLICAS
    const sync = h.sync(a.memberId, 1, { [a.memberId]: 'A' });
    await h.clock.settle();
    expect(sync.get().error).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(h.state()).toBe('PreparingRebalance');
  });

  it('answers a JoinGroup that its member has sent again', async () => {
    const h = await GroupHarness.started();
    const { memberIds } = await h.stable(2);
    const first = h.join({ memberId: memberIds[0]! });
    await h.clock.settle();
    const second = h.join({ memberId: memberIds[0]! });
    await h.clock.settle();
    expect(first.get().error).toBe('REBALANCE_IN_PROGRESS');
    expect(second.isThere).toBe(false);
  });
});

describe('requests of members', () => {
  it('are refused for a generation or a protocol that is not theirs', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1);
    const id = memberIds[0]!;
    expect(await h.heartbeat(id, generationId - 1)).toBe('ILLEGAL_GENERATION');
    expect(await h.heartbeat(id, generationId + 1)).toBe('ILLEGAL_GENERATION');
    expect(await h.heartbeat('x', generationId)).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.heartbeat(id, generationId, null, 'other')).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.heartbeat(id, generationId, null, '')).toBe('INVALID_GROUP_ID');
    const syncs = [
      h.sync(id, generationId - 1),
      h.sync('x', generationId),
      h.sync(id, generationId, {}, { protocolType: 'connect', protocolName: 'range' }),
      h.sync(id, generationId, {}, { protocolType: 'consumer', protocolName: 'sticky' }),
      h.sync(id, generationId, {}, { group: 'other' }),
    ];
    await h.clock.settle();
    expect(syncs.map(sync => sync.get().error)).toEqual([
      'ILLEGAL_GENERATION',
      'UNKNOWN_MEMBER_ID',
      'INCONSISTENT_GROUP_PROTOCOL',
      'INCONSISTENT_GROUP_PROTOCOL',
      'UNKNOWN_MEMBER_ID',
    ]);
  });

  it('leave the group one by one or several at once', async () => {
    const h = await GroupHarness.started();
    const { memberIds } = await h.stable(3);
    expect(await h.leave([{ memberId: memberIds[2]! }, { memberId: 'x' }, { instance: 'nobody' }])).toEqual([
      'NONE',
      'UNKNOWN_MEMBER_ID',
      'UNKNOWN_MEMBER_ID',
    ]);
    expect(h.state()).toBe('PreparingRebalance');
    expect(await h.leave([{ memberId: memberIds[0]! }, { memberId: memberIds[1]! }])).toEqual([
      'NONE',
      'NONE',
    ]);
    expect(h.state()).toBe('Empty');
    expect(await h.leave([{ memberId: 'x' }], 'other')).toEqual(['UNKNOWN_MEMBER_ID']);
    expect(await h.leave([{ memberId: 'x' }], '')).toEqual(['INVALID_GROUP_ID']);
  });
});

describe('static members', () => {
  async function stableStatic(version = 9) {
    const h = await GroupHarness.started();
    const join = h.join({ instance: 'i', version });
    const other = h.join({ instance: 'j', version });
    await h.clock.pass(6000);
    const { memberId, generationId } = join.get();
    const sync = h.sync(
      memberId!,
      generationId!,
      { [memberId!]: 'A', [other.get().memberId!]: 'B' },
      { instance: 'i' },
    );
    const otherSync = h.sync(other.get().memberId!, generationId!, {}, { instance: 'j' });
    await h.clock.settle();
    expect(sync.get().error).toBe('NONE');
    expect(otherSync.get().error).toBe('NONE');
    return { h, leader: memberId!, follower: other.get().memberId!, generationId: generationId! };
  }

  it('come back under a new member id with their old assignment, without a rebalance', async () => {
    const { h, follower, generationId } = await stableStatic();
    const back = h.join({ instance: 'j' });
    await h.clock.settle();
    const { memberId } = back.get();
    expect(back.get()).toMatchObject({ error: 'NONE', generationId, skipAssignment: false });
    expect(memberId).toMatch(/^j-/);
    expect(memberId).not.toBe(follower);
    expect(h.state()).toBe('Stable');
    const sync = h.sync(memberId!, generationId, {}, { instance: 'j' });
    await h.clock.settle();
    expect(sync.get().assignment!.toString()).toBe('B');
    // The one who had the name before is fenced.
    expect(await h.heartbeat(follower, generationId, 'j')).toBe('FENCED_INSTANCE_ID');
    expect(await h.commit(1, { memberId: follower, generationId, instance: 'j' })).toBe('FENCED_INSTANCE_ID');
    const fenced = h.join({ instance: 'j', memberId: follower });
    await h.clock.settle();
    expect(fenced.get().error).toBe('FENCED_INSTANCE_ID');
    expect(await h.leave([{ memberId: follower, instance: 'j' }])).toEqual(['FENCED_INSTANCE_ID']);
  });

  it('are told as leaders to leave the assignment alone, or who they were if they cannot be told', async () => {
    const newer = await stableStatic(9);
    const back = newer.h.join({ instance: 'i', version: 9 });
    await newer.h.clock.settle();
    expect(back.get()).toMatchObject({ error: 'NONE', skipAssignment: true, leader: back.get().memberId });
    expect(back.get().members).toHaveLength(2);
    const older = await stableStatic(8);
    const backOld = older.h.join({ instance: 'i', version: 8 });
    await older.h.clock.settle();
    expect(backOld.get()).toMatchObject({
      error: 'NONE',
      skipAssignment: false,
      leader: older.leader,
      members: [],
    });
  });

  it('are written down under their new id before they are answered, and back again if that fails', async () => {
    const { h, follower, generationId } = await stableStatic();
    h.partitions.autoCommit = false;
    const back = h.join({ instance: 'j' });
    await h.clock.settle();
    expect(back.isThere).toBe(false);
    h.partitions.autoCommit = true;
    h.partitions.commit();
    await h.clock.settle();
    expect(back.get().error).toBe('NONE');
    h.partitions.failWith = 6; // NOT_LEADER_OR_FOLLOWER
    const failing = h.join({ instance: 'j' });
    await h.clock.settle();
    expect(failing.get().error).toBe('NOT_COORDINATOR');
    h.partitions.failWith = undefined;
    expect(await h.heartbeat(back.get().memberId!, generationId, 'j')).toBe('NONE');
    expect(await h.heartbeat(follower, generationId, 'j')).toBe('FENCED_INSTANCE_ID');
  });

  it('keep their place while they are away, until their session ends', async () => {
    const { h, leader, generationId } = await stableStatic();
    const again = h.join({ instance: 'i', memberId: leader });
    await h.clock.pass(9000);
    expect(await h.heartbeat(leader, generationId, 'i')).toBe('REBALANCE_IN_PROGRESS');
    expect(again.isThere).toBe(false);
    await h.clock.pass(1000);
    expect(again.get()).toMatchObject({ error: 'NONE', generationId: generationId + 1 });
    expect(again.get().members).toHaveLength(1);
  });

  it('are removed by an administrator under the name he knows', async () => {
    const { h } = await stableStatic();
    expect(await h.leave([{ instance: 'i' }, { instance: 'i' }])).toEqual(['NONE', 'UNKNOWN_MEMBER_ID']);
    expect(h.state()).toBe('PreparingRebalance');
  });

  it('bring a rebalance when they come back with another protocol', async () => {
    const { h } = await stableStatic();
    const back = h.join({ instance: 'j', protocols: ['sticky', 'range'] });
    await h.clock.settle();
    expect(back.isThere).toBe(true);
    const both = h.join({ instance: 'i', protocols: ['sticky', 'range'] });
    await h.clock.settle();
    expect(both.isThere).toBe(false);
    expect(h.state()).toBe('PreparingRebalance');
  });
});

describe('a coordinator that takes over', () => {
  it('knows the members and the generation, and gives them a session timeout to come', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(2);
    await h.clock.pass(9000);
    await h.failOver();
    expect(h.state()).toBe('Stable');
    await h.clock.pass(9000);
    expect(await h.heartbeat(memberIds[0]!, generationId)).toBe('NONE');
    const sync = h.sync(memberIds[1]!, generationId);
    await h.clock.settle();
    expect(sync.get().assignment!.toString()).toBe(`${memberIds[1]}!`);
    expect(await h.commit(5, { memberId: memberIds[0]!, generationId })).toBe('NONE');
    await h.clock.pass(1000);
    expect(await h.heartbeat(memberIds[1]!, generationId)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('leaves nobody waiting at the one that resigns', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(2);
    const joining = h.join({ memberId: memberIds[0]! });
    await h.clock.settle();
    h.coordinator.onResignation(0, 2);
    await h.clock.settle();
    expect(joining.get().error).toBe('NOT_COORDINATOR');
    expect(await h.heartbeat(memberIds[1]!, generationId)).toBe('NOT_COORDINATOR');
    expect(h.clock.pendingTimers).toBe(0);
  });
});

describe('describing and listing groups', () => {
  it('shows members with their metadata only in a stable group', async () => {
    const h = await GroupHarness.started();
    const { memberIds } = await h.stable(1, { topics: ['a'], client: 'app' });
    expect(h.coordinator.describeGroups(['g'], 6)).toEqual([
      {
        groupId: 'g',
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
        members: [
          {
            memberId: memberIds[0],
            groupInstanceId: null,
            clientId: 'app',
            clientHost: '/127.0.0.1',
            memberMetadata: subscription(['a']),
            memberAssignment: Buffer.from(`${memberIds[0]}!`),
          },
        ],
      },
    ]);
    h.join({ version: 3 });
    await h.clock.settle();
    const [rebalancing] = h.coordinator.describeGroups(['g'], 6);
    expect(rebalancing).toMatchObject({ groupState: 'PreparingRebalance', protocolData: '' });
    expect(rebalancing!.members![0]!.memberMetadata).toHaveLength(0);
  });

  it('calls a group that is not there dead, or since version 6 not found', async () => {
    const h = await GroupHarness.started();
    expect(h.coordinator.describeGroups(['x'], 5)).toEqual([{ groupId: 'x', groupState: 'Dead' }]);
    expect(h.coordinator.describeGroups(['x'], 6)).toMatchObject([{ groupState: 'Dead', errorCode: 69 }]);
  });

  it('lists groups by state and type in any case', async () => {
    const h = await GroupHarness.started();
    await h.stable(1);
    await h.commit(1, { group: '__proto__' });
    const ids = (states: string[], types: string[]) =>
      h.coordinator
        .listGroups(states, types)
        .groups!.map(group => group.groupId)
        .sort();
    expect(ids([], [])).toEqual(['__proto__', 'g']);
    expect(ids(['STABLE'], [])).toEqual(['g']);
    expect(ids(['empty', 'Dead'], ['Classic'])).toEqual(['__proto__']);
    expect(ids([], ['consumer'])).toEqual([]);
    expect(ids(['nonsense'], [])).toEqual([]);
    expect(h.coordinator.listGroups(['stable'], []).groups).toEqual([
      { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
    ]);
  });
});
