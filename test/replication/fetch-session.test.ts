import { describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { type FetchPartitionResult, failedFetch } from '../../src/replication/fetch-params.ts';
import {
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
    maxBytes: 1000,
  };
}

function request(
  sessionId: number,
  sessionEpoch: number,
  partitions: RequestedPartition[],
): FetchSessionRequest {
  return { sessionId, sessionEpoch, usesTopicIds: false, partitions, forgotten: [] };
}

function result(highWatermark: number, sizeInBytes = 0): FetchPartitionResult {
  const fetchOffset = { offset: 0, segmentBaseOffset: 0, relativePositionInSegment: 0 };
  const data = { fetchOffset, slices: [], sizeInBytes, abortedTransactions: undefined };
  return { ...failedFetch(Errors.NONE), highWatermark, logStartOffset: 0, data };
}

describe('fetch sessions', () => {
  it('give no session to a fetch that does not ask for one', () => {
    const { sessions: all } = sessions();
    const context = all.open(request(0, -1, [wanted(0)]), names);
    expect(context.partitions).toMatchObject([{ topic: 't', topicId: TOPIC_ID, partition: 0 }]);
    expect(context.finish([result(5)])).toEqual({ sessionId: 0, included: undefined });
    expect(all.size).toBe(0);
  });

  it('remember partitions, and answer only what has news', () => {
    const { sessions: all } = sessions();
    const { sessionId } = all
      .open(request(0, 0, [wanted(0), wanted(1)]), names)
      .finish([result(5), result(7)]);
    expect(sessionId).toBe(101);

    const quiet = all.open(request(sessionId, 1, []), names);
    expect(quiet.partitions.map(p => p.partition)).toEqual([0, 1]);
    expect(quiet.finish([result(5), result(7)])).toEqual({ sessionId, included: [false, false] });

    const busy = all.open(request(sessionId, 2, [wanted(1, 9)]), names);
    expect(busy.partitions.map(p => p.fetchOffset)).toEqual([0, 9]);
    expect(busy.finish([result(6), result(7)])).toEqual({ sessionId, included: [true, false] });
  });

  it('read a partition that had records last the next time, so that none starves', () => {
    const { sessions: all } = sessions();
    const first = all.open(request(0, 0, [wanted(0), wanted(1)]), names).finish([result(5), result(5)]);
    all.open(request(first.sessionId, 1, []), names).finish([result(5, 100), result(5)]);
    const next = all.open(request(first.sessionId, 2, []), names);
    expect(next.partitions.map(p => p.partition)).toEqual([1, 0]);
  });

  it('tell an error again, and the recovery from it', () => {
    const { sessions: all } = sessions();
    const { sessionId } = all.open(request(0, 0, [wanted(0)]), names).finish([result(5)]);
    const error = failedFetch(Errors.NOT_LEADER_OR_FOLLOWER);
    expect(all.open(request(sessionId, 1, []), names).finish([error]).included).toEqual([true]);
    expect(all.open(request(sessionId, 2, []), names).finish([error]).included).toEqual([true]);
    expect(all.open(request(sessionId, 3, []), names).finish([result(5)]).included).toEqual([true]);
    expect(all.open(request(sessionId, 4, []), names).finish([result(5)]).included).toEqual([false]);
  });

  it('forget partitions, and end with the last one', () => {
    const { sessions: all } = sessions();
    const { sessionId } = all
      .open(request(0, 0, [wanted(0), wanted(1)]), names)
      .finish([result(5), result(5)]);
    const forget = (partition: number) => [{ topic: 't', topicId: ZERO_UUID, partition }];
    const one = all.open({ ...request(sessionId, 1, []), forgotten: forget(0) }, names);
    expect(one.partitions.map(p => p.partition)).toEqual([1]);
    one.finish([result(5)]);
    const none = all.open({ ...request(sessionId, 2, []), forgotten: forget(1) }, names);
    expect(none.partitions).toEqual([]);
    expect(none.finish([])).toEqual({ sessionId: 0, included: undefined });
    expect(all.open(request(sessionId, 3, []), names).errorCode).toBe(Errors.FETCH_SESSION_ID_NOT_FOUND);
  });

  it('refuse an unknown id, a wrong epoch and a change from names to ids', () => {
    const { sessions: all } = sessions();
    const { sessionId } = all.open(request(0, 0, [wanted(0)]), names).finish([result(5)]);
    expect(all.open(request(77, 1, []), names).errorCode).toBe(Errors.FETCH_SESSION_ID_NOT_FOUND);
    expect(all.open(request(sessionId, 2, []), names).errorCode).toBe(Errors.INVALID_FETCH_SESSION_EPOCH);
    const byId = { ...request(sessionId, 1, []), usesTopicIds: true };
    expect(all.open(byId, names).errorCode).toBe(Errors.FETCH_SESSION_TOPIC_ID_ERROR);
  });

  it('leave the name open for a topic id that no topic has', () => {
    const { sessions: all } = sessions();
    const unknown = { ...wanted(0), topic: '', topicId: 'CCCCCCCCCCCCCCCCCCCCCA' };
    const context = all.open({ ...request(0, -1, [unknown]), usesTopicIds: true }, names);
    expect(context.partitions[0]!.topic).toBeUndefined();
  });

  it('keep to their slots: only an idle or an old and smaller session makes room', () => {
    const { sessions: all, clock } = sessions(1);
    const { sessionId } = all.open(request(0, 0, [wanted(0)]), names).finish([result(5)]);
    const refused = all.open(request(0, 0, [wanted(0), wanted(1)]), names).finish([result(5), result(5)]);
    expect(refused.sessionId).toBe(0);
    clock.nowMs = 120_001;
    expect(all.open(request(sessionId, 1, []), names).errorCode).toBe(Errors.NONE);
    const same = all.open(request(0, 0, [wanted(0)]), names).finish([result(5)]);
    expect(same.sessionId).toBe(0);
    const larger = all.open(request(0, 0, [wanted(0), wanted(1)]), names).finish([result(5), result(5)]);
    expect(larger.sessionId).not.toBe(0);
    expect(all.size).toBe(1);
  });
});
