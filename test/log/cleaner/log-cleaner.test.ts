import { describe, expect, it } from 'vitest';
import { MemoryLogger, silentLogger } from '../../../src/base/logger.ts';
import { CompressionType } from '../../../src/compression/compression-type.ts';
import { batchesOf } from '../../../src/record/record-batch.ts';
import { ManualRuntime, NOW_MS } from '../../support/manual-runtime.ts';
import { bytesOf, closeManager, DIRECTORY, LOG_DIR, markerOf, type OpenedLog, TP } from '../log-fixture.ts';
import {
  appendKeyed,
  CLEANER_CONFIG,
  keyedBatch,
  type KeyValue,
  lastOf,
  openCompacted,
  readKeyed,
} from './cleaner-fixture.ts';

const PAD = '.'.repeat(150);
const CHECKPOINT = `${LOG_DIR}/cleaner-offset-checkpoint`;

function fill(opened: OpenedLog, batches: number, keys: number, mark = ''): void {
  for (let at = 0; at < batches; at++) {
    const records: KeyValue[] = [0, 1].map(each => [
      `k${(at * 2 + each) % keys}`,
      `${mark}${at}.${each}${PAD}`,
    ]);
    appendKeyed(opened, records);
  }
}

/** Has the cleaner look for logs again, until it finds none. */
async function clean({ runtime }: OpenedLog): Promise<void> {
  for (let i = 0; i < 5; i++) await runtime.pass(1000);
}

function logFiles({ runtime }: OpenedLog): string[] {
  return runtime.disk
    .paths()
    .filter(path => path.startsWith(`${DIRECTORY}/`) && !/snapshot$|checkpoint$/.test(path))
    .map(path => path.slice(DIRECTORY.length + 1).replace(/^0{10,19}/, ''));
}

describe('LogCleaner', () => {
  it('keeps the last record of each key at its offset, and leaves the active segment alone (S10)', async () => {
    const opened = await openCompacted();
    fill(opened, 40, 8);
    const { log } = opened;
    const before = await readKeyed(log);
    const bytes = log.sizeInBytes;
    await clean(opened);
    const after = await readKeyed(log);
    const { baseOffset } = log.segments.active;
    const lastOffsets = new Map(
      before.filter(({ offset }) => offset < baseOffset).map(each => [each.key, each.offset]),
    );
    expect(after).toEqual(
      before.filter(({ offset, key }) => offset >= baseOffset || lastOffsets.get(key) === offset),
    );
    expect(after.length).toBeLessThan(20);
    expect(log.sizeInBytes).toBeLessThan(bytes / 2);
    expect(log.cleanerCheckpoint).toBe(baseOffset);
    expect(opened.runtime.disk.contentOf(CHECKPOINT).toString()).toBe(`0\n1\norders 0 ${baseOffset}\n`);
    // Files go after a delay.
    expect(logFiles(opened).filter(name => name.endsWith('.deleted')).length).toBeGreaterThan(10);
    await opened.runtime.pass(5000);
    expect(logFiles(opened).filter(name => /deleted|swap|cleaned/.test(name))).toEqual([]);
  });

  it('puts segments together that have become small', async () => {
    const opened = await openCompacted();
    const { log } = opened;
    fill(opened, 60, 8);
    await clean(opened);
    const { size } = log.segments;
    fill(opened, 6, 8);
    await clean(opened);
    expect(log.segments.size).toBeLessThan(size - 5);
    expect(log.segments.all.every(segment => segment.writtenBytes <= 2000)).toBe(true);
    // Only the snapshots of segments that are still there are kept.
    const snapshots = opened.runtime.disk.paths().filter(path => path.endsWith('.snapshot'));
    expect(snapshots.length).toBeLessThanOrEqual(log.segments.size);
    expect(lastOf(await readKeyed(log)).size).toBe(8);
  });

  it('goes on where it was, after a restart too', async () => {
    const opened = await openCompacted();
    fill(opened, 40, 8);
    await clean(opened);
    const checkpoint = opened.log.cleanerCheckpoint;
    const before = await readKeyed(opened.log);
    await closeManager(opened);
    const again = await openCompacted({}, opened.runtime);
    expect(again.log.cleanerCheckpoint).toBe(checkpoint);
    expect(await readKeyed(again.log)).toEqual(before);
    fill(again, 40, 9, 'new');
    const last = lastOf(await readKeyed(again.log));
    await clean(again);
    expect(again.log.cleanerCheckpoint).toBe(again.log.segments.active.baseOffset);
    expect(lastOf(await readKeyed(again.log))).toEqual(last);
  });

  it('has no gap taken for a loss by a start that knows neither the topic nor a recovery point', async () => {
    const opened = await openCompacted();
    fill(opened, 60, 60);
    fill(opened, 60, 2);
    await clean(opened);
    const before = await readKeyed(opened.log);
    const { log } = opened;
    const gaps = log.segments.all.filter((segment, at) => {
      const next = log.segments.all[at + 1]?.baseOffset;
      return next !== undefined && segment.readNextOffset().nextOffset < next;
    });
    expect(gaps.length).toBeGreaterThan(0);
    opened.runtime.die();
    opened.runtime.disk.crash('keep');
    expect(opened.runtime.disk.paths()).not.toContain(`${LOG_DIR}/recovery-point-offset-checkpoint`);
    const again = await openCompacted({ cleanupPolicy: new Set(['delete'] as const) }, opened.runtime);
    expect(await readKeyed(again.log)).toEqual(before);
    expect(again.log.logEndOffset).toBe(log.logEndOffset);
  });

  it('does not touch a topic that is not compacted, and waits for enough to gain', async () => {
    const kept = await openCompacted({ cleanupPolicy: new Set(['delete'] as const) });
    fill(kept, 20, 2);
    await clean(kept);
    expect((await readKeyed(kept.log)).length).toBe(40);
    expect(kept.log.cleanerCheckpoint).toBeUndefined();

    const opened = await openCompacted({ minCleanableDirtyRatio: 0.5 });
    fill(opened, 40, 40);
    await clean(opened);
    const checkpoint = opened.log.cleanerCheckpoint!;
    expect(checkpoint).toBeGreaterThan(0);
    fill(opened, 8, 40);
    await clean(opened);
    expect(opened.log.cleanerCheckpoint).toBe(checkpoint);
    fill(opened, 40, 40);
    await clean(opened);
    expect(opened.log.cleanerCheckpoint).toBeGreaterThan(checkpoint as number);
  });

  it('leaves records alone that are younger than min.compaction.lag.ms', async () => {
    const opened = await openCompacted({ minCompactionLagMs: 60_000 });
    fill(opened, 20, 2);
    await clean(opened);
    expect((await readKeyed(opened.log)).length).toBe(40);
    opened.runtime.advance(60_000);
    await clean(opened);
    expect((await readKeyed(opened.log)).length).toBeLessThan(15);
  });

  it('compacts in time for max.compaction.lag.ms, however little there is to gain', async () => {
    const opened = await openCompacted({ minCleanableDirtyRatio: 1, maxCompactionLagMs: 60_000 });
    fill(opened, 20, 2);
    await clean(opened);
    expect((await readKeyed(opened.log)).length).toBe(40);
    opened.runtime.advance(60_000);
    await clean(opened);
    expect((await readKeyed(opened.log)).length).toBeLessThan(15);
    // The active segment ends early enough to be compacted in time as well.
    const { baseOffset } = opened.log.segments.active;
    appendKeyed(opened, [['k0', 'x']], { timestamp: NOW_MS + 200_000 });
    appendKeyed(opened, [['k0', 'y']], { timestamp: NOW_MS + 300_000 });
    expect(opened.log.segments.active.baseOffset).toBeGreaterThan(baseOffset as number);
  });

  it('removes tombstones, but not before delete.retention.ms has passed since their cleaning', async () => {
    const opened = await openCompacted();
    fill(opened, 10, 4);
    appendKeyed(opened, [['k1', null]]);
    fill(opened, 10, 1);
    await clean(opened);
    const tombstones = async () => (await readKeyed(opened.log)).filter(({ value }) => value === null).length;
    expect(lastOf(await readKeyed(opened.log)).has('k1')).toBe(false);
    expect(await tombstones()).toBe(1);
    opened.runtime.advance(30_000);
    fill(opened, 10, 1);
    await clean(opened);
    expect(await tombstones()).toBe(1);
    opened.runtime.advance(30_000);
    fill(opened, 10, 1);
    await clean(opened);
    expect(await tombstones()).toBe(0);
    expect(lastOf(await readKeyed(opened.log)).has('k1')).toBe(false);
  });

  it('stops at the last stable offset and the high watermark', async () => {
    const opened = await openCompacted();
    const { log, runtime } = opened;
    fill(opened, 10, 2);
    const transactional = { producerId: 9, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    appendKeyed(opened, [['k0', 'open']], transactional);
    const open = log.lastStableOffset;
    fill(opened, 30, 2);
    await clean(opened);
    expect(log.cleanerCheckpoint).toBeLessThanOrEqual(open as number);
    expect((await readKeyed(log, open)).length).toBe(61);
    log.appendAsLeader(markerOf(9, 0, true), 0, { origin: 'coordinator' });
    runtime.turn();
    log.updateHighWatermark(log.logEndOffset);
    await clean(opened);
    expect((await readKeyed(log, open)).length).toBeLessThan(20);

    const behind = await openCompacted();
    for (let at = 0; at < 30; at++) behind.log.appendAsLeader(keyedBatch([['k', `${at}${PAD}`]]), 0);
    behind.runtime.turn();
    behind.log.updateHighWatermark(3);
    await clean(behind);
    expect((await readKeyed(behind.log)).length).toBe(30);
  });

  it('removes aborted records, and lists their transactions as long as a reader may meet them', async () => {
    const opened = await openCompacted();
    const { log, runtime } = opened;
    const transaction = async (producerId: number, commit: boolean, mark: string): Promise<void> => {
      for (let at = 0; at < 6; at++) {
        const options = { producerId, producerEpoch: 0, baseSequence: at, isTransactional: true };
        appendKeyed(opened, [[`${mark}${at}`, `${mark}${PAD}`]], options);
      }
      log.appendAsLeader(markerOf(producerId, 0, commit), 0, { origin: 'coordinator' });
      runtime.turn();
      log.updateHighWatermark(log.logEndOffset);
    };
    const committed = async (): Promise<string[]> => {
      const info = log.read(log.logStartOffset, 100_000, 'txnCommitted', true);
      const aborted = new Map(info.abortedTransactions!.map(txn => [txn.producerId, txn.firstOffset]));
      const keys: string[] = [];
      for (const batch of batchesOf(await bytesOf(info))) {
        const first = aborted.get(batch.producerId);
        if (batch.isControlBatch || (first !== undefined && batch.baseOffset >= first)) continue;
        for (const { key } of batch.records()) keys.push(key!.toString());
      }
      return keys;
    };
    await transaction(1, true, 'a');
    await transaction(2, false, 'b');
    fill(opened, 12, 1);
    const before = await committed();
    expect(before.slice(0, 6)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5']);
    await clean(opened);
    const after = await readKeyed(log);
    expect(after.filter(({ key }) => key.startsWith('a')).length).toBe(6);
    expect(after.filter(({ key }) => key.startsWith('b'))).toEqual([]);
    expect((await committed()).slice(0, 6)).toEqual(before.slice(0, 6));
    // The producer may come back: its last sequence is known, after a crash too.
    runtime.die();
    runtime.disk.crash('keep');
    const again = await openCompacted({}, runtime);
    expect(again.log.activeProducers.get(2)?.lastSequence).toBe(5);
    expect(again.log.producerState.hasOngoingTransaction(2, 0)).toBe(false);
    expect(again.log.activeProducers.get(1)?.lastSequence).toBe(5);
  });

  it.each([CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4])(
    'compacts compressed batches (%i)',
    async compression => {
      const opened = await openCompacted();
      for (let at = 0; at < 60; at++) {
        const records: KeyValue[] = [0, 1, 2].map(each => [
          `k${(at + each * 7) % 20}`,
          `${at}.${each}${PAD.slice(0, at)}`,
        ]);
        appendKeyed(opened, records, { compression });
      }
      const last = lastOf(await readKeyed(opened.log));
      const { baseOffset } = opened.log.segments.active;
      await clean(opened);
      const after = await readKeyed(opened.log);
      expect(lastOf(after)).toEqual(last);
      expect(after.filter(({ offset }) => offset < baseOffset).length).toBeLessThanOrEqual(20);
    },
  );

  it('needs several cleanings for more keys than the memory holds', async () => {
    const logger = new MemoryLogger();
    const opened = await openCompacted({}, new ManualRuntime(), { dedupeBufferSize: 12 * 40 }, logger);
    fill(opened, 100, 60);
    const last = lastOf(await readKeyed(opened.log));
    const { baseOffset } = opened.log.segments.active;
    for (let i = 0; i < 5; i++) await clean(opened);
    expect(opened.log.cleanerCheckpoint).toBe(baseOffset);
    const ends = logger.entries.filter(({ level }) => level === 'info').map(({ fields }) => fields['upTo']);
    expect(new Set(ends).size).toBeGreaterThan(4);
    const after = await readKeyed(opened.log);
    expect(lastOf(after)).toEqual(last);
  });

  it('reads and writes no faster than it may', async () => {
    const opened = await openCompacted({ segmentBytes: 50_000 }, new ManualRuntime(), {
      maxBytesPerSecond: 10_000,
    });
    fill(opened, 600, 2);
    const { runtime, log } = opened;
    const startMs = runtime.nowMs;
    while ((log.cleanerCheckpoint ?? 0) === 0 && runtime.nowMs < startMs + 120_000) await runtime.pass(500);
    // 200 KB are read twice.
    expect(runtime.nowMs - startMs).toBeGreaterThan(20_000);
    expect(runtime.nowMs - startMs).toBeLessThan(80_000);
  });

  it('goes on at another rate as soon as there is one, from none at all too', async () => {
    const cleaner = { ...CLEANER_CONFIG, maxBytesPerSecond: 0 };
    const opened = await openCompacted({ segmentBytes: 50_000 }, new ManualRuntime(), {}, silentLogger, {
      cleanerConfig: () => cleaner,
    });
    const { runtime, log, manager } = opened;
    fill(opened, 600, 2);
    for (let i = 0; i < 60; i++) await runtime.pass(1000);
    expect(log.cleanerCheckpoint).toBe(0);
    cleaner.maxBytesPerSecond = Number.MAX_VALUE;
    manager.onConfigChanged();
    for (let i = 0; i < 4; i++) await runtime.pass(100);
    expect(log.cleanerCheckpoint).toBeGreaterThan(0);
  });

  it('begins at once when it gets threads, and need not wait for its next look', async () => {
    const cleaner = { ...CLEANER_CONFIG, threads: 0, backoffMs: 3_600_000 };
    const opened = await openCompacted({}, new ManualRuntime(), {}, silentLogger, {
      cleanerConfig: () => cleaner,
    });
    fill(opened, 40, 8);
    await opened.runtime.pass(1000);
    expect(opened.log.cleanerCheckpoint).toBeUndefined();
    cleaner.threads = 1;
    opened.manager.onConfigChanged();
    for (let i = 0; i < 4; i++) await opened.runtime.pass(100);
    expect(opened.log.cleanerCheckpoint).toBeGreaterThan(0);
  });

  it('leaves a log with a damaged segment as it is, says so once, and goes on with others', async () => {
    const logger = new MemoryLogger();
    const opened = await openCompacted({}, new ManualRuntime(), {}, logger);
    const other = opened.manager.getOrCreateLog({ topic: 'other', partition: 0 });
    fill(opened, 40, 2);
    fill({ ...opened, log: other }, 40, 2);
    const segment = `${DIRECTORY}/00000000000000000000.log`;
    opened.runtime.disk.damage(segment, 300, Buffer.from([0xaa, 0xaa]));
    const paths = logFiles(opened);
    const content = Buffer.from(opened.runtime.disk.contentOf(segment));
    await clean(opened);
    await clean(opened);
    expect(logFiles(opened)).toEqual(paths);
    expect(opened.runtime.disk.contentOf(segment)).toEqual(content);
    expect(opened.log.cleanerCheckpoint).toBe(0);
    const errors = logger.entries.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]!.name).toBe('cleaner');
    expect(JSON.stringify(errors)).toMatch(/orders-0.*is damaged at .*wrong checksum/);
    expect(other.cleanerCheckpoint).toBeGreaterThan(0);
    expect(opened.log.isOffline).toBe(false);
  });

  it('tries again when there was no room on the disk', async () => {
    const opened = await openCompacted();
    fill(opened, 40, 8);
    const before = await readKeyed(opened.log);
    const { disk } = opened.runtime;
    disk.fault = (operation, path) =>
      operation === 'open' && path.endsWith('.cleaned') ? { code: 'ENOSPC' } : undefined;
    await clean(opened);
    expect(await readKeyed(opened.log)).toEqual(before);
    expect(opened.log.isOffline).toBe(false);
    expect(logFiles(opened).filter(name => /cleaned|swap/.test(name))).toEqual([]);
    disk.fault = undefined;
    await clean(opened);
    expect(opened.log.cleanerCheckpoint).toBe(opened.log.segments.active.baseOffset);
  });

  it('takes the log directory offline when the disk fails (S8)', async () => {
    const opened = await openCompacted();
    fill(opened, 40, 8);
    opened.runtime.disk.fault = operation => (operation === 'sync' ? { code: 'EIO' } : undefined);
    await clean(opened);
    expect(opened.log.isOffline).toBe(true);
  });

  it('gives up when the log is truncated, and does not count what comes there as compacted', async () => {
    const opened = await openCompacted({}, new ManualRuntime(), { maxBytesPerSecond: 10_000 });
    const { log, runtime } = opened;
    fill(opened, 300, 8);
    await runtime.pass(1000);
    await runtime.pass(1);
    log.truncateTo(100);
    log.updateHighWatermark(100);
    for (let i = 0; i < 60; i++) await runtime.pass(1000);
    const checkpoint = log.cleanerCheckpoint as number;
    expect(checkpoint).toBeGreaterThan(0);
    expect(checkpoint).toBeLessThanOrEqual(100);
    log.truncateTo(10);
    expect(log.cleanerCheckpoint).toBe(10);
    expect(runtime.disk.contentOf(CHECKPOINT).toString()).toBe('0\n1\norders 0 10\n');
  });

  it('gives up when the topic is deleted, and a new one of the name begins without a checkpoint', async () => {
    const opened = await openCompacted({}, new ManualRuntime(), { maxBytesPerSecond: 50_000 });
    const { runtime, manager } = opened;
    fill(opened, 300, 8);
    await runtime.pass(1000);
    manager.asyncDelete(TP);
    const log = manager.getOrCreateLog(TP);
    for (let i = 0; i < 30; i++) await runtime.pass(1000);
    expect(log.cleanerCheckpoint).toBeUndefined();
    expect(logFiles(opened).filter(name => /cleaned|swap/.test(name))).toEqual([]);
    fill({ ...opened, log }, 40, 8);
    for (let i = 0; i < 30; i++) await runtime.pass(1000);
    expect(log.cleanerCheckpoint).toBe(log.segments.active.baseOffset);
  });

  it('leaves a log alone while it is copied to another log directory', async () => {
    const logDirs = ['/data', '/more'];
    const opened = await openCompacted({}, new ManualRuntime(), {}, silentLogger, { logDirs });
    const { manager, log } = opened;
    fill(opened, 40, 8);
    manager.futures.create(log, logDirs.find(each => each !== log.logDirectory)!);
    await clean(opened);
    expect(log.cleanerCheckpoint).toBeUndefined();
    manager.asyncDelete(TP, { isFuture: true });
    await clean(opened);
    expect(log.cleanerCheckpoint).toBe(log.segments.active.baseOffset);
  });

  it('gives up when the log begins to be copied to another log directory', async () => {
    const logDirs = ['/data', '/more'];
    const slow = { maxBytesPerSecond: 50_000 };
    const opened = await openCompacted({}, new ManualRuntime(), slow, silentLogger, { logDirs });
    const { runtime, manager, log } = opened;
    fill(opened, 300, 8);
    await runtime.pass(1000);
    const bytes = log.sizeInBytes;
    manager.futures.create(log, logDirs.find(each => each !== log.logDirectory)!);
    // Without the copy it would be done after 120 s.
    for (let i = 0; i < 150; i++) await runtime.pass(1000);
    expect(log.sizeInBytes).toBe(bytes);
    expect(log.cleanerCheckpoint).toBe(0);
  });

  it('begins at the start of the log when DeleteRecords has passed its checkpoint', async () => {
    const opened = await openCompacted({ cleanupPolicy: new Set(['compact', 'delete'] as const) });
    const { log } = opened;
    fill(opened, 40, 8);
    await clean(opened);
    fill(opened, 40, 8);
    log.maybeIncrementLogStartOffset(100, 'test');
    log.deleteOldSegments();
    const last = lastOf(await readKeyed(log, 100));
    await clean(opened);
    expect(log.cleanerCheckpoint).toBe(log.segments.active.baseOffset);
    expect(lastOf(await readKeyed(log, 100))).toEqual(last);
  });

  it('has retention delete, under compact and delete together, when a cleaning is over', async () => {
    const opened = await openCompacted(
      { cleanupPolicy: new Set(['compact', 'delete'] as const), retentionMs: 50_000, segmentBytes: 20_000 },
      new ManualRuntime(),
      { maxBytesPerSecond: 20_000 },
    );
    const { log, runtime } = opened;
    fill(opened, 200, 100);
    await runtime.pass(1000);
    runtime.advance(60_000);
    // The periodic look for what is too old finds the log in compaction.
    expect(await opened.manager.cleanupLogs()).toBe(0);
    for (let i = 0; i < 30; i++) await runtime.pass(1000);
    expect(log.logStartOffset).toBe(log.logEndOffset);
  });

  it('leaves no checkpoint of a log that another one has taken the place of in memory', async () => {
    const opened = await openCompacted();
    fill(opened, 40, 8);
    await clean(opened);
    opened.manager.asyncDelete(TP);
    await opened.runtime.pass(100);
    expect(opened.runtime.disk.contentOf(CHECKPOINT).toString()).toBe('0\n0\n');
  });
});

describe('readers of a log that is compacted', () => {
  it('see the old segment or the new one, wherever they are', async () => {
    const opened = await openCompacted({ segmentBytes: 1000 });
    const { log, runtime } = opened;
    fill(opened, 60, 12);
    const before = await readKeyed(log);
    const end = log.logEndOffset as number;
    const planned = before.map(({ offset }) => ({ offset, info: log.read(offset, 700, 'logEnd', true) }));
    await clean(opened);
    const after = await readKeyed(log);
    await runtime.pass(10_000);
    for (const { offset, info } of planned) {
      let next = offset;
      for (const batch of batchesOf(await bytesOf(info))) {
        expect(batch.isValid()).toBe(true);
        next = batch.nextOffset;
      }
      // What is read from there on has all that the compacted log has, with nothing left out.
      const rest = await readKeyed(log, next);
      expect(rest).toEqual(after.filter(each => each.offset >= next));
    }
    for (let offset = 0; offset < end; offset++)
      expect(await readKeyed(log, offset, 300)).toEqual(after.filter(each => each.offset >= offset));
  });
});
