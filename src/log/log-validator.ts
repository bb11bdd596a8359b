import { MalformedError } from '../base/byte-reader.ts';
import { add64, diff64, max64, type Timestamp } from '../base/int64.ts';
import { CompressionType, isCompressionType } from '../compression/compression-type.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { NO_TIMESTAMP, recordTimestamp, TimestampType } from '../record/record.ts';
import {
  batchesOf,
  HEADER_SIZE_UP_TO_MAGIC,
  MAGIC_POSITION,
  MAGIC_V2,
  RecordBatch,
} from '../record/record-batch.ts';
import type { RecordCursor } from '../record/record-cursor.ts';
import { type RecordScan, scanRecords } from '../record/record-scan.ts';
import { recompressed, renumbered, targetCompression } from './batch-rewriter.ts';
import { validateMessageSet } from './message-set-validator.ts';
import { checkSize, corruptMessage, invalidRecord, RecordErrors } from './record-errors.ts';
import { ValidatedAppend, type ValidationContext, type ValidationResult } from './validated-append.ts';

export { type RecordError, RecordValidationError } from './record-errors.ts';
export type {
  AppendOrigin,
  ValidationContext,
  ValidationResult,
  ValidatorConfig,
} from './validated-append.ts';

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

/** The first API version that sends v2 batches, and the first that may send zstd. */
const PRODUCE_V2_RECORDS_VERSION = 3;
const PRODUCE_ZSTD_VERSION = 7;

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
  const append = new ValidatedAppend(context);
  try {
    if (records.length < HEADER_SIZE_UP_TO_MAGIC) return append.result(records.subarray(0, 0), false, 0);
    const magic = records.readInt8(MAGIC_POSITION);
    return magic === MAGIC_V2 ? validateBatches(records, append) : validateMessageSet(records, append);
  } catch (error) {
    throw corruptMessage(error);
  }
}

function validateBatches(records: Buffer, append: ValidatedAppend): ValidationResult {
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

/**
 * Checks the records of a batch whose header is right and gives it offsets. Returns the batch that takes its place,
 * or `undefined` where it could stay.
 */
function validateBatch(batch: RecordBatch, append: ValidatedAppend): Buffer | undefined {
  const { context, topicTimestampType } = append;
  const { count, compressionType } = batch;
  let plainRecords: Buffer;
  let look: RecordsLook;
  try {
    const cursor = batch.cursor(append.maxDecompressedBytes);
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

interface RecordsLook {
  /** -1 if no record has one. */
  readonly maxTimestamp: Timestamp;
  /** The offset deltas are 0, 1, 2, ... */
  readonly sequential: boolean;
}

function lookAtRecords(batch: RecordBatch, cursor: RecordCursor, append: ValidatedAppend): RecordsLook {
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
function walkRecords(batch: RecordBatch, cursor: RecordCursor, append: ValidatedAppend): RecordsLook {
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
