import { crc32 } from '../base/crc32c.ts';
import { type Offset, sub64, type Timestamp, writeInt64 } from '../base/int64.ts';
import { OutputBuffer } from '../compression/codec.ts';
import { compress } from '../compression/codecs.ts';
import { CompressionType } from '../compression/compression-type.ts';
import {
  type LegacyMagic,
  MESSAGE_ATTRIBUTES_POSITION,
  MESSAGE_CRC_POSITION,
  MESSAGE_TIMESTAMP_POSITION,
  messageSizeInBytes,
} from './message-set.ts';
import { NO_TIMESTAMP, TimestampType } from './record.ts';
import { BATCH_LENGTH_POSITION, LOG_OVERHEAD, MAGIC_POSITION, TIMESTAMP_TYPE_MASK } from './record-batch.ts';

/** What a message of the formats v0 and v1 can hold of a record. */
export interface LegacyRecordInput {
  readonly offset: Offset;
  readonly timestamp: Timestamp;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

export interface MessageSetOptions {
  readonly magic: LegacyMagic;
  /** Not zstd, which came later than these formats. */
  readonly compression?: CompressionType;
  readonly compressionLevel?: number | undefined;
  readonly timestampType?: TimestampType;
}

function writeMessage(
  buffer: Buffer,
  position: number,
  magic: LegacyMagic,
  attributes: number,
  offset: Offset,
  record: Omit<LegacyRecordInput, 'offset'>,
): number {
  const { key, value } = record;
  const end = position + messageSizeInBytes(magic, key, value);
  writeInt64(buffer, position, offset);
  buffer.writeInt32BE(end - position - LOG_OVERHEAD, position + BATCH_LENGTH_POSITION);
  buffer.writeInt8(magic, position + MAGIC_POSITION);
  buffer.writeInt8(attributes, position + MESSAGE_ATTRIBUTES_POSITION);
  let next = position + MESSAGE_TIMESTAMP_POSITION;
  if (magic === 1) {
    writeInt64(buffer, next, record.timestamp);
    next += 8;
  }
  for (const part of [key, value]) {
    buffer.writeInt32BE(part === null ? -1 : part.length, next);
    next += 4;
    if (part !== null) next += part.copy(buffer, next);
  }
  buffer.writeUInt32BE(crc32(buffer, position + MAGIC_POSITION, end), position + MESSAGE_CRC_POSITION);
  return end;
}

export interface MessageSet {
  readonly bytes: Buffer;
  readonly recordCount: number;
}

/**
 * A set of messages with the given offsets; with a codec, one compressed message that holds them all. Empty without
 * records. Throws `MalformedError` where the messages take more than `maxBytes` before they are compressed.
 */
export function buildMessageSet(
  records: Iterable<LegacyRecordInput>,
  options: MessageSetOptions,
  maxBytes: number = Number.POSITIVE_INFINITY,
): MessageSet {
  const { magic, compression = CompressionType.NONE, timestampType = TimestampType.CREATE_TIME } = options;
  if (compression === CompressionType.ZSTD)
    throw new RangeError(`zstd is not known to the message format v${magic}`);
  const timestampBit =
    magic === 1 && timestampType === TimestampType.LOG_APPEND_TIME ? TIMESTAMP_TYPE_MASK : 0;
  const relative = compression !== CompressionType.NONE && magic === 1;
  const set = new OutputBuffer('message set', 1024, maxBytes);
  let firstOffset: Offset | undefined;
  let lastOffset: Offset = -1;
  let maxTimestamp: Timestamp = NO_TIMESTAMP;
  let recordCount = 0;
  for (const record of records) {
    firstOffset ??= record.offset;
    lastOffset = record.offset;
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
    set.reserve(messageSizeInBytes(magic, record.key, record.value));
    const offset = relative ? sub64(lastOffset, firstOffset) : lastOffset;
    set.size = writeMessage(set.buffer, set.size, magic, timestampBit, offset, record);
    recordCount++;
  }
  if (compression === CompressionType.NONE || recordCount === 0) return { bytes: set.result(), recordCount };

  const value = compress(compression, set.result(), options.compressionLevel, magic);
  const wrapper = Buffer.allocUnsafeSlow(messageSizeInBytes(magic, null, value));
  const content = { timestamp: maxTimestamp, key: null, value };
  writeMessage(wrapper, 0, magic, compression | timestampBit, lastOffset, content);
  return { bytes: wrapper, recordCount };
}
