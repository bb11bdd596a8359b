import { add64, diff64, max64, type Offset, sub64 } from '../../base/int64.ts';
import { CLEANED_SUFFIX } from '../log-file-names.ts';
import type { LogEnvironment } from '../log-environment.ts';
import { LogSegment, NEW_SEGMENT_FILES } from '../log-segment.ts';
import type { UnifiedLog } from '../unified-log.ts';
import type { LastOfProducer } from './batch-filter.ts';
import { type CleanableRange, groupSegments } from './cleanable-log.ts';
import { type CleanedTransactionsState, NO_TRANSACTIONS, withAborted } from './cleaned-transactions.ts';
import type { CleanerConfig } from './cleaner-config.ts';
import type {
  CleanerStep,
  CleanerStepResult,
  StepProgress,
  StepSource,
  StepTarget,
} from './cleaner-steps.ts';
import { CLEANER_TASK } from './cleaner-task.ts';
import type { CleanerThrottle } from './cleaner-throttle.ts';
import { OFFSET_MAP_ENTRY_BYTES, type OffsetMapState } from './offset-map.ts';

/** What is read in one step, unless the throttle wants less. */
const STEP_BYTES = 8 * 1024 * 1024;
const STEP_BYTES_MIN = 64 * 1024;
/** Under a throttle a step is what may be read in this part of a second. */
const THROTTLED_STEP_SECONDS = 0.3;
const BUFFER_BYTES_MIN = 64 * 1024;
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;
/** What a typed array holds on all platforms. */
const MAP_BYTES_MAX = 0x7fff_ffff;
/** The disk has no room, or the file is gone because the log is: no reason to give up the log directory. */
const HARMLESS_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'ENOENT']);

/** The log is no longer there, or no longer what it was when the cleaning began. */
export class CleaningAbortedError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CleaningAbortedError';
  }
}

/** The log cannot be compacted: not now and not later. */
export class UncleanableLogError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'UncleanableLogError';
  }
}

/**
 * Memory for the keys of one log at a time: kept, so that one cleaning need not wait until that of another is freed.
 */
export class MapMemory {
  private memory = new SharedArrayBuffer(0);

  /** At least `bytes`, with anything in it. */
  take(bytes: number): SharedArrayBuffer {
    if (this.memory.byteLength < bytes) this.memory = new SharedArrayBuffer(bytes);
    return this.memory;
  }
}

/** What a cleaning needs of its cleaner. */
export interface CleaningTools {
  readonly environment: LogEnvironment;
  readonly config: CleanerConfig;
  readonly throttle: CleanerThrottle;
  readonly memory: MapMemory;
  /** Whether the log is still to be compacted. */
  isWanted(log: UnifiedLog): boolean;
}

export interface CleaningSummary {
  /** All below is compacted. */
  readonly endOffset: Offset;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
}

/**
 * One cleaning of one log. The last offset of each key of the dirty part goes into a map, as many as it holds. Then the
 * segments from the start of the log up to there are copied, in groups, without what the map says is superseded, and
 * each group's copy takes the place of its segments before the next one is begun.
 *
 * Everything that reads or writes records is done in steps by a worker; here is only what comes between. After each
 * step the cleaning ends if the log was truncated, deleted or closed: what is left of it then are `.cleaned` files.
 */
export class LogCleaning {
  private readonly tools: CleaningTools;
  private readonly log: UnifiedLog;
  private readonly range: CleanableRange;
  private readonly life: number;
  private readonly bufferBytes: number;
  private bytesBefore = 0;
  private bytesAfter = 0;
  private recordsRead = 0;
  private recordsKept = 0;

  constructor(tools: CleaningTools, log: UnifiedLog, range: CleanableRange) {
    const { ioBufferSize, threads } = tools.config;
    const share = Math.floor(ioBufferSize / Math.max(1, threads) / 2);
    this.tools = tools;
    this.log = log;
    this.range = range;
    this.life = log.life;
    this.bufferBytes = Math.max(BUFFER_BYTES_MIN, Math.min(share, BUFFER_BYTES_MAX));
  }

  /**
   * Throws {@link CleaningAbortedError}, {@link UncleanableLogError}, KAFKA_STORAGE_ERROR; some groups may be compacted
   * then, the others are as they were.
   */
  async run(): Promise<CleaningSummary> {
    const { log, range } = this;
    // Compacted segments are synced before they are put in place. What they replace was to be no less durable.
    await log.flush(range.firstUncleanableOffset);
    this.check();
    const map = await this.buildMap();
    const endOffset = add64(map.latestOffset, 1);
    const segments = log.segments.overlapping(log.segments.first!.baseOffset, endOffset);
    for (const group of groupSegments(segments, range.firstUncleanableOffset, log.config))
      await this.cleanGroup(group, map);
    // A checkpoint that says more than the directory would leave old records among the new for good.
    await this.step({ kind: 'syncNames', directory: log.directory });
    const { bytesBefore, bytesAfter, recordsRead, recordsKept } = this;
    return { endOffset, bytesBefore, bytesAfter, recordsRead, recordsKept };
  }

  private check(): void {
    const { log } = this;
    if (log.isOffline || log.life !== this.life || !this.tools.isWanted(log))
      throw new CleaningAbortedError('the log was changed or closed while it was compacted');
  }

  /** Runs one step in a worker, and waits for as long as it was too fast. */
  private async step(input: CleanerStep): Promise<Exclude<CleanerStepResult, { kind: 'failed' }>> {
    const { runtime } = this.tools.environment;
    const startMs = runtime.clock.monotonicMs();
    const result = (await runtime.executor.run(CLEANER_TASK, input)) as CleanerStepResult;
    this.check();
    if (result.kind === 'failed') {
      const { reason, message, code } = result;
      if (reason === 'damaged') throw new UncleanableLogError(message);
      if (code === undefined || HARMLESS_CODES.has(code)) throw new CleaningAbortedError(message);
      throw this.log.storageError(Object.assign(new Error(message), { code }));
    }
    if (result.kind !== 'done') {
      await this.tools.throttle.pass(result.bytes, startMs);
      this.check();
    }
    return result;
  }

  private newMap(): OffsetMapState {
    const { memory, config, environment } = this.tools;
    const { firstDirtyOffset, firstUncleanableOffset } = this.range;
    const { dedupeBufferSize, dedupeBufferLoadFactor: loadFactor, threads } = config;
    const bytes = Math.min(Math.floor(dedupeBufferSize / Math.max(1, threads)), MAP_BYTES_MAX);
    // No more keys than offsets.
    const keysMax = diff64(firstUncleanableOffset, firstDirtyOffset);
    const slots = Math.min(Math.floor(bytes / OFFSET_MAP_ENTRY_BYTES), Math.ceil(keysMax / loadFactor) + 2);
    const secret = environment.runtime.random.bytes(8);
    return {
      memory: memory.take(slots * OFFSET_MAP_ENTRY_BYTES),
      slots,
      secret: [secret.readInt32LE(0), secret.readInt32LE(4)],
      firstOffset: firstDirtyOffset,
      entries: 0,
      entriesMax: Math.min(Math.floor(slots * loadFactor), slots - 1),
      latestOffset: sub64(firstDirtyOffset, 1),
    };
  }

  private async buildMap(): Promise<OffsetMapState> {
    const { log } = this;
    const { firstDirtyOffset, firstUncleanableOffset } = this.range;
    const map = this.newMap();
    const dirty = log.segments.overlapping(firstDirtyOffset, firstUncleanableOffset);
    const aborted = log.collectAbortedTxns(firstDirtyOffset, firstUncleanableOffset);
    let transactions = withAborted(NO_TRANSACTIONS, aborted);
    let clearMap = true;
    for (const [slot, segment] of dirty.entries()) {
      const from = segment.baseOffset < firstDirtyOffset ? this.floorPosition(segment, firstDirtyOffset) : 0;
      let isFull = false;
      for (let source = this.sourceOf(segment, from); source.position < source.end && !isFull; ) {
        const result = await this.step({ kind: 'map', map, clearMap, source, transactions });
        if (result.kind !== 'map') throw new Error(`a step gave '${result.kind}'`);
        clearMap = false;
        map.entries = result.entries;
        map.latestOffset = result.latestOffset;
        ({ isFull, transactions } = result);
        source = following(source, result);
      }
      if (isFull) break;
      // Offsets without records, at the end of a segment, are known too.
      const end = dirty[slot + 1]?.baseOffset ?? firstUncleanableOffset;
      map.latestOffset = max64(map.latestOffset, sub64(end, 1));
    }
    if (map.latestOffset < firstDirtyOffset) {
      throw new UncleanableLogError(
        `the ${map.slots * OFFSET_MAP_ENTRY_BYTES} bytes of a cleaner's share of log.cleaner.dedupe.buffer.size do not ` +
          `hold the keys of the batch at offset ${firstDirtyOffset}`,
      );
    }
    return map;
  }

  private floorPosition(segment: LogSegment, offset: Offset): number {
    try {
      return segment.floorPosition(offset);
    } catch (error) {
      throw this.log.storageError(error);
    }
  }

  private sourceOf(segment: LogSegment, position = 0): StepSource {
    const { bufferBytes } = this;
    const throttled = this.tools.config.maxBytesPerSecond * THROTTLED_STEP_SECONDS;
    return {
      path: segment.log.path,
      position,
      end: segment.writtenBytes,
      previousOffset: sub64(segment.baseOffset, 1),
      maxBytes: Math.max(STEP_BYTES_MIN, Math.min(STEP_BYTES, throttled)),
      bufferBytes,
    };
  }

  private async cleanGroup(group: readonly LogSegment[], map: OffsetMapState): Promise<void> {
    const { log } = this;
    if (group.length === 1 && group[0]!.writtenBytes === 0) return;
    let target: StepTarget = {
      directory: log.directory,
      baseOffset: group[0]!.baseOffset,
      logBytes: 0,
      hasTransactionIndex: false,
      indexIntervalBytes: log.config.indexIntervalBytes,
    };
    try {
      for (const segment of group) target = await this.copy(segment, map, target);
      await this.step({ kind: 'finish', target });
      this.replace(group, target);
    } catch (error) {
      this.removeCleaned(target);
      throw error;
    }
  }

  /** Of the transactions that the copied part of the log has begun. */
  private transactions: CleanedTransactionsState = NO_TRANSACTIONS;

  private async copy(segment: LogSegment, map: OffsetMapState, before: StepTarget): Promise<StepTarget> {
    const { log } = this;
    const endOffset = this.range.firstUncleanableOffset;
    const end = log.segments.higher(segment.baseOffset)?.baseOffset ?? log.logEndOffset;
    const producers = lastOfProducers(log, segment.baseOffset, end);
    const nowMs = this.tools.environment.runtime.clock.wallMs();
    const { deleteRetentionMs } = log.config;
    this.transactions = withAborted(this.transactions, log.collectAbortedTxns(segment.baseOffset, end));
    let target = before;
    for (let source = this.sourceOf(segment); source.position < source.end; ) {
      const { transactions } = this;
      const result = await this.step({
        kind: 'copy',
        ...{ map, source, endOffset, target, transactions, producers, nowMs, deleteRetentionMs },
      });
      if (result.kind !== 'copy') throw new Error(`a step gave '${result.kind}'`);
      target = result.target;
      this.transactions = result.transactions;
      this.recordsRead += result.recordsRead;
      this.recordsKept += result.recordsKept;
      source = following(source, result);
    }
    return target;
  }

  private replace(group: readonly LogSegment[], target: StepTarget): void {
    const { logBytes, baseOffset, hasTransactionIndex } = target;
    const files = { logBytes, hasLog: true, hasOffsetIndex: true, hasTimeIndex: true, hasTransactionIndex };
    if (!this.log.replaceSegments(group, baseOffset, files))
      throw new CleaningAbortedError('segments were deleted while they were compacted');
    for (const segment of group) this.bytesBefore += segment.writtenBytes;
    this.bytesAfter += logBytes;
  }

  /** What a group left that was not finished. Where the log is gone, its directory went with it. */
  private removeCleaned({ baseOffset }: StepTarget): void {
    const { log } = this;
    const { environment } = this.tools;
    if (log.isOffline || log.life === -1) return;
    try {
      const segment = new LogSegment(environment, log.directory, baseOffset, NEW_SEGMENT_FILES, 0, 0);
      for (const path of segment.paths) environment.disk.removeFileSync(path + CLEANED_SUFFIX);
    } catch (error) {
      throw log.storageError(error);
    }
  }
}

function following(source: StepSource, { position, previousOffset }: StepProgress): StepSource {
  return { ...source, position, previousOffset };
}

/** What the log knows last of its producers, as far as it lies in [`from`, `to`) or is not a batch. */
function lastOfProducers(log: UnifiedLog, from: Offset, to: Offset): LastOfProducer[] {
  const found: LastOfProducer[] = [];
  for (const { producerId, producerEpoch, lastBatch } of log.activeProducers.values()) {
    const lastOffset = lastBatch?.lastOffset;
    if (lastOffset === undefined || (lastOffset >= from && lastOffset < to))
      found.push({ producerId, producerEpoch, lastOffset });
  }
  return found;
}
