import type { KafkaConfig } from '../../config/kafka-config.ts';

/** The configuration of the log cleaner. It may change at any time. */
export interface CleanerConfig {
  /** Logs that are compacted at the same time. */
  readonly threads: number;
  /** Memory for the keys, of all threads together. Bytes. */
  readonly dedupeBufferSize: number;
  /** How full it may get, up to 1. */
  readonly dedupeBufferLoadFactor: number;
  /** Memory to read and to write, of all threads together. Bytes. */
  readonly ioBufferSize: number;
  /** Read and written, by all threads together, in a second. */
  readonly maxBytesPerSecond: number;
  /** Between two looks for a log to compact when there was none. */
  readonly backoffMs: number;
}

export function cleanerConfigOf(config: KafkaConfig): CleanerConfig {
  return {
    threads: config.boolean('log.cleaner.enable') ? config.int('log.cleaner.threads') : 0,
    dedupeBufferSize: config.long('log.cleaner.dedupe.buffer.size'),
    dedupeBufferLoadFactor: config.double('log.cleaner.io.buffer.load.factor'),
    ioBufferSize: config.int('log.cleaner.io.buffer.size'),
    maxBytesPerSecond: config.double('log.cleaner.io.max.bytes.per.second'),
    backoffMs: config.long('log.cleaner.backoff.ms'),
  };
}
