import { MalformedError } from '../base/byte-reader.ts';
import { add64, type Timestamp } from '../base/int64.ts';
import { CompressionType } from '../compression/compression-type.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { LegacyMessage, legacyRecords, messagesOf } from '../record/message-set.ts';
import { NO_TIMESTAMP, TimestampType } from '../record/record.ts';
import { HEADER_SIZE_UP_TO_MAGIC, MAGIC_POSITION, MAGIC_V2 } from '../record/record-batch.ts';
import { RecordBatchBuilder } from '../record/record-batch-builder.ts';
import { batchOptions, built, checkRewrittenCount, targetCompression } from './batch-rewriter.ts';
import { checkSize, invalidRecord, RecordErrors } from './record-errors.ts';
import type { ValidatedAppend, ValidationResult } from './validated-append.ts';

/** Messages of the formats v0 and v1 are stored as one v2 batch. */
export function validateMessageSet(records: Buffer, append: ValidatedAppend): ValidationResult {
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
      for (const record of legacyRecords(message, append.maxDecompressedBytes)) {
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
