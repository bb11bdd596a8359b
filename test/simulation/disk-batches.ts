import { MalformedError } from '../../src/base/byte-reader.ts';
import { batchesOf, type RecordBatch } from '../../src/record/record-batch.ts';
import type { SimDisk } from './sim-disk.ts';

/** The whole batches at the beginning of a file: what a full disk or a loss of power has left behind them is none. */
export function batchesIn(disk: SimDisk, path: string): RecordBatch[] {
  const batches: RecordBatch[] = [];
  try {
    for (const batch of batchesOf(disk.contentOf(path))) batches.push(batch);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  return batches;
}
