import { MalformedError } from '../base/byte-reader.ts';
import type { RecordBatch } from '../record/record-batch.ts';
import type { LogEntry } from './log-summary.ts';
import { decodeBatch, validBatches } from './raft-batch.ts';

/** A batch as the leader sent it. */
export interface FetchedPayload {
  readonly type: 'bytes';
  readonly batch: RecordBatch;
}

export interface FetchedEntries {
  readonly entries: readonly LogEntry[];
  /** Why there are not more of them; `undefined` if all batches that came whole are good. */
  readonly problem: string | undefined;
}

/**
 * The batches that a leader sent, up to the first one that a metadata log cannot have in it. A checksum only says that
 * the bytes came as they were sent: what they are is looked at here, before the log and its summary take them, since
 * neither can go back on what it has taken.
 */
export function fetchedEntries(records: Buffer): FetchedEntries {
  const entries: LogEntry[] = [];
  try {
    for (const batch of validBatches(records)) entries.push(entryOf(batch));
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return { entries, problem: error.message };
  }
  return { entries, problem: undefined };
}

function entryOf(batch: RecordBatch): LogEntry {
  const { baseOffset, lastOffsetDelta, partitionLeaderEpoch: epoch, count } = batch;
  const decoded = decodeBatch(batch);
  const held = decoded.records.length + decoded.controlRecords.length;
  // Nothing is ever compacted out of this log: offsets count records, and the readers of a batch rely on it.
  if (held === 0 || held !== count || lastOffsetDelta !== count - 1) {
    throw new MalformedError(
      `the batch at offset ${baseOffset} declares ${count} records in ${lastOffsetDelta + 1} offsets, and holds ${held}`,
    );
  }
  if (epoch < 0 || batch.hasProducerId) {
    throw new MalformedError(
      `the batch at offset ${baseOffset} has leader epoch ${epoch} and producer id ${batch.producerId}`,
    );
  }
  const payload: FetchedPayload = { type: 'bytes', batch };
  return { baseOffset, lastOffset: batch.lastOffset, epoch, controls: decoded.controlRecords, payload };
}
