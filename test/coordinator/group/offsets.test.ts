import { describe, expect, it } from 'vitest';
import { groupRecordSerde } from '../../../src/coordinator/group/group-records.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { RecordBatchBuilder } from '../../../src/record/record-batch-builder.ts';
import { GroupHarness } from '../group-harness.ts';

const DAY = 24 * 60 * 60 * 1000;
const TOPIC_ID = 'AQIDBAUGBwgJCgsMDQ4PEA';
const OTHER_TOPIC_ID = 'EAECAwQFBgcICQoLDA0ODw';

describe('committing offsets', () => {
  it('is answered when committed, and only then can be fetched', async () => {
    const h = await GroupHarness.started();
    h.partitions.autoCommit = false;
    let answered = false;
    const commit = h.commit(42).then(error => {
      answered = true;
      return error;
    });
    await h.clock.settle();
    expect(answered).toBe(false);
    expect(await h.fetch()).toBe(-1);
    h.partitions.commit();
    expect(await commit).toBe('NONE');
    expect(await h.fetch()).toBe(42);
  });

  it('keeps offsets past 2^53, leader epochs and metadata, over a failover', async () => {
    const h = await GroupHarness.started();
    const offset = 2n ** 60n + 1n;
    expect(await h.commit(offset, { leaderEpoch: 7, metadata: 'é' })).toBe('NONE');
    await h.failOver();
    const fetching = h.coordinator.fetchOffsets(
      {
        groupId: 'g',
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: 't', topicId: TOPIC_ID, partitionIndexes: [0, 1] }],
      },
      false,
    );
    expect(await fetching).toEqual({
      groupId: 'g',
      topics: [
        {
          name: 't',
          topicId: TOPIC_ID,
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: offset,
              committedLeaderEpoch: 7,
              metadata: 'é',
              errorCode: 0,
            },
            { partitionIndex: 1, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
          ],
        },
      ],
    });
  });

  it('of members is refused with a stale generation, a strange member, or between join and sync', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1);
    const memberId = memberIds[0]!;
    expect(await h.commit(1, { memberId, generationId: generationId - 1 })).toBe('ILLEGAL_GENERATION');
    expect(await h.commit(1, { memberId, generationId: generationId + 1 })).toBe('ILLEGAL_GENERATION');
    expect(await h.commit(1, { memberId: 'x', generationId })).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.commit(1, { memberId, instance: 'i', generationId })).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.commit(1)).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.commit(1, { memberId, generationId })).toBe('NONE');
    const rejoin = h.join({ memberId });
    await h.clock.settle();
    expect(rejoin.get().generationId).toBe(generationId + 1);
    expect(await h.commit(2, { memberId, generationId: generationId + 1 })).toBe('REBALANCE_IN_PROGRESS');
    expect(await h.fetch()).toBe(1);
  });

  it('of members is allowed while others are awaited, and counts as a heartbeat', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(2);
    const memberId = memberIds[0]!;
    h.join({ version: 3 });
    await h.clock.pass(9000);
    expect(await h.commit(3, { memberId, generationId })).toBe('NONE');
    await h.clock.pass(9000);
    expect(await h.heartbeat(memberId, generationId)).toBe('REBALANCE_IN_PROGRESS');
    expect(await h.heartbeat(memberIds[1]!, generationId)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('without members makes a simple group; for a group that is not there a generation is illegal', async () => {
    const h = await GroupHarness.started();
    expect(await h.commit(1, { generationId: 3, memberId: 'm', version: 8 })).toBe('ILLEGAL_GENERATION');
    expect(await h.commit(1, { generationId: 3, memberId: 'm', version: 9 })).toBe('GROUP_ID_NOT_FOUND');
    expect(await h.commit(1)).toBe('NONE');
    expect(h.state()).toBe('Empty');
    expect(await h.commit(2, { group: '' })).toBe('NONE');
    expect(await h.fetchAll('')).toEqual({ 't-0': 2 });
  });

  it('refuses metadata that is too large, for that partition only', async () => {
    const h = await GroupHarness.started({ offsetMetadataMaxBytes: 10 });
    const request = h.commitRequest(5, { metadata: 'x'.repeat(11) });
    const partitions = request.topics[0]!.partitions;
    partitions.push({ ...partitions[0]!, partitionIndex: 1, committedMetadata: 'x'.repeat(10) });
    partitions.push({ ...partitions[0]!, partitionIndex: 2, committedMetadata: null });
    const answering = h.coordinator.commitOffsets(request, 9);
    await h.clock.settle();
    const answer = await answering;
    expect(answer.topics![0]!.partitions!.map(partition => partition.errorCode)).toEqual([
      Errors.OFFSET_METADATA_TOO_LARGE,
      Errors.NONE,
      Errors.NONE,
    ]);
    expect(await h.fetchAll()).toEqual({ 't-1': 5, 't-2': 5 });
  });

  it('takes names that mean something to JavaScript as names', async () => {
    const h = await GroupHarness.started();
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(await h.commit(1, { group: name, topic: name })).toBe('NONE');
      expect(await h.fetchAll(name)).toEqual(Object.fromEntries([[`${name}-0`, 1]]));
    }
  });
});

describe('an append that fails', () => {
  it('takes the state back and answers with an error that sends the client on', async () => {
    const h = await GroupHarness.started();
    await h.commit(1);
    for (const [code, error] of [
      [Errors.NOT_LEADER_OR_FOLLOWER, 'NOT_COORDINATOR'],
      [Errors.NOT_ENOUGH_REPLICAS, 'COORDINATOR_NOT_AVAILABLE'],
      [Errors.MESSAGE_TOO_LARGE, 'UNKNOWN_SERVER_ERROR'],
      [Errors.KAFKA_STORAGE_ERROR, 'NOT_COORDINATOR'],
    ] as const) {
      h.partitions.failWith = code;
      expect(await h.commit(2)).toBe(error);
      expect(await h.commit(2, { group: 'other' })).toBe(error);
      h.partitions.failWith = undefined;
      expect(await h.fetch()).toBe(1);
      expect(h.state('other')).toBe('GROUP_ID_NOT_FOUND');
    }
    expect(await h.commit(3)).toBe('NONE');
    expect(await h.fetch()).toBe(3);
  });

  it('leaves a group that was about to be made unmade, and answers all who had joined it', async () => {
    const h = await GroupHarness.started();
    h.partitions.failWith = Errors.NOT_LEADER_OR_FOLLOWER;
    const first = h.join({ version: 3 });
    const second = h.join({ version: 3 });
    await h.clock.settle();
    expect(first.get().error).toBe('NOT_COORDINATOR');
    expect(second.get().error).toBe('NOT_COORDINATOR');
    h.partitions.failWith = undefined;
    expect(h.state()).toBe('GROUP_ID_NOT_FOUND');
    expect((await h.stable(1)).generationId).toBe(1);
  });
});

describe('deleting', () => {
  it('groups: only empty ones, with their offsets', async () => {
    const h = await GroupHarness.started();
    const { memberIds } = await h.stable(1);
    await h.commit(1, { group: 'simple' });
    const remove = async (groups: string[]) => {
      const deleting = h.coordinator.deleteGroups(groups);
      await h.clock.settle();
      return Object.fromEntries((await deleting).map(result => [result.groupId, result.errorCode]));
    };
    expect(await remove(['g', 'simple', 'x', 'x'])).toEqual({
      g: Errors.NON_EMPTY_GROUP,
      simple: Errors.NONE,
      x: Errors.GROUP_ID_NOT_FOUND,
    });
    expect(await h.fetchAll('simple')).toEqual({});
    await h.leave([{ memberId: memberIds[0]! }]);
    expect(await remove(['g'])).toEqual({ g: Errors.NONE });
    expect(h.state()).toBe('GROUP_ID_NOT_FOUND');
    await h.failOver();
    expect(h.state()).toBe('GROUP_ID_NOT_FOUND');
    expect(await h.fetchAll('simple')).toEqual({});
  });

  it('offsets: not those of topics that a member reads, and not of groups of another protocol', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1, { topics: ['t'] });
    const member = { memberId: memberIds[0]!, generationId };
    await h.commit(1, { ...member, topic: 't' });
    await h.commit(1, { ...member, topic: 'old' });
    const remove = async (group: string) => {
      const deleting = h.coordinator.deleteOffsets({
        groupId: group,
        topics: ['t', 'old'].map(name => ({
          name,
          partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }],
        })),
      });
      const outcome = deleting.then(
        answer => answer.topics!.map(topic => topic.partitions!.map(partition => partition.errorCode)),
        error => error.code,
      );
      await h.clock.settle();
      return outcome;
    };
    const subscribed = Errors.GROUP_SUBSCRIBED_TO_TOPIC;
    expect(await remove('g')).toEqual([
      [subscribed, subscribed],
      [0, 0],
    ]);
    expect(await h.fetchAll()).toEqual({ 't-0': 1 });
    expect(await remove('x')).toBe(Errors.GROUP_ID_NOT_FOUND);
    expect(await remove('')).toBe(Errors.INVALID_GROUP_ID);
    await h.stable(1, { group: 'connect', type: 'connect' });
    expect(await remove('connect')).toBe(Errors.NON_EMPTY_GROUP);
  });

  it('topics: their offsets go, but not those of a topic of the same name that came after', async () => {
    const h = await GroupHarness.started();
    await h.commit(1, { topic: 'gone' });
    await h.commit(2, { topic: 'gone', partition: 1, topicId: TOPIC_ID });
    await h.commit(3, { topic: 'gone', partition: 2, topicId: OTHER_TOPIC_ID });
    await h.commit(4, { topic: 'kept', topicId: TOPIC_ID });
    void h.coordinator.onTopicsDeleted([{ name: 'gone', topicId: TOPIC_ID }]);
    await h.clock.settle();
    expect(await h.fetchAll()).toEqual({ 'gone-2': 3, 'kept-0': 4 });
  });
});

describe('an offset of a topic that had the name before', () => {
  it('is not given to who asks by the id of the present one', async () => {
    const h = await GroupHarness.started();
    await h.commit(3, { topicId: TOPIC_ID });
    const fetched = async (topicId: string) => {
      const topics = [{ name: 't', topicId, partitionIndexes: [0] }];
      const request = { groupId: 'g', memberId: null, memberEpoch: -1, topics };
      return (await h.coordinator.fetchOffsets(request, false)).topics![0]!.partitions![0]!.committedOffset;
    };
    expect([await fetched(TOPIC_ID), await fetched(OTHER_TOPIC_ID)]).toEqual([3, -1]);
  });
});

describe('expiry of offsets', () => {
  it('of a simple group counts from the commit, and takes the group with the last offset', async () => {
    const h = await GroupHarness.started();
    await h.commit(1);
    await h.clock.pass(6 * DAY);
    await h.commit(2, { partition: 1 });
    await h.clock.pass(DAY - 1);
    expect(await h.fetchAll()).toEqual({ 't-0': 1, 't-1': 2 });
    await h.clock.pass(600_001);
    expect(await h.fetchAll()).toEqual({ 't-1': 2 });
    expect(h.state()).toBe('Empty');
    await h.clock.pass(6 * DAY);
    expect(await h.fetchAll()).toEqual({});
    expect(h.state()).toBe('GROUP_ID_NOT_FOUND');
  });

  it('of a group with members begins when it is empty, by the time that is in its record', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1, { sessionTimeoutMs: 1_800_000 });
    await h.commit(1, { memberId: memberIds[0]!, generationId });
    for (let quarter = 0; quarter < 8 * 96; quarter++) {
      await h.clock.pass(DAY / 96);
      await h.heartbeat(memberIds[0]!, generationId);
    }
    expect(await h.fetch()).toBe(1);
    await h.leave([{ memberId: memberIds[0]! }]);
    await h.clock.pass(6 * DAY);
    await h.failOver();
    await h.clock.pass(DAY - 700_000);
    expect(await h.fetch()).toBe(1);
    await h.clock.pass(1_400_000);
    expect(await h.fetch()).toBe(-1);
    expect(h.state()).toBe('GROUP_ID_NOT_FOUND');
  });

  it('of a stable group of consumers takes topics that nobody reads any more', async () => {
    const h = await GroupHarness.started({ offsetsRetentionMs: 1000, offsetsRetentionCheckIntervalMs: 100 });
    const { memberIds, generationId } = await h.stable(1, { topics: ['t'] });
    const member = { memberId: memberIds[0]!, generationId };
    await h.commit(1, { ...member, topic: 't' });
    await h.commit(1, { ...member, topic: 'old' });
    await h.clock.pass(2000);
    expect(await h.fetchAll()).toEqual({ 't-0': 1 });
  });

  it('goes by the retention time that a client of versions 2 to 4 has asked for', async () => {
    const h = await GroupHarness.started();
    await h.commit(1, { retentionTimeMs: 3_600_000 });
    await h.commit(2, { partition: 1, retentionTimeMs: 30 * DAY });
    expect(await h.commit(3, { group: 'other', retentionTimeMs: 2n ** 63n - 1n })).toBe('NONE');
    await h.failOver();
    await h.clock.pass(4_300_000);
    expect(await h.fetchAll()).toEqual({ 't-1': 2 });
    await h.clock.pass(8 * DAY);
    expect(await h.fetchAll()).toEqual({ 't-1': 2 });
    expect(await h.fetchAll('other')).toEqual({ 't-0': 3 });
  });
});

describe('a log that Apache Kafka has written', () => {
  async function loaded(write: (append: Appender) => void): Promise<GroupHarness> {
    const h = new GroupHarness();
    write((records, options = {}) => {
      const builder = new RecordBatchBuilder(options);
      for (const [key, value] of records) builder.append({ timestamp: 1, key, value });
      h.partitions.append({ topic: '__consumer_offsets', partition: 0 }, 0, builder.build());
    });
    await h.elect();
    return h;
  }
  type Appender = (
    records: [Buffer, Buffer | null][],
    options?: {
      producerId?: number;
      producerEpoch?: number;
      isTransactional?: boolean;
      isControlBatch?: boolean;
    },
  ) => void;

  function commitRecord(offset: number, partition = 0): [Buffer, Buffer | null] {
    const { key, value } = groupRecordSerde.serialize({
      type: 'offset-commit',
      key: { group: 'g', topic: 't', partition },
      value: {
        offset,
        leaderEpoch: -1,
        metadata: '',
        commitTimestamp: 1_700_000_000_000,
        expireTimestamp: -1,
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
      },
    });
    return [key, value];
  }

  const TXN = { producerId: 9, producerEpoch: 0, isTransactional: true };
  const marker = (type: number): [Buffer, Buffer] => [Buffer.from([0, 0, 0, type]), Buffer.alloc(6)];

  it('may hold records of other kinds of groups, which are passed over', async () => {
    const h = await loaded(append => {
      append([[Buffer.from([0, 3, 0, 1, 0x67]), Buffer.from([0, 0, 0, 0, 0, 1])], commitRecord(5)]);
      append([[Buffer.from([0, 99]), null]]);
    });
    expect(await h.fetchAll()).toEqual({ 't-0': 5 });
  });

  it('may hold offsets of transactions, which count from the marker on', async () => {
    const h = await loaded(append => {
      append([commitRecord(1), commitRecord(1, 1), commitRecord(1, 2)]);
      append([commitRecord(10)], TXN);
      append([marker(1)], { ...TXN, isControlBatch: true });
      append([commitRecord(20, 1)], TXN);
      append([marker(0)], { ...TXN, isControlBatch: true });
      append([commitRecord(30, 2)], TXN);
    });
    expect(await h.fetchAll()).toEqual({ 't-0': 10, 't-1': 1, 't-2': 1 });
    expect(await h.fetchAll('g', true)).toEqual({ 't-0': 10, 't-1': 1, 't-2': 'UNSTABLE_OFFSET_COMMIT' });
    const stable = h.coordinator.fetchOffsets(
      {
        groupId: 'g',
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: 't', topicId: TOPIC_ID, partitionIndexes: [2] }],
      },
      true,
    );
    expect((await stable).topics![0]!.partitions![0]).toMatchObject({
      committedOffset: -1,
      errorCode: Errors.UNSTABLE_OFFSET_COMMIT,
    });
  });

  it('lets a commit that came after a transactional one stand', async () => {
    const h = await loaded(append => {
      append([commitRecord(10)], TXN);
      append([commitRecord(11)]);
      append([marker(1)], { ...TXN, isControlBatch: true });
    });
    expect(await h.fetchAll()).toEqual({ 't-0': 11 });
  });

  it('serves nothing if a record in it is damaged', async () => {
    const h = await loaded(append => append([[commitRecord(1)[0], Buffer.from([0, 77])]]));
    await expect(h.fetchAll()).rejects.toThrow('NOT_COORDINATOR');
    expect(h.logger.messages('error')).toEqual(['a coordinator shard failed to load']);
  });

  it('is read in the versions before, too', () => {
    const legacyKey = Buffer.from([0, 0, 0, 1, 0x67, 0, 1, 0x74, 0, 0, 0, 3]);
    const legacyValue = Buffer.concat([
      Buffer.from([0, 0]),
      Buffer.from('00000000000000070000', 'hex'),
      Buffer.alloc(8),
    ]);
    expect(groupRecordSerde.deserialize(legacyKey, legacyValue)).toEqual({
      type: 'offset-commit',
      key: { group: 'g', topic: 't', partition: 3 },
      value: {
        offset: 7,
        leaderEpoch: -1,
        metadata: '',
        commitTimestamp: 0,
        expireTimestamp: -1,
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
      },
    });
  });
});
