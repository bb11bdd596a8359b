import { crc32 } from '../base/crc32c.ts';
import {
  BATCH_LENGTH_POSITION,
  HEADER_SIZE_UP_TO_MAGIC,
  LOG_OVERHEAD,
  MAGIC_POSITION,
  MAGIC_V2,
  RECORD_BATCH_OVERHEAD,
  RecordBatch,
} from '../record/record-batch.ts';
import type { DiskFile } from '../runtime/runtime.ts';
import { DiskBytes } from './disk-bytes.ts';

const FIRST_CHUNK_BYTES = 16 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Where the checksum of a v0 or v1 message stands, and what it covers up to the end. */
const OLD_CRC_POSITION = 12;

/**
 * How a scan ended. `end`: at the end of the range; `stopped`: the visitor said so; `incomplete`: the last
 * batch goes on past the range; `malformed`: what stands there is no batch.
 */
export type ScanOutcome = 'end' | 'stopped' | 'incomplete' | 'malformed';

export interface ScanResult {
  readonly outcome: ScanOutcome;
  /** Where the batch starts that was not visited, or at which the visitor stopped. */
  readonly position: number;
}

/** A segment holds whole messages of the formats v0 or v1, which this broker does not keep on disk. */
export class OldMessageFormatError extends Error {
  constructor(path: string, position: number, magic: number) {
    super(`${path} holds a message of format v${magic} at ${position}; only v2 is read from disk`);
    this.name = 'OldMessageFormatError';
  }
}

/**
 * Reads the batches of a file from `from` to `to` (bytes, exclusive) and shows each to `visit` until it
 * returns `false`. The batch lives in a buffer that is used again: copy what is to outlive the visit.
 * Nothing but the framing is checked. `chunkBytes` are read at a time, more for a batch that is larger.
 */
export function scanBatches(
  file: DiskFile,
  from: number,
  to: number,
  visit: (batch: RecordBatch, position: number) => boolean,
  chunkBytes = CHUNK_BYTES,
): ScanResult {
  let position = from;
  let chunk = Buffer.alloc(0);
  let chunkStart = from;
  let chunkEnd = from;
  let nextChunkBytes = Math.min(FIRST_CHUNK_BYTES, chunkBytes);

  // Makes [position, position + size) readable; false at the end of the file.
  const ensure = (size: number): boolean => {
    if (position + size <= chunkEnd) return true;
    const wanted = Math.min(Math.max(size, nextChunkBytes), to - position);
    if (wanted < size) return false;
    if (chunk.length < wanted) chunk = Buffer.allocUnsafeSlow(wanted);
    nextChunkBytes = Math.min(nextChunkBytes * 4, chunkBytes);
    chunkStart = position;
    chunkEnd = position + DiskBytes.readUpTo(file, chunk, wanted, position);
    return position + size <= chunkEnd;
  };

  while (position < to) {
    if (!ensure(HEADER_SIZE_UP_TO_MAGIC)) return { outcome: 'incomplete', position };
    const at = position - chunkStart;
    const length = chunk.readInt32BE(at + BATCH_LENGTH_POSITION);
    const magic = chunk.readInt8(at + MAGIC_POSITION);
    const size = length + LOG_OVERHEAD;
    if (magic === 0 || magic === 1) {
      if (length >= 14 && size <= to - position && ensure(size))
        refuseOldFormat(file, chunk, position, chunkStart, size);
      return { outcome: 'malformed', position };
    }
    if (magic !== MAGIC_V2 || size < RECORD_BATCH_OVERHEAD) return { outcome: 'malformed', position };
    if (size > to - position || !ensure(size)) return { outcome: 'incomplete', position };
    if (!visit(new RecordBatch(chunk, position - chunkStart), position))
      return { outcome: 'stopped', position };
    position += size;
  }
  return { outcome: 'end', position };
}

/** A message with a right checksum is data: it may not be taken for garbage and cut. */
function refuseOldFormat(
  file: DiskFile,
  chunk: Buffer,
  position: number,
  chunkStart: number,
  size: number,
): void {
  const at = position - chunkStart;
  if (chunk.readUInt32BE(at + OLD_CRC_POSITION) !== crc32(chunk, at + MAGIC_POSITION, at + size)) return;
  throw new OldMessageFormatError(file.path, position, chunk.readInt8(at + MAGIC_POSITION));
}

/** Whether the header of a batch agrees with itself: what a scan can tell without the checksum (S1). */
export function isConsistent(batch: RecordBatch): boolean {
  const { count, lastOffsetDelta } = batch;
  return lastOffsetDelta >= 0 && count >= 0 && count <= lastOffsetDelta + 1 && batch.baseOffset >= 0;
}
