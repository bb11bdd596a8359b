import { crc32c } from '../base/crc32c.ts';
import { readInt64, writeInt64 } from '../base/int64.ts';
import { NO_SEQUENCE } from '../record/record.ts';
import { ProducerStateEntry } from './producer-state-entry.ts';

const VERSION = 1;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 46;

/** A producer snapshot whose checksum or version is wrong. It is removed, and an older one taken. */
export class CorruptSnapshotError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CorruptSnapshotError';
  }
}

/**
 * `<offset>.snapshot`, the producers of a log as they were when it ended at that offset:
 *
 *     0 version int16 = 1
 *     2 crc uint32          CRC-32C of what follows
 *     6 count int32
 *     10 entries of 46 bytes:
 *        producerId int64 | epoch int16 | lastSequence int32 | lastOffset int64 | offsetDelta int32 |
 *        timestamp int64 | coordinatorEpoch int32 | currentTxnFirstOffset int64 (-1: none)
 *
 * Of the batches of a producer only the last one is kept.
 */
export const ProducerSnapshotFile = {
  format(entries: Iterable<ProducerStateEntry>, count: number): Buffer {
    const bytes = Buffer.alloc(HEADER_BYTES + count * ENTRY_BYTES);
    bytes.writeInt16BE(VERSION, 0);
    bytes.writeInt32BE(count, 6);
    let at = HEADER_BYTES;
    for (const entry of entries) {
      const last = entry.lastBatch;
      writeInt64(bytes, at, entry.producerId);
      bytes.writeInt16BE(entry.producerEpoch, at + 8);
      bytes.writeInt32BE(last?.lastSequence ?? NO_SEQUENCE, at + 10);
      writeInt64(bytes, at + 14, last?.lastOffset ?? -1);
      bytes.writeInt32BE(last?.offsetDelta ?? 0, at + 22);
      writeInt64(bytes, at + 26, entry.lastTimestamp);
      bytes.writeInt32BE(entry.coordinatorEpoch, at + 34);
      writeInt64(bytes, at + 38, entry.currentTxnFirstOffset ?? -1);
      at += ENTRY_BYTES;
    }
    bytes.writeUInt32BE(crc32c(bytes, 6), 2);
    return bytes;
  },

  /** Throws {@link CorruptSnapshotError}. */
  parse(bytes: Buffer): ProducerStateEntry[] {
    if (bytes.length < HEADER_BYTES) throw new CorruptSnapshotError(`${bytes.length} bytes are too few`);
    const version = bytes.readInt16BE(0);
    if (version !== VERSION) throw new CorruptSnapshotError(`version ${version} is not known`);
    if (bytes.readUInt32BE(2) !== crc32c(bytes, 6)) throw new CorruptSnapshotError('the checksum is wrong');
    const count = bytes.readInt32BE(6);
    if (count < 0 || HEADER_BYTES + count * ENTRY_BYTES > bytes.length) {
      throw new CorruptSnapshotError(`${count} entries do not fit in ${bytes.length} bytes`);
    }
    const entries: ProducerStateEntry[] = [];
    for (let at = HEADER_BYTES; entries.length < count; at += ENTRY_BYTES) {
      const epoch = bytes.readInt16BE(at + 8);
      const timestamp = readInt64(bytes, at + 26);
      const txnFirstOffset = readInt64(bytes, at + 38);
      const entry = new ProducerStateEntry(
        readInt64(bytes, at),
        epoch,
        bytes.readInt32BE(at + 34),
        timestamp,
        txnFirstOffset >= 0 ? txnFirstOffset : undefined,
      );
      const lastOffset = readInt64(bytes, at + 14);
      if (lastOffset >= 0) {
        const lastSequence = bytes.readInt32BE(at + 10);
        entry.addBatch(epoch, {
          lastSequence,
          lastOffset,
          offsetDelta: bytes.readInt32BE(at + 22),
          timestamp,
        });
      }
      entries.push(entry);
    }
    return entries;
  },
};
