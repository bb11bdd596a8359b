import { MalformedError } from '../base/byte-reader.ts';
import { add64, diff64, type LeaderEpoch, max64, type Offset, sub64, type Timestamp } from '../base/int64.ts';
import { compress } from '../compression/codecs.ts';
import { CompressionType, compressionTypeOf, isCompressionType } from '../compression/compression-type.ts';
import type { LogConfig } from '../config/log-config.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { LegacyMessage, legacyRecords, messagesOf } from '../record/message-set.ts';
import { NO_TIMESTAMP, recordTimestamp, TimestampType } from '../record/record.ts';
import {
  batchesOf,
  HEADER_SIZE_UP_TO_MAGIC,
  MAGIC_POSITION,
  MAGIC_V2,
  RECORD_BATCH_OVERHEAD,
  RecordBatch,
} from '../record/record-batch.ts';
import {
  RecordBatchBuilder,
  type RecordBatchOptions,
  writeBatchHeader,
} from '../record/record-batch-builder.ts';
import { RecordCursor } from '../record/record-cursor.ts';
import { type RecordScan, scanRecords } from '../record/record-scan.ts';
import { type RecordConditions, RecordErrors } from './record-errors.ts';

export { type RecordError, RecordValidationError } from './record-errors.ts';

/*
 * How a log uses this:
 *
 *   appendAsLeader    validateAndAssignOffsets(records, {origin, firstOffset, leaderEpoch, nowMs, config}), then stage
 *                     `result.records`. It is `records` itself (or the start of it, where the end was cut off) with
 *                     base offset and leader epoch written into it, or a new buffer.
 *   appendAsFollower  validateReplicated(records) in replicated-records.ts: framing, checksums, order.
 *   Produce handler   checkProducedRecords(records, apiVersion) before, as the request's own rules.
 *
 * All three throw KafkaError; a RecordValidationError (record-errors.ts) names the records at fault.
 */

export type AppendOrigin = 'client' | 'coordinator' | 'raftLeader' | 'replication';

export type ValidatorConfig = Pick<
  LogConfig,
  | 'maxMessageBytes'
  | 'cleanupPolicy'
  | 'compressionType'
  | 'compressionGzipLevel'
  | 'compressionLz4Level'
  | 'compressionZstdLevel'
  | 'messageTimestampType'
  | 'messageTimestampBeforeMaxMs'
  | 'messageTimestampAfterMaxMs'
>;

export interface ValidationContext {
  readonly origin: Exclude<AppendOrigin, 'replication'>;
  /** What the first record gets. */
  readonly firstOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  readonly nowMs: Timestamp;
  readonly config: ValidatorConfig;
  /** What the records of one batch may take after decompression, in bytes. Default: {@link decompressedBytesMax}. */
  readonly maxDecompressedBytes?: number;
}

export interface ValidationResult {
  /** v2 batches, ready for the log. */
  readonly records: Buffer;
  readonly firstOffset: Offset;
  /** Inclusive; `firstOffset` - 1 if there were no records. */
  readonly lastOffset: Offset;
  readonly recordCount: number;
  /** Of all batches; -1 if no record has a timestamp. */
  readonly maxTimestamp: Timestamp;
  /** The last offset of the batch that has `maxTimestamp`, as a time index keeps it; -1 without a timestamp. */
  readonly offsetOfMaxTimestamp: Offset;
  /** -1 under CreateTime. */
  readonly logAppendTime: Timestamp;
  /** The records were rewritten (another codec, an old format, wrong offset deltas) into a new buffer. */
  readonly rewritten: boolean;
  /** Records that came in an old format and now have the current one. */
  readonly convertedRecordCount: number;
}

const DECOMPRESSED_BYTES_MIN = 16 * 1024 * 1024;
const DECOMPRESSED_RATIO = 16;

/**
 * What the records of one batch may take after decompression: 16 times what the batch may take, and 16 MiB at least.
 * Kafka has no such limit, and 2 KB of zstd can hold 64 MiB. Decompression runs on the event loop, where 16 MiB take
 * about 50 ms.
 */
function decompressedBytesMax({ maxDecompressedBytes, config }: ValidationContext): number {
  return (
    maxDecompressedBytes ?? Math.max(DECOMPRESSED_BYTES_MIN, DECOMPRESSED_RATIO * config.maxMessageBytes)
  );
}

/** The first API version that sends v2 batches, and the first that may send zstd. */
const PRODUCE_V2_RECORDS_VERSION = 3;
const PRODUCE_ZSTD_VERSION = 7;

function invalidRecord(message: string): KafkaError {
  return new KafkaError(Errors.INVALID_RECORD, message);
}

/**
 * What a Produce request of `apiVersion` may carry for one partition: from v3 on exactly one batch of the format v2,
 * and zstd from v7 on. Returns that batch; `undefined` for the old formats. Throws INVALID_RECORD and
 * UNSUPPORTED_COMPRESSION_TYPE.
 */
export function checkProducedRecords(records: Buffer, apiVersion: number): RecordBatch | undefined {
  if (apiVersion < PRODUCE_V2_RECORDS_VERSION) return undefined;
  if (records.length < HEADER_SIZE_UP_TO_MAGIC) {
    throw invalidRecord(
      `a Produce request of version ${apiVersion} must have a record batch for each partition`,
    );
  }
  const first = batchAt(records, 0);
  if (first === undefined) {
    throw invalidRecord(
      `a Produce request of version ${apiVersion} must have a whole record batch for each partition`,
    );
  }
  if (apiVersion < PRODUCE_ZSTD_VERSION && first.compressionType === CompressionType.ZSTD) {
    throw new KafkaError(
      Errors.UNSUPPORTED_COMPRESSION_TYPE,
      `a Produce request of version ${apiVersion} may not use zstd, which came with version ${PRODUCE_ZSTD_VERSION}`,
    );
  }
  if (batchAt(records, first.end) !== undefined) {
    throw invalidRecord(
      `a Produce request of version ${apiVersion} must have exactly one batch for each partition`,
    );
  }
  return first;
}

/** The v2 batch at `position`; `undefined` if none is whole there. Another format is an INVALID_RECORD. */
function batchAt(records: Buffer, position: number): RecordBatch | undefined {
  try {
    return RecordBatch.at(records, position);
  } catch (error) {
    const magic = records.readInt8(position + MAGIC_POSITION);
    if (magic === MAGIC_V2 || magic < 0 || magic > MAGIC_V2) throw corruptMessage(error);
    throw invalidRecord(`a record batch has magic ${magic} where ${MAGIC_V2} is the only one allowed`);
  }
}

function corruptMessage(error: unknown): unknown {
  return error instanceof MalformedError ? new KafkaError(Errors.CORRUPT_MESSAGE, error.message) : error;
}

/** What is found out while the batches of one append are looked at, one after the other. */
class Append {
  readonly context: ValidationContext;
  readonly topicTimestampType: TimestampType;
  nextOffset: Offset;
  recordCount = 0;
  maxTimestamp: Timestamp = NO_TIMESTAMP;
  offsetOfMaxTimestamp: Offset = -1;

  constructor(context: ValidationContext) {
    this.context = context;
    this.topicTimestampType =
      context.config.messageTimestampType === 'LogAppendTime'
        ? TimestampType.LOG_APPEND_TIME
        : TimestampType.CREATE_TIME;
    this.nextOffset = context.firstOffset;
  }

  get conditions(): RecordConditions {
    const { nowMs, config } = this.context;
    return { nowMs, config, topicTimestampType: this.topicTimestampType };
  }

  /** Takes note of a batch that has got its offsets. */
  add(count: number, lastOffset: Offset, maxTimestamp: Timestamp): void {
    this.recordCount += count;
    this.nextOffset = add64(lastOffset, 1);
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp;
      this.offsetOfMaxTimestamp = lastOffset;
    }
  }

  result(records: Buffer, rewritten: boolean, convertedRecordCount: number): ValidationResult {
    const { firstOffset, nowMs } = this.context;
    return {
      records,
      firstOffset,
      lastOffset: sub64(this.nextOffset, 1),
      recordCount: this.recordCount,
      maxTimestamp: this.maxTimestamp,
      offsetOfMaxTimestamp: this.offsetOfMaxTimestamp,
      logAppendTime: this.topicTimestampType === TimestampType.LOG_APPEND_TIME ? nowMs : NO_TIMESTAMP,
      rewritten,
      convertedRecordCount,
    };
  }
}

/**
 * Checks what a leader is asked to append, and gives it offsets: in place where the records stay as they are, which
 * is the usual case. Throws `KafkaError`, as Kafka's validator does; nothing is appended then:
 *
 *     INVALID_RECORD       several batches or a wrong base offset in a client's append, offsets and count that do not
 *                          fit, control records from a client, a producer id without sequence, transactional without
 *                          producer id, records that are malformed or cannot be decompressed within the limit,
 *                          (per record) no key in a compacted topic
 *     CORRUPT_MESSAGE      lengths, magic or checksum of a batch are wrong
 *     MESSAGE_TOO_LARGE    a batch is larger than `max.message.bytes`, as it came or as it was rewritten
 *     INVALID_TIMESTAMP    (per record) too far from the clock, or a producer that sets LogAppendTime
 */
export function validateAndAssignOffsets(records: Buffer, context: ValidationContext): ValidationResult {
  const append = new Append(context);
  try {
    if (records.length < HEADER_SIZE_UP_TO_MAGIC) return append.result(records.subarray(0, 0), false, 0);
    const magic = records.readInt8(MAGIC_POSITION);
    return magic === MAGIC_V2 ? validateBatches(records, append) : validateMessageSet(records, append);
  } catch (error) {
    throw corruptMessage(error);
  }
}

function validateBatches(records: Buffer, append: Append): ValidationResult {
  const { context } = append;
  const first = RecordBatch.at(records, 0);
  if (first === undefined) return append.result(records.subarray(0, 0), false, 0);
  const firstEnd = first.end;
  if (firstEnd === records.length) {
    checkBatch(first, context);
    const rewritten = validateBatch(first, append);
    return append.result(rewritten ?? records, rewritten !== undefined, 0);
  }

  // All batches are checked before the first is changed, and before the number of a client's batches is.
  let batchCount = 0;
  let end = 0;
  for (const batch of batchesOf(records)) {
    checkBatch(batch, context);
    batchCount++;
    end = batch.end;
  }
  if (context.origin === 'client' && batchCount > 1)
    throw invalidRecord(`${batchCount} batches where one is expected`);
  const parts: Buffer[] = [];
  let rewritten = false;
  for (const batch of batchesOf(records, 0, end)) {
    const changed = validateBatch(batch, append);
    if (changed !== undefined) rewritten = true;
    parts.push(changed ?? batch.bytes);
  }
  return append.result(rewritten ? Buffer.concat(parts) : records.subarray(0, end), rewritten, 0);
}

/** What the header says, and the checksum. */
function checkBatch(batch: RecordBatch, { origin, config, leaderEpoch }: ValidationContext): void {
  if (origin === 'raftLeader' && batch.partitionLeaderEpoch !== leaderEpoch) {
    throw invalidRecord(
      `a batch of leader epoch ${batch.partitionLeaderEpoch} was appended in epoch ${leaderEpoch}`,
    );
  }
  const { baseOffset } = batch;
  if (origin === 'client' && baseOffset !== 0) {
    throw invalidRecord(`the base offset of a batch to append should be 0, but it is ${baseOffset}`);
  }
  checkSize(batch.sizeInBytes, config.maxMessageBytes);
  if (!batch.isValid()) {
    throw new KafkaError(
      Errors.CORRUPT_MESSAGE,
      `a record batch has the checksum ${batch.crc} where its bytes give ${batch.computeCrc()}`,
    );
  }
  const { count, lastOffsetDelta, attributes } = batch;
  if (lastOffsetDelta < 0) throw invalidRecord(`a batch has the last offset delta ${lastOffsetDelta}`);
  if (count <= 0) throw invalidRecord(`a batch declares ${count} records`);
  if (count !== lastOffsetDelta + 1) {
    throw invalidRecord(`a batch declares ${count} records for ${lastOffsetDelta + 1} offsets`);
  }
  if (!isCompressionType(attributes & 7))
    throw invalidRecord(`a batch has the unknown codec ${attributes & 7}`);
  const { isTransactional, isControlBatch, hasProducerId } = batch;
  if (origin === 'client') {
    if (isControlBatch) throw invalidRecord('clients may not write control records');
    if (hasProducerId && batch.baseSequence < 0) {
      throw invalidRecord(`a batch of producer ${batch.producerId} has the sequence ${batch.baseSequence}`);
    }
    if (hasProducerId && batch.producerEpoch < 0) {
      throw invalidRecord(`a batch of producer ${batch.producerId} has the epoch ${batch.producerEpoch}`);
    }
  }
  if (isTransactional && !hasProducerId) throw invalidRecord('a transactional batch has no producer id');
}

function checkSize(sizeInBytes: number, maxMessageBytes: number): void {
  if (sizeInBytes > maxMessageBytes) {
    throw new KafkaError(
      Errors.MESSAGE_TOO_LARGE,
      `a record batch takes ${sizeInBytes} bytes, the topic allows ${maxMessageBytes} (max.message.bytes)`,
    );
  }
}

/**
 * Checks the records of a batch whose header is right and gives it offsets. Returns the batch that takes its place,
 * or `undefined` where it could stay.
 */
function validateBatch(batch: RecordBatch, append: Append): Buffer | undefined {
  const { context, topicTimestampType } = append;
  const { count, compressionType } = batch;
  let plainRecords: Buffer;
  let look: RecordsLook;
  try {
    const cursor = batch.cursor(decompressedBytesMax(context));
    plainRecords = cursor.buffer.subarray(cursor.position, cursor.end);
    look = lookAtRecords(batch, cursor, append);
  } catch (error) {
    throw error instanceof MalformedError ? invalidRecord(error.message) : error;
  }
  const target = targetCompression(context.config, compressionType, batch.isControlBatch);
  const maxTimestamp =
    topicTimestampType === TimestampType.LOG_APPEND_TIME ? context.nowMs : look.maxTimestamp;
  let replacement: Buffer | undefined;
  if (!look.sequential) {
    replacement = renumbered(batch, plainRecords, append, target);
  } else if (target !== compressionType) {
    replacement = recompressed(batch, plainRecords, append, target, maxTimestamp);
  } else {
    batch.setBaseOffset(append.nextOffset);
    batch.setPartitionLeaderEpoch(context.leaderEpoch);
    batch.setMaxTimestamp(topicTimestampType, maxTimestamp);
  }
  append.add(count, add64(append.nextOffset, count - 1), maxTimestamp);
  return replacement;
}

/** The codec that the topic wants. Control records are never compressed. */
function targetCompression(
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
function batchOptions(
  append: Append,
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
function recompressed(
  batch: RecordBatch,
  plainRecords: Buffer,
  append: Append,
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
function renumbered(
  batch: RecordBatch,
  plainRecords: Buffer,
  append: Append,
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

function built(builder: RecordBatchBuilder, append: Append): Buffer {
  const batch = builder.build();
  checkSize(batch.length, append.context.config.maxMessageBytes);
  return batch;
}

/** To write records anew takes about a microsecond each, and nothing may hold the event loop for long. */
const REWRITTEN_RECORDS_MAX = 100_000;

function checkRewrittenCount(count: number): void {
  if (count > REWRITTEN_RECORDS_MAX) {
    throw invalidRecord(
      `a batch to be written anew holds ${count} records, more than ${REWRITTEN_RECORDS_MAX}`,
    );
  }
}

interface RecordsLook {
  /** -1 if no record has one. */
  readonly maxTimestamp: Timestamp;
  /** The offset deltas are 0, 1, 2, ... */
  readonly sequential: boolean;
}

function lookAtRecords(batch: RecordBatch, cursor: RecordCursor, append: Append): RecordsLook {
  const { config, nowMs } = append.context;
  const scan: RecordScan = { maxTimestampDelta: 0, minTimestampDelta: 0, nullKeys: false };
  // A batch under LogAppendTime is the rare case of a producer that sets what only a broker may set.
  // Timestamps past 2^53 may wrap at 64 bits, which the scan does not see.
  const { baseTimestamp, count, timestampType } = batch;
  if (
    timestampType === TimestampType.CREATE_TIME &&
    typeof baseTimestamp === 'number' &&
    scanRecords(cursor, count, scan)
  ) {
    const latest = recordTimestamp(baseTimestamp, scan.maxTimestampDelta);
    const maxTimestamp = max64<Timestamp>(NO_TIMESTAMP, latest);
    const minTimestamp = recordTimestamp(baseTimestamp, scan.minTimestampDelta);
    const keysFit = !scan.nullKeys || !config.cleanupPolicy.has('compact');
    const timestampsFit =
      append.topicTimestampType === TimestampType.LOG_APPEND_TIME ||
      (diff64(nowMs, minTimestamp) <= config.messageTimestampBeforeMaxMs &&
        diff64(maxTimestamp, nowMs) <= config.messageTimestampAfterMaxMs);
    if (keysFit && timestampsFit) return { maxTimestamp, sequential: true };
  }
  return walkRecords(batch, cursor, append);
}

/** The careful way: names every record at fault. */
function walkRecords(batch: RecordBatch, cursor: RecordCursor, append: Append): RecordsLook {
  const { count, baseTimestamp } = batch;
  const errors = new RecordErrors(append.conditions, batch.timestampType);
  const logAppendTime =
    batch.timestampType === TimestampType.LOG_APPEND_TIME ? batch.maxTimestamp : undefined;
  let maxTimestamp: Timestamp = NO_TIMESTAMP;
  let sequential = true;
  for (let index = 0; index < count; index++) {
    if (cursor.done) throw new MalformedError(`a batch declares ${count} records and holds ${index}`);
    cursor.next();
    const timestamp = logAppendTime ?? recordTimestamp(baseTimestamp, cursor.timestampDelta);
    errors.check(index, cursor.keyLength < 0, timestamp);
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    if (cursor.offsetDelta !== index) sequential = false;
  }
  if (!cursor.done) throw new MalformedError(`a batch declares ${count} records and holds more`);
  errors.throwIfAny();
  return { maxTimestamp, sequential };
}

/** Messages of the formats v0 and v1 are stored as one v2 batch. */
function validateMessageSet(records: Buffer, append: Append): ValidationResult {
  const { context, topicTimestampType } = append;
  const first = LegacyMessage.at(records, 0);
  if (first === undefined) return append.result(records.subarray(0, 0), false, 0);
  const source = checkMessages(records, first, context.config.maxMessageBytes);
  const builder = new RecordBatchBuilder(
    batchOptions(append, targetCompression(context.config, source, false)),
    Math.min(records.length, context.config.maxMessageBytes) + 512,
  );
  const errors = new RecordErrors(append.conditions, first.timestampType);
  let maxTimestamp: Timestamp = NO_TIMESTAMP;
  try {
    for (const message of messagesOf(records)) {
      for (const record of legacyRecords(message, decompressedBytesMax(context))) {
        checkRewrittenCount(builder.count + 1);
        // a message that is not compressed counts as a batch of its own
        errors.check(message.isCompressed ? builder.count : 0, record.key === null, record.timestamp);
        if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
        builder.append({ timestamp: record.timestamp, key: record.key, value: record.value });
      }
      errors.throwIfAny();
    }
  } catch (error) {
    throw error instanceof MalformedError ? invalidRecord(error.message) : error;
  }
  const { count } = builder;
  const batch = built(builder, append);
  const logAppendTime = topicTimestampType === TimestampType.LOG_APPEND_TIME;
  append.add(count, add64(append.nextOffset, count - 1), logAppendTime ? context.nowMs : maxTimestamp);
  return append.result(batch, true, count);
}

/** Sizes, checksums, and that a compressed message is the only one. Returns its codec, or none. */
function checkMessages(records: Buffer, first: LegacyMessage, maxMessageBytes: number): CompressionType {
  const { magic } = first;
  let codec: CompressionType = CompressionType.NONE;
  let count = 0;
  let position = 0;
  for (;;) {
    if (
      position + HEADER_SIZE_UP_TO_MAGIC <= records.length &&
      records.readInt8(position + MAGIC_POSITION) === MAGIC_V2
    ) {
      throw invalidRecord(`a v2 batch follows a message of the format v${magic}`);
    }
    const message = LegacyMessage.at(records, position);
    if (message === undefined) break;
    checkSize(message.sizeInBytes, maxMessageBytes);
    if (!message.isValid()) throw new KafkaError(Errors.CORRUPT_MESSAGE, 'a message has a wrong checksum');
    if (message.magic !== magic)
      throw invalidRecord(`a message of the format v${message.magic} follows one of v${magic}`);
    if (message.isCompressed) codec = message.compressionType;
    position = message.end;
    count++;
  }
  if (codec !== CompressionType.NONE && count > 1)
    throw invalidRecord('a compressed message is not the only one of its set');
  return codec;
}
