import type { Timestamp } from '../base/int64.ts';
import { compress } from '../compression/codecs.ts';
import { CompressionType, compressionTypeOf } from '../compression/compression-type.ts';
import { recordTimestamp, TimestampType } from '../record/record.ts';
import { RECORD_BATCH_OVERHEAD, type RecordBatch } from '../record/record-batch.ts';
import {
  RecordBatchBuilder,
  type RecordBatchOptions,
  writeBatchHeader,
} from '../record/record-batch-builder.ts';
import { RecordCursor } from '../record/record-cursor.ts';
import { checkSize, invalidRecord } from './record-errors.ts';
import type { ValidatedAppend, ValidatorConfig } from './validated-append.ts';

/* Batches that do not go into the log as they came. */

/** The codec that the topic wants. Control records are never compressed. */
export function targetCompression(
  config: ValidatorConfig,
  source: CompressionType,
  isControl: boolean,
): CompressionType {
  if (isControl || config.compressionType === 'producer') return source;
  if (config.compressionType === 'uncompressed') return CompressionType.NONE;
  return compressionTypeOf(config.compressionType) ?? source;
}

function targetLevel(config: ValidatorConfig, target: CompressionType): number | undefined {
  if (target === CompressionType.GZIP) return config.compressionGzipLevel;
  if (target === CompressionType.LZ4) return config.compressionLz4Level;
  if (target === CompressionType.ZSTD) return config.compressionZstdLevel;
  return undefined;
}

/** The header fields that a batch written here takes from the append, and from the batch it replaces. */
export function batchOptions(
  append: ValidatedAppend,
  compression: CompressionType,
  source?: RecordBatch,
): RecordBatchOptions {
  const { context, nextOffset, topicTimestampType } = append;
  const options: RecordBatchOptions = {
    baseOffset: nextOffset,
    compression,
    compressionLevel: targetLevel(context.config, compression),
    timestampType: topicTimestampType,
    logAppendTime: context.nowMs,
    partitionLeaderEpoch: context.leaderEpoch,
  };
  if (source === undefined) return options;
  const { producerId, producerEpoch, baseSequence, isTransactional, isControlBatch } = source;
  return { ...options, producerId, producerEpoch, baseSequence, isTransactional, isControlBatch };
}

/** The batch under another codec. The records themselves stay as they are, byte for byte. */
export function recompressed(
  batch: RecordBatch,
  plainRecords: Buffer,
  append: ValidatedAppend,
  compression: CompressionType,
  maxTimestamp: Timestamp,
): Buffer {
  const { config } = append.context;
  const records = compress(compression, plainRecords, targetLevel(config, compression));
  checkSize(RECORD_BATCH_OVERHEAD + records.length, config.maxMessageBytes);
  const buffer = Buffer.allocUnsafeSlow(RECORD_BATCH_OVERHEAD + records.length);
  records.copy(buffer, RECORD_BATCH_OVERHEAD);
  const { lastOffsetDelta, baseTimestamp, count } = batch;
  writeBatchHeader(buffer, {
    ...batchOptions(append, compression, batch),
    lastOffsetDelta,
    baseTimestamp,
    maxTimestamp,
    count,
  });
  return buffer;
}

/**
 * The batch with the offset deltas 0, 1, 2, ... Kafka does so for compressed batches and keeps others with whatever
 * deltas they have; here a log never holds records whose offsets are not those that were acknowledged.
 */
export function renumbered(
  batch: RecordBatch,
  plainRecords: Buffer,
  append: ValidatedAppend,
  compression: CompressionType,
): Buffer {
  checkRewrittenCount(batch.count);
  const { baseTimestamp } = batch;
  const fixedTimestamp =
    batch.timestampType === TimestampType.LOG_APPEND_TIME ? batch.maxTimestamp : undefined;
  const builder = new RecordBatchBuilder(batchOptions(append, compression, batch), plainRecords.length + 512);
  for (const cursor = new RecordCursor(plainRecords); !cursor.done; ) {
    cursor.next();
    builder.append({
      timestamp: fixedTimestamp ?? recordTimestamp(baseTimestamp, cursor.timestampDelta),
      key: cursor.key(),
      value: cursor.value(),
      headers: cursor.headers(),
    });
  }
  return built(builder, append);
}

export function built(builder: RecordBatchBuilder, append: ValidatedAppend): Buffer {
  const batch = builder.build();
  checkSize(batch.length, append.context.config.maxMessageBytes);
  return batch;
}

/** To write records anew takes about a microsecond each, and nothing may hold the event loop for long. */
const REWRITTEN_RECORDS_MAX = 100_000;

export function checkRewrittenCount(count: number): void {
  if (count > REWRITTEN_RECORDS_MAX) {
    throw invalidRecord(
      `a batch to be written anew holds ${count} records, more than ${REWRITTEN_RECORDS_MAX}`,
    );
  }
}
