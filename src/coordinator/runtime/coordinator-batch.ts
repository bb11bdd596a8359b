import { add64, type Offset, type Timestamp } from '../../base/int64.ts';
import type { CompressionType } from '../../compression/compression-type.ts';
import { RecordBatchBuilder } from '../../record/record-batch-builder.ts';
import { RECORD_BATCH_OVERHEAD } from '../../record/record-batch.ts';
import type { SerializedRecord } from './coordinator-shard.ts';
import type { Completion } from './deferred-events.ts';

/** The records of one or more operations of a shard that go to the log as one record batch. */
export class CoordinatorBatch {
  /** The offset of its first record, if nobody else writes to the partition; also the snapshot to go back to. */
  readonly baseOffset: Offset;
  /** Operations that wait for this batch, with or without records in it. */
  readonly waiting: Completion[] = [];
  private readonly maxBytes: number;
  private readonly builder: RecordBatchBuilder;
  private readonly timestamp: Timestamp;

  constructor(baseOffset: Offset, maxBytes: number, compression: CompressionType, timestamp: Timestamp) {
    this.baseOffset = baseOffset;
    this.maxBytes = maxBytes;
    this.timestamp = timestamp;
    this.builder = new RecordBatchBuilder({ compression });
  }

  get count(): number {
    return this.builder.count;
  }

  get nextOffset(): Offset {
    return add64(this.baseOffset, this.builder.count);
  }

  /** Whether `records` fit, by an upper bound of their size. */
  hasRoomFor(records: readonly SerializedRecord[]): boolean {
    return this.builder.sizeInBytes + sizeBound(records) <= this.maxBytes;
  }

  append({ key, value }: SerializedRecord): void {
    this.builder.append({ timestamp: this.timestamp, key, value });
  }

  build(): Buffer {
    return this.builder.build();
  }
}

/** The most bytes that a record needs besides its key and value: lengths, deltas, attributes, header count. */
const RECORD_OVERHEAD_MAX = 32;

function sizeBound(records: readonly SerializedRecord[]): number {
  let size = 0;
  for (const { key, value } of records) size += RECORD_OVERHEAD_MAX + key.length + (value?.length ?? 0);
  return size;
}

/** Whether `records` fit into a batch of their own. */
export function fitsInBatch(records: readonly SerializedRecord[], maxBytes: number): boolean {
  return RECORD_BATCH_OVERHEAD + sizeBound(records) <= maxBytes;
}
