import { beforeEach, describe, expect, it } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import { messagesOf } from '../../src/record/message-set.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import { markerOf } from '../log/log-fixture.ts';
import { batch, TestCluster, TOPIC, TOPIC_ID } from './replication-fixture.ts';

const READ_COMMITTED = 1;
const LATEST = -1;
const OLD_VERSIONS = [0, 1, 2, 3];

describe('fetches of transactional records', () => {
  let cluster: TestCluster;

  beforeEach(async () => {
    cluster = new TestCluster([1, 2], { logConfig: { segmentBytes: 400, indexIntervalBytes: 100 } });
    await cluster.start({ replicas: [1, 2] });
  });

  const leader = () => cluster.broker(1);

  function data(producerId: number, sequence: number): void {
    const header = { producerId, producerEpoch: 0, baseSequence: sequence, isTransactional: true };
    leader().append(batch(1, 10, header), 1);
  }

  function end(producerId: number, commit: boolean): void {
    leader()
      .partition()
      .appendAsLeader(markerOf(producerId, 0, commit), 1, { origin: 'coordinator' });
  }

  const request = (fetchOffset: number, more: object = {}) => ({
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: READ_COMMITTED,
    ...more,
    topics: [
      {
        topic: TOPIC,
        topicId: TOPIC_ID,
        partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 100_000 }],
      },
    ],
  });

  async function fetch(brokerId: number, ...[offset, more]: Parameters<typeof request>) {
    const answer = (await cluster.broker(brokerId).fetch(request(offset, more)))!;
    const partition = answer.responses[0]?.partitions[0];
    const offsets = [...batchesOf(partition?.records ?? Buffer.alloc(0))].map(({ baseOffset }) => baseOffset);
    return { ...partition!, sessionId: answer.sessionId, offsets };
  }

  it('of read_committed wait for the last stable offset, which moves with the replication of the marker', async () => {
    data(5, 0);
    await cluster.run(1_000);
    expect(leader().ends).toEqual([1, 1]);
    const waiting = fetch(1, 0, { maxWaitMs: 60_000 });
    let isAnswered = false;
    void waiting.then(() => (isAnswered = true));
    data(5, 1);
    await cluster.run(1_000);
    cluster.isLinked = () => false;
    end(5, true);
    await cluster.run(1_000);
    expect([leader().log.lastStableOffset, isAnswered]).toEqual([0, false]);
    cluster.isLinked = () => true;
    await cluster.run(2_000);
    expect(isAnswered).toBe(true);
    expect(await waiting).toMatchObject({ offsets: [0, 1, 2], lastStableOffset: 3, highWatermark: 3 });
  });

  it('tell all aborted transactions of what they give, over segments, from the leader and a follower', async () => {
    for (let at = 0; at < 12; at++) {
      data(at, 0);
      if (at % 3 !== 2) end(at, at % 3 === 0);
    }
    // 2, 5, 8 and 11 are open: the first of them bounds what is stable.
    await cluster.run(2_000);
    end(2, false);
    for (const open of [5, 8, 11]) end(open, true);
    await cluster.run(2_000);
    expect(leader().log.segments.size).toBeGreaterThan(3);
    const aborted = [1, 2, 4, 7, 10];
    for (const brokerId of [1, 2]) {
      const seen = new Set<unknown>();
      let next = 0;
      while (next < leader().log.logEndOffset) {
        const answer = await fetch(brokerId, next, { rackId: 'anywhere' });
        expect(answer.lastStableOffset).toBe(answer.highWatermark);
        const told = new Set((answer.abortedTransactions ?? []).map(({ producerId }) => producerId));
        for (const each of batchesOf(answer.records!)) {
          const { producerId } = each;
          if (!each.isControlBatch) {
            expect([each.baseOffset, told.has(producerId)]).toEqual([
              each.baseOffset,
              aborted.includes(Number(producerId)),
            ]);
          }
          seen.add(producerId);
          next = Number(each.nextOffset);
        }
      }
      expect(seen.size).toBe(12);
    }
  });

  it('tell aborted transactions in sessions, too', async () => {
    data(5, 0);
    await cluster.run(1_000);
    const first = await fetch(1, 0, { sessionId: 0, sessionEpoch: 0 });
    expect([first.offsets, first.lastStableOffset, first.highWatermark]).toEqual([[], 0, 1]);
    const { sessionId } = first;
    expect(sessionId).toBeGreaterThan(0);
    end(5, false);
    await cluster.run(1_000);
    const incremental = { ...request(0, { sessionId, sessionEpoch: 1 }), topics: [] };
    const answer = (await leader().fetch(incremental))!;
    const partition = answer.responses[0]!.partitions[0]!;
    expect([...batchesOf(partition.records!)].map(({ baseOffset }) => baseOffset)).toEqual([0, 1]);
    expect(partition.abortedTransactions).toEqual([{ producerId: 5, firstOffset: 0 }]);
    expect(partition.lastStableOffset).toBe(2);
  });

  it('find an end in ListOffsets that goes by the isolation', async () => {
    data(5, 0);
    await cluster.run(1_000);
    const latest = async (isolationLevel: number) => {
      const partitions = [{ partitionIndex: 0, timestamp: LATEST }];
      const topics = [{ name: TOPIC, partitions }];
      const answer = await leader().listOffsets({ replicaId: -1, isolationLevel, topics });
      return answer.topics[0]!.partitions[0]!.offset;
    };
    expect([await latest(0), await latest(READ_COMMITTED)]).toEqual([1, 0]);
    end(5, true);
    await cluster.run(1_000);
    expect([await latest(0), await latest(READ_COMMITTED)]).toEqual([2, 2]);
  });

  it('go on behind an open transaction whose beginning was deleted, up to the last stable offset', async () => {
    data(5, 0);
    data(5, 1);
    data(6, 0);
    await cluster.run(1_000);
    leader().partition().deleteRecordsOnLeader(1);
    expect(leader().log.lastStableOffset).toBe(1);
    expect((await fetch(1, 1)).offsets).toEqual([]);
    expect((await fetch(1, 0)).errorCode).toBe(Errors.OFFSET_OUT_OF_RANGE);
    end(5, false);
    end(6, true);
    await cluster.run(1_000);
    const answer = await fetch(1, 1);
    expect(answer.offsets.at(-1)).toBe(4);
    expect(answer.abortedTransactions).toEqual([{ producerId: 5, firstOffset: 0 }]);
  });

  describe('in the old formats', () => {
    async function oldFetch(version: number, fetchOffset: number, more: object = {}): Promise<unknown[]> {
      const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 10_000 }];
      const topics = [{ topic: TOPIC, partitions }];
      const body = { replicaId: -1, maxWaitMs: 0, minBytes: 1, topics, ...more };
      const answer = (await leader().fetch(body, version))!;
      const { records } = answer.responses[0]!.partitions[0]!;
      return [...messagesOf(records!)].map(({ offset }) => offset);
    }

    it.each(OLD_VERSIONS)('of v%i come behind markers that end a segment', async version => {
      data(5, 0);
      for (let at = 0; at < 5; at++) end(5, true);
      leader().log.roll();
      data(5, 1);
      await cluster.run(1_000);
      await leader().crash();
      await leader().start();
      await cluster.publish();
      await cluster.run(1_000);
      expect(await oldFetch(version, 0)).toContain(0);
      for (let offset = 1; offset < 6; offset++) expect(await oldFetch(version, offset)).toEqual([6]);
    });

    it.each(OLD_VERSIONS)('of v%i wait for records behind a marker that ends the log', async version => {
      data(5, 0);
      end(5, true);
      await cluster.run(1_000);
      let answer: unknown[] | undefined;
      void oldFetch(version, 1, { maxWaitMs: 60_000 }).then(offsets => (answer = offsets));
      await cluster.run(1_000);
      expect(answer).toBeUndefined();
      data(5, 1);
      await cluster.run(1_000);
      expect(answer).toEqual([2]);
    });

    it('of a follower begin where it asks for them', async () => {
      data(5, 0);
      end(5, true);
      await cluster.run(1_000);
      const replica = leader().partition().replica(2)!;
      await oldFetch(3, 1, { replicaId: 2 });
      expect(replica.logEndOffset).toBe(1);
    });
  });
});
