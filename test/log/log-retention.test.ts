import { describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import type { LogConfig } from '../../src/config/log-config.ts';
import type { UnifiedLog } from '../../src/log/unified-log.ts';
import { ManualRuntime, NOW_MS } from '../support/manual-runtime.ts';
import { batchOf, bytesOf, openLog, readAll } from './log-fixture.ts';

const CHECK_MS = 300_000;

/** One committed batch of about 270 bytes for each of `timestamps`. */
function append(log: UnifiedLog, runtime: ManualRuntime, timestamps: readonly number[]): void {
  for (const timestamp of timestamps) {
    log.appendAsLeader(batchOf({ valueBytes: 200, timestamp }), 0);
    runtime.turn();
  }
  log.updateHighWatermark(log.logEndOffset);
}

async function logOf(config: Partial<LogConfig>, timestamps: readonly number[]) {
  const logger = new MemoryLogger();
  const opened = await openLog({ segmentBytes: 300, ...config }, new ManualRuntime(), {}, logger);
  append(opened.log, opened.runtime, timestamps);
  const warnings = () => logger.entries.filter(entry => entry.level === 'warn');
  return { ...opened, warnings };
}

describe('retention', () => {
  it('keeps records of the future until their own time is over, with all behind them, and says so', async () => {
    const day = 86_400_000;
    const { log, runtime, warnings } = await logOf({ retentionMs: 1000 }, [NOW_MS, NOW_MS + day, NOW_MS]);
    runtime.nowMs = 5_000;
    expect(log.deleteOldSegments()).toBe(1);
    expect(log.logStartOffset).toBe(1);
    expect(warnings().map(({ fields }) => [fields['segment'], fields['timestamp']])).toEqual([
      [1, NOW_MS + day],
    ]);
    runtime.nowMs = day + 1_001;
    expect(log.deleteOldSegments()).toBe(2);
    expect([log.logStartOffset, log.logEndOffset]).toEqual([3, 3]);
    expect(warnings().length).toBe(1);
  });

  it('says nothing of the future where no time limits the log', async () => {
    const { log, warnings } = await logOf({ retentionBytes: 10_000 }, [NOW_MS + 1_000_000, NOW_MS]);
    expect(log.deleteOldSegments()).toBe(0);
    expect(warnings()).toEqual([]);
  });

  it('keeps for ever what has no limit', async () => {
    const { log, runtime } = await logOf({ retentionMs: -1, retentionBytes: -1 }, [1, 2, 3]);
    runtime.nowMs = 1e12;
    expect(log.deleteOldSegments()).toBe(0);
  });

  it('by size leaves at least as many bytes as the limit, and the newest segment whatever its size', async () => {
    const { log } = await logOf({}, [1, 2, 3, 4]);
    const bytes = log.sizeInBytes / 4;
    for (const [retentionBytes, segments] of [
      [bytes * 4, 4],
      [bytes * 3 + 1, 4],
      [bytes * 3, 3],
      [bytes * 2 - 1, 2],
    ] as const) {
      log.updateConfig({ ...log.config, retentionBytes });
      log.deleteOldSegments();
      expect(log.segments.size, `retention.bytes=${retentionBytes}`).toBe(segments);
    }
  });

  it('deletes nothing of a log that is only compacted, but for what lies below its start', async () => {
    const config = { cleanupPolicy: new Set(['compact'] as const), retentionMs: 1, retentionBytes: 1 };
    const { log, runtime } = await logOf(config, [1, 2, 3]);
    runtime.nowMs = 1e9;
    expect(log.deleteOldSegments()).toBe(0);
    log.maybeIncrementLogStartOffset(1, 'test');
    expect(log.deleteOldSegments()).toBe(1);
  });

  it('lets who has begun to read a segment finish it, after it was deleted and until its files go (S9)', async () => {
    const { log, runtime } = await logOf({ retentionMs: 0 }, [1, 2]);
    const begun = log.read(0, 10_000, 'highWatermark', true);
    const size = begun.sizeInBytes;
    expect(log.deleteOldSegments()).toBe(2);
    expect((await bytesOf(begun)).length).toBe(size);
    expect(await readAll(log)).toEqual([]);
    runtime.advance(log.config.fileDeleteDelayMs);
    await expect.poll(() => runtime.disk.paths().filter(path => path.endsWith('.deleted'))).toEqual([]);
  });
});

describe('segment.ms without traffic', () => {
  it('begins a new segment once the first record and the file are that old, and not before', async () => {
    const { log, runtime } = await logOf({ segmentBytes: 10_000, segmentMs: 1_000_000 }, [NOW_MS, NOW_MS]);
    await runtime.pass(CHECK_MS * 3);
    expect(log.segments.size).toBe(1);
    await runtime.pass(CHECK_MS);
    expect(log.segments.all.map(segment => segment.baseOffset)).toEqual([0, 2]);
    await runtime.pass(CHECK_MS * 20);
    expect(log.segments.size).toBe(2);
    append(log, runtime, [NOW_MS + runtime.nowMs]);
    expect((await readAll(log)).map(({ offset }) => offset)).toEqual([0, 1, 2]);
  });

  it('does not cut up a topic that is filled with old records', async () => {
    const { log, runtime } = await logOf({ segmentBytes: 10_000, segmentMs: 1_000_000 }, [1, 2]);
    await runtime.pass(CHECK_MS * 3);
    expect(log.segments.size).toBe(1);
  });

  it('waits for a first record of the future', async () => {
    const { log, runtime } = await logOf({ segmentBytes: 10_000, segmentMs: 1_000_000 }, [NOW_MS + 1e12]);
    await runtime.pass(CHECK_MS * 10);
    expect(log.segments.size).toBe(1);
  });
});
