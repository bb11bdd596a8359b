import { diff64 } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import { Errors } from '../protocol/errors.ts';
import type { Disk } from '../runtime/runtime.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogRegistry } from './log-registry.ts';
import type { TopicPartition } from './topic-partition.ts';
import type { UnifiedLog } from './unified-log.ts';

export interface LogDirDescription {
  readonly logDir: string;
  readonly directoryId: Uuid | undefined;
  /** KAFKA_STORAGE_ERROR if it is offline, else NONE. */
  readonly errorCode: number;
  /** -1 if it is offline. */
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly logs: readonly LogDescription[];
}

export interface LogDescription {
  readonly topicPartition: TopicPartition;
  readonly sizeInBytes: number;
  /** Behind the high watermark, or for a future log behind the current one. */
  readonly offsetLag: number;
  readonly isFuture: boolean;
}

/** A log directory, for DescribeLogDirs. */
export function describeLogDir(
  disk: Disk,
  { path, state }: LogDirectory,
  directoryId: Uuid | undefined,
  registry: LogRegistry,
): LogDirDescription {
  if (!state.isOffline) {
    try {
      const { totalBytes, usableBytes } = disk.spaceSync(path);
      const logs = [...registry.currentIn(path), ...registry.futureIn(path)];
      return {
        logDir: path,
        directoryId,
        errorCode: Errors.NONE,
        totalBytes,
        usableBytes,
        logs: logs.map(log => describe(log, registry)),
      };
    } catch (error) {
      state.fail(error as Error);
    }
  }
  const errorCode = Errors.KAFKA_STORAGE_ERROR;
  return { logDir: path, directoryId, errorCode, totalBytes: -1, usableBytes: -1, logs: [] };
}

function describe(log: UnifiedLog, registry: LogRegistry): LogDescription {
  const { topicPartition, isFuture, sizeInBytes } = log;
  const end = isFuture ? (registry.get(topicPartition)?.logEndOffset ?? 0) : log.highWatermark;
  const offsetLag = Math.max(0, diff64(end, log.logEndOffset));
  return { topicPartition, sizeInBytes, offsetLag, isFuture };
}
