import { MalformedError } from '../../base/byte-reader.ts';
import { ByteWriter, varlongSize } from '../../base/byte-writer.ts';
import {
  add64,
  INT64_MAX,
  type Offset,
  type ProducerId,
  type Timestamp,
  writeInt64,
} from '../../base/int64.ts';
import { compress } from '../../compression/codecs.ts';
import { NO_TIMESTAMP, recordTimestamp, TimestampType, timestampDelta } from '../../record/record.ts';
import {
  ATTRIBUTES_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_LENGTH_POSITION,
  DELETE_HORIZON_MASK,
  LOG_OVERHEAD,
  MAX_TIMESTAMP_POSITION,
  RECORD_BATCH_OVERHEAD,
  RECORD_COUNT_POSITION,
  RecordBatch,
} from '../../record/record-batch.ts';
import { emptyBatch } from '../../record/record-batch-builder.ts';
import { RecordCursor } from '../../record/record-cursor.ts';
import type { CleanedTransactions } from './cleaned-transactions.ts';
import type { OffsetMap } from './offset-map.ts';

/** What the log knows last of a producer that may come back. */
export interface LastOfProducer {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  /** Of the last batch with records; `undefined` if only a marker is left of it. */
  readonly lastOffset: Offset | undefined;
}

export interface RetentionRules {
  readonly map: OffsetMap;
  readonly transactions: CleanedTransactions;
  readonly producers: ReadonlyMap<ProducerId, LastOfProducer>;
  /** Wall clock. */
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
}

/**
 * Decides what of a batch stays in a compacted log, by Kafka's rules:
 *
 * - A record stays if its key has no later one in the map. Records behind what the map knows stay; below that, a record
 *   without a key goes.
 * - A tombstone (a record without a value) that is the last of its key gets a delete horizon when it is first met: now
 *   and delete.retention.ms. It stands in the base timestamp of its batch, which bit 6 of the attributes tells. A later
 *   cleaning removes the tombstone when that time has passed.
 * - Batches of aborted transactions go. A marker without batches gets a delete horizon too, and goes after it.
 * - The last batch of a producer stays, without records if need be: it has the producer's last sequence. So does the
 *   last batch of the part that is cleaned: it has the last offset.
 * - Offsets, order, first and last offset of each batch, and all other fields stay as they are. Batches of which all
 *   stays are kept byte for byte.
 */
export class BatchFilter {
  recordsRead = 0;
  recordsKept = 0;
  private readonly rules: RetentionRules;
  /** Where the records that stay start and end, in turn, in the cursor's bytes. */
  private readonly runs: number[] = [];
  private maxTimestamp: Timestamp = NO_TIMESTAMP;
  private hasTombstones = false;
  /** A batch that takes the place of another is built here: memory for each would cost as much as all the rest. */
  private scratch: Buffer = Buffer.alloc(0);

  constructor(rules: RetentionRules) {
    this.rules = rules;
  }

  /**
   * What stays of `batch`, whose checksum is right: its own bytes, a batch in its place (which stands until the next
   * call), or `undefined`. With `isLast` it stays at least without records. Throws `MalformedError` for records that cannot be read.
   */
  filter(batch: RecordBatch, isLast: boolean): Buffer | undefined {
    const { rules } = this;
    const { isControlBatch, deleteHorizonMs } = batch;
    const isUseless = isControlBatch
      ? rules.transactions.onControlBatch(batch)
      : rules.transactions.onDataBatch(batch);
    const isOver = deleteHorizonMs !== undefined && deleteHorizonMs <= rules.nowMs;
    const staysEmpty = isLast || this.isLastOfProducer(batch);
    this.recordsRead += batch.count;
    if (isUseless && (!isControlBatch || isOver)) return staysEmpty ? emptied(batch) : undefined;

    const cursor = batch.cursor();
    const kept = this.selectRecords(batch, cursor, isOver);
    this.recordsKept += kept;
    if (kept === 0) return staysEmpty ? emptied(batch) : undefined;
    // A tombstone that the map does not know is not clean yet: older records of its key are there.
    const isClean = batch.lastOffset <= rules.map.state.latestOffset;
    const getsHorizon =
      deleteHorizonMs === undefined && isClean && (isControlBatch ? isUseless : this.hasTombstones);
    if (kept === batch.count && !getsHorizon) return batch.bytes;
    return getsHorizon
      ? this.withHorizon(batch, cursor.buffer, kept)
      : this.withoutOthers(batch, cursor.buffer, kept);
  }

  private isLastOfProducer(batch: RecordBatch): boolean {
    if (!batch.hasProducerId) return false;
    const last = this.rules.producers.get(batch.producerId);
    if (last === undefined) return false;
    return last.lastOffset === undefined
      ? batch.isControlBatch && batch.producerEpoch === last.producerEpoch
      : batch.lastOffset === last.lastOffset;
  }

  private horizonMs(): Timestamp {
    const horizonMs = this.rules.nowMs + this.rules.deleteRetentionMs;
    return Number.isSafeInteger(horizonMs) ? horizonMs : INT64_MAX;
  }

  /** Fills {@link runs}. Returns the number of records that stay. */
  private selectRecords(batch: RecordBatch, cursor: RecordCursor, isOver: boolean): number {
    const { map } = this.rules;
    const { latestOffset } = map.state;
    const { baseOffset, baseTimestamp, count, isControlBatch } = batch;
    const { buffer } = cursor;
    const { runs } = this;
    runs.length = 0;
    this.hasTombstones = false;
    this.maxTimestamp = NO_TIMESTAMP;
    let kept = 0;
    for (let index = 0; index < count; index++) {
      cursor.next();
      const offset = add64(baseOffset, cursor.offsetDelta);
      const stays =
        isControlBatch ||
        offset > latestOffset ||
        (cursor.keyLength >= 0 &&
          (cursor.valueLength >= 0 || !isOver) &&
          !map.hasLater(buffer, cursor.keyStart, cursor.keyLength, offset));
      if (!stays) continue;
      kept++;
      if (cursor.valueLength < 0) this.hasTombstones = true;
      const timestamp = recordTimestamp(baseTimestamp, cursor.timestampDelta);
      if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
      if (runs.length > 0 && runs[runs.length - 1] === cursor.start) runs[runs.length - 1] = cursor.position;
      else runs.push(cursor.start, cursor.position);
    }
    if (!cursor.done) throw new MalformedError(`a batch declares ${count} records and holds more`);
    return kept;
  }

  /** The batch with the records that stay, as they are. */
  private withoutOthers(batch: RecordBatch, records: Buffer, count: number): Buffer {
    const { runs } = this;
    let size = 0;
    for (let at = 0; at < runs.length; at += 2) size += runs[at + 1]! - runs[at]!;
    const target = this.room(size);
    let position = RECORD_BATCH_OVERHEAD;
    for (let at = 0; at < runs.length; at += 2)
      position += records.copy(target, position, runs[at], runs[at + 1]);
    return this.rewritten(batch, position, count, undefined);
  }

  /** The batch with the records that stay, their timestamps relative to the delete horizon. */
  private withHorizon(batch: RecordBatch, records: Buffer, count: number): Buffer {
    const horizonMs = this.horizonMs();
    const { baseTimestamp } = batch;
    const { runs } = this;
    const writer = new ByteWriter(records.length + 64);
    for (let at = 0; at < runs.length; at += 2) {
      const cursor = new RecordCursor(records, runs[at]!, runs[at + 1]!);
      while (!cursor.done) {
        cursor.next();
        const delta = timestampDelta(recordTimestamp(baseTimestamp, cursor.timestampDelta), horizonMs);
        const rest = cursor.position - cursor.offsetDeltaStart;
        const size = 1 + varlongSize(delta) + rest;
        writer.varint(size);
        writer.int8(0);
        writer.varlong(delta);
        writer.bytes(records.subarray(cursor.offsetDeltaStart, cursor.position));
      }
    }
    const moved = writer.concat();
    const end = RECORD_BATCH_OVERHEAD + moved.copy(this.room(moved.length), RECORD_BATCH_OVERHEAD);
    return this.rewritten(batch, end, count, horizonMs);
  }

  /** {@link scratch} with room for a batch with so many bytes of records. */
  private room(recordBytes: number): Buffer {
    const size = RECORD_BATCH_OVERHEAD + recordBytes;
    if (this.scratch.length < size)
      this.scratch = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.scratch.length));
    return this.scratch;
  }

  /** The batch with the `count` records that stand in {@link scratch} behind the place of a header, up to `end`. */
  private rewritten(
    batch: RecordBatch,
    end: number,
    count: number,
    horizonMs: Timestamp | undefined,
  ): Buffer {
    const { compressionType, timestampType, isCompressed } = batch;
    let target = this.scratch.subarray(0, end);
    if (isCompressed) {
      const packed = compress(compressionType, target.subarray(RECORD_BATCH_OVERHEAD));
      target = this.room(packed.length).subarray(0, RECORD_BATCH_OVERHEAD + packed.length);
      packed.copy(target, RECORD_BATCH_OVERHEAD);
    }
    batch.buffer.copy(target, 0, batch.position, batch.position + RECORD_BATCH_OVERHEAD);
    target.writeInt32BE(target.length - LOG_OVERHEAD, BATCH_LENGTH_POSITION);
    target.writeInt32BE(count, RECORD_COUNT_POSITION);
    if (timestampType === TimestampType.CREATE_TIME)
      writeInt64(target, MAX_TIMESTAMP_POSITION, this.maxTimestamp);
    if (horizonMs !== undefined) {
      target.writeInt16BE(batch.attributes | DELETE_HORIZON_MASK, ATTRIBUTES_POSITION);
      writeInt64(target, BASE_TIMESTAMP_POSITION, horizonMs);
    }
    new RecordBatch(target).updateCrc();
    return target;
  }
}

/** The batch without its records. */
function emptied(batch: RecordBatch): Buffer {
  if (batch.count === 0) return batch.bytes;
  const { baseOffset, timestampType, producerId, producerEpoch, baseSequence } = batch;
  const { isTransactional, isControlBatch, partitionLeaderEpoch } = batch;
  const transaction = { isTransactional, isControlBatch, partitionLeaderEpoch };
  const kept = { baseOffset, timestampType, producerId, producerEpoch, baseSequence, ...transaction };
  return emptyBatch(kept, batch.lastOffset, batch.maxTimestamp);
}
