import { add64, type Offset, type ProducerId, type Timestamp } from '../../base/int64.ts';
import type { CompressionType } from '../../compression/compression-type.ts';
import type { VerificationGuard } from '../../log/verification-guard.ts';
import { RecordBatchBuilder } from '../../record/record-batch-builder.ts';
import { RECORD_BATCH_OVERHEAD } from '../../record/record-batch.ts';
import type { SerializedRecord } from './coordinator-shard.ts';
import type { Completion } from './deferred-events.ts';
import type { CoordinatorAppendOptions } from './partition-writer.ts';

/** The open transaction that records are written in: whose it is, and that the log may take them. */
export interface VerifiedTransaction {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  /** What the verification gave; `undefined` where nobody had to be asked. */
  readonly verificationGuard?: VerificationGuard | undefined;
}

/** What goes to the log as one record batch, and who waits for it. */
export interface AppendableBatch {
  /** The offset of its first record; also the snapshot to go back to. */
  readonly baseOffset: Offset;
  /** The offset after its last record. */
  readonly nextOffset: Offset;
  readonly appendOptions: CoordinatorAppendOptions;
  /** Operations that wait for it, with or without records in it. */
  readonly waiting: readonly Completion[];
  build(): Buffer;
}

export interface CoordinatorBatchOptions {
  readonly baseOffset: Offset;
  readonly maxBytes: number;
  readonly compression: CompressionType;
  /** Of all its records. */
  readonly timestamp: Timestamp;
  /** Left out for records outside of any transaction. */
  readonly transaction?: VerifiedTransaction | undefined;
}

/** The coordinator's own sequences are not checked: every one of its transactional batches begins with this one. */
const BASE_SEQUENCE = 0;

/** The records of one or more operations of a shard that go to the log as one record batch. */
export class CoordinatorBatch implements AppendableBatch {
  readonly baseOffset: Offset;
  readonly transaction: VerifiedTransaction | undefined;
  readonly appendOptions: CoordinatorAppendOptions;
  readonly waiting: Completion[] = [];
  private readonly maxBytes: number;
  private readonly builder: RecordBatchBuilder;
  private readonly timestamp: Timestamp;

  constructor(options: CoordinatorBatchOptions) {
    const { baseOffset, maxBytes, compression, timestamp, transaction } = options;
    this.baseOffset = baseOffset;
    this.transaction = transaction;
    this.appendOptions = { verificationGuard: transaction?.verificationGuard };
    this.maxBytes = maxBytes;
    this.timestamp = timestamp;
    this.builder = new RecordBatchBuilder(
      transaction === undefined
        ? { compression }
        : { compression, isTransactional: true, baseSequence: BASE_SEQUENCE, ...producerOf(transaction) },
    );
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

function producerOf({ producerId, producerEpoch }: VerifiedTransaction) {
  return { producerId, producerEpoch };
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
