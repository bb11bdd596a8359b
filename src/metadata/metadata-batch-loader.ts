import { MalformedError } from '../base/byte-reader.ts';
import { add64, type Offset } from '../base/int64.ts';
import type { CommittedBatch } from '../raft/raft-client.ts';
import { MetadataDelta } from './metadata-delta.ts';
import type { MetadataImage, MetadataProvenance } from './metadata-image.ts';
import type { MetadataRecord } from './metadata-record.ts';
import { decodeMetadataRecord } from './metadata-record-serde.ts';

/**
 * Replays batches of the log on an image. The records between a BeginTransactionRecord and its end take effect together
 * at the EndTransactionRecord, or not at all after an AbortTransactionRecord (KIP-868):
 *
 * ```
 * outside --Begin--> inside      outside --record--> outside: replayed
 * inside  --record-> inside: kept
 * inside  --End----> outside: those kept are replayed
 * inside  --Abort--> outside: those kept are dropped
 * ```
 *
 * Anything else is a `MalformedError` that names the offset.
 */
export class MetadataBatchLoader {
  private image: MetadataImage;
  private delta: MetadataDelta;
  /** What an image made now may claim to hold: the end of the last batch outside transactions. */
  private provenance: MetadataProvenance;
  private transaction: MetadataRecord[] | undefined;
  private lastRead: Offset;
  private batches = 0;
  private bytes = 0;

  constructor(image: MetadataImage) {
    this.image = image;
    this.delta = new MetadataDelta(image);
    this.provenance = image.provenance;
    this.lastRead = image.provenance.lastContainedOffset;
  }

  /** The offset of the last record that was read, those of an open transaction among them. */
  get lastReadOffset(): Offset {
    return this.lastRead;
  }

  /** The offset of the last batch that is wholly in, transactions left open not among them. */
  get lastContainedOffset(): Offset {
    return this.provenance.lastContainedOffset;
  }

  /** Whether a transaction was begun and not ended. */
  get inTransaction(): boolean {
    return this.transaction !== undefined;
  }

  loadBatch(batch: CommittedBatch): void {
    let offset = batch.baseOffset;
    for (const value of batch.records) {
      try {
        this.replay(decodeMetadataRecord(value));
      } catch (error) {
        throw atOffset(offset, error);
      }
      offset = add64(offset, 1);
    }
    this.batches++;
    this.bytes += batch.sizeInBytes;
    this.lastRead = batch.lastOffset;
    if (this.transaction === undefined) {
      this.provenance = {
        lastContainedOffset: batch.lastOffset,
        lastContainedEpoch: batch.epoch,
        lastContainedLogTimeMs: batch.appendTimestamp,
      };
    }
  }

  /** The image with everything outside open transactions, and what leads there. Starts over from that image. */
  take(): { image: MetadataImage; delta: MetadataDelta; batchCount: number; sizeInBytes: number } {
    const { delta, batches, bytes } = this;
    const image = delta.apply(this.provenance);
    this.image = image;
    this.delta = new MetadataDelta(image);
    this.batches = 0;
    this.bytes = 0;
    return { image, delta, batchCount: batches, sizeInBytes: bytes };
  }

  /** Replaces everything by the content of a snapshot. */
  loadSnapshot(batches: Iterable<CommittedBatch>, provenance: MetadataProvenance): void {
    this.delta = new MetadataDelta(this.image);
    this.transaction = undefined;
    for (const batch of batches) this.loadBatch(batch);
    this.delta.finishSnapshot();
    this.provenance = provenance;
    this.lastRead = provenance.lastContainedOffset;
  }

  private replay(record: MetadataRecord): void {
    const { transaction } = this;
    switch (record.type) {
      case 'BeginTransactionRecord':
        if (transaction !== undefined) throw new MalformedError('a transaction begins inside another');
        this.transaction = [];
        return;
      case 'EndTransactionRecord':
        if (transaction === undefined) throw new MalformedError('a transaction ends that was not begun');
        this.transaction = undefined;
        for (const kept of transaction) this.delta.replay(kept);
        return;
      case 'AbortTransactionRecord':
        if (transaction === undefined)
          throw new MalformedError('a transaction is aborted that was not begun');
        this.transaction = undefined;
        return;
      default:
        if (transaction === undefined) this.delta.replay(record);
        else transaction.push(record);
    }
  }
}

function atOffset(offset: Offset, error: unknown): unknown {
  if (!(error instanceof MalformedError)) return error;
  return new MalformedError(`metadata record at offset ${offset}: ${error.message}`);
}
