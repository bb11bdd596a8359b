import { describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { CONSUMER, type FetchPartitionResult, failedFetch } from '../../src/replication/fetch-params.ts';
import {
  type FetchContext,
  type FetchSessionRequest,
  FetchSessions,
  type RequestedPartition,
} from '../../src/replication/fetch-session.ts';
import type { Clock, Random } from '../../src/runtime/runtime.ts';

const TOPIC_ID = 'BBBBBBBBBBBBBBBBBBBBBA';
const names = {
  nameOf: (id: string) => (id === TOPIC_ID ? 't' : undefined),
  idOf: (name: string) => (name === 't' ? TOPIC_ID : undefined),
};

class ManualClock implements Clock {
  nowMs = 0;
  wallMs(): number {
    return this.nowMs;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
}

function sessions(slots = 2): { sessions: FetchSessions; clock: ManualClock } {
  let id = 100;
  const random: Random = { bytes: size => Buffer.alloc(size), below: () => id++ };
  const clock = new ManualClock();
  return { sessions: new FetchSessions(clock, random, slots), clock };
}

function wanted(partition: number, fetchOffset = 0, topic = 't'): RequestedPartition {
  return {
    topic,
    topicId: ZERO_UUID,
    partition,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    maxBytes: 1000,
  };
}

function request(
  sessionId: number,
  sessionEpoch: number,
  partitions: RequestedPartition[],
): FetchSessionRequest {
  return { sessionId, sessionEpoch, usesTopicIds: false, replicaId: CONSUMER, partitions, forgotten: [] };
}

/** Reads what is due, each with the result of its partition, and answers. Gives the session and the partitions told. */
function answer(context: FetchContext, results: readonly FetchPartitionResult[]) {
  const reads = context.due().map(target => ({ target, result: results[target.wanted.partition]! }));
  const kept = reads.filter(({ target, result: read }) => {
    const isQuiet = read.isAtEnd && !context.isFull && !target.isNews(read);
    if (isQuiet) context.settle(target);
    return !isQuiet;
  });
  const { sessionId, included } = context.finish(kept);
  return { sessionId, told: included.map(({ target }) => target.wanted.partition) };
}

function dueOf(context: FetchContext): number[] {
  return context.due().map(target => target.wanted.partition);
}

function result(highWatermark: number, sizeInBytes = 0): FetchPartitionResult {
  const fetchOffset = { offset: 0, segmentBaseOffset: 0, relativePositionInSegment: 0 };
  const data = { fetchOffset, slices: [], sizeInBytes, abortedTransactions: undefined };
  return { ...failedFetch(Errors.NONE), highWatermark, logStartOffset: 0, data, isAtEnd: sizeInBytes === 0 };
}

describe('fetch sessions', () => {
  it('give no session to a fetch that does not ask for one', () => {
    const { sessions: all } = sessions();
    const context = all.open(request(0, -1, [wanted(0)]), names);
    expect(context.due().map(target => target.wanted)).toMatchObject([
      { topic: 't', topicId: TOPIC_ID, partition: 0 },
    ]);
    expect(answer(context, [result(5)])).toEqual({ sessionId: 0, told: [0] });
    expect(all.size).toBe(0);
  });

  it('remember partitions, and look only at those that have progress or are named', () => {
    const { sessions: all } = sessions();
    const first = all.open(request(0, 0, [wanted(0), wanted(1)]), names);
    const targets = first.due();
    const { sessionId } = answer(first, [result(5), result(7)]);
    expect(sessionId).toBe(101);

    const quiet = all.open(request(sessionId, 1, []), names);
    expect(dueOf(quiet)).toEqual([0, 1]);
    expect(answer(quiet, [result(5), result(7)])).toEqual({ sessionId, told: [] });

    const busy = all.open(request(sessionId, 2, [wanted(1, 9)]), names);
    expect(busy.due().map(target => target.wanted.fetchOffset)).toEqual([9]);
    const told: string[] = [];
    busy.listen(progress => told.push(progress));
    targets[0]!.onPartitionProgress('highWatermark');
    expect(told).toEqual(['highWatermark']);
    expect(dueOf(busy)).toEqual([1, 0]);
    expect(answer(busy, [result(6), result(7)])).toEqual({ sessionId, told: [0] });
  });

  it('read a partition that had records last the next time, so that none starves', () => {
    const { sessions: all } = sessions();
    const first = answer(all.open(request(0, 0, [wanted(0), wanted(1)]), names), [
      result(5, 100),
      result(5, 100),
    ]);
    const second = all.open(request(first.sessionId, 1, []), names);
    const [target] = second.due();
    second.finish([{ target: target!, result: result(5, 100) }]);
    expect(dueOf(all.open(request(first.sessionId, 2, []), names))).toEqual([1, 0]);
  });

  it('tell an error again, and the recovery from it', () => {
    const { sessions: all } = sessions();
    const { sessionId } = answer(all.open(request(0, 0, [wanted(0)]), names), [result(5)]);
    const error = failedFetch(Errors.NOT_LEADER_OR_FOLLOWER);
    expect(answer(all.open(request(sessionId, 1, []), names), [error]).told).toEqual([0]);
    expect(answer(all.open(request(sessionId, 2, []), names), [error]).told).toEqual([0]);
    expect(answer(all.open(request(sessionId, 3, []), names), [result(5)]).told).toEqual([0]);
    expect(answer(all.open(request(sessionId, 4, []), names), [result(5)]).told).toEqual([]);
  });

  it('forget partitions, and end with the last one', () => {
    const { sessions: all } = sessions();
    const both = [result(5), result(5)];
    const { sessionId } = answer(all.open(request(0, 0, [wanted(0), wanted(1)]), names), both);
    const forget = (partition: number) => [{ topic: 't', topicId: ZERO_UUID, partition }];
    const one = all.open({ ...request(sessionId, 1, []), forgotten: forget(0) }, names);
    expect(dueOf(one)).toEqual([1]);
    answer(one, both);
    const none = all.open({ ...request(sessionId, 2, []), forgotten: forget(1) }, names);
    expect(dueOf(none)).toEqual([]);
    expect(answer(none, [])).toEqual({ sessionId: 0, told: [] });
    expect(all.open(request(sessionId, 3, []), names).errorCode).toBe(Errors.FETCH_SESSION_ID_NOT_FOUND);
  });

  it('refuse an unknown id, a wrong epoch, a change from names to ids and the session of somebody else', () => {
    const { sessions: all } = sessions();
    const { sessionId } = answer(all.open(request(0, 0, [wanted(0)]), names), [result(5)]);
    expect(all.open(request(77, 1, []), names).errorCode).toBe(Errors.FETCH_SESSION_ID_NOT_FOUND);
    expect(all.open(request(sessionId, 2, []), names).errorCode).toBe(Errors.INVALID_FETCH_SESSION_EPOCH);
    const byId = { ...request(sessionId, 1, []), usesTopicIds: true };
    expect(all.open(byId, names).errorCode).toBe(Errors.FETCH_SESSION_TOPIC_ID_ERROR);
    const follower = { ...request(sessionId, 1, []), replicaId: 2 };
    expect(all.open(follower, names).errorCode).toBe(Errors.FETCH_SESSION_ID_NOT_FOUND);
  });

  it('leave the name open for a topic id that no topic has', () => {
    const { sessions: all } = sessions();
    const unknown = { ...wanted(0), topic: '', topicId: 'CCCCCCCCCCCCCCCCCCCCCA' };
    const context = all.open({ ...request(0, -1, [unknown]), usesTopicIds: true }, names);
    expect(context.due()[0]!.wanted.topic).toBeUndefined();
  });

  it('keep to their slots: only an idle or an old and smaller session makes room', () => {
    const { sessions: all, clock } = sessions(1);
    const one = () => all.open(request(0, 0, [wanted(0)]), names);
    const two = () => all.open(request(0, 0, [wanted(0), wanted(1)]), names);
    const { sessionId } = answer(one(), [result(5)]);
    expect(answer(two(), [result(5), result(5)]).sessionId).toBe(0);
    clock.nowMs = 120_001;
    expect(all.open(request(sessionId, 1, []), names).errorCode).toBe(Errors.NONE);
    expect(answer(one(), [result(5)]).sessionId).toBe(0);
    expect(answer(two(), [result(5), result(5)]).sessionId).not.toBe(0);
    expect(all.size).toBe(1);
  });

  it('give the slot of a consumer to a follower, and never the other way', () => {
    const { sessions: all } = sessions(1);
    const consumer = () => answer(all.open(request(0, 0, [wanted(0)]), names), [result(5)]).sessionId;
    const follower = () => {
      const asked = { ...request(0, 0, [wanted(0)]), replicaId: 2 };
      return answer(all.open(asked, names), [result(5)]).sessionId;
    };
    expect(consumer()).not.toBe(0);
    expect(follower()).not.toBe(0);
    expect(consumer()).toBe(0);
    expect(follower()).toBe(0);
  });
});
