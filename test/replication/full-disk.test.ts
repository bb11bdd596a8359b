import { describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { batch, type TestBroker, TestCluster, TOPIC, TOPIC_ID } from './replication-fixture.ts';

const MIB = 1024 * 1024;
const RESERVE = 2 * MIB;

async function clusterOf(replicas: number[], logger = new MemoryLogger()): Promise<TestCluster> {
  const cluster = new TestCluster(replicas, { logger });
  cluster.minFreeBytes = RESERVE;
  await cluster.start({ replicas });
  for (let i = 0; i < 4; i++) cluster.broker(1).append(batch(1));
  await cluster.run(1_000);
  return cluster;
}

function leave({ disk }: TestBroker, bytes: number): void {
  disk.capacityBytes = disk.usedBytes + bytes;
}

describe('a leader that is short of space', () => {
  it('refuses producers with a code that they retry, and goes on with all else', async () => {
    const cluster = await clusterOf([1, 2]);
    const leader = cluster.broker(1);
    leave(leader, RESERVE - 1);
    await cluster.run(1_000);
    for (const acks of [-1, 1, 0]) {
      expect(leader.append(batch(1), acks).result).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
    }
    expect(leader.ends).toEqual([4, 4]);
    // Reads, deletes, what coordinators write and what followers fetch of it.
    const topics = [
      { topicId: TOPIC_ID, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: MIB }] },
    ];
    const read = await leader.fetch({ maxWaitMs: 0, minBytes: 1, maxBytes: MIB, topics });
    expect(read!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0);
    leader.partition().appendAsLeader(batch(1), -1, { origin: 'coordinator' });
    const deleted: number[] = [];
    const entry = { topicPartition: { topic: TOPIC, partition: 0 }, offset: 2 };
    leader.replicaManager.deleteRecords([entry], 5_000, ([result]) => deleted.push(result!.errorCode));
    await cluster.run(1_000);
    expect(deleted).toEqual([Errors.NONE]);
    cluster.expectSameLogs(1, 2);
    expect(leader.ends).toEqual([5, 5]);
    await cluster.run(60_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    leave(leader, 2 * RESERVE);
    await cluster.run(1_000);
    const again = leader.append(batch(1));
    await cluster.run(1_000);
    expect(again.result).toMatchObject({ errorCode: Errors.NONE });
  });
});

describe('a follower that is short of space', () => {
  it('fetches nothing that it has no room for, leaves the ISR, and comes back by itself', async () => {
    const logger = new MemoryLogger();
    const cluster = await clusterOf([1, 2], logger);
    leave(cluster.broker(2), RESERVE - 1);
    await cluster.run(1_000);
    // Nothing new: it has all, and stays in sync.
    await cluster.run(60_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    const waiting = cluster.broker(1).append(batch(1, 100));
    await cluster.run(1_000);
    const fetches = cluster.fetches;
    await cluster.run(20_000);
    expect(waiting.result).toBeUndefined();
    expect(cluster.fetches - fetches).toBeLessThan(5);
    expect(cluster.broker(2).ends).toEqual([4, 4]);
    await cluster.run(30_000);
    expect(cluster.partitions[0]!.isr).toEqual([1]);
    expect(waiting.result).toMatchObject({ errorCode: Errors.REQUEST_TIMED_OUT });
    const without = cluster.broker(1).append(batch(1));
    await cluster.run(100);
    expect(without.result).toMatchObject({ errorCode: Errors.NONE });
    expect(logger.entries.filter(({ level }) => level === 'error')).toEqual([]);
    leave(cluster.broker(2), 2 * RESERVE);
    await cluster.run(5_000);
    expect(cluster.partitions[0]!.isr).toEqual([1, 2]);
    cluster.expectSameLogs(1, 2);
  });

  it('outlives a write that has no room, and has what the leader has when there is some', async () => {
    const cluster = await clusterOf([1, 2]);
    const { disk } = cluster.broker(2);
    await cluster.clock.settle();
    leave(cluster.broker(2), 60);
    cluster.broker(1).append(batch(1, 500));
    await cluster.run(3_000);
    expect(cluster.broker(2).ends).toEqual([4, 4]);
    expect(cluster.broker(2).logManager.hasOfflineLogDirs).toBe(false);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await cluster.run(5_000);
    cluster.expectSameLogs(1, 2);
    expect(cluster.broker(2).ends).toEqual([5, 5]);
  });
});
