import { ByteWriter, uvarintSize, varintSize, varlongSize } from '../base/byte-writer.ts';
import {
  diff64,
  type Int64,
  type LeaderEpoch,
  type Offset,
  type ProducerId,
  type Timestamp,
  writeInt64,
} from '../base/int64.ts';
import { compress } from '../compression/codecs.ts';
import { CompressionType } from '../compression/compression-type.ts';
import {
  NO_PARTITION_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  type RecordInput,
  TimestampType,
  timestampDelta,
} from './record.ts';
import {
  ATTRIBUTES_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_LENGTH_POSITION,
  CONTROL_MASK,
  DELETE_HORIZON_MASK,
  LAST_OFFSET_DELTA_POSITION,
  LOG_OVERHEAD,
  MAGIC_POSITION,
  MAGIC_V2,
  MAX_TIMESTAMP_POSITION,
  PARTITION_LEADER_EPOCH_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_BATCH_OVERHEAD,
  RECORD_COUNT_POSITION,
  RecordBatch,
  TIMESTAMP_TYPE_MASK,
  TRANSACTIONAL_MASK,
} from './record-batch.ts';

export interface RecordBatchOptions {
  /** Default 0. */
  readonly baseOffset?: Offset;
  readonly compression?: CompressionType;
  /** The codec's level; its own default where it is not given. */
  readonly compressionLevel?: number | undefined;
  readonly timestampType?: TimestampType;
  /** The time of all records under LogAppendTime. */
  readonly logAppendTime?: Timestamp;
  readonly producerId?: ProducerId;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControlBatch?: boolean;
  readonly partitionLeaderEpoch?: LeaderEpoch;
  /** When the tombstones may go; it takes the place of the base timestamp. */
  readonly deleteHorizonMs?: Timestamp;
}

/** Writes a batch of the format v2, record by record. */
export class RecordBatchBuilder {
  readonly baseOffset: Offset;
  private readonly options: RecordBatchOptions;
  private readonly writer: ByteWriter;
  private baseTimestamp: Timestamp | undefined;
  private maxTimestamp: Timestamp = NO_TIMESTAMP;
  private lastOffsetDelta = -1;
  private records = 0;

  constructor(options: RecordBatchOptions = {}, sizeHint = 512) {
    this.options = options;
    this.baseOffset = options.baseOffset ?? 0;
    this.baseTimestamp = options.deleteHorizonMs;
    this.writer = new ByteWriter(sizeHint);
    this.writer.bytes(EMPTY_HEADER);
  }

  /** Records appended so far. */
  get count(): number {
    return this.records;
  }

  /** The size of the batch if it were built now without compression. */
  get sizeInBytes(): number {
    return this.writer.size;
  }

  /** What one more record would add to {@link sizeInBytes}. */
  sizeOf(record: RecordInput): number {
    const body = recordBodySize(record, this.deltaOf(record.timestamp), this.lastOffsetDelta + 1);
    return varintSize(body) + body;
  }

  /** Appends a record at the next offset, or at `offset`, which must be higher than that of the record before. */
  append(record: RecordInput, offset?: Offset): this {
    const { writer } = this;
    const offsetDelta = offset === undefined ? this.lastOffsetDelta + 1 : diff64(offset, this.baseOffset);
    if (!(offsetDelta > this.lastOffsetDelta && offsetDelta <= 0x7fff_ffff)) {
      throw new RangeError(
        `offset ${offset} after ${this.lastOffsetDelta} records from base offset ${this.baseOffset}`,
      );
    }
    const delta = this.deltaOf(record.timestamp);
    if (this.baseTimestamp === undefined) this.baseTimestamp = record.timestamp;
    if (record.timestamp > this.maxTimestamp) this.maxTimestamp = record.timestamp;
    this.lastOffsetDelta = offsetDelta;
    this.records++;

    writer.varint(recordBodySize(record, delta, offsetDelta));
    writer.int8(0);
    writer.varlong(delta);
    writer.varint(offsetDelta);
    writeNullable(writer, record.key);
    writeNullable(writer, record.value);
    const headers = record.headers ?? [];
    writer.varint(headers.length);
    for (const { key, value } of headers) {
      const size = Buffer.byteLength(key);
      writer.varint(size);
      writer.utf8(key, size);
      writeNullable(writer, value);
    }
    return this;
  }

  private deltaOf(timestamp: Timestamp): Int64 {
    return this.baseTimestamp === undefined ? 0 : timestampDelta(timestamp, this.baseTimestamp);
  }

  /**
   * The batch. `lastOffset` is given where the batch covers more offsets than its records do, as after compaction.
   * The builder may not be used afterwards.
   */
  build(lastOffset?: Offset): Buffer {
    const { options } = this;
    const uncompressed = this.writer.concat();
    const compression = options.compression ?? CompressionType.NONE;
    const buffer =
      compression === CompressionType.NONE
        ? uncompressed
        : compressRecords(uncompressed, compression, options);
    const logAppendTime = options.timestampType === TimestampType.LOG_APPEND_TIME;
    writeBatchHeader(buffer, {
      ...options,
      baseOffset: this.baseOffset,
      compression,
      lastOffsetDelta: lastOffset === undefined ? this.lastOffsetDelta : diff64(lastOffset, this.baseOffset),
      baseTimestamp: this.baseTimestamp ?? NO_TIMESTAMP,
      maxTimestamp: logAppendTime ? (options.logAppendTime ?? NO_TIMESTAMP) : this.maxTimestamp,
      count: this.records,
    });
    return buffer;
  }
}

const EMPTY_HEADER = new Uint8Array(RECORD_BATCH_OVERHEAD);

export interface BatchHeaderFields extends RecordBatchOptions {
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: Timestamp;
  readonly maxTimestamp: Timestamp;
  readonly count: number;
}

/** Writes the header of a v2 batch whose records already stand behind it in `buffer`, and the checksum. */
export function writeBatchHeader(buffer: Buffer, fields: BatchHeaderFields): void {
  const attributes =
    (fields.compression ?? CompressionType.NONE) |
    (fields.timestampType === TimestampType.LOG_APPEND_TIME ? TIMESTAMP_TYPE_MASK : 0) |
    (fields.isTransactional === true ? TRANSACTIONAL_MASK : 0) |
    (fields.isControlBatch === true ? CONTROL_MASK : 0) |
    (fields.deleteHorizonMs === undefined ? 0 : DELETE_HORIZON_MASK);
  writeInt64(buffer, 0, fields.baseOffset ?? 0);
  buffer.writeInt32BE(buffer.length - LOG_OVERHEAD, BATCH_LENGTH_POSITION);
  buffer.writeInt32BE(
    fields.partitionLeaderEpoch ?? NO_PARTITION_LEADER_EPOCH,
    PARTITION_LEADER_EPOCH_POSITION,
  );
  buffer.writeInt8(MAGIC_V2, MAGIC_POSITION);
  buffer.writeInt16BE(attributes, ATTRIBUTES_POSITION);
  buffer.writeInt32BE(fields.lastOffsetDelta, LAST_OFFSET_DELTA_POSITION);
  writeInt64(buffer, BASE_TIMESTAMP_POSITION, fields.baseTimestamp);
  writeInt64(buffer, MAX_TIMESTAMP_POSITION, fields.maxTimestamp);
  writeInt64(buffer, PRODUCER_ID_POSITION, fields.producerId ?? NO_PRODUCER_ID);
  buffer.writeInt16BE(fields.producerEpoch ?? NO_PRODUCER_EPOCH, PRODUCER_EPOCH_POSITION);
  buffer.writeInt32BE(fields.baseSequence ?? NO_SEQUENCE, BASE_SEQUENCE_POSITION);
  buffer.writeInt32BE(fields.count, RECORD_COUNT_POSITION);
  new RecordBatch(buffer).updateCrc();
}

/**
 * A batch without records. Compaction leaves one where it removed all records of a batch that still carries the last
 * sequence of its producer.
 */
export function emptyBatch(
  options: Omit<RecordBatchOptions, 'compression' | 'compressionLevel' | 'deleteHorizonMs' | 'logAppendTime'>,
  lastOffset: Offset,
  maxTimestamp: Timestamp,
): Buffer {
  const buffer = Buffer.alloc(RECORD_BATCH_OVERHEAD);
  writeBatchHeader(buffer, {
    ...options,
    lastOffsetDelta: diff64(lastOffset, options.baseOffset ?? 0),
    baseTimestamp: NO_TIMESTAMP,
    maxTimestamp,
    count: 0,
  });
  return buffer;
}

function compressRecords(
  batch: Buffer,
  compression: CompressionType,
  { compressionLevel }: RecordBatchOptions,
): Buffer {
  const records = compress(compression, batch.subarray(RECORD_BATCH_OVERHEAD), compressionLevel);
  const buffer = Buffer.allocUnsafeSlow(RECORD_BATCH_OVERHEAD + records.length);
  records.copy(buffer, RECORD_BATCH_OVERHEAD);
  return buffer;
}

function nullableSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length;
}

function writeNullable(writer: ByteWriter, bytes: Buffer | null): void {
  if (bytes === null) {
    writer.varint(-1);
  } else {
    writer.varint(bytes.length);
    writer.bytes(bytes);
  }
}

function recordBodySize(record: RecordInput, delta: Int64, offsetDelta: number): number {
  let size = 1 + varlongSize(delta) + varintSize(offsetDelta);
  size += nullableSize(record.key) + nullableSize(record.value);
  const headers = record.headers ?? [];
  size += uvarintSize(headers.length * 2);
  for (const { key, value } of headers) {
    const keySize = Buffer.byteLength(key);
    size += varintSize(keySize) + keySize + nullableSize(value);
  }
  return size;
}
