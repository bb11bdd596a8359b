import { MalformedError } from '../../base/byte-reader.ts';
import { add64, type Offset } from '../../base/int64.ts';
import { prepareCodecs } from '../../compression/codecs.ts';
import type { RecordBatch } from '../../record/record-batch.ts';
import type { Disk, DiskError, TaskEffects } from '../../runtime/runtime.ts';
import { isConsistent, OldMessageFormatError, scanBatches } from '../batch-scanner.ts';
import { BatchFilter } from './batch-filter.ts';
import { CleanedSegment } from './cleaned-segment.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import type {
  CleanerStep,
  CleanerStepResult,
  CopyResult,
  CopyStep,
  DoneResult,
  FinishStep,
  MapResult,
  MapStep,
  StepFailure,
  StepSource,
} from './cleaner-steps.ts';
import { OffsetMap } from './offset-map.ts';

/** The name by which `Executor.run` knows {@link cleanLogStep}. */
export const CLEANER_TASK = 'clean-log';

/** Where a worker finds it. */
export const CLEANER_TASK_LOCATION = { module: import.meta.url, export: 'cleanLogStepInWorker' } as const;

/** Bytes in a segment that are not what was written there. */
class DamagedSegmentError extends Error {
  constructor(path: string, position: number, reason: string) {
    super(`${path} is damaged at ${position}: ${reason}`);
    this.name = 'DamagedSegmentError';
  }
}

/** {@link cleanLogStep} in a thread where nothing is loaded yet. */
export async function cleanLogStepInWorker(
  step: CleanerStep,
  effects: TaskEffects,
): Promise<CleanerStepResult> {
  await prepareCodecs();
  return cleanLogStep(step, effects);
}

/** One step of a cleaning, off the event loop. Codecs are prepared. */
export function cleanLogStep(step: CleanerStep, { disk }: TaskEffects): CleanerStepResult {
  try {
    switch (step.kind) {
      case 'map':
        return mapKeys(disk, step);
      case 'copy':
        return copyBatches(disk, step);
      case 'finish':
        return finishSegment(disk, step);
      case 'syncNames':
        disk.syncDirectorySync(step.directory);
        return { kind: 'done' };
    }
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): StepFailure {
  if (!(error instanceof Error)) throw error;
  const { message } = error;
  if (error instanceof DamagedSegmentError || error instanceof OldMessageFormatError)
    return { kind: 'failed', reason: 'damaged', message, code: undefined };
  const { code } = error as DiskError;
  if (typeof code !== 'string') throw error;
  return { kind: 'failed', reason: 'disk', message, code };
}

interface Gone {
  /** Where the batch starts that was not visited, or the end. */
  readonly position: number;
  readonly previousOffset: Offset;
}

/**
 * Shows the batches of a part of a segment to `visit`, until that returns `false` or enough is read. Each is checked
 * before: nothing may be dropped on the word of a damaged batch, and none may get a right checksum by being rewritten.
 */
function visitBatches(
  disk: Disk,
  source: StepSource,
  visit: (batch: RecordBatch, position: number) => boolean,
): Gone {
  const { path, position: from, end, maxBytes, bufferBytes } = source;
  let { previousOffset } = source;
  const file = disk.openSync(path, 'read');
  try {
    const { outcome, position } = scanBatches(
      file,
      from,
      end,
      (batch, at) => {
        if (at > from && at - from >= maxBytes) return false;
        const fault =
          !isConsistent(batch) || batch.baseOffset <= previousOffset
            ? `offset ${batch.baseOffset} is out of order`
            : batch.isValid()
              ? undefined
              : `the batch at offset ${batch.baseOffset} has a wrong checksum`;
        if (fault !== undefined) throw new DamagedSegmentError(path, at, fault);
        try {
          if (!visit(batch, at)) return false;
        } catch (error) {
          if (error instanceof MalformedError) throw new DamagedSegmentError(path, at, error.message);
          throw error;
        }
        previousOffset = batch.lastOffset;
        return true;
      },
      bufferBytes,
    );
    if (outcome === 'incomplete' || outcome === 'malformed')
      throw new DamagedSegmentError(path, position, 'what stands there is no whole batch');
    return { position, previousOffset };
  } finally {
    file.closeSync();
  }
}

function mapKeys(disk: Disk, { map: state, clearMap, source, transactions: before }: MapStep): MapResult {
  const map = new OffsetMap(state);
  if (clearMap) map.clear();
  const transactions = new CleanedTransactions(before);
  let isFull = false;
  const gone = visitBatches(disk, source, batch => {
    if (batch.isControlBatch) {
      transactions.onControlBatch(batch);
    } else if (!transactions.onDataBatch(batch) && !noteKeys(map, batch)) {
      // Keys of a part of the batch are noted. They are later than what they push out, and stay: nothing is lost.
      isFull = true;
      return false;
    }
    if (batch.lastOffset > state.latestOffset) state.latestOffset = batch.lastOffset;
    return true;
  });
  return {
    kind: 'map',
    ...gone,
    bytes: gone.position - source.position,
    transactions: transactions.state,
    entries: state.entries,
    latestOffset: state.latestOffset,
    isFull,
  };
}

/** Whether there was room for all keys of the batch that are not below the map. */
function noteKeys(map: OffsetMap, batch: RecordBatch): boolean {
  const { baseOffset, count } = batch;
  const { firstOffset } = map.state;
  const cursor = batch.cursor();
  const { buffer } = cursor;
  for (let index = 0; index < count; index++) {
    cursor.next();
    if (cursor.keyLength < 0) continue;
    const offset = add64(baseOffset, cursor.offsetDelta);
    if (offset >= firstOffset && !map.put(buffer, cursor.keyStart, cursor.keyLength, offset)) return false;
  }
  return true;
}

function copyBatches(disk: Disk, step: CopyStep): CopyResult {
  const { source, endOffset } = step;
  const transactions = new CleanedTransactions(step.transactions);
  const filter = new BatchFilter({
    map: new OffsetMap(step.map),
    transactions,
    producers: new Map(step.producers.map(last => [last.producerId, last])),
    nowMs: step.nowMs,
    deleteRetentionMs: step.deleteRetentionMs,
  });
  const target = new CleanedSegment(disk, step.target, source.bufferBytes);
  try {
    const gone = visitBatches(disk, source, batch => {
      const kept = filter.filter(batch, batch.nextOffset === endOffset);
      if (kept !== undefined) target.append(kept);
      for (const txn of transactions.retained.splice(0)) target.appendAbortedTxn(txn);
      return true;
    });
    const written = target.persist();
    return {
      kind: 'copy',
      ...gone,
      bytes: gone.position - source.position + written.logBytes - step.target.logBytes,
      transactions: transactions.state,
      target: written,
      recordsRead: filter.recordsRead,
      recordsKept: filter.recordsKept,
    };
  } finally {
    target.close();
  }
}

function finishSegment(disk: Disk, { target }: FinishStep): DoneResult {
  const segment = new CleanedSegment(disk, target, 0);
  try {
    // Of one in which nothing is left there are no files yet.
    segment.persist();
    segment.sync();
  } finally {
    segment.close();
  }
  disk.syncDirectorySync(target.directory);
  return { kind: 'done' };
}
