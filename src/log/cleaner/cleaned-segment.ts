import { invariant } from '../../base/assert.ts';
import type { Disk } from '../../runtime/runtime.ts';
import { FileHandleCache, type LogFile } from '../file-handle-cache.ts';
import { IndexMemory } from '../index-memory.ts';
import { CLEANED_SUFFIX } from '../log-file-names.ts';
import { LogSegment, NEW_SEGMENT_FILES } from '../log-segment.ts';
import type { AbortedTxn } from '../transaction-index.ts';
import type { StepTarget } from './cleaner-steps.ts';

const FILES_OF_SEGMENT = 4;

/**
 * The segment that a cleaning writes: a {@link LogSegment} in files with `.cleaned` names, opened anew in each step.
 * Only one that is closed in order can be opened again; what a broken step has left does not fit its size.
 */
export class CleanedSegment {
  private readonly target: StepTarget;
  private readonly segment: LogSegment;
  private readonly buffer: Buffer;
  private buffered = 0;

  constructor(disk: Disk, target: StepTarget, bufferBytes: number) {
    const { directory, baseOffset, logBytes, hasTransactionIndex } = target;
    const isNew = logBytes === 0;
    const files = isNew
      ? NEW_SEGMENT_FILES
      : { logBytes, hasLog: true, hasOffsetIndex: true, hasTimeIndex: true, hasTransactionIndex };
    const environment = {
      disk,
      handles: new FileHandleCache(disk, FILES_OF_SEGMENT),
      indexMemory: new IndexMemory(Number.POSITIVE_INFINITY),
    };
    this.target = target;
    this.buffer = Buffer.allocUnsafeSlow(bufferBytes);
    this.segment = new LogSegment(environment, directory, baseOffset, files, 0, 0);
    for (const file of this.files) {
      file.relocate(file.path + CLEANED_SUFFIX);
      if (isNew) disk.removeFileSync(file.path);
    }
    const bytes = this.segment.log.open().sizeSync();
    invariant(bytes === logBytes, 'cleaned segment', () => `${this.segment.log.path} holds ${bytes} bytes`);
  }

  private get files(): LogFile[] {
    const { log, offsetIndex, timeIndex, transactionIndex } = this.segment;
    return [log, offsetIndex.index.file, timeIndex.index.file, transactionIndex.index.file];
  }

  /** Takes whole batches; the bytes are copied. */
  append(batches: Buffer): void {
    if (this.buffered + batches.length > this.buffer.length) this.flush();
    if (batches.length > this.buffer.length) {
      this.write(batches);
      return;
    }
    batches.copy(this.buffer, this.buffered);
    this.buffered += batches.length;
  }

  appendAbortedTxn(txn: AbortedTxn): void {
    this.segment.appendAbortedTxn(txn);
  }

  private flush(): void {
    if (this.buffered > 0) this.write(this.buffer.subarray(0, this.buffered));
    this.buffered = 0;
  }

  private write(batches: Buffer): void {
    const { segment } = this;
    const position = segment.stage(batches, this.target.indexIntervalBytes);
    segment.log.open().writeSync([batches], position);
    segment.writtenBytes = segment.stagedBytes;
  }

  /** Writes all of it. Returns what to open it with again. */
  persist(): StepTarget {
    const { segment } = this;
    this.flush();
    segment.persistIndexes(true);
    return {
      ...this.target,
      logBytes: segment.writtenBytes,
      hasTransactionIndex: segment.transactionIndex.index.file.exists,
    };
  }

  /** fsyncs the files: they are to take the place of others that were. */
  sync(): void {
    for (const file of this.files) if (file.exists) file.open().syncSync();
  }

  close(): void {
    this.segment.closeFiles();
  }
}
