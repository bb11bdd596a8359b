import { silentLogger, type Logger } from '../../src/base/logger.ts';
import type { LogConfig } from '../../src/config/log-config.ts';
import { LogManager, type LogManagerOptions } from '../../src/log/log-manager.ts';
import type { UnifiedLog } from '../../src/log/unified-log.ts';
import type { RecordBatchOptions } from '../../src/record/record-batch-builder.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import type { FetchDataInfo } from '../../src/log/fetch-data-info.ts';
import type { Offset } from '../../src/base/int64.ts';
import { ManualRuntime, NOW_MS } from '../support/manual-runtime.ts';

export const LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 * 1024,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  maxIndexSize: 10 * 1024 * 1024,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  retentionBytes: -1,
  retentionMs: -1,
  localRetentionBytes: -2,
  localRetentionMs: -2,
  remoteStorageEnable: false,
  maxMessageBytes: 1_048_588,
  indexIntervalBytes: 4096,
  fileDeleteDelayMs: 60_000,
  deleteRetentionMs: 86_400_000,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableDirtyRatio: 0.5,
  cleanupPolicy: new Set(['delete'] as const),
  uncleanLeaderElection: false,
  minInsyncReplicas: 1,
  compressionType: 'producer',
  compressionGzipLevel: -1,
  compressionLz4Level: 9,
  compressionZstdLevel: 3,
  preallocate: false,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: 2 ** 63,
  messageTimestampAfterMaxMs: 2 ** 63,
  leaderReplicationThrottledReplicas: [],
  followerReplicationThrottledReplicas: [],
  durability: 'page-cache',
};

export const TP = { topic: 'orders', partition: 0 };
export const LOG_DIR = '/data';
export const DIRECTORY = `${LOG_DIR}/orders-0`;

export async function openManager(
  runtime: ManualRuntime,
  config: LogConfig = LOG_CONFIG,
  options: Partial<LogManagerOptions> = {},
  logger: Logger = silentLogger,
): Promise<LogManager> {
  const manager = new LogManager(runtime, logger, { logDirs: [LOG_DIR], defaultConfig: config, ...options });
  const started = manager.startup();
  started.catch(() => {});
  await runtime.settle();
  await started;
  return manager;
}

export interface OpenedLog {
  readonly runtime: ManualRuntime;
  readonly manager: LogManager;
  readonly log: UnifiedLog;
}

/** The log of one partition, over a new disk or one that was used before. */
export async function openLog(
  config: Partial<LogConfig> = {},
  runtime = new ManualRuntime(),
  options: Partial<LogManagerOptions> = {},
  logger: Logger = silentLogger,
): Promise<OpenedLog> {
  const manager = await openManager(runtime, { ...LOG_CONFIG, ...config }, options, logger);
  return { runtime, manager, log: manager.getOrCreateLog(TP) };
}

export async function closeManager({
  runtime,
  manager,
}: Pick<OpenedLog, 'runtime' | 'manager'>): Promise<void> {
  const stopped = manager.shutdown(7);
  await runtime.settle();
  await runtime.settle();
  await stopped;
}

export interface BatchOptions extends RecordBatchOptions {
  readonly count?: number;
  readonly valueBytes?: number;
  readonly timestamp?: number | bigint;
  readonly text?: string;
}

/** A batch of `count` records with the same timestamp. */
export function batchOf(options: BatchOptions = {}): Buffer {
  const builder = new RecordBatchBuilder(options);
  const value = Buffer.from((options.text ?? 'v').padEnd(options.valueBytes ?? 10, '.'));
  for (let i = 0; i < (options.count ?? 1); i++) {
    builder.append({ timestamp: options.timestamp ?? 1000, key: Buffer.from(`k${i}`), value });
  }
  return builder.build();
}

/** A marker that ends a transaction. */
export function markerOf(
  producerId: number,
  producerEpoch: number,
  commit: boolean,
  coordinatorEpoch = 0,
): Buffer {
  const key = Buffer.alloc(4);
  key.writeInt16BE(commit ? 1 : 0, 2);
  const value = Buffer.alloc(6);
  value.writeInt32BE(coordinatorEpoch, 2);
  return new RecordBatchBuilder({ producerId, producerEpoch, isTransactional: true, isControlBatch: true })
    .append({ timestamp: NOW_MS, key, value })
    .build();
}

/** All bytes of a read. */
export async function bytesOf(info: FetchDataInfo): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const slice of info.slices) parts.push(await slice.load());
  return Buffer.concat(parts);
}

export interface ReadRecord {
  readonly offset: Offset;
  readonly text: string;
}

/** Everything from `from` to the end, by as many reads as it takes. */
export async function readAll(
  log: UnifiedLog,
  from: Offset = log.logStartOffset,
  maxBytes = 64 * 1024,
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  let next = from;
  while (next < log.logEndOffset) {
    const bytes = await bytesOf(log.read(next, maxBytes, 'logEnd', true));
    if (bytes.length === 0) break;
    for (const batch of batchesOf(bytes)) {
      if (!batch.isValid()) throw new Error(`the batch at ${batch.baseOffset} has a wrong checksum`);
      for (const { offset, value } of batch.records()) {
        if (offset >= next) records.push({ offset, text: value!.toString().replace(/\.+$/, '') });
      }
      next = batch.nextOffset;
    }
  }
  return records;
}
