import { MalformedError } from '../base/byte-reader.ts';
import { crc32 } from '../base/crc32c.ts';
import { add64, type Offset, readInt64, sub64, type Timestamp } from '../base/int64.ts';
import { decompress } from '../compression/codecs.ts';
import { CompressionType } from '../compression/compression-type.ts';
import { type KafkaRecord, NO_HEADERS, NO_SEQUENCE, NO_TIMESTAMP, TimestampType } from './record.ts';
import {
  BATCH_LENGTH_POSITION,
  COMPRESSION_MASK,
  DEFAULT_MAX_DECOMPRESSED_BYTES,
  HEADER_SIZE_UP_TO_MAGIC,
  LOG_OVERHEAD,
  MAGIC_POSITION,
  MAGIC_V0,
  MAGIC_V1,
  TIMESTAMP_TYPE_MASK,
} from './record-batch.ts';

export const MESSAGE_CRC_POSITION = 12;
export const MESSAGE_ATTRIBUTES_POSITION = 17;
export const MESSAGE_TIMESTAMP_POSITION = 18;
/** Where the key's length stands, by magic. */
const KEY_LENGTH_POSITION = [18, 26] as const;
/** Checksum, magic, attributes and the two lengths, without a timestamp. */
const MESSAGE_OVERHEAD_V0 = 14;

export type LegacyMagic = 0 | 1;

/** The size of a message in bytes, with offset and size field. */
export function messageSizeInBytes(magic: LegacyMagic, key: Buffer | null, value: Buffer | null): number {
  return KEY_LENGTH_POSITION[magic] + 8 + (key?.length ?? 0) + (value?.length ?? 0);
}

/**
 * One message of the formats v0 and v1 as a view over bytes. If it is compressed, its value holds a message set.
 *
 *     0  offset int64          18 timestamp int64 (v1)
 *     8  size int32               key length int32, key (-1: null)
 *     12 crc uint32               value length int32, value (-1: null)
 *     16 magic int8
 *     17 attributes int8: 0-2 codec | 3 LogAppendTime (v1)
 *
 * The CRC-32 (IEEE) covers everything from the magic on. An offset inside a compressed message is absolute in v0 and
 * counts from the first message inside in v1, where the wrapper has the offset of the last one.
 */
export class LegacyMessage {
  readonly buffer: Buffer;
  /** Where the message starts in `buffer`. */
  readonly position: number;

  /** The caller has checked that a whole message lies at `position`; {@link LegacyMessage.at} does so. */
  constructor(buffer: Buffer, position: number) {
    this.buffer = buffer;
    this.position = position;
  }

  /**
   * The message at `position`; `undefined` if it ends after `end` (exclusive), as the last one of a fetched set may.
   * Throws `MalformedError` for a size below that of an empty message and for another magic than 0 and 1.
   */
  static at(buffer: Buffer, position: number, end: number = buffer.length): LegacyMessage | undefined {
    if (end - position < HEADER_SIZE_UP_TO_MAGIC) return undefined;
    const size = buffer.readInt32BE(position + BATCH_LENGTH_POSITION);
    const magic = buffer.readInt8(position + MAGIC_POSITION);
    if (size < MESSAGE_OVERHEAD_V0)
      throw new MalformedError(`the message at ${position} declares ${size} bytes`);
    if (magic !== MAGIC_V0 && magic !== MAGIC_V1) {
      throw new MalformedError(
        `magic ${magic} at ${position} where a message of the format v0 or v1 was expected`,
      );
    }
    if (size > end - position - LOG_OVERHEAD) return undefined;
    return new LegacyMessage(buffer, position);
  }

  get offset(): Offset {
    return readInt64(this.buffer, this.position);
  }

  get sizeInBytes(): number {
    return this.buffer.readInt32BE(this.position + BATCH_LENGTH_POSITION) + LOG_OVERHEAD;
  }

  /** Where the message ends in `buffer` (exclusive). */
  get end(): number {
    return this.position + this.sizeInBytes;
  }

  get crc(): number {
    return this.buffer.readUInt32BE(this.position + MESSAGE_CRC_POSITION);
  }

  get magic(): LegacyMagic {
    return this.buffer.readInt8(this.position + MAGIC_POSITION) as LegacyMagic;
  }

  get attributes(): number {
    return this.buffer.readInt8(this.position + MESSAGE_ATTRIBUTES_POSITION);
  }

  get compressionType(): CompressionType {
    return (this.attributes & COMPRESSION_MASK) as CompressionType;
  }

  get isCompressed(): boolean {
    return this.compressionType !== CompressionType.NONE;
  }

  get timestampType(): TimestampType {
    return this.magic === MAGIC_V1 && (this.attributes & TIMESTAMP_TYPE_MASK) !== 0
      ? TimestampType.LOG_APPEND_TIME
      : TimestampType.CREATE_TIME;
  }

  /** -1 in the format v0. */
  get timestamp(): Timestamp {
    return this.magic === MAGIC_V0
      ? NO_TIMESTAMP
      : readInt64(this.buffer, this.position + MESSAGE_TIMESTAMP_POSITION);
  }

  /** Whether the checksum is right. */
  isValid(): boolean {
    return this.crc === crc32(this.buffer, this.position + MAGIC_POSITION, this.end);
  }

  /** A view of the key. Throws `MalformedError` if it would end after the message. */
  key(): Buffer | null {
    return this.bytesAt(this.position + KEY_LENGTH_POSITION[this.magic], 'key');
  }

  /** A view of the value. Throws `MalformedError` if it would not end with the message. */
  value(): Buffer | null {
    const keyPosition = this.position + KEY_LENGTH_POSITION[this.magic];
    const valuePosition = keyPosition + 4 + (this.key()?.length ?? 0);
    const value = this.bytesAt(valuePosition, 'value');
    if (valuePosition + 4 + (value?.length ?? 0) !== this.end) {
      throw new MalformedError(
        `the message at ${this.position} declares ${this.sizeInBytes} bytes and holds fewer`,
      );
    }
    return value;
  }

  private bytesAt(position: number, what: string): Buffer | null {
    const left = this.end - position - 4;
    if (left < 0) throw new MalformedError(`the length of a message's ${what} is cut off`);
    const length = this.buffer.readInt32BE(position);
    if (length < 0) return null;
    if (length > left)
      throw new MalformedError(`a message's ${what} declares ${length} bytes, ${left} are left in it`);
    return this.buffer.subarray(position + 4, position + 4 + length);
  }
}

/** The messages of a set, those inside of compressed ones left aside. A last one that is not whole ends the run. */
export function* messagesOf(
  buffer: Buffer,
  start = 0,
  end: number = buffer.length,
): Generator<LegacyMessage, void, undefined> {
  let position = start;
  for (;;) {
    const message = LegacyMessage.at(buffer, position, end);
    if (message === undefined) return;
    yield message;
    position = message.end;
  }
}

/**
 * The records of one message: itself, or those inside where it is compressed. Throws `MalformedError` for a wrapper
 * that is corrupt, empty, mixes formats, nests compression or would take more than `maxDecompressedBytes`, and for an
 * inner message with a wrong checksum. The checksum of `message` itself is the caller's affair.
 */
export function* legacyRecords(
  message: LegacyMessage,
  maxDecompressedBytes: number = DEFAULT_MAX_DECOMPRESSED_BYTES,
): Generator<KafkaRecord, void, undefined> {
  if (!message.isCompressed) {
    yield toRecord(message, message.offset, message.timestamp);
    return;
  }
  const inner = innerSet(message, maxDecompressedBytes);
  const base = innerBaseOffset(message, checkInnerSet(inner, message.magic));
  const logAppendTime =
    message.timestampType === TimestampType.LOG_APPEND_TIME ? message.timestamp : undefined;
  for (const one of messagesOf(inner))
    yield toRecord(one, add64(base, one.offset), logAppendTime ?? one.timestamp);
}

/** The set inside of a compressed message. */
function innerSet(message: LegacyMessage, maxDecompressedBytes: number): Buffer {
  const { magic, compressionType } = message;
  if (compressionType === CompressionType.ZSTD) {
    throw new MalformedError(`messages of the format v${magic} cannot be compressed with zstd`);
  }
  const value = message.value();
  if (value === null) throw new MalformedError('a compressed message has no value');
  return decompress(compressionType, value, maxDecompressedBytes, magic);
}

/** Returns the offset of the last message as it stands inside. */
function checkInnerSet(set: Buffer, magic: LegacyMagic): Offset {
  let last: LegacyMessage | undefined;
  for (const one of messagesOf(set)) {
    if (one.magic !== magic)
      throw new MalformedError(`a compressed message of v${magic} holds one of v${one.magic}`);
    if (one.isCompressed) throw new MalformedError('a compressed message holds a compressed message');
    if (!one.isValid()) throw new MalformedError('a message inside of a compressed one has a wrong checksum');
    last = one;
  }
  if (last === undefined) throw new MalformedError('a compressed message holds no messages');
  if (last.end !== set.length) throw new MalformedError('a compressed message ends within a message');
  return last.offset;
}

/** What the offsets inside count from. Some versions of librdkafka leave the wrapper's offset at 0 when they produce. */
function innerBaseOffset(message: LegacyMessage, lastInnerOffset: Offset): Offset {
  if (message.magic === MAGIC_V0 || message.offset === 0) return 0;
  return sub64(message.offset, lastInnerOffset);
}

function toRecord(message: LegacyMessage, offset: Offset, timestamp: Timestamp): KafkaRecord {
  return {
    offset,
    timestamp,
    key: message.key(),
    value: message.value(),
    headers: NO_HEADERS,
    sequence: NO_SEQUENCE,
  };
}
