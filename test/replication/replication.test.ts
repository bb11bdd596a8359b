import { describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { brokerConfig } from '../support/broker-config.ts';
import { batch, TestCluster, TOPIC, TOPIC_ID } from './replication-fixture.ts';

const THREE = { replicas: [1, 2, 3] };

describe('a leader and its followers', () => {
  it('replicates bytes, and acknowledges acks=all when the whole ISR has them', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    await cluster.start(THREE);
    const append = cluster.broker(1).append(batch(3));
    expect(append.result).toBeUndefined();
    await cluster.clock.settle();
    expect(append.result).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(cluster.broker(1).ends).toEqual([3, 3]);
    cluster.expectSameLogs(1, 2, 3);
    await cluster.clock.pass(500);
    expect([1, 2, 3].map(id => cluster.broker(id).ends)).toEqual([
      [3, 3],
      [3, 3],
      [3, 3],
    ]);
  });

  it('holds the high watermark back for a member of the ISR that does not fetch, and drops it in time', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    await cluster.start(THREE);
    await cluster.broker(3).crash();
    const append = cluster.broker(1).append(batch());
    await cluster.clock.settle();
    expect(append.result).toBeUndefined();
    expect(cluster.broker(1).ends).toEqual([1, 0]);
    await cluster.clock.pass(46_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    expect(cluster.broker(1).partition().partitionState).toMatchObject({
      kind: 'committed',
      isr: [1, 2],
      maximalIsr: [1, 2],
    });
    expect(cluster.broker(1).ends).toEqual([1, 1]);
  });

  it('takes a follower back into the ISR when it has caught up', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    await cluster.start(THREE);
    await cluster.broker(3).crash();
    cluster.broker(1).append(batch(5));
    await cluster.clock.pass(46_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    await cluster.broker(3).start();
    await cluster.publish();
    await cluster.clock.settle();
    expect(cluster.partitions[0]!.isr).toEqual([1, 2, 3]);
    cluster.expectSameLogs(1, 2, 3);
  });

  it('lets a follower join that has all that is committed and all from before the epoch (R6)', async () => {
    const cluster = new TestCluster([1, 2]);
    cluster.isLinked = () => false;
    await cluster.start({ replicas: [1, 2], isr: [1] });
    cluster.broker(1).append(batch(5));
    await cluster.clock.settle();
    expect(cluster.broker(1).ends).toEqual([5, 5]);
    const isrAfter = async (fetchOffset: number, currentLeaderEpoch = 0) => {
      const partition = { partition: 0, fetchOffset, currentLeaderEpoch, partitionMaxBytes: 1000 };
      const replicaState = { replicaId: 2, replicaEpoch: 102 };
      const topics = [{ topicId: TOPIC_ID, partitions: [partition] }];
      await cluster.broker(1).fetch({ replicaState, maxWaitMs: 0, minBytes: 1, topics });
      await cluster.clock.settle();
      return cluster.partitions[0]!.isr;
    };
    expect(await isrAfter(4)).toEqual([1]);
    // What the leader of an earlier epoch had not committed counts too: it may have been acknowledged.
    cluster.logConfig = { ...cluster.logConfig, minInsyncReplicas: 2 };
    cluster.broker(1).log.updateConfig(cluster.logConfig);
    cluster.broker(1).append(batch(2), 1);
    await cluster.clock.settle();
    await cluster.elect(1);
    expect(cluster.broker(1).ends).toEqual([7, 5]);
    expect(await isrAfter(5, 1)).toEqual([1]);
    expect(await isrAfter(7, 1)).toEqual([1, 2]);
    expect(cluster.broker(1).ends).toEqual([7, 7]);
  });

  it('leaves a fenced follower outside of the ISR until it is unfenced', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.broker(3).fields = { fenced: true };
    await cluster.start({ ...THREE, isr: [1, 2] });
    cluster.broker(1).append(batch());
    await cluster.clock.pass(1_000);
    cluster.expectSameLogs(1, 2, 3);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    expect(cluster.alterPartitionRequests).toEqual([]);
    cluster.broker(3).fields = {};
    await cluster.publish();
    expect(cluster.partitions[0]!.isr).toEqual([1, 2, 3]);
  });

  it('proposes a follower of an idle partition again that the controller has refused', async () => {
    const cluster = new TestCluster([1, 2]);
    cluster.alterPartitionError = Errors.INELIGIBLE_REPLICA;
    await cluster.start({ replicas: [1, 2], isr: [1] });
    await cluster.run(1_000);
    expect(cluster.partitions[0]!.isr).toEqual([1]);
    cluster.alterPartitionError = Errors.NONE;
    await cluster.run(1_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
  });

  it('counts a joining follower for the high watermark while the controller has not answered (R3)', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.alterPartitionError = Errors.UNKNOWN_SERVER_ERROR;
    await cluster.start({ ...THREE, isr: [1, 2] });
    await cluster.clock.pass(100);
    const leader = cluster.broker(1);
    expect(leader.partition().partitionState).toMatchObject({
      kind: 'pendingExpand',
      isr: [1, 2],
      maximalIsr: [1, 2, 3],
    });
    cluster.isLinked = from => from !== 3;
    await cluster.clock.pass(1_000);
    const append = leader.append(batch());
    await cluster.clock.pass(100);
    expect(append.result).toBeUndefined();
    expect(leader.ends).toEqual([1, 0]);
  });

  it('does not move the high watermark while the ISR is smaller than min.insync.replicas (KIP-966)', async () => {
    const cluster = new TestCluster([1, 2, 3], { logConfig: { minInsyncReplicas: 2 } });
    cluster.isLinked = () => false;
    await cluster.start({ ...THREE, isr: [1] });
    const all = cluster.broker(1).append(batch());
    const one = cluster.broker(1).append(batch(), 1);
    await cluster.clock.settle();
    expect(all.result).toMatchObject({ errorCode: Errors.NOT_ENOUGH_REPLICAS });
    expect(one.result).toMatchObject({ errorCode: 0 });
    expect(cluster.broker(1).ends).toEqual([1, 0]);
  });

  it('holds back what was appended before the ISR became too small, until it is large enough again', async () => {
    const cluster = new TestCluster([1, 2], { logConfig: { minInsyncReplicas: 2 } });
    await cluster.start({ replicas: [1, 2] });
    cluster.isLinked = () => false;
    await cluster.clock.pass(25_000);
    const append = cluster.broker(1).append(batch());
    await cluster.clock.pass(25_000);
    expect(cluster.partitions[0]!.isr).toEqual([1]);
    expect(cluster.broker(1).ends).toEqual([1, 0]);
    expect(append.result).toBeUndefined();
    cluster.isLinked = () => true;
    await cluster.clock.pass(2_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    expect(append.result).toMatchObject({ errorCode: 0 });
  });

  it('refuses fetches of an earlier life of a broker (R10)', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    const fetch = (replicaEpoch: number, partition: object = {}) =>
      cluster.broker(1).fetch({
        replicaState: { replicaId: 2, replicaEpoch },
        maxWaitMs: 0,
        minBytes: 1,
        topics: [
          {
            topicId: TOPIC_ID,
            partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000, ...partition }],
          },
        ],
      });
    const codeOf = async (epoch: number, partition?: object) =>
      (await fetch(epoch, partition))!.responses[0]!.partitions[0]!.errorCode;
    expect(await codeOf(102)).toBe(Errors.NONE);
    expect(await codeOf(101)).toBe(Errors.NOT_LEADER_OR_FOLLOWER);
    expect(await codeOf(102, { currentLeaderEpoch: 1 })).toBe(Errors.UNKNOWN_LEADER_EPOCH);
    await cluster.elect(1);
    expect(await codeOf(102, { currentLeaderEpoch: 0 })).toBe(Errors.FENCED_LEADER_EPOCH);
  });

  it('costs idle followers one fetch in each wait, without looking at partitions', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start(...Array.from({ length: 50 }, () => ({ replicas: [1, 2] })));
    await cluster.clock.pass(1_000);
    const before = cluster.fetches;
    await cluster.clock.pass(500);
    await cluster.clock.pass(500);
    expect(cluster.fetches - before).toBeLessThanOrEqual(3);
  });
});

describe('a change of the leader', () => {
  it('cuts what a deposed leader wrote alone, and keeps what was acknowledged', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    await cluster.start(THREE);
    cluster.broker(1).append(batch(2, 10));
    await cluster.clock.pass(500);
    // The old leader hears of nothing any more, and goes on.
    cluster.reachable = id => id !== 1;
    cluster.isLinked = (from, to) => from !== 1 && to !== 1;
    const lost = cluster.broker(1).append(batch(4, 20));
    await cluster.clock.pass(100);
    await cluster.elect(2, [2, 3]);
    const kept = cluster.broker(2).append(batch(3, 30));
    await cluster.clock.pass(1_000);
    expect(lost.result).toBeUndefined();
    expect(kept.result).toMatchObject({ errorCode: 0, baseOffset: 2 });
    cluster.reachable = () => true;
    cluster.isLinked = () => true;
    await cluster.publish();
    await cluster.clock.pass(5_000);
    expect(lost.result).toMatchObject({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER });
    cluster.expectSameLogs(1, 2, 3);
    expect(cluster.broker(1).ends).toEqual([5, 5]);
    expect(cluster.partitions[0]!.isr.toSorted()).toEqual([1, 2, 3]);
  });

  it('keeps nothing below the start of the leader of which that cannot say whether it had the same (R1)', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(2, 10));
    await cluster.clock.pass(500);
    cluster.isLinked = () => false;
    cluster.reachable = id => id === 2;
    cluster.broker(1).append(batch(4, 20), 1);
    await cluster.elect(2, [2]);
    for (let i = 0; i < 6; i++) cluster.broker(2).append(batch(1, 30 + i));
    await cluster.clock.pass(100);
    // With these it forgets where its epoch began.
    cluster.broker(2).log.maybeIncrementLogStartOffset(5, 'DeleteRecords');
    cluster.isLinked = () => true;
    cluster.reachable = () => true;
    await cluster.publish();
    await cluster.clock.pass(5_000);
    const { log } = cluster.broker(1);
    expect(cluster.broker(1).ends).toEqual([8, 8]);
    expect([log.logStartOffset, log.segments.first!.baseOffset]).toEqual([5, 5]);
    expect(log.epochEntries).toEqual(cluster.broker(2).log.epochEntries);
  });

  it('finds the divergence after leaders that failed fast one after the other (KIP-279)', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    await cluster.start(THREE);
    cluster.broker(1).append(batch(1));
    await cluster.clock.pass(1_000);
    // Each in turn leads alone and writes what nobody else gets.
    const isolate = (id: number) => {
      cluster.isLinked = () => false;
      cluster.reachable = broker => broker === id;
    };
    isolate(1);
    cluster.broker(1).append(batch(2, 11), 1);
    await cluster.clock.pass(10);
    isolate(2);
    await cluster.elect(2, [2]);
    cluster.broker(2).append(batch(5, 12), 1);
    await cluster.clock.pass(10);
    isolate(1);
    await cluster.elect(1, [1]);
    cluster.broker(1).append(batch(1, 13), 1);
    await cluster.clock.pass(10);
    isolate(3);
    await cluster.elect(3, [3]);
    cluster.broker(3).append(batch(7, 14), 1);
    await cluster.clock.pass(10);
    cluster.isLinked = () => true;
    cluster.reachable = () => true;
    await cluster.publish();
    await cluster.clock.pass(5_000);
    cluster.expectSameLogs(1, 2, 3);
    expect(cluster.broker(2).log.logEndOffset).toBe(8);
    expect(cluster.partitions[0]!.isr.toSorted()).toEqual([1, 2, 3]);
  });

  it('forgets the epoch of a leader that wrote nothing', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(2));
    await cluster.clock.pass(500);
    cluster.isLinked = () => false;
    cluster.reachable = id => id === 2;
    await cluster.elect(2);
    cluster.reachable = id => id === 1;
    await cluster.elect(1);
    cluster.broker(1).append(batch(2), 1);
    await cluster.clock.settle();
    cluster.isLinked = () => true;
    cluster.reachable = () => true;
    await cluster.publish();
    await cluster.clock.pass(2_000);
    cluster.expectSameLogs(1, 2);
    expect(cluster.broker(2).log.epochEntries).toEqual(cluster.broker(1).log.epochEntries);
  });

  it('begins the epoch behind what the leader has staged in the one before', async () => {
    for (const durability of ['page-cache', 'fsync'] as const) {
      const cluster = new TestCluster([1, 2, 3], { logConfig: { durability } });
      await cluster.start(THREE);
      cluster.broker(1).append(batch(3));
      await cluster.clock.pass(500);
      const staged = cluster.broker(1).append(batch(7), 1);
      expect(cluster.broker(1).ends[0]).toBe(3);
      await cluster.elect(1);
      expect(cluster.broker(1).log.endOffsetForEpoch(0)).toEqual({ leaderEpoch: 0, offset: 10 });
      const next = cluster.broker(1).append(batch(2));
      await cluster.clock.pass(1_000);
      expect([staged.result?.errorCode, next.result]).toMatchObject([0, { errorCode: 0, baseOffset: 10 }]);
      expect([1, 2, 3].map(id => cluster.broker(id).ends[0])).toEqual([12, 12, 12]);
      cluster.expectSameLogs(1, 2, 3);
    }
  });

  it('cuts a log when what it has staged is written, not before', async () => {
    const cluster = new TestCluster([1, 2], { logConfig: { durability: 'fsync' } });
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(3));
    await cluster.clock.pass(1_000);
    cluster.isLinked = () => false;
    // Broker 1 leads in epoch 1 and is deposed while its records are on their way to the disk.
    await cluster.elect(1);
    const lost = cluster.broker(1).append(batch(7), 1);
    const { log } = cluster.broker(1);
    log.writeStaged();
    expect([log.logEndOffset, log.stagedEndOffset]).toEqual([3, 10]);
    cluster.isLinked = () => true;
    await cluster.elect(2);
    const kept = cluster.broker(2).append(batch(2));
    await cluster.clock.pass(2_000);
    expect([lost.result?.errorCode, kept.result?.errorCode]).toEqual([0, 0]);
    cluster.expectSameLogs(1, 2);
    expect(cluster.broker(1).ends).toEqual([5, 5]);
    expect(cluster.broker(1).log.epochEntries).toEqual(cluster.broker(2).log.epochEntries);
  });

  it('leaves a leader alone that denies what it has given, rather than fetch it again without end', async () => {
    const logger = new MemoryLogger();
    const cluster = new TestCluster([1, 2], { logger });
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(3));
    await cluster.clock.pass(500);
    await cluster.elect(1);
    await cluster.clock.pass(500);
    const { log } = cluster.broker(1);
    log.appendAsLeader(batch(7), 0);
    log.leaderEpochCache.clear();
    log.leaderEpochCache.assign(0, 0);
    log.leaderEpochCache.assign(1, 3);
    const before = cluster.fetches;
    await cluster.run(10_000);
    expect(cluster.fetches - before).toBeLessThan(60);
    const denied = logger.entries.filter(({ fields }) => String(fields?.error).includes('denies'));
    expect(denied.map(({ level }) => level)).toContain('error');
    // It is no longer so: the replica goes on.
    log.leaderEpochCache.clear();
    log.leaderEpochCache.assign(0, 0);
    await cluster.elect(1);
    await cluster.run(3_000);
    cluster.expectSameLogs(1, 2);
  });

  it('warns when an unclean election costs committed records, and follows the new leader', async () => {
    const logger = new MemoryLogger();
    const cluster = new TestCluster([1, 2], { logger });
    cluster.isLinked = () => false;
    await cluster.start({ replicas: [1, 2], isr: [1] });
    const append = cluster.broker(1).append(batch(6));
    await cluster.clock.pass(100);
    expect(append.result).toMatchObject({ errorCode: 0 });
    await cluster.elect(2, [2]);
    cluster.broker(2).append(batch(1, 99));
    cluster.isLinked = () => true;
    await cluster.clock.pass(2_000);
    cluster.expectSameLogs(1, 2);
    expect(cluster.broker(1).ends).toEqual([1, 1]);
    expect(logger.entries.some(({ level, message }) => level === 'warn' && message.includes('unclean'))).toBe(
      true,
    );
  });

  it('starts a follower again that is behind all that the leader still has', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(2));
    await cluster.clock.pass(500);
    await cluster.broker(2).crash();
    cluster.broker(2).fields = { fenced: true };
    cluster.partitions = [{ ...cluster.partitions[0]!, isr: [1], partitionEpoch: 1 }];
    await cluster.publish();
    cluster.broker(1).append(batch(4));
    cluster.broker(1).log.roll();
    cluster.broker(1).append(batch(4));
    await cluster.clock.settle();
    cluster.broker(1).log.maybeIncrementLogStartOffset(8, 'test');
    cluster.broker(1).log.deleteOldSegments();
    await cluster.broker(2).start();
    cluster.broker(2).fields = {};
    await cluster.publish();
    await cluster.clock.pass(5_000);
    // Offset 8 lies within a batch, which the follower gets whole.
    expect(cluster.broker(2).log.logStartOffset).toBe(8);
    expect(cluster.broker(2).ends).toEqual([10, 10]);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
  });

  it('keeps the sequences of idempotent producers (T1)', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    const of = (baseSequence: number) => batch(1, 10, { producerId: 7, producerEpoch: 0, baseSequence });
    cluster.broker(1).append(of(0));
    cluster.broker(1).append(of(1));
    await cluster.clock.pass(500);
    await cluster.elect(2);
    const again = cluster.broker(2).append(of(1));
    const next = cluster.broker(2).append(of(2));
    const gap = cluster.broker(2).append(of(4));
    await cluster.clock.pass(1_000);
    expect(again.result).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(next.result).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect(gap.result).toMatchObject({ errorCode: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER });
    cluster.expectSameLogs(1, 2);
  });

  it('drops the log of a replica that is moved away, and follows a new one from nothing', async () => {
    const cluster = new TestCluster([1, 2, 3]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(3));
    await cluster.clock.pass(500);
    cluster.partitions = [{ ...cluster.partitions[0]!, replicas: [1, 3], isr: [1], partitionEpoch: 1 }];
    await cluster.publish();
    await cluster.clock.pass(500);
    expect(cluster.broker(2).partition()).toBeUndefined();
    expect(cluster.broker(2).logManager.logCount).toBe(0);
    cluster.expectSameLogs(1, 3);
    expect(cluster.partitions[0]!.isr).toEqual([1, 3]);
  });
});

describe('consumers', () => {
  const consume = (fetchOffset: number, more: object = {}, lastFetchedEpoch = -1) => ({
    maxWaitMs: 0,
    minBytes: 1,
    topics: [
      {
        topicId: TOPIC_ID,
        topic: TOPIC,
        partitions: [{ partition: 0, fetchOffset, lastFetchedEpoch, partitionMaxBytes: 10_000 }],
      },
    ],
    ...more,
  });

  it('are sent to the replica in their rack, which gives them what it knows to be committed (R12)', async () => {
    const cluster = new TestCluster([1, 2]);
    cluster.broker(1).fields = { rack: 'a' };
    cluster.broker(2).fields = { rack: 'b' };
    Object.defineProperty(cluster, 'config', {
      value: Object.assign(Object.create(cluster.config), {
        optionalString: (key: string) =>
          key === 'replica.selector.class'
            ? 'org.apache.kafka.common.replica.RackAwareReplicaSelector'
            : null,
      }),
    });
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(3));
    await cluster.clock.pass(100);
    const sent = await cluster.broker(1).fetch(consume(0, { rackId: 'b' }));
    expect(sent!.responses[0]!.partitions[0]).toMatchObject({ preferredReadReplica: 2, errorCode: 0 });
    const stays = await cluster.broker(1).fetch(consume(0, { rackId: 'a' }));
    expect(stays!.responses[0]!.partitions[0]).toMatchObject({ preferredReadReplica: -1, highWatermark: 3 });
    const there = await cluster.broker(2).fetch(consume(0, { rackId: 'b' }));
    expect(there!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0);
    cluster.isLinked = () => false;
    cluster.broker(1).append(batch(3), 1);
    await cluster.clock.settle();
    const behind = await cluster.broker(2).fetch(consume(3));
    expect(behind!.responses[0]!.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 3 });
    expect(behind!.responses[0]!.partitions[0]!.records?.length ?? 0).toBe(0);
    const beyond = await cluster.broker(2).fetch(consume(6));
    expect(beyond!.responses[0]!.partitions[0]!.errorCode).toBe(Errors.OFFSET_OUT_OF_RANGE);
    // That a replica is behind is no divergence: what the consumer has read is in the log of the leader.
    const ahead = (await cluster.broker(2).fetch(consume(6, {}, 0)))!.responses[0]!.partitions[0]!;
    expect(ahead).toMatchObject({ errorCode: Errors.OFFSET_OUT_OF_RANGE, divergingEpoch: { epoch: -1 } });
    const old = await cluster.broker(2).fetch(consume(0), 10);
    expect(old!.responses[0]!.partitions[0]!.errorCode).toBe(Errors.NOT_LEADER_OR_FOLLOWER);
  });

  it('that are tools to compare replicas read all that any replica has', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(3));
    await cluster.clock.settle();
    expect(cluster.broker(2).ends).toEqual([3, 0]);
    const asTool = { replicaState: { replicaId: -2, replicaEpoch: -1 } };
    const read = await cluster.broker(2).fetch(consume(0, asTool));
    expect(read!.responses[0]!.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 0 });
    expect(read!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0);
    const partitions = [{ timestamp: -1, partitionIndex: 0 }];
    const listed = await cluster
      .broker(2)
      .listOffsets({ replicaId: -2, topics: [{ name: TOPIC, partitions }] });
    expect(listed.topics[0]!.partitions[0]).toMatchObject({ errorCode: 0, offset: 3 });
  });

  it('are told no latest offset by a leader that does not know it yet (KIP-207)', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch(3));
    await cluster.clock.settle();
    // The follower has the records, and has not heard that they are committed.
    expect(cluster.broker(2).ends).toEqual([3, 0]);
    cluster.isLinked = () => false;
    await cluster.elect(2);
    const latest = { timestamp: -1, partitionIndex: 0 };
    const list = async (version: number) =>
      (
        await cluster
          .broker(2)
          .listOffsets({ replicaId: -1, topics: [{ name: TOPIC, partitions: [latest] }] }, version)
      ).topics[0]!.partitions[0]!;
    expect((await list(10)).errorCode).toBe(Errors.OFFSET_NOT_AVAILABLE);
    expect((await list(4)).errorCode).toBe(Errors.LEADER_NOT_AVAILABLE);
    cluster.isLinked = () => true;
    await cluster.clock.pass(2_000);
    expect(await list(10)).toMatchObject({ errorCode: 0, offset: 3 });
  });
});

describe('throttled replicas', () => {
  it('catch up at the rate of the follower, and are not held back once they are in the ISR', async () => {
    const cluster = new TestCluster([1, 2], {
      lines: 'replica.fetch.max.bytes=10000',
      logConfig: { followerReplicationThrottledReplicas: ['0:2'] },
    });
    cluster.rates.set('follower.replication.throttled.rate', '20000');
    cluster.isLinked = () => false;
    await cluster.start({ replicas: [1, 2], isr: [1] });
    for (let i = 0; i < 20; i++) cluster.broker(1).append(batch(1, 5_000), 1);
    await cluster.clock.settle();
    cluster.isLinked = () => true;
    await cluster.publish();
    await cluster.run(2_000);
    const { logEndOffset } = cluster.broker(2).log;
    expect(logEndOffset).toBeGreaterThan(4);
    expect(logEndOffset).toBeLessThan(16);
    await cluster.run(8_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    await cluster.publish();
    for (let i = 0; i < 20; i++) cluster.broker(1).append(batch(1, 5_000), 1);
    await cluster.run(100);
    cluster.expectSameLogs(1, 2);
  });

  it('get from the leader what its rate allows', async () => {
    const cluster = new TestCluster([1, 2], {
      lines: 'replica.fetch.max.bytes=10000',
      logConfig: { leaderReplicationThrottledReplicas: ['*'] },
    });
    cluster.rates.set('leader.replication.throttled.rate', '20000');
    cluster.isLinked = () => false;
    await cluster.start({ replicas: [1, 2], isr: [1] });
    for (let i = 0; i < 20; i++) cluster.broker(1).append(batch(1, 5_000), 1);
    await cluster.clock.settle();
    cluster.isLinked = () => true;
    await cluster.publish();
    await cluster.run(2_000);
    const { logEndOffset } = cluster.broker(2).log;
    expect(logEndOffset).toBeGreaterThan(4);
    expect(logEndOffset).toBeLessThan(16);
    await cluster.run(8_000);
    cluster.expectSameLogs(1, 2);
  });
});

describe('the number of fetchers', () => {
  it('changes while partitions are followed, and nothing is lost or fetched twice', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start(...Array.from({ length: 8 }, () => ({ replicas: [1, 2] })));
    const { fetchers } = cluster.broker(2).replicaManager;
    const withFetchers = async (count: number): Promise<void> => {
      cluster.config = brokerConfig(`num.replica.fetchers=${count}`);
      cluster.broker(2).replicaManager.onConfigChanged();
      for (let index = 0; index < 8; index++) {
        cluster.broker(1).append(batch(), 1, index);
        await cluster.clock.settle();
      }
      await cluster.run(1_000);
      expect(fetchers.size).toBe(count);
    };
    await withFetchers(1);
    await withFetchers(3);
    await withFetchers(2);
    await withFetchers(1);
    for (let index = 0; index < 8; index++) {
      const [leader, follower] = [1, 2].map(id => cluster.broker(id).partition(index).log!.logEndOffset);
      expect([leader, follower]).toEqual([4, 4]);
    }
    cluster.expectSameLogs(1, 2);
  });
});

describe('a disk that fails', () => {
  it('ends the fetching of its partitions, and a leader answers for it', async () => {
    const cluster = new TestCluster([1, 2]);
    await cluster.start({ replicas: [1, 2] });
    cluster.broker(1).append(batch());
    await cluster.run(600);
    cluster.broker(2).disk.fault = operation => (operation === 'write' ? { code: 'EIO' } : undefined);
    cluster.broker(1).append(batch(), 1);
    await cluster.run(600);
    expect(cluster.broker(2).partition().isOffline).toBe(true);
    expect(cluster.broker(2).replicaManager.fetchers.size).toBe(0);
    await cluster.elect(2);
    expect(cluster.broker(2).append(batch()).result).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
  });
});
