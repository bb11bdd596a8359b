import { MalformedError } from '../base/byte-reader.ts';
import type { LeaderEpoch, Offset, Timestamp } from '../base/int64.ts';
import { controlBatch } from '../record/control-records.ts';
import { batchesOf, type RecordBatch } from '../record/record-batch.ts';
import { RecordBatchBuilder } from '../record/record-batch-builder.ts';
import { type ControlRecord, controlRecordInput, decodeControlRecord } from './control-record.ts';
import type { CommittedBatch } from './raft-client.ts';

interface BatchPosition {
  readonly baseOffset: Offset;
  readonly epoch: LeaderEpoch;
  readonly timestamp: Timestamp;
}

/** A data batch: no keys, no headers, no producer, not compressed. */
export function encodeDataBatch(
  records: readonly Buffer[],
  { baseOffset, epoch, timestamp }: BatchPosition,
): Buffer {
  const builder = new RecordBatchBuilder({ baseOffset, partitionLeaderEpoch: epoch });
  for (const value of records) builder.append({ timestamp, key: null, value });
  return builder.build();
}

export function encodeControlBatch(
  controls: readonly ControlRecord[],
  { baseOffset, epoch, timestamp }: BatchPosition,
): Buffer {
  return controlBatch(controls.map(controlRecordInput), {
    baseOffset,
    timestamp,
    partitionLeaderEpoch: epoch,
  });
}

/** The records of a batch. Values are views of its buffer. Throws `MalformedError`. */
export function decodeBatch(batch: RecordBatch): CommittedBatch {
  const records: Buffer[] = [];
  const controlRecords: ControlRecord[] = [];
  const isControl = batch.isControlBatch;
  for (const cursor = batch.cursor(); !cursor.done; ) {
    cursor.next();
    if (isControl) controlRecords.push(decodeControlRecord(cursor.key(), cursor.value()));
    else {
      const value = cursor.value();
      if (value === null) throw new MalformedError('a metadata record has no value');
      records.push(value);
    }
  }
  return {
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    epoch: batch.partitionLeaderEpoch,
    appendTimestamp: batch.maxTimestamp,
    sizeInBytes: batch.sizeInBytes,
    records,
    controlRecords,
  };
}

/**
 * The whole batches of a buffer, each checked by its CRC (S2). Throws `MalformedError` for one that fails.
 */
export function* validBatches(buffer: Buffer): Generator<RecordBatch> {
  for (const batch of batchesOf(buffer)) {
    if (!batch.isValid()) throw new MalformedError(`the batch at offset ${batch.baseOffset} fails its CRC`);
    yield batch;
  }
}
