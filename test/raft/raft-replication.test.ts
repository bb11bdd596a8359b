import { describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import type { LogEntry, LogSummaryInit } from '../../src/raft/log-summary.ts';
import { RaftCore } from '../../src/raft/raft-core.ts';
import type {
  FetchRequest,
  FetchResponse,
  FetchSnapshotResponse,
  RaftRequest,
} from '../../src/raft/raft-message.ts';
import { DEFAULT_TIMEOUTS, type RaftEvent, type Ready } from '../../src/raft/ready.ts';
import { VoterSet } from '../../src/raft/voter-set.ts';

const key = (id: number) => ({ id, directoryId: ZERO_UUID });

function entry(baseOffset: number, epoch: number, count = 1): LogEntry {
  return { baseOffset, lastOffset: baseOffset + count - 1, epoch, controls: [] };
}

/** Replica 1 of a quorum, by itself: what goes out is looked at, and what comes in is made up. */
class Alone {
  now = 0;
  readonly core: RaftCore;
  ready: Ready;

  constructor(voterIds: number[], leaderId: number, log: Partial<LogSummaryInit>) {
    const init: LogSummaryInit = {
      startOffset: 0,
      startEpoch: 0,
      endOffset: 10,
      epochs: [
        { epoch: 1, startOffset: 0 },
        { epoch: 3, startOffset: 6 },
      ],
      latestSnapshotId: undefined,
      voterSets: [{ offset: -1, voters: VoterSet.ofIds(voterIds), kraftVersion: 0 }],
      ...log,
    };
    const election = { epoch: 3, leaderId, votedKey: undefined };
    const options = { ...DEFAULT_TIMEOUTS, self: key(1), random: () => 0 };
    this.core = new RaftCore(options, { election, log: init }, this.now);
    this.ready = this.core.start(this.now);
  }

  step(event: RaftEvent): Ready {
    this.ready = this.core.step(event, this.now);
    return this.ready;
  }

  /** What it asks for at once, or else when it next does something. */
  get asks(): RaftRequest | undefined {
    if (this.ready.messages.length === 0) {
      this.now = this.ready.nextDeadlineMs;
      this.step({ type: 'tick' });
    }
    return this.ready.messages[0] as RaftRequest | undefined;
  }

  /** The leader, replica 2, answers what was asked last. */
  answer(fields: Partial<FetchResponse> | Partial<FetchSnapshotResponse>): Ready {
    const { correlationId } = this.asks!;
    const common = { from: 2, to: 1, correlationId, error: Errors.NONE, leaderId: 2, epoch: 3 };
    const fetched = { type: 'fetchResponse', highWatermark: 5, logStartOffset: 0 } as const;
    return this.step({
      type: 'receive',
      message: { ...common, ...fetched, ...fields } as FetchResponse,
    });
  }

  flush(): Ready {
    const { endOffset, truncations } = this.core.log;
    return this.step({ type: 'flushed', endOffset, truncations });
  }
}

/** One that follows replica 2 in epoch 3. Its log: epoch 1 from 0 to 5, epoch 3 from 6 to 9. */
const follower = (): Alone => new Alone([1, 2, 3], 2, {});

describe('a follower', () => {
  it('takes the batches that continue its log, and asks for more when they are on its disk', () => {
    const replica = follower();
    expect(replica.asks).toMatchObject({ type: 'fetch', to: 2, fetchOffset: 10, lastFetchedEpoch: 3 });
    const entries = [entry(10, 3, 2), entry(13, 3)];
    const { appends, highWatermark, messages } = replica.answer({ highWatermark: 50, entries });
    expect({ appends, highWatermark, messages }).toEqual({
      appends: [entries[0]],
      highWatermark: 12,
      messages: [],
    });
    expect(replica.flush().messages).toMatchObject([{ type: 'fetch', fetchOffset: 12, highWatermark: 12 }]);
  });

  it.each([
    ['leave a gap', entry(11, 3)],
    ['are of an epoch before that of its end', entry(10, 1)],
    ['are of an epoch that nobody leads yet', entry(10, 4)],
  ])('takes no batches that %s, and asks again in a while', (_, wrong) => {
    const replica = follower();
    const { appends, messages } = replica.answer({ entries: [wrong] });
    expect([appends, messages]).toEqual([[], []]);
    expect(replica.asks).toMatchObject({ type: 'fetch', fetchOffset: 10 });
    expect(replica.now).toBe(DEFAULT_TIMEOUTS.retryBackoffMs);
  });

  it.each([
    [{ epoch: 3, offset: 8 }, 8],
    [{ epoch: 2, offset: 9 }, 6],
    [{ epoch: 1, offset: 4 }, 4],
  ])('cuts its log where the leader has %o of an epoch', (divergingEpoch, truncateTo) => {
    const replica = follower();
    const ready = replica.answer({ divergingEpoch });
    expect([ready.truncateTo, replica.core.log.endOffset]).toEqual([truncateTo, truncateTo]);
  });

  it.each<Partial<FetchResponse>>([
    { divergingEpoch: { epoch: 4, offset: 8 } },
    { divergingEpoch: { epoch: 3, offset: -1 } },
    { snapshotId: { epoch: 1, offset: 5 } },
    { snapshotId: { epoch: 3, offset: 10 } },
  ])('takes %o, which no leader could mean, for no answer', fields => {
    const replica = follower();
    const { truncateTo, appends, messages } = replica.answer(fields);
    expect([truncateTo, appends, messages]).toEqual([undefined, [], []]);
    for (let asked = 0; asked < 200 && replica.core.stateName === 'follower'; asked++) replica.answer(fields);
    // As long as from a leader that is silent.
    expect([replica.core.stateName, replica.now]).toEqual(['prospective', DEFAULT_TIMEOUTS.fetchTimeoutMs]);
  });

  it('fetches a snapshot piece by piece, and goes on behind it', () => {
    const replica = follower();
    const id = { epoch: 3, offset: 20 };
    const piece = { type: 'fetchSnapshotResponse', snapshotId: id, size: 10 } as const;
    replica.answer({ snapshotId: id });
    expect(replica.asks).toMatchObject({ type: 'fetchSnapshot', snapshotId: id, position: 0 });
    const first = replica.answer({ ...piece, position: 0, bytes: Buffer.alloc(4, 1) });
    expect(first.snapshotChunk).toEqual({ id, position: 0, bytes: Buffer.alloc(4, 1), last: false });
    expect(replica.asks).toMatchObject({ type: 'fetchSnapshot', position: 4 });
    const last = replica.answer({ ...piece, position: 4, bytes: Buffer.alloc(6, 2) });
    expect([last.snapshotChunk?.last, last.messages]).toEqual([true, []]);
    const installed = replica.step({ type: 'snapshotInstalled', id, voters: undefined });
    expect(installed).toMatchObject({
      highWatermark: 20,
      messages: [{ type: 'fetch', fetchOffset: 20, lastFetchedEpoch: 3 }],
    });
  });

  it.each<Partial<FetchSnapshotResponse>>([
    { position: 0 },
    { position: 5 },
    { position: 4, bytes: Buffer.alloc(0) },
    { position: 4, bytes: Buffer.alloc(7) },
    { position: 4, snapshotId: { epoch: 3, offset: 21 } },
  ])('begins anew where a piece of a snapshot is not the next one: %o', wrong => {
    const replica = follower();
    const id = { epoch: 3, offset: 20 };
    const piece = {
      type: 'fetchSnapshotResponse',
      snapshotId: id,
      size: 10,
      bytes: Buffer.alloc(4),
    } as const;
    replica.answer({ snapshotId: id });
    replica.answer({ ...piece, position: 0 });
    expect(replica.answer({ ...piece, ...wrong }).snapshotChunk).toBeUndefined();
    expect(replica.asks).toMatchObject({ type: 'fetch', fetchOffset: 10 });
  });
});

describe('a leader', () => {
  /** A sole voter: it leads epoch 4, whose first record is at 10. Its log starts at 4, behind a snapshot. */
  function answerTo(fields: Partial<FetchRequest>): Partial<FetchResponse> {
    const replica = new Alone([1], 1, {
      startOffset: 4,
      startEpoch: 1,
      epochs: [
        { epoch: 1, startOffset: 4 },
        { epoch: 3, startOffset: 6 },
      ],
      latestSnapshotId: { epoch: 1, offset: 4 },
    });
    expect([replica.core.stateName, replica.core.epoch]).toEqual(['leader', 4]);
    const request = { from: 9, to: 1, correlationId: 7, epoch: 4, replica: key(9) };
    const place = { fetchOffset: 11, lastFetchedEpoch: 4, highWatermark: -1, maxWaitMs: 0 };
    const { messages } = replica.step({
      type: 'receive',
      message: { type: 'fetch', ...request, ...place, ...fields },
    });
    expect(messages).toHaveLength(1);
    const { error, divergingEpoch, snapshotId, readFrom } = messages[0] as FetchResponse;
    return JSON.parse(JSON.stringify({ error, divergingEpoch, snapshotId, readFrom }));
  }

  it.each<[string, Partial<FetchRequest>, Partial<FetchResponse>]>([
    ['of an epoch before', { epoch: 3 }, { error: Errors.FENCED_LEADER_EPOCH }],
    ['of an epoch to come', { epoch: 5 }, { error: Errors.UNKNOWN_LEADER_EPOCH }],
    ['at its end', {}, { error: 0 }],
    ['below its end', { fetchOffset: 8, lastFetchedEpoch: 3 }, { error: 0, readFrom: 8 }],
    [
      'below its start',
      { fetchOffset: 2, lastFetchedEpoch: 1 },
      { error: 0, snapshotId: { epoch: 1, offset: 4 } },
    ],
    [
      'behind the end of an epoch',
      { fetchOffset: 7, lastFetchedEpoch: 1 },
      { error: 0, divergingEpoch: { epoch: 1, offset: 6 } },
    ],
    [
      'with an epoch that it has not',
      { fetchOffset: 7, lastFetchedEpoch: 2 },
      { error: 0, divergingEpoch: { epoch: 1, offset: 6 } },
    ],
  ])('answers a fetch %s', (_, request, answer) => {
    expect(answerTo(request)).toEqual(answer);
  });
});
