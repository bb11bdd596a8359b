import { MalformedError } from '../base/byte-reader.ts';
import { min64, type Offset } from '../base/int64.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { batchesOf, RecordBatch } from '../record/record-batch.ts';
import { DiskBytes } from './disk-bytes.ts';
import type { FetchSlice, LogOffsetMetadata } from './fetch-data-info.ts';
import type { LogDirectoryState, LogEnvironment } from './log-environment.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';
import type { TailCacheOfLog } from './tail-cache.ts';

const EMPTY = Buffer.alloc(0);
/** Remembered places where a reader will go on. */
const HINTS_MAX = 8;

export interface ReadPlan {
  readonly fetchOffset: LogOffsetMetadata;
  readonly slices: readonly FetchSlice[];
  readonly sizeInBytes: number;
  /** Nothing at or behind this offset is in the slices; for the aborted transactions. */
  readonly upperBound: Offset;
}

/** Plans reads of one log: from the tail cache, else one read of one segment. */
export class LogReader {
  private readonly environment: LogEnvironment;
  private readonly directory: LogDirectoryState;
  private readonly segments: LogSegments;
  private readonly tail: TailCacheOfLog;
  private readonly hints = new Map<Offset, { segment: LogSegment; position: number }>();

  constructor(
    environment: LogEnvironment,
    directory: LogDirectoryState,
    segments: LogSegments,
    tail: TailCacheOfLog,
  ) {
    this.environment = environment;
    this.directory = directory;
    this.segments = segments;
    this.tail = tail;
  }

  /** The log was changed other than by an append. */
  forgetPlaces(): void {
    this.hints.clear();
  }

  /**
   * Batches from the one that holds `startOffset` up to those that end at `maxOffset` or above (not
   * included).
   */
  plan(startOffset: Offset, maxBytes: number, maxOffset: Offset, minOneMessage: boolean): ReadPlan {
    return (
      this.planCached(startOffset, maxBytes, maxOffset, minOneMessage) ??
      this.planCold(startOffset, maxBytes, maxOffset, minOneMessage)
    );
  }

  /** Where `offset` lies: the batch's own place if it was appended lately, else one shortly before it. */
  offsetMetadata(offset: Offset, logEndOffset: Offset): LogOffsetMetadata {
    const { active } = this.segments;
    if (offset >= logEndOffset) {
      return { offset, segmentBaseOffset: active.baseOffset, relativePositionInSegment: active.writtenBytes };
    }
    const entry = this.tail.at(this.tail.find(offset));
    if (entry !== undefined) {
      return {
        offset,
        segmentBaseOffset: entry.segment.baseOffset,
        relativePositionInSegment: entry.position,
      };
    }
    const segment = this.segments.floor(offset) ?? active;
    const position = segment.writtenBytes === 0 ? 0 : this.floorPosition(segment, offset);
    return { offset, segmentBaseOffset: segment.baseOffset, relativePositionInSegment: position };
  }

  private planCached(
    startOffset: Offset,
    maxBytes: number,
    maxOffset: Offset,
    minOneMessage: boolean,
  ): ReadPlan | undefined {
    const { tail } = this;
    let slot = tail.find(startOffset);
    if (slot < 0) return undefined;
    let entry = tail.at(slot)!;
    const skipped = skipBelow(entry.records, startOffset);
    const fetchOffset = {
      offset: startOffset,
      segmentBaseOffset: entry.segment.baseOffset,
      relativePositionInSegment: entry.position + skipped,
    };
    const slices: FetchSlice[] = [];
    let from = skipped;
    let taken = 0;
    let upperBound = startOffset;
    for (;;) {
      const { records } = entry;
      let end = records.length;
      if (entry.nextOffset > maxOffset || taken + end - from > maxBytes) {
        end = cutAt(records, from, maxBytes - taken, maxOffset, minOneMessage && taken === 0);
      }
      if (end > from) {
        slices.push(
          new CachedSlice(from === 0 && end === records.length ? records : records.subarray(from, end)),
        );
        taken += end - from;
        upperBound = end === records.length ? entry.nextOffset : min64(entry.nextOffset, maxOffset);
      }
      if (end < records.length) break;
      const next = tail.at(++slot);
      if (next === undefined) break;
      entry = next;
      from = 0;
    }
    return { fetchOffset, slices, sizeInBytes: taken, upperBound };
  }

  private planCold(
    startOffset: Offset,
    maxBytes: number,
    maxOffset: Offset,
    minOneMessage: boolean,
  ): ReadPlan {
    const hint = this.hints.get(startOffset);
    const hinted =
      hint !== undefined && !hint.segment.deleted && hint.position < hint.segment.writtenBytes
        ? hint
        : undefined;
    let segment = hinted?.segment ?? this.segments.floor(startOffset);
    if (segment === undefined)
      throw new KafkaError(Errors.OFFSET_OUT_OF_RANGE, `no segment holds offset ${startOffset}`);
    let position =
      hinted?.position ?? (segment.writtenBytes === 0 ? 0 : this.floorPosition(segment, startOffset));
    // Offsets that no batch has (an aborted append, a compacted end) lead on into the next segment.
    while (
      position >= segment.writtenBytes ||
      (hinted === undefined && this.endsBelow(segment, startOffset))
    ) {
      const next = this.segments.higher(segment.baseOffset);
      if (next === undefined) break;
      segment = next;
      position = 0;
    }
    const fetchOffset = {
      offset: startOffset,
      segmentBaseOffset: segment.baseOffset,
      relativePositionInSegment: position,
    };
    const sizeInBytes = Math.min(maxBytes, segment.writtenBytes - position);
    if (sizeInBytes <= 0 && !minOneMessage)
      return { fetchOffset, slices: [], sizeInBytes: 0, upperBound: startOffset };
    // What was read last ended where this begins. Else the place is that of an index entry, a little before it.
    const upperBound =
      hinted !== undefined
        ? this.upperBound(segment, position + sizeInBytes, maxOffset)
        : this.upperBoundFrom(segment, startOffset, maxBytes, maxOffset);
    const slice = new ColdSlice(sizeInBytes, () =>
      this.load(segment, position, startOffset, maxBytes, maxOffset, minOneMessage),
    );
    return { fetchOffset, slices: [slice], sizeInBytes, upperBound };
  }

  private floorPosition(segment: LogSegment, offset: Offset): number {
    try {
      return segment.floorPosition(offset);
    } catch (error) {
      throw this.directory.storageError(error);
    }
  }

  /** An offset behind all batches that start before `position`. */
  private upperBound(segment: LogSegment, position: number, maxOffset: Offset): Offset {
    const next = this.segments.higher(segment.baseOffset)?.baseOffset ?? maxOffset;
    const entry = segment.offsetIndex.index.isLoaded
      ? segment.offsetIndex.firstAtOrAfter(position)
      : undefined;
    return min64(maxOffset, entry?.offset ?? next);
  }

  /** Whether a segment that gets no more batches has none that holds `offset` or follows it. */
  private endsBelow(segment: LogSegment, offset: Offset): boolean {
    if (segment === this.segments.active || segment.baseOffset > offset) return false;
    if (segment.offsetIndex.firstAbove(offset) !== undefined) return false;
    try {
      // What is not known is found out by reading, and then it is an error.
      const end = segment.endOffset();
      return end !== undefined && end <= offset;
    } catch (error) {
      throw this.directory.storageError(error);
    }
  }

  /**
   * An offset behind all batches of `maxBytes`, or of one batch, from the one that holds `startOffset` or follows it.
   */
  private upperBoundFrom(
    segment: LogSegment,
    startOffset: Offset,
    maxBytes: number,
    maxOffset: Offset,
  ): Offset {
    const start = segment.offsetIndex.index.isLoaded
      ? segment.offsetIndex.firstAbove(startOffset)
      : undefined;
    const position = start === undefined ? segment.writtenBytes : start.position + Math.max(maxBytes, 1);
    return this.upperBound(segment, position, maxOffset);
  }

  private async load(
    firstSegment: LogSegment,
    firstPosition: number,
    startOffset: Offset,
    maxBytes: number,
    maxOffset: Offset,
    minOneMessage: boolean,
  ): Promise<Buffer> {
    let segment = firstSegment;
    let position = firstPosition;
    for (;;) {
      const records = await this.loadFrom(segment, position, startOffset, maxBytes, maxOffset, minOneMessage);
      if (records !== undefined) return records;
      // What follows it is not what followed it when the read was planned.
      if (segment.replaced) return EMPTY;
      const next = this.segments.higher(segment.baseOffset);
      if (next === undefined) return EMPTY;
      segment = next;
      position = 0;
    }
  }

  /**
   * `undefined` if the segment has no batch at or behind `startOffset`; nothing if it is no longer what the read was
   * planned for. Who reads on plans anew.
   */
  private async loadFrom(
    segment: LogSegment,
    firstPosition: number,
    startOffset: Offset,
    maxBytes: number,
    maxOffset: Offset,
    minOneMessage: boolean,
  ): Promise<Buffer | undefined> {
    let position = firstPosition;
    const hint = this.hints.get(startOffset);
    const isHinted = hint?.segment === segment && hint.position === firstPosition;
    // Else the place is that of an index entry: the batch itself comes a little behind it.
    let wanted = Math.max(maxBytes, minOneMessage ? 1 : 0) + (isHinted ? 0 : INDEX_SLACK_BYTES);
    // Nothing before this offset may come any more.
    let expected = isHinted ? startOffset : segment.baseOffset;
    let skipped: RecordBatch | undefined;
    for (;;) {
      const end = segment.writtenBytes;
      const size = Math.min(wanted, end - position);
      if (size <= 0) return undefined;
      if (segment.replaced) return EMPTY;
      const { truncations } = segment;
      const bytes = await this.readBytes(segment, position, size);
      if (segment.truncations !== truncations) return EMPTY;
      if (bytes.length < size) throw this.corrupt(segment, position, 'the file is shorter than it was');
      let from: number | undefined;
      let to = 0;
      try {
        let at = 0;
        for (const batch of batchesOf(bytes)) {
          at = batch.end;
          if (from === undefined && batch.lastOffset < startOffset) {
            this.check(batch, segment, expected);
            expected = batch.nextOffset;
            skipped = batch;
            continue;
          }
          const isFirst = from === undefined;
          if (isFirst && batch.baseOffset > startOffset) this.checkSkipped(skipped, segment);
          from ??= batch.position;
          if (batch.lastOffset >= maxOffset) return this.finish(segment, position, bytes, from, to, expected);
          if (batch.end - from > maxBytes && !(isFirst && minOneMessage)) {
            return this.finish(segment, position, bytes, from, to, expected);
          }
          this.check(batch, segment, expected);
          to = batch.end;
          expected = batch.nextOffset;
        }
        if (from !== undefined) return this.finish(segment, position, bytes, from, to, expected);
        const more = this.sizeOfBatchAt(segment, bytes, at, position, end);
        if (more === undefined) {
          this.checkSkipped(skipped, segment);
          return undefined;
        }
        // The batch that holds the offset, or one before it, is not whole in what was read.
        position += at;
        wanted = Math.max(wanted, more);
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
        throw this.corrupt(segment, position, error.message);
      }
    }
  }

  /**
   * The bytes that the batch at `at` takes, which goes on past what was read; `undefined` at the end of the
   * segment.
   */
  private sizeOfBatchAt(
    segment: LogSegment,
    bytes: Buffer,
    at: number,
    position: number,
    end: number,
  ): number | undefined {
    if (position + at >= end) return undefined;
    const left = end - position - at;
    const size = bytes.length - at >= 12 ? bytes.readInt32BE(at + 8) + 12 : INDEX_SLACK_BYTES;
    if (size > left && bytes.length - at >= 12)
      throw this.corrupt(segment, position + at, 'a batch goes on past the end');
    return Math.min(Math.max(size, 61), left);
  }

  private finish(
    segment: LogSegment,
    position: number,
    bytes: Buffer,
    from: number,
    to: number,
    nextOffset: Offset,
  ): Buffer {
    if (to <= from) return EMPTY;
    if (!segment.deleted && position + to < segment.writtenBytes) {
      this.hints.delete(nextOffset);
      this.hints.set(nextOffset, { segment, position: position + to });
      if (this.hints.size > HINTS_MAX) {
        for (const oldest of this.hints.keys()) {
          this.hints.delete(oldest);
          break;
        }
      }
    }
    return bytes.subarray(from, to);
  }

  private check(batch: RecordBatch, segment: LogSegment, expected: Offset): void {
    if (batch.lastOffsetDelta < 0 || batch.baseOffset < expected) {
      throw this.corrupt(segment, batch.position, `offset ${batch.baseOffset} is out of order`);
    }
    if (this.environment.verifyChecksumsOnRead && !batch.isValid()) {
      throw this.corrupt(
        segment,
        batch.position,
        `the batch at offset ${batch.baseOffset} has a wrong checksum`,
      );
    }
  }

  /**
   * No batch has the offset that is read from: it was compacted, or the one before it says that it ends too early. A
   * consumer would go on behind it, and never know.
   */
  private checkSkipped(batch: RecordBatch | undefined, segment: LogSegment): void {
    if (batch === undefined || batch.isValid()) return;
    throw this.corrupt(
      segment,
      batch.position,
      `the batch at offset ${batch.baseOffset} has a wrong checksum`,
    );
  }

  private async readBytes(segment: LogSegment, position: number, size: number): Promise<Buffer> {
    if (this.directory.isOffline)
      throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `${this.directory.path} is offline`);
    const target = Buffer.allocUnsafeSlow(size);
    try {
      const handle = segment.log.pin();
      try {
        const count = await DiskBytes.readUpToAsync(handle, target, size, position);
        return count === size ? target : target.subarray(0, count);
      } finally {
        segment.log.unpin();
      }
    } catch (error) {
      if (segment.deleted)
        throw new KafkaError(Errors.OFFSET_OUT_OF_RANGE, 'the segment was deleted while it was read');
      throw this.directory.storageError(error);
    }
  }

  private corrupt(segment: LogSegment, position: number, reason: string): KafkaError {
    this.environment.logger.error('a segment holds bytes that are no batch', {
      path: segment.log.path,
      position,
      reason,
    });
    return new KafkaError(Errors.CORRUPT_MESSAGE, `a batch on disk is damaged: ${reason}`);
  }
}

const INDEX_SLACK_BYTES = 8 * 1024;

class CachedSlice implements FetchSlice {
  private readonly records: Buffer;

  constructor(records: Buffer) {
    this.records = records;
  }

  get sizeInBytes(): number {
    return this.records.length;
  }

  load(): Buffer {
    return this.records;
  }
}

class ColdSlice implements FetchSlice {
  readonly sizeInBytes: number;
  private readonly read: () => Promise<Buffer>;

  constructor(sizeInBytes: number, read: () => Promise<Buffer>) {
    this.sizeInBytes = sizeInBytes;
    this.read = read;
  }

  load(): Promise<Buffer> {
    return this.read();
  }
}

/** Where in `records` the first batch starts that ends at `offset` or behind it. */
function skipBelow(records: Buffer, offset: Offset): number {
  let at = 0;
  while (at < records.length) {
    const batch = new RecordBatch(records, at);
    if (batch.lastOffset >= offset) return at;
    at = batch.end;
  }
  return at;
}

/** Where the whole batches end that start at `from`, fit in `maxBytes` and end below `maxOffset`. */
function cutAt(
  records: Buffer,
  from: number,
  maxBytes: number,
  maxOffset: Offset,
  firstWhole: boolean,
): number {
  let end = from;
  while (end < records.length) {
    const batch = new RecordBatch(records, end);
    if (batch.lastOffset >= maxOffset) return end;
    if (batch.end - from > maxBytes && !(firstWhole && end === from)) return end;
    end = batch.end;
  }
  return end;
}
