import { describe, expect, it } from 'vitest';
import type { Offset } from '../../src/base/int64.ts';
import { Errors } from '../../src/protocol/errors.ts';
import type { DeleteRecordsResult } from '../../src/replication/delayed-delete-records.ts';
import { batch, type TestBroker, TestCluster, TOPIC } from './replication-fixture.ts';

const START_OFFSETS = '/data/log-start-offset-checkpoint';

/** Sends it; `result` is there when it is answered. */
function deleteRecords(
  broker: TestBroker,
  offset: Offset,
  { timeoutMs = 30_000, topic = TOPIC, partition = 0 } = {},
): { result?: DeleteRecordsResult } {
  const outcome: { result?: DeleteRecordsResult } = {};
  const entries = [{ topicPartition: { topic, partition }, offset }];
  broker.replicaManager.deleteRecords(entries, timeoutMs, ([result]) => {
    outcome.result = result!;
  });
  return outcome;
}

async function clusterOf(
  replicas: number[],
  records: number,
  ...options: ConstructorParameters<typeof TestCluster>[1][]
) {
  const cluster = new TestCluster(replicas, ...options);
  await cluster.start({ replicas });
  for (let i = 0; i < records; i++) cluster.broker(1).append(batch(1));
  await cluster.clock.pass(1_000);
  return cluster;
}

describe('DeleteRecords', () => {
  it('is answered when every replica starts at the offset, and says so', async () => {
    const cluster = await clusterOf([1, 2, 3], 10);
    const outcome = deleteRecords(cluster.broker(1), 4);
    expect(outcome.result).toBeUndefined();
    expect(cluster.broker(1).log.logStartOffset).toBe(4);
    await cluster.clock.settle();
    expect(outcome.result).toEqual({ errorCode: Errors.NONE, lowWatermark: 4 });
    for (const id of [2, 3]) expect(cluster.broker(id).log.logStartOffset).toBe(4);
  });

  it('deletes all that is committed for -1, and nothing for an offset that is gone already', async () => {
    const cluster = await clusterOf([1], 10);
    expect(deleteRecords(cluster.broker(1), -1).result).toEqual({ errorCode: Errors.NONE, lowWatermark: 10 });
    expect(deleteRecords(cluster.broker(1), 3).result).toEqual({ errorCode: Errors.NONE, lowWatermark: 10 });
    expect(cluster.broker(1).ends).toEqual([10, 10]);
    cluster.broker(1).append(batch(1));
    await cluster.clock.settle();
    expect(cluster.broker(1).ends).toEqual([11, 11]);
  });

  it('refuses what is above the high watermark or no offset, and moves nothing (S9)', async () => {
    const cluster = await clusterOf([1], 10);
    const refused = { errorCode: Errors.OFFSET_OUT_OF_RANGE, lowWatermark: -1 };
    for (const offset of [11, -2, 2n ** 62n]) {
      expect(deleteRecords(cluster.broker(1), offset).result).toEqual(refused);
    }
    expect(cluster.broker(1).log.logStartOffset).toBe(0);
  });

  it('is refused where the topic is only compacted, and served where it is compacted and deleted', async () => {
    const compacted = await clusterOf([1], 0, { logConfig: { cleanupPolicy: new Set(['compact']) } });
    expect(deleteRecords(compacted.broker(1), 0).result).toEqual({
      errorCode: Errors.POLICY_VIOLATION,
      lowWatermark: -1,
    });
    const both = await clusterOf([1], 0, { logConfig: { cleanupPolicy: new Set(['compact', 'delete']) } });
    expect(deleteRecords(both.broker(1), 0).result).toEqual({ errorCode: Errors.NONE, lowWatermark: 0 });
  });

  it('answers with the code that sends the client elsewhere, or home', async () => {
    const cluster = await clusterOf([1, 2], 4);
    const codeOf = (outcome: { result?: DeleteRecordsResult }) => outcome.result?.errorCode;
    expect(codeOf(deleteRecords(cluster.broker(2), 2))).toBe(Errors.NOT_LEADER_OR_FOLLOWER);
    expect(codeOf(deleteRecords(cluster.broker(1), 2, { partition: 9 }))).toBe(
      Errors.UNKNOWN_TOPIC_OR_PARTITION,
    );
    expect(codeOf(deleteRecords(cluster.broker(1), 2, { topic: '__proto__' }))).toBe(
      Errors.UNKNOWN_TOPIC_OR_PARTITION,
    );
    expect(codeOf(deleteRecords(cluster.broker(1), 2, { topic: '__consumer_offsets' }))).toBe(
      Errors.INVALID_TOPIC_EXCEPTION,
    );
    cluster.broker(1).disk.fault = () => ({ code: 'EIO' });
    expect(codeOf(deleteRecords(cluster.broker(1), 2))).toBe(Errors.KAFKA_STORAGE_ERROR);
    cluster.broker(1).disk.fault = undefined;
    expect(codeOf(deleteRecords(cluster.broker(1), 3))).toBe(Errors.KAFKA_STORAGE_ERROR);
  });

  it('times out with the low watermark as it was while a live follower does not fetch', async () => {
    const cluster = await clusterOf([1, 2], 4);
    cluster.isLinked = () => false;
    const outcome = deleteRecords(cluster.broker(1), 3, { timeoutMs: 2_000 });
    await cluster.run(1_900);
    expect(outcome.result).toBeUndefined();
    await cluster.run(200);
    expect(outcome.result).toEqual({ errorCode: Errors.REQUEST_TIMED_OUT, lowWatermark: 0 });
    expect(cluster.broker(1).log.logStartOffset).toBe(3);
    // Whoever asks again is answered when the follower is there.
    const again = deleteRecords(cluster.broker(1), 3);
    cluster.isLinked = () => true;
    await cluster.run(5_000);
    expect(again.result).toEqual({ errorCode: Errors.NONE, lowWatermark: 3 });
  });

  it('does not wait for a follower whose broker is fenced, also if that happens meanwhile', async () => {
    const cluster = await clusterOf([1, 2], 4);
    cluster.isLinked = () => false;
    const outcome = deleteRecords(cluster.broker(1), 3);
    await cluster.run(200);
    expect(outcome.result).toBeUndefined();
    cluster.broker(2).fields = { fenced: true };
    await cluster.publish();
    expect(outcome.result).toEqual({ errorCode: Errors.NONE, lowWatermark: 3 });
  });

  it('goes on through a new epoch of the leader, and ends with NOT_LEADER_OR_FOLLOWER under another one', async () => {
    const cluster = await clusterOf([1, 2], 4);
    cluster.isLinked = () => false;
    const outcome = deleteRecords(cluster.broker(1), 3);
    await cluster.elect(1);
    expect(outcome.result).toBeUndefined();
    await cluster.elect(2);
    expect(outcome.result).toEqual({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER, lowWatermark: -1 });
  });

  it('is not undone by kill -9 of all replicas once it is answered (S6)', async () => {
    const cluster = await clusterOf([1, 2], 6);
    const outcome = deleteRecords(cluster.broker(1), 5);
    await cluster.clock.settle();
    expect(outcome.result).toEqual({ errorCode: Errors.NONE, lowWatermark: 5 });
    for (const id of [1, 2]) {
      expect(cluster.broker(id).disk.contentOf(START_OFFSETS).toString()).toBe(`0\n1\n${TOPIC} 0 5\n`);
      await cluster.broker(id).crash('lose');
    }
    for (const id of [1, 2]) await cluster.broker(id).start();
    await cluster.elect(2);
    await cluster.run(1_000);
    for (const id of [1, 2]) expect(cluster.broker(id).log.logStartOffset).toBe(5);
  });

  it('lets a fetch that has begun see the records as they were, and the next one none of them (S9)', async () => {
    const cluster = await clusterOf([1], 6, { logConfig: { segmentBytes: 200 } });
    const { log } = cluster.broker(1);
    const begun = log.read(0, 1_000_000, 'highWatermark', true);
    expect(deleteRecords(cluster.broker(1), 6).result).toMatchObject({ errorCode: Errors.NONE });
    log.deleteOldSegments();
    const bytes = Buffer.concat(await Promise.all(begun.slices.map(slice => slice.load())));
    expect(bytes.length).toBe(begun.sizeInBytes);
    expect(() => log.read(5, 1_000_000, 'highWatermark', true)).toThrow('not within 6 to 6');
  });
});
