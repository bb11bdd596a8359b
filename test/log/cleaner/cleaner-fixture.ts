import type { LogConfig } from '../../../src/config/log-config.ts';
import { silentLogger, type Logger } from '../../../src/base/logger.ts';
import type { Offset, ProducerId } from '../../../src/base/int64.ts';
import type { CleanerConfig } from '../../../src/log/cleaner/cleaner-config.ts';
import type { LogManagerOptions } from '../../../src/log/log-manager.ts';
import type { UnifiedLog } from '../../../src/log/unified-log.ts';
import type { CompressionType } from '../../../src/compression/compression-type.ts';
import { batchesOf } from '../../../src/record/record-batch.ts';
import { RecordBatchBuilder, type RecordBatchOptions } from '../../../src/record/record-batch-builder.ts';
import { ManualRuntime, NOW_MS } from '../../support/manual-runtime.ts';
import { bytesOf, type OpenedLog, openLog } from '../log-fixture.ts';

export const CLEANER_CONFIG: CleanerConfig = {
  threads: 1,
  dedupeBufferSize: 1024 * 1024,
  dedupeBufferLoadFactor: 0.9,
  ioBufferSize: 512 * 1024,
  maxBytesPerSecond: Number.MAX_VALUE,
  backoffMs: 1000,
};

export const COMPACT: Partial<LogConfig> = {
  cleanupPolicy: new Set(['compact'] as const),
  segmentBytes: 2000,
  indexIntervalBytes: 100,
  minCleanableDirtyRatio: 0,
  fileDeleteDelayMs: 5000,
  deleteRetentionMs: 60_000,
};

export async function openCompacted(
  config: Partial<LogConfig> = {},
  runtime = new ManualRuntime(),
  cleaner: Partial<CleanerConfig> = {},
  logger: Logger = silentLogger,
  options: Partial<LogManagerOptions> = {},
): Promise<OpenedLog> {
  const cleanerConfig = { ...CLEANER_CONFIG, ...cleaner };
  const opened = await openLog(
    { ...COMPACT, ...config },
    runtime,
    { cleanerConfig: () => cleanerConfig, ...options },
    logger,
  );
  opened.manager.startCleaner();
  return opened;
}

/** Key and value; `null` for a tombstone. */
export type KeyValue = readonly [key: string, value: string | null];

export function keyedBatch(
  records: readonly KeyValue[],
  options: RecordBatchOptions & { readonly timestamp?: number; readonly compression?: CompressionType } = {},
): Buffer {
  const builder = new RecordBatchBuilder(options);
  for (const [key, value] of records) {
    builder.append({
      timestamp: options.timestamp ?? NOW_MS,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    });
  }
  return builder.build();
}

/** Appends, writes, and has all of it committed. */
export function appendKeyed(
  { log, runtime }: OpenedLog,
  records: readonly KeyValue[],
  options: Parameters<typeof keyedBatch>[1] = {},
): void {
  log.appendAsLeader(keyedBatch(records, options), 0);
  runtime.turn();
  log.updateHighWatermark(log.logEndOffset);
}

export interface StoredRecord {
  readonly offset: Offset;
  readonly key: string;
  readonly value: string | null;
}

/** All records of clients from `from` on, by as many reads as it takes. */
export async function readKeyed(
  log: UnifiedLog,
  from: Offset = log.logStartOffset,
  maxBytes = 1500,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  let next = from;
  for (let empty = 0; next < log.logEndOffset && empty < 3; empty++) {
    for (const batch of batchesOf(await bytesOf(log.read(next, maxBytes, 'logEnd', true)))) {
      if (!batch.isValid()) throw new Error(`the batch at ${batch.baseOffset} has a wrong checksum`);
      next = batch.nextOffset;
      empty = -1;
      if (batch.isControlBatch) continue;
      for (const { offset, key, value } of batch.records()) {
        if (offset < from) continue;
        records.push({ offset, key: key!.toString(), value: value === null ? null : value.toString() });
      }
    }
  }
  if (next < log.logEndOffset) throw new Error(`nothing can be read from ${next} on`);
  return records;
}

/** What a consumer of committed records gets from the start of the log on, by reads of `maxBytes`. */
export async function readCommitted(log: UnifiedLog, maxBytes = 700): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  let next = log.logStartOffset;
  for (let empty = 0; next < log.lastStableOffset && empty < 3; empty++) {
    const info = log.read(next, maxBytes, 'txnCommitted', true);
    const waiting = [...info.abortedTransactions!].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
    const aborted = new Set<ProducerId>();
    for (const batch of batchesOf(await bytesOf(info))) {
      while (waiting.length > 0 && waiting[0]!.firstOffset <= batch.lastOffset)
        aborted.add(waiting.shift()!.producerId);
      next = batch.nextOffset;
      empty = -1;
      if (batch.isControlBatch) aborted.delete(batch.producerId);
      if (batch.isControlBatch || (batch.isTransactional && aborted.has(batch.producerId))) continue;
      for (const { offset, key, value } of batch.records()) {
        if (offset < log.logStartOffset) continue;
        records.push({ offset, key: key!.toString(), value: value === null ? null : value.toString() });
      }
    }
  }
  if (next < log.lastStableOffset) throw new Error(`nothing can be read from ${next} on`);
  return records;
}

/** The last value of each key. */
export function lastOf(records: readonly { readonly key: string; readonly value: string | null }[]) {
  const last = new Map<string, string>();
  for (const { key, value } of records) {
    if (value === null) last.delete(key);
    else last.set(key, value);
  }
  return last;
}
