import { describe, expect, it } from 'vitest';
import { type FetchSource, Replica } from '../../src/replication/replica.ts';

const LAG_MAX_MS = 100;

/** A follower that names an idle partition once in each session. */
function fetch(nowMs: number, source: FetchSource | undefined) {
  return { fetchOffset: 0, logStartOffset: 0, brokerEpoch: 7, nowMs, leaderEndOffset: 0, source };
}

describe('a replica as its leader sees it', () => {
  it('goes on with the session of its follower when one of late bytes has come and gone', () => {
    const replica = new Replica(2);
    const session: FetchSource = { lastFetchMs: 0 };
    const late: FetchSource = { lastFetchMs: 0 };
    replica.update(fetch(0, session));
    replica.update(fetch(10, undefined));
    replica.attach(late);
    replica.detach(late, 0);
    session.lastFetchMs = 1_000;
    expect(replica.isFetching(1_000, LAG_MAX_MS)).toBe(true);
    replica.detach(session, 0);
    session.lastFetchMs = 2_000;
    expect(replica.isFetching(2_000, LAG_MAX_MS)).toBe(false);
  });

  it('does not go back to a session that has ended', () => {
    const replica = new Replica(2);
    const first: FetchSource = { lastFetchMs: 0 };
    const second: FetchSource = { lastFetchMs: 0 };
    replica.update(fetch(0, first));
    replica.attach(second);
    replica.detach(first, 0);
    replica.detach(second, 0);
    first.lastFetchMs = second.lastFetchMs = 1_000;
    expect(replica.isFetching(1_000, LAG_MAX_MS)).toBe(false);
  });
});
