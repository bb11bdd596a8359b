import { MalformedError } from '../base/byte-reader.ts';
import { crc32c } from '../base/crc32c.ts';
import {
  add64,
  type LeaderEpoch,
  type Offset,
  type ProducerId,
  readInt64,
  sub64,
  type Timestamp,
  writeInt64,
} from '../base/int64.ts';
import { decompress } from '../compression/codecs.ts';
import { CompressionType } from '../compression/compression-type.ts';
import {
  incrementSequence,
  type KafkaRecord,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  recordTimestamp,
  TimestampType,
} from './record.ts';
import { RecordCursor } from './record-cursor.ts';

export const MAGIC_V0 = 0;
export const MAGIC_V1 = 1;
export const MAGIC_V2 = 2;

/** The base offset and the length: the bytes that the length does not count. Same place in all formats. */
export const LOG_OVERHEAD = 12;
export const MAGIC_POSITION = 16;
/** As far as one must see of a batch to know its size and format. */
export const HEADER_SIZE_UP_TO_MAGIC = 17;
/** The size of a v2 batch without its records. */
export const RECORD_BATCH_OVERHEAD = 61;

export const BATCH_LENGTH_POSITION = 8;
export const PARTITION_LEADER_EPOCH_POSITION = 12;
export const CRC_POSITION = 17;
export const ATTRIBUTES_POSITION = 21;
export const LAST_OFFSET_DELTA_POSITION = 23;
export const BASE_TIMESTAMP_POSITION = 27;
export const MAX_TIMESTAMP_POSITION = 35;
export const PRODUCER_ID_POSITION = 43;
export const PRODUCER_EPOCH_POSITION = 51;
export const BASE_SEQUENCE_POSITION = 53;
export const RECORD_COUNT_POSITION = 57;

export const COMPRESSION_MASK = 0x07;
export const TIMESTAMP_TYPE_MASK = 0x08;
export const TRANSACTIONAL_MASK = 0x10;
export const CONTROL_MASK = 0x20;
export const DELETE_HORIZON_MASK = 0x40;

/** What the records of one batch may take after decompression where the caller names no limit: 128 MiB. */
export const DEFAULT_MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024;

/**
 * A batch of the format v2 as a view over bytes: fields are read from the buffer when asked for, and written into it.
 *
 *     0  baseOffset int64            27 baseTimestamp int64 (the delete horizon if bit 6 is set)
 *     8  batchLength int32           35 maxTimestamp int64
 *     12 partitionLeaderEpoch int32  43 producerId int64
 *     16 magic int8 = 2              51 producerEpoch int16
 *     17 crc uint32                  53 baseSequence int32
 *     21 attributes int16            57 recordCount int32
 *     23 lastOffsetDelta int32       61 records
 *
 *     attributes: 0-2 codec | 3 LogAppendTime | 4 transactional | 5 control | 6 delete horizon
 *
 * The CRC-32C covers everything from the attributes on. Base offset and leader epoch lie before it, so that a broker
 * can write them into a batch that it appends without computing the checksum again.
 */
export class RecordBatch {
  readonly buffer: Buffer;
  /** Where the batch starts in `buffer`. */
  readonly position: number;

  /** The caller has checked that a whole v2 batch lies at `position`; {@link RecordBatch.at} does so. */
  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer;
    this.position = position;
  }

  /**
   * The batch at `position`; `undefined` if it ends after `end` (exclusive), as the last one of a fetched run may.
   * Throws `MalformedError` for a length below that of an empty batch and for another magic.
   */
  static at(buffer: Buffer, position: number, end: number = buffer.length): RecordBatch | undefined {
    if (end - position < HEADER_SIZE_UP_TO_MAGIC) return undefined;
    const length = buffer.readInt32BE(position + BATCH_LENGTH_POSITION);
    const magic = buffer.readInt8(position + MAGIC_POSITION);
    if (magic !== MAGIC_V2)
      throw new MalformedError(`magic ${magic} at ${position} where a v2 batch was expected`);
    if (length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD) {
      throw new MalformedError(
        `the batch at ${position} declares ${length} bytes, less than its header takes`,
      );
    }
    if (length > end - position - LOG_OVERHEAD) return undefined;
    return new RecordBatch(buffer, position);
  }

  get baseOffset(): Offset {
    return readInt64(this.buffer, this.position);
  }

  /** In bytes, without base offset and length. */
  get batchLength(): number {
    return this.buffer.readInt32BE(this.position + BATCH_LENGTH_POSITION);
  }

  /** In bytes, all of it. */
  get sizeInBytes(): number {
    return this.batchLength + LOG_OVERHEAD;
  }

  /** Where the batch ends in `buffer` (exclusive). */
  get end(): number {
    return this.position + this.sizeInBytes;
  }

  /** The batch's own bytes, a view. */
  get bytes(): Buffer {
    return this.buffer.subarray(this.position, this.end);
  }

  get partitionLeaderEpoch(): LeaderEpoch {
    return this.buffer.readInt32BE(this.position + PARTITION_LEADER_EPOCH_POSITION);
  }

  get magic(): number {
    return this.buffer.readInt8(this.position + MAGIC_POSITION);
  }

  get crc(): number {
    return this.buffer.readUInt32BE(this.position + CRC_POSITION);
  }

  get attributes(): number {
    return this.buffer.readInt16BE(this.position + ATTRIBUTES_POSITION);
  }

  /** Five to seven are no codec; {@link isValid} does not look at it. */
  get compressionType(): CompressionType {
    return (this.attributes & COMPRESSION_MASK) as CompressionType;
  }

  get isCompressed(): boolean {
    return (this.attributes & COMPRESSION_MASK) !== CompressionType.NONE;
  }

  get timestampType(): TimestampType {
    return (this.attributes & TIMESTAMP_TYPE_MASK) === 0
      ? TimestampType.CREATE_TIME
      : TimestampType.LOG_APPEND_TIME;
  }

  get isTransactional(): boolean {
    return (this.attributes & TRANSACTIONAL_MASK) !== 0;
  }

  get isControlBatch(): boolean {
    return (this.attributes & CONTROL_MASK) !== 0;
  }

  get hasDeleteHorizon(): boolean {
    return (this.attributes & DELETE_HORIZON_MASK) !== 0;
  }

  /** When the tombstones of the batch may go, in ms since the epoch; `undefined` if the cleaner has set none. */
  get deleteHorizonMs(): Timestamp | undefined {
    return this.hasDeleteHorizon ? this.baseTimestamp : undefined;
  }

  get lastOffsetDelta(): number {
    return this.buffer.readInt32BE(this.position + LAST_OFFSET_DELTA_POSITION);
  }

  /** Inclusive. Compaction keeps it, so a later record may be gone. */
  get lastOffset(): Offset {
    return add64(this.baseOffset, this.lastOffsetDelta);
  }

  get nextOffset(): Offset {
    return add64(this.baseOffset, this.lastOffsetDelta + 1);
  }

  get baseTimestamp(): Timestamp {
    return readInt64(this.buffer, this.position + BASE_TIMESTAMP_POSITION);
  }

  get maxTimestamp(): Timestamp {
    return readInt64(this.buffer, this.position + MAX_TIMESTAMP_POSITION);
  }

  get producerId(): ProducerId {
    return readInt64(this.buffer, this.position + PRODUCER_ID_POSITION);
  }

  get hasProducerId(): boolean {
    return this.producerId > NO_PRODUCER_ID;
  }

  get producerEpoch(): number {
    return this.buffer.readInt16BE(this.position + PRODUCER_EPOCH_POSITION);
  }

  get baseSequence(): number {
    return this.buffer.readInt32BE(this.position + BASE_SEQUENCE_POSITION);
  }

  get lastSequence(): number {
    const first = this.baseSequence;
    return first === NO_SEQUENCE ? NO_SEQUENCE : incrementSequence(first, this.lastOffsetDelta);
  }

  /** The number of records the batch declares. */
  get count(): number {
    return this.buffer.readInt32BE(this.position + RECORD_COUNT_POSITION);
  }

  computeCrc(): number {
    return crc32c(this.buffer, this.position + ATTRIBUTES_POSITION, this.end);
  }

  /** Whether the checksum is right. */
  isValid(): boolean {
    return this.crc === this.computeCrc();
  }

  /** Sets the base offset; the checksum does not cover it. */
  setBaseOffset(offset: Offset): void {
    writeInt64(this.buffer, this.position, offset);
  }

  /** Sets the base offset so that `offset` is the batch's last one. */
  setLastOffset(offset: Offset): void {
    this.setBaseOffset(sub64(offset, this.lastOffsetDelta));
  }

  /** Sets the leader epoch; the checksum does not cover it. */
  setPartitionLeaderEpoch(epoch: LeaderEpoch): void {
    this.buffer.writeInt32BE(epoch, this.position + PARTITION_LEADER_EPOCH_POSITION);
  }

  /** Sets timestamp type and maximum, and the checksum with them. Does nothing where both are as wanted. */
  setMaxTimestamp(type: TimestampType, maxTimestamp: Timestamp): void {
    if (this.timestampType === type && this.maxTimestamp === maxTimestamp) return;
    const attributes = (this.attributes & ~TIMESTAMP_TYPE_MASK) | (type === 0 ? 0 : TIMESTAMP_TYPE_MASK);
    this.buffer.writeInt16BE(attributes, this.position + ATTRIBUTES_POSITION);
    writeInt64(this.buffer, this.position + MAX_TIMESTAMP_POSITION, maxTimestamp);
    this.updateCrc();
  }

  updateCrc(): void {
    this.buffer.writeUInt32BE(this.computeCrc(), this.position + CRC_POSITION);
  }

  /**
   * A cursor over the records, decompressed where they are compressed. Throws `MalformedError` for compressed bytes
   * that are not what the codec writes, or that hold more than `maxDecompressedBytes`.
   */
  cursor(maxDecompressedBytes: number = DEFAULT_MAX_DECOMPRESSED_BYTES): RecordCursor {
    const start = this.position + RECORD_BATCH_OVERHEAD;
    const end = this.end;
    if (!this.isCompressed) return new RecordCursor(this.buffer, start, end);
    return new RecordCursor(
      decompress(this.compressionType, this.buffer.subarray(start, end), maxDecompressedBytes),
    );
  }

  /**
   * The records in order. Throws `MalformedError` for what {@link RecordCursor} refuses and where the batch holds more
   * or fewer records than it declares.
   */
  *records(maxDecompressedBytes?: number): Generator<KafkaRecord, void, undefined> {
    const { count, baseOffset, baseTimestamp, baseSequence } = this;
    if (count < 0) throw new MalformedError(`a batch declares ${count} records`);
    const cursor = this.cursor(maxDecompressedBytes);
    const logAppendTime =
      this.timestampType === TimestampType.LOG_APPEND_TIME ? this.maxTimestamp : undefined;
    for (let i = 0; i < count; i++) {
      cursor.next();
      const { offsetDelta } = cursor;
      yield {
        offset: add64(baseOffset, offsetDelta),
        timestamp: logAppendTime ?? recordTimestamp(baseTimestamp, cursor.timestampDelta),
        key: cursor.key(),
        value: cursor.value(),
        headers: cursor.headers(),
        sequence: baseSequence === NO_SEQUENCE ? NO_SEQUENCE : incrementSequence(baseSequence, offsetDelta),
      };
    }
    if (!cursor.done) throw new MalformedError(`a batch declares ${count} records and holds more`);
  }
}

/**
 * The v2 batches from `start` to `end` (exclusive), one after the other. A last batch that is not whole ends the run
 * without an error: compare the last batch's `end` with yours to see it. Throws `MalformedError` as
 * {@link RecordBatch.at} does.
 */
export function* batchesOf(
  buffer: Buffer,
  start = 0,
  end: number = buffer.length,
): Generator<RecordBatch, void, undefined> {
  let position = start;
  for (;;) {
    const batch = RecordBatch.at(buffer, position, end);
    if (batch === undefined) return;
    yield batch;
    position = batch.end;
  }
}
