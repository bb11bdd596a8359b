import { add64, type Offset } from '../base/int64.ts';
import { CompressionType } from '../compression/compression-type.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { LegacyMagic } from './message-set.ts';
import { buildMessageSet, type MessageSet } from './message-set-builder.ts';
import type { KafkaRecord } from './record.ts';
import { batchesOf, type RecordBatch } from './record-batch.ts';

/** 32 MiB: many times what a producer of the old formats, or for their consumers, puts into a batch. */
const DEFAULT_MAX_BATCH_BYTES = 32 * 1024 * 1024;

export interface DownConversion {
  /** A message set; empty if the batches held nothing that the old format can say. */
  readonly records: Buffer;
  /** How many records it holds. */
  readonly recordCount: number;
  /** The offset after the last batch looked at. An empty result calls for another read from here on. */
  readonly nextOffset: Offset;
}

/**
 * Converts v2 batches to messages of an old format, for an old Fetch. Headers, producer fields and control batches have
 * no place there and go; a compressed batch becomes a compressed message of the same codec. Records below `firstOffset`
 * go too, unless they are compressed: old clients skip those by themselves.
 *
 * Goes on until the result has `maxBytes`, but converts one batch at least; each batch may take `maxBatchBytes`
 * without compression, before and after. Throws UNSUPPORTED_COMPRESSION_TYPE for the first batch under zstd, which
 * the old formats do not know; where one comes later the result ends before it. Throws `MalformedError` for a batch
 * that is corrupt or past its limit.
 */
export function downConvert(
  records: Buffer,
  magic: LegacyMagic,
  firstOffset: Offset,
  maxBytes: number = Number.POSITIVE_INFINITY,
  maxBatchBytes: number = DEFAULT_MAX_BATCH_BYTES,
): DownConversion {
  const parts: Buffer[] = [];
  let bytes = 0;
  let recordCount = 0;
  let nextOffset = firstOffset;
  for (const batch of batchesOf(records)) {
    if (bytes >= maxBytes) break;
    if (!batch.isControlBatch) {
      if (batch.compressionType === CompressionType.ZSTD) {
        if (bytes > 0) break;
        throw new KafkaError(
          Errors.UNSUPPORTED_COMPRESSION_TYPE,
          `the batch at offset ${batch.baseOffset} is compressed with zstd, which message format v${magic} does not know`,
        );
      }
      const set = convertBatch(batch, magic, firstOffset, maxBatchBytes);
      parts.push(set.bytes);
      bytes += set.bytes.length;
      recordCount += set.recordCount;
    }
    nextOffset = add64(batch.lastOffset, 1);
  }
  return { records: parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes), recordCount, nextOffset };
}

function convertBatch(
  batch: RecordBatch,
  magic: LegacyMagic,
  firstOffset: Offset,
  maxBatchBytes: number,
): MessageSet {
  const all = batch.records(maxBatchBytes);
  const kept = batch.isCompressed ? all : recordsFrom(all, firstOffset);
  const { compressionType: compression, timestampType } = batch;
  return buildMessageSet(kept, { magic, compression, timestampType }, maxBatchBytes);
}

function* recordsFrom(
  records: Iterable<KafkaRecord>,
  firstOffset: Offset,
): Generator<KafkaRecord, void, undefined> {
  for (const record of records) if (record.offset >= firstOffset) yield record;
}
