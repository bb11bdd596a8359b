import { describe, expect, it } from 'vitest';
import { Errors, type KafkaError } from '../../src/protocol/errors.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { ManualRuntime, NOW_MS } from '../support/manual-runtime.ts';
import { batchOf, bytesOf, closeManager, DIRECTORY, markerOf, openLog, readAll } from './log-fixture.ts';

function codeOf(action: () => unknown): number {
  try {
    action();
  } catch (error) {
    return (error as KafkaError).code;
  }
  return 0;
}

describe('UnifiedLog', () => {
  it('assigns offsets and the leader epoch at once, and moves its end when the turn is over', async () => {
    const { log, runtime } = await openLog();
    const first = log.appendAsLeader(batchOf({ count: 3, text: 'a' }), 5);
    const second = log.appendAsLeader(batchOf({ count: 2, text: 'b' }), 5);
    expect([first.firstOffset, first.lastOffset, second.firstOffset, second.lastOffset]).toEqual([
      0, 2, 3, 4,
    ]);
    expect([log.stagedEndOffset, log.logEndOffset]).toEqual([5, 0]);
    const order: string[] = [];
    log.listener = { onLogEndOffsetAdvanced: () => order.push(`end ${log.logEndOffset}`) };
    first.onWritten(() => order.push('first'));
    second.onWritten(() => order.push('second'));
    runtime.turn();
    expect(order).toEqual(['end 5', 'first', 'second']);
    expect(runtime.disk.counts.get('write')).toBe(1);
    const batch = new RecordBatch(await bytesOf(log.read(3, 10_000, 'logEnd', true)));
    expect([batch.baseOffset, batch.partitionLeaderEpoch, batch.isValid()]).toEqual([3, 5, true]);
  });

  it('serves from memory what was just appended and from the file what was not, with equal bytes', async () => {
    const cached = await openLog();
    const cold = await openLog({}, new ManualRuntime(), { tailCacheBytes: 0 });
    for (const { log, runtime } of [cached, cold]) {
      for (let i = 0; i < 40; i++) {
        log.appendAsLeader(batchOf({ count: 1 + (i % 3), text: `r${i}`, valueBytes: 300 }), 0);
        runtime.turn();
      }
    }
    expect(cold.log.logEndOffset).toBe(cached.log.logEndOffset);
    for (let offset = 0; offset < Number(cached.log.logEndOffset); offset++) {
      for (const maxBytes of [1, 700, 5000, 1_000_000]) {
        const fromMemory = cached.log.read(offset, maxBytes, 'logEnd', true);
        expect(fromMemory.slices.every(slice => slice.load() instanceof Buffer)).toBe(true);
        const left = await bytesOf(fromMemory);
        const right = await bytesOf(cold.log.read(offset, maxBytes, 'logEnd', true));
        expect(right.equals(left), `offset ${offset} max ${maxBytes}`).toBe(true);
        expect(new RecordBatch(left).lastOffset >= offset).toBe(true);
      }
    }
  });

  it('gives the first batch whole if one message must come, and nothing of it else', async () => {
    for (const tailCacheBytes of [0, 1_000_000]) {
      const { log, runtime } = await openLog({}, new ManualRuntime(), { tailCacheBytes });
      log.appendAsLeader(batchOf({ valueBytes: 50_000 }), 0);
      log.appendAsLeader(batchOf({ valueBytes: 10 }), 0);
      runtime.turn();
      expect((await bytesOf(log.read(0, 100, 'logEnd', true))).length).toBeGreaterThan(50_000);
      expect((await bytesOf(log.read(0, 100, 'logEnd', false))).length).toBe(0);
      expect((await bytesOf(log.read(1, 100, 'logEnd', false))).length).toBeGreaterThan(10);
    }
  });

  it('shows consumers nothing at or above the high watermark', async () => {
    for (const tailCacheBytes of [0, 1_000_000]) {
      const { log, runtime } = await openLog({}, new ManualRuntime(), { tailCacheBytes });
      for (let i = 0; i < 5; i++) log.appendAsLeader(batchOf({ count: 2 }), 0);
      runtime.turn();
      expect(log.read(0, 10_000, 'highWatermark', true).slices).toEqual([]);
      expect(log.maybeIncrementHighWatermark(4)).toBe(true);
      const bytes = await bytesOf(log.read(0, 10_000, 'highWatermark', true));
      expect(bytes.length).toBe(2 * batchOf({ count: 2 }).length);
      expect(() => log.maybeIncrementHighWatermark(11)).toThrow(/S6/);
      expect(log.updateHighWatermark(99)).toBe(10);
    }
  });

  it('answers OFFSET_OUT_OF_RANGE below its start and above its end, and nothing at its end', async () => {
    const { log, runtime } = await openLog();
    log.appendAsLeader(batchOf({ count: 10 }), 0);
    runtime.turn();
    log.updateHighWatermark(10);
    log.maybeIncrementLogStartOffset(4, 'test');
    expect(codeOf(() => log.read(3, 100, 'logEnd', true))).toBe(Errors.OFFSET_OUT_OF_RANGE);
    expect(codeOf(() => log.read(11, 100, 'logEnd', true))).toBe(Errors.OFFSET_OUT_OF_RANGE);
    expect(log.read(10, 100, 'logEnd', true).sizeInBytes).toBe(0);
    expect(codeOf(() => log.maybeIncrementLogStartOffset(11, 'test'))).toBe(Errors.OFFSET_OUT_OF_RANGE);
    expect(log.maybeIncrementLogStartOffset(2, 'test')).toBe(false);
  });

  it('rolls by size, by time, by full index, and where a relative offset would not fit', async () => {
    const bySize = await openLog({ segmentBytes: 1000 });
    for (let i = 0; i < 10; i++) bySize.log.appendAsLeader(batchOf({ valueBytes: 300 }), 0);
    bySize.runtime.turn();
    expect(bySize.log.segments.all.map(segment => segment.baseOffset)).toEqual([0, 2, 4, 6, 8]);
    expect((await readAll(bySize.log)).length).toBe(10);

    const byTime = await openLog({ segmentMs: 1000 });
    for (const timestamp of [5000, 5900, 6000, 6001, 7002])
      byTime.log.appendAsLeader(batchOf({ timestamp }), 0);
    byTime.runtime.turn();
    expect(byTime.log.segments.all.map(segment => segment.baseOffset)).toEqual([0, 3, 4]);

    const byIndex = await openLog({ maxIndexSize: 48, indexIntervalBytes: 1 });
    for (let i = 0; i < 12; i++) byIndex.log.appendAsLeader(batchOf({ timestamp: 1000 + i }), 0);
    byIndex.runtime.turn();
    expect(byIndex.log.segments.all.map(segment => segment.baseOffset)).toEqual([0, 4, 8]);

    const far = await openLog();
    far.log.appendAsFollower(batchOf({ baseOffset: 5 }));
    far.log.appendAsFollower(batchOf({ baseOffset: 0x7fff_ffff }));
    far.log.appendAsFollower(batchOf({ baseOffset: 0x8000_0000 }));
    far.runtime.turn();
    expect(far.log.segments.all.map(segment => segment.baseOffset)).toEqual([0, 0x8000_0000]);
  });

  it('keeps offsets and timestamps past 2^53 exact, also over a restart', async () => {
    const start = 2n ** 60n;
    const opened = await openLog();
    opened.log.truncateFullyAndStartAt(start);
    for (let i = 0; i < 3; i++)
      opened.log.appendAsLeader(batchOf({ count: 2, timestamp: 2n ** 61n + BigInt(i) }), 1);
    opened.runtime.turn();
    expect(opened.log.logEndOffset).toBe(start + 6n);
    expect((await readAll(opened.log)).map(record => record.offset)).toEqual(
      [0n, 1n, 2n, 3n, 4n, 5n].map(i => start + i),
    );
    await closeManager(opened);
    const { log } = await openLog({}, opened.runtime);
    expect([log.logStartOffset, log.logEndOffset]).toEqual([start, start + 6n]);
    log.updateHighWatermark(log.logEndOffset);
    expect(log.fetchOffsetByTimestamp(2n ** 61n + 1n)).toEqual({
      timestamp: 2n ** 61n + 1n,
      offset: start + 2n,
      leaderEpoch: 1,
    });
  });

  it('crosses 2^53 in the middle of a batch', async () => {
    const opened = await openLog();
    const start = 2 ** 53 - 3;
    opened.log.truncateFullyAndStartAt(start);
    opened.log.appendAsLeader(batchOf({ count: 6, text: 'x' }), 1);
    opened.runtime.turn();
    expect(opened.log.logEndOffset).toBe(BigInt(start) + 6n);
    expect((await readAll(opened.log, BigInt(start) + 4n)).map(record => record.offset)).toEqual([
      BigInt(start) + 4n,
      BigInt(start) + 5n,
    ]);
  });

  it('finds offsets by time, the highest timestamp, and both ends', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 700, indexIntervalBytes: 100 });
    const timestamps = [100, 300, 200, 300, 500, 400, 700, 600];
    for (const timestamp of timestamps) {
      log.appendAsLeader(batchOf({ timestamp, count: 2, valueBytes: 60 }), 3);
      runtime.turn();
    }
    log.updateHighWatermark(16);
    expect(log.segments.size).toBeGreaterThan(2);
    for (let target = 0; target <= 750; target += 50) {
      const index = timestamps.findIndex(timestamp => timestamp >= target);
      const expected =
        index < 0 ? undefined : { timestamp: timestamps[index], offset: index * 2, leaderEpoch: 3 };
      expect(log.fetchOffsetByTimestamp(target), `${target}`).toEqual(expected);
    }
    expect(log.fetchOffsetByTimestamp(-3)).toEqual({ timestamp: 700, offset: 12, leaderEpoch: 3 });
    expect(log.fetchOffsetByTimestamp(-1)).toEqual({ timestamp: -1, offset: 16, leaderEpoch: 3 });
    expect(log.fetchOffsetByTimestamp(-2)).toEqual({ timestamp: -1, offset: 0, leaderEpoch: 3 });
    expect(log.fetchOffsetByTimestamp(-4)?.offset).toBe(0);
    expect(log.fetchOffsetByTimestamp(-5)).toEqual({ timestamp: -1, offset: -1, leaderEpoch: -1 });
    log.updateHighWatermark(10);
    expect(log.fetchOffsetByTimestamp(650)).toBeUndefined();
    expect(log.fetchOffsetByTimestamp(-1)?.offset).toBe(10);
    expect(log.fetchOffsetByTimestamp(-1, 'logEnd')?.offset).toBe(16);
  });

  it('refuses more than a segment holds, and appends nothing of it', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 200 });
    log.appendAsLeader(batchOf(), 0);
    const tooLarge = batchOf({ count: 5, valueBytes: 60, producerId: 7, producerEpoch: 0, baseSequence: 0 });
    expect(codeOf(() => log.appendAsLeader(tooLarge, 0))).toBe(Errors.RECORD_LIST_TOO_LARGE);
    runtime.turn();
    expect([log.logEndOffset, log.stagedEndOffset, log.activeProducers.size]).toEqual([1, 1, 0]);
  });

  it('answers the offsets before a time as ListOffsets v0 wants them', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 200 });
    for (let i = 0; i < 3; i++) {
      log.appendAsLeader(batchOf({ valueBytes: 60 }), 0);
      runtime.advance(1000);
    }
    log.updateHighWatermark(3);
    expect(log.legacyFetchOffsetsBefore(-1, 10)).toEqual([3, 2, 1, 0]);
    expect(log.legacyFetchOffsetsBefore(-1, 1)).toEqual([3]);
    expect(log.legacyFetchOffsetsBefore(-2, 10)).toEqual([0]);
    expect(log.legacyFetchOffsetsBefore(NOW_MS + 1000, 10)).toEqual([1, 0]);
  });

  it('truncates to a batch, with indexes, epochs and producers', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 500, indexIntervalBytes: 1 });
    for (let i = 0; i < 12; i++) {
      log.appendAsLeader(
        batchOf({
          count: 2,
          text: `r${i}`,
          producerId: 9,
          producerEpoch: 0,
          baseSequence: i * 2,
          timestamp: NOW_MS,
        }),
        i >> 2,
      );
      runtime.turn();
    }
    log.updateHighWatermark(24);
    expect(log.truncateTo(24)).toBe(false);
    expect(log.truncateTo(11)).toBe(true);
    expect([log.logEndOffset, log.highWatermark, log.latestEpoch]).toEqual([11, 11, 1]);
    expect((await readAll(log)).at(-1)).toEqual({ offset: 9, text: 'r4' });
    expect(log.activeProducers.get(9)?.lastSequence).toBe(9);
    log.appendAsLeader(
      batchOf({ count: 2, text: 'again', producerId: 9, producerEpoch: 0, baseSequence: 10 }),
      7,
    );
    runtime.turn();
    expect((await readAll(log, 9)).map(record => record.text)).toEqual(['r4', 'again', 'again']);
    expect(log.endOffsetForEpoch(1)).toEqual({ leaderEpoch: 1, offset: 11 });
    expect(log.endOffsetForEpoch(5)).toEqual({ leaderEpoch: 1, offset: 11 });
    expect(log.endOffsetForEpoch(8)).toBeUndefined();
  });

  it('tells a duplicate its first offset once that is written, and refuses gaps', async () => {
    const { log, runtime } = await openLog();
    const send = (baseSequence: number, epoch = 0, count = 2) =>
      log.appendAsLeader(batchOf({ count, producerId: 4, producerEpoch: epoch, baseSequence }), 0);
    const first = send(0);
    const again = send(0);
    expect([again.duplicate, again.firstOffset, again.lastOffset]).toEqual([
      true,
      first.firstOffset,
      first.lastOffset,
    ]);
    let answered = 0;
    again.onWritten(() => answered++);
    expect(answered).toBe(0);
    runtime.turn();
    expect(answered).toBe(1);
    for (let sequence = 2; sequence <= 10; sequence += 2) send(sequence);
    runtime.turn();
    expect(send(2).duplicate).toBe(true);
    expect(codeOf(() => send(0))).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(codeOf(() => send(14))).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(codeOf(() => send(3, 1))).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    send(0, 1);
    expect(codeOf(() => send(12, 0))).toBe(Errors.INVALID_PRODUCER_EPOCH);
    runtime.turn();
    expect(log.logEndOffset).toBe(14);
  });

  it('wraps sequences from 2^31-1 to 0', async () => {
    const { log, runtime } = await openLog();
    const last = 0x7fff_ffff;
    for (const baseSequence of [last - 1, 1, 4]) {
      log.appendAsLeader(batchOf({ count: 3, producerId: 4, producerEpoch: 0, baseSequence }), 0);
    }
    runtime.turn();
    expect(log.logEndOffset).toBe(9);
    const again = log.appendAsLeader(
      batchOf({ count: 3, producerId: 4, producerEpoch: 0, baseSequence: last - 1 }),
      0,
    );
    expect([again.duplicate, again.firstOffset]).toEqual([true, 0]);
  });

  it('holds the last stable offset at an open transaction and lists those that were aborted', async () => {
    for (const tailCacheBytes of [0, 1_000_000]) {
      const { log, runtime } = await openLog({}, new ManualRuntime(), { tailCacheBytes });
      const data = (producerId: number, baseSequence: number) =>
        batchOf({ count: 2, producerId, producerEpoch: 0, baseSequence, isTransactional: true });
      log.appendAsLeader(batchOf({ count: 1 }), 0);
      log.appendAsLeader(data(1, 0), 0);
      log.appendAsLeader(data(2, 0), 0);
      log.appendAsLeader(markerOf(2, 0, false), 0, { origin: 'coordinator' });
      runtime.turn();
      log.updateHighWatermark(log.logEndOffset);
      expect([log.highWatermark, log.lastStableOffset]).toEqual([6, 1]);
      expect(log.producerState.hasOngoingTransaction(1, 0)).toBe(true);
      log.appendAsLeader(markerOf(1, 0, true), 0, { origin: 'coordinator' });
      runtime.turn();
      expect(log.lastStableOffset).toBe(1);
      log.updateHighWatermark(7);
      expect(log.lastStableOffset).toBe(7);
      const info = log.read(0, 10_000, 'txnCommitted', true);
      expect(info.abortedTransactions).toEqual([{ producerId: 2, firstOffset: 3 }]);
      expect(log.read(6, 10_000, 'txnCommitted', true).abortedTransactions).toEqual([]);
      expect(codeOf(() => log.appendAsLeader(markerOf(2, -1, true), 0, { origin: 'coordinator' }))).toBe(
        Errors.INVALID_PRODUCER_EPOCH,
      );
    }
  });

  it('takes what a leader sends as it is, but no part of a batch, no damage, no old offsets', async () => {
    const { log, runtime } = await openLog();
    const records = Buffer.concat([
      batchOf({ baseOffset: 10, count: 2, partitionLeaderEpoch: 3 }),
      batchOf({ baseOffset: 15, count: 2, partitionLeaderEpoch: 4 }),
    ]);
    const info = log.appendAsFollower(Buffer.concat([records, batchOf({ baseOffset: 17 }).subarray(0, 40)]));
    runtime.turn();
    expect([info.firstOffset, info.lastOffset, info.recordCount]).toEqual([10, 16, 4]);
    expect([log.logEndOffset, log.latestEpoch]).toEqual([17, 4]);
    expect(log.endOffsetForEpoch(3)).toEqual({ leaderEpoch: 3, offset: 15 });
    expect((await bytesOf(log.read(10, 10_000, 'logEnd', true))).equals(records)).toBe(true);
    expect(
      (await bytesOf(log.read(13, 10_000, 'logEnd', true))).equals(records.subarray(records.length / 2)),
    ).toBe(true);
    const damaged = batchOf({ baseOffset: 17 });
    damaged[damaged.length - 1]! ^= 1;
    expect(codeOf(() => log.appendAsFollower(damaged))).toBe(Errors.CORRUPT_MESSAGE);
    expect(codeOf(() => log.appendAsFollower(batchOf({ baseOffset: 16 })))).toBe(Errors.INVALID_RECORD);
  });

  it('deletes by size, by age and below its start, never at the high watermark, and removes files later', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 300 });
    for (let i = 0; i < 8; i++)
      log.appendAsLeader(batchOf({ valueBytes: 200, timestamp: NOW_MS + 1000 * i }), 0);
    runtime.turn();
    expect(log.segments.size).toBe(8);
    log.updateConfig({ ...log.config, retentionBytes: 800 });
    expect(log.deleteOldSegments()).toBe(0);
    log.updateHighWatermark(3);
    expect(log.deleteOldSegments()).toBe(3);
    log.updateHighWatermark(8);
    log.updateConfig({ ...log.config, retentionBytes: -1, retentionMs: 3000 });
    runtime.nowMs = 8500;
    expect(log.deleteOldSegments()).toBe(3);
    expect(log.logStartOffset).toBe(6);
    expect(runtime.disk.paths().filter(path => path.endsWith('.log.deleted')).length).toBe(6);
    log.updateConfig({ ...log.config, retentionMs: -1 });
    log.maybeIncrementLogStartOffset(7, 'test');
    expect(log.deleteOldSegments()).toBe(1);
    runtime.advance(log.config.fileDeleteDelayMs);
    expect(runtime.disk.paths().filter(path => path.endsWith('.log'))).toEqual([
      `${DIRECTORY}/00000000000000000007.log`,
    ]);
    await expect.poll(() => runtime.disk.paths().filter(path => path.endsWith('.deleted'))).toEqual([]);
  });

  it('deletes all that is too old and goes on at the same offset, also after a crash', async () => {
    const opened = await openLog();
    opened.log.appendAsLeader(batchOf({ count: 5, timestamp: 1 }), 0);
    opened.runtime.turn();
    opened.log.updateHighWatermark(5);
    opened.log.updateConfig({ ...opened.log.config, retentionMs: 10 });
    expect(opened.log.deleteOldSegments()).toBe(1);
    expect([opened.log.logStartOffset, opened.log.logEndOffset]).toEqual([5, 5]);
    opened.runtime.die();
    opened.runtime.disk.crash('keep');
    const { log } = await openLog({}, opened.runtime);
    expect([log.logStartOffset, log.logEndOffset]).toEqual([5, 5]);
  });
});
