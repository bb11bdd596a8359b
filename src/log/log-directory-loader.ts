import type { LogConfig } from '../config/log-config.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import { parseLogDirectoryName } from './log-file-names.ts';
import { loadLog } from './log-loader.ts';
import { topicPartitionKey } from './topic-partition.ts';
import { UnifiedLog } from './unified-log.ts';

const CLUSTER_METADATA_TOPIC = '__cluster_metadata';
/** Logs to load before other work gets its turn. */
const LOGS_PER_TURN = 64;
const FLUSHES_AT_ONCE = 8;

/** What is found in a log directory at a start. */
export interface LoadedLogs {
  onLog(log: UnifiedLog): void;
  /** A partition that was deleted, whose files are still there. */
  onDeleted(path: string): void;
}

/** Opens the logs in a log directory, and recovers those that need it. */
export async function loadLogDirectory(
  environment: LogEnvironment,
  directory: LogDirectory,
  configOf: (topic: string) => LogConfig,
  found: LoadedLogs,
): Promise<void> {
  const { disk, logger, runtime } = environment;
  const startedMs = runtime.clock.monotonicMs();
  directory.removeCleanShutdownMarker();
  const recoveryPoints = directory.readRecoveryPoints();
  const logStartOffsets = directory.readLogStartOffsets();
  const highWatermarks = directory.readHighWatermarks();
  const cleanerOffsets = directory.readCleanerOffsets();
  const unsynced: UnifiedLog[] = [];
  let loaded = 0;
  for (const entry of disk.readDirectorySync(directory.path)) {
    if (!entry.isDirectory) continue;
    const parsed = parseLogDirectoryName(entry.name);
    const path = `${directory.path}/${entry.name}`;
    if (parsed === undefined) {
      logger.warn('a directory that is no partition is left alone', { path });
      continue;
    }
    const { topicPartition, kind } = parsed;
    if (topicPartition.topic === CLUSTER_METADATA_TOPIC) continue;
    if (kind === 'delete') {
      found.onDeleted(path);
      continue;
    }
    if (kind === 'stray') {
      logger.warn('a stray partition is left alone', { path });
      continue;
    }
    const key = topicPartitionKey(topicPartition);
    const options = {
      directory: path,
      topicPartition,
      isFuture: kind === 'future',
      config: configOf(topicPartition.topic),
      hadCleanShutdown: directory.hadCleanShutdown,
      recoveryPoint: recoveryPoints.get(key) ?? 0,
      logStartOffset: logStartOffsets.get(key) ?? 0,
      isCompacted: cleanerOffsets.has(key),
    };
    const log = new UnifiedLog(environment, directory.state, loadLog(environment, options));
    log.checkpointedRecoveryPoint = options.recoveryPoint;
    log.updateHighWatermark(highWatermarks.get(key) ?? 0);
    if (kind === 'current') log.cleanerCheckpoint = cleanerOffsets.get(key);
    if (log.owesSync) unsynced.push(log);
    found.onLog(log);
    if (++loaded % LOGS_PER_TURN === 0) await new Promise<void>(resolve => runtime.timers.soon(resolve));
  }
  // Before anybody acts on where they end: replicas and clients take that for a promise.
  while (unsynced.length > 0) await Promise.all(unsynced.splice(0, FLUSHES_AT_ONCE).map(log => log.flush()));
  logger.info('logs loaded', {
    logDir: directory.path,
    logs: loaded,
    cleanShutdown: directory.hadCleanShutdown,
    ms: Math.round(runtime.clock.monotonicMs() - startedMs),
  });
}
