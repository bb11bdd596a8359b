/**
 * The configuration of one log: the topic's own values over the broker's defaults. Sizes are bytes, durations ms.
 * "Never" is a number past 2^53 (a LONG of Kafka's may be 2^63-1), so compare and subtract, and write none to disk.
 */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** A segment rolls up to this much earlier, so that not all roll at once. */
  readonly segmentJitterMs: number;
  /** Size of the file of an offset index or time index before it is cut at its end. */
  readonly maxIndexSize: number;
  /** fsync after so many records. */
  readonly flushMessages: number;
  /** fsync after so long. */
  readonly flushMs: number;
  /** -1: no limit. */
  readonly retentionBytes: number;
  /** -1: no limit. */
  readonly retentionMs: number;
  readonly localRetentionBytes: number;
  readonly localRetentionMs: number;
  readonly remoteStorageEnable: boolean;
  /** Of a record batch, as it stands in the log (compressed). */
  readonly maxMessageBytes: number;
  readonly indexIntervalBytes: number;
  readonly fileDeleteDelayMs: number;
  /** How long tombstones and transaction markers stay in a compacted log. */
  readonly deleteRetentionMs: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  readonly minCleanableDirtyRatio: number;
  readonly cleanupPolicy: ReadonlySet<'delete' | 'compact'>;
  readonly uncleanLeaderElection: boolean;
  readonly minInsyncReplicas: number;
  readonly compressionType: LogCompressionType;
  /** -1: the codec's own default. */
  readonly compressionGzipLevel: number;
  readonly compressionLz4Level: number;
  readonly compressionZstdLevel: number;
  readonly preallocate: boolean;
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime';
  /** A record may be this much older than the broker's clock. */
  readonly messageTimestampBeforeMaxMs: number;
  /** A record may be this much ahead of the broker's clock. */
  readonly messageTimestampAfterMaxMs: number;
  /** `*`, or `partition:broker` each. */
  readonly leaderReplicationThrottledReplicas: readonly string[];
  readonly followerReplicationThrottledReplicas: readonly string[];
  /**
   * `page-cache`: a write is acknowledged when the operating system has it, as in Kafka. `fsync`: when it is on disk;
   * all writes of one turn share an fsync.
   */
  readonly durability: 'page-cache' | 'fsync';
}

/** `producer`: as the producer sent it. */
export type LogCompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
