import { diff64, type Offset, type ProducerId } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { ControlRecordType } from '../record/control-records.ts';
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE } from '../record/record.ts';
import type { RecordBatch } from '../record/record-batch.ts';
import type { Disk } from '../runtime/runtime.ts';
import type { AppendOrigin } from './log-validator.ts';
import { offsetPrefix, PRODUCER_SNAPSHOT_SUFFIX } from './log-file-names.ts';
import { CorruptSnapshotError, ProducerSnapshotFile } from './producer-snapshot-file.ts';
import { type BatchMetadata, batchMetadata, ProducerStateEntry } from './producer-state-entry.ts';
import { type VerificationGuard, VerificationStateEntry } from './verification-guard.ts';

/** A transaction that a marker has ended. */
export interface CompletedTxn {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
  /** Of the marker. */
  readonly lastOffset: Offset;
  readonly isAborted: boolean;
}

interface TxnMetadata {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
  lastOffset: Offset | undefined;
}

const PRODUCER_EPOCH_MAX = 0x7fff;

/**
 * The producers of one log, built from its batches alone: epochs and sequences (to refuse duplicates and
 * gaps), and the open transactions (for the last stable offset). Snapshots let a start read only the tail
 * (S7).
 */
export class ProducerStateManager {
  private readonly directory: string;
  private readonly disk: Disk;
  private readonly logger: Logger;
  private readonly expirationMs: () => number;
  private readonly producers = new Map<ProducerId, ProducerStateEntry>();
  /** Producers that have asked to begin a transaction, and have no record of it in the log yet. */
  private readonly verifications = new Map<ProducerId, VerificationStateEntry>();
  /** Open transactions by first offset; inserted in the order of the log, so the first is the oldest. */
  private readonly ongoing = new Map<Offset, TxnMetadata>();
  /** Ended, but by a marker that is not below the high watermark yet. */
  private readonly unreplicated = new Map<Offset, TxnMetadata>();
  /** Offsets of the snapshot files, ascending. */
  private snapshots: Offset[] = [];
  private endOffset: Offset = 0;
  private lastSnapshot: Offset = 0;

  constructor(
    disk: Disk,
    logger: Logger,
    directory: string,
    snapshots: readonly Offset[],
    expirationMs: () => number,
  ) {
    this.disk = disk;
    this.logger = logger;
    this.directory = directory;
    this.snapshots = [...snapshots].sort((a, b) => (a < b ? -1 : 1));
    this.expirationMs = expirationMs;
  }

  /** The state says what the log says up to here (exclusive). */
  get mapEndOffset(): Offset {
    return this.endOffset;
  }

  get activeProducers(): ReadonlyMap<ProducerId, ProducerStateEntry> {
    return this.producers;
  }

  get snapshotOffsets(): readonly Offset[] {
    return this.snapshots;
  }

  get isEmpty(): boolean {
    return this.producers.size === 0 && this.unreplicated.size === 0;
  }

  /** The first offset of the oldest transaction that is open or whose end is not replicated. */
  get firstUnstableOffset(): Offset | undefined {
    let first: Offset | undefined;
    for (const txn of this.ongoing.values()) {
      first = txn.firstOffset;
      break;
    }
    for (const txn of this.unreplicated.values()) {
      if (first === undefined || txn.firstOffset < first) first = txn.firstOffset;
    }
    return first;
  }

  get firstUndecidedOffset(): Offset | undefined {
    for (const txn of this.ongoing.values()) return txn.firstOffset;
    return undefined;
  }

  hasOngoingTransaction(producerId: ProducerId, producerEpoch: number): boolean {
    const entry = this.producers.get(producerId);
    return (
      entry !== undefined &&
      entry.currentTxnFirstOffset !== undefined &&
      entry.producerEpoch === producerEpoch
    );
  }

  /** The batch among the producer's last five with the same epoch and sequences: it was appended already. */
  findDuplicate(batch: RecordBatch): BatchMetadata | undefined {
    const entry = this.producers.get(batch.producerId);
    return entry?.findDuplicate(batch.producerEpoch, batch.baseSequence, batch.lastSequence);
  }

  /**
   * Checks a batch with a producer id against the state, as a leader does before it appends it. Throws
   * `KafkaError`: INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_TXN_STATE,
   * TRANSACTION_COORDINATOR_FENCED. A producer that is not known may begin at any sequence, since retention
   * may have removed all it wrote: UNKNOWN_PRODUCER_ID is not an answer of a current Kafka.
   */
  validate(batch: RecordBatch, origin: AppendOrigin, transactionVersion = 0): void {
    if (origin === 'replication') return;
    const entry = this.producers.get(batch.producerId);
    if (batch.isControlBatch) {
      if (entry !== undefined) this.validateMarker(batch, entry, transactionVersion);
      return;
    }
    if (entry !== undefined && batch.producerEpoch < entry.producerEpoch) throw staleEpoch(batch, entry);
    if (origin === 'client' && this.verifications.size > 0) this.validateSequenceOfVerification(batch, entry);
    if (entry === undefined) return;
    if (origin === 'client') validateSequence(batch, entry);
    if (entry.currentTxnFirstOffset !== undefined && !batch.isTransactional) {
      throw new KafkaError(
        Errors.INVALID_TXN_STATE,
        `producer ${batch.producerId} has an open transaction: a batch outside of it may not be written`,
      );
    }
  }

  private validateMarker(batch: RecordBatch, entry: ProducerStateEntry, transactionVersion: number): void {
    const { producerEpoch } = batch;
    if (transactionVersion >= 2) {
      // Every transaction of version 2 ends with a new epoch, unless there is none left. The same one again is a marker
      // sent twice.
      const isOver = entry.currentTxnFirstOffset === undefined || producerEpoch === PRODUCER_EPOCH_MAX;
      const isRepeated = producerEpoch === entry.producerEpoch && isOver;
      if (producerEpoch <= entry.producerEpoch && !isRepeated) throw staleEpoch(batch, entry);
    } else if (producerEpoch < entry.producerEpoch) {
      throw staleEpoch(batch, entry);
    }
    const marker = readEndTxnMarker(batch);
    if (marker !== undefined && marker.coordinatorEpoch < entry.coordinatorEpoch) {
      throw new KafkaError(
        Errors.TRANSACTION_COORDINATOR_FENCED,
        `coordinator epoch ${marker.coordinatorEpoch} is below ${entry.coordinatorEpoch}`,
      );
    }
  }

  /** Takes a batch that is in the log. Returns the transaction that it ends. */
  update(batch: RecordBatch): CompletedTxn | undefined {
    const { producerId } = batch;
    if (producerId === NO_PRODUCER_ID) return undefined;
    if (batch.isTransactional) this.endVerification(batch);
    if (batch.isControlBatch) return this.updateWithMarker(batch);
    const { baseOffset, lastOffset, producerEpoch } = batch;
    const entry = this.entryOf(producerId);
    entry.addBatch(
      producerEpoch,
      batchMetadata(batch.lastSequence, baseOffset, lastOffset, batch.maxTimestamp),
    );
    if (batch.isTransactional && entry.currentTxnFirstOffset === undefined) {
      entry.currentTxnFirstOffset = baseOffset;
      this.ongoing.set(baseOffset, { producerId, firstOffset: baseOffset, lastOffset: undefined });
    }
    return undefined;
  }

  private updateWithMarker(batch: RecordBatch): CompletedTxn | undefined {
    const marker = readEndTxnMarker(batch);
    if (marker === undefined) return undefined;
    const entry = this.entryOf(batch.producerId);
    const firstOffset = entry.currentTxnFirstOffset;
    entry.endTransaction(batch.producerEpoch, marker.coordinatorEpoch, batch.maxTimestamp);
    if (firstOffset === undefined) return undefined;
    return {
      producerId: batch.producerId,
      firstOffset,
      lastOffset: batch.baseOffset,
      isAborted: marker.isAbort,
    };
  }

  private entryOf(producerId: ProducerId): ProducerStateEntry {
    let entry = this.producers.get(producerId);
    if (entry === undefined) {
      entry = new ProducerStateEntry(producerId);
      this.producers.set(producerId, entry);
    }
    return entry;
  }

  // Verification.

  /**
   * A transactional batch of a client or a coordinator asks to begin a transaction in this log: the guard that its
   * append has to show once the coordinator has said that it may. `undefined` where a transaction of the producer is
   * open: it was verified at its beginning. Throws INVALID_PRODUCER_EPOCH.
   */
  maybeStartVerification(
    producerId: ProducerId,
    sequence: number,
    producerEpoch: number,
    supportsEpochBump: boolean,
    nowMs: number,
  ): VerificationGuard | undefined {
    const known = this.producers.get(producerId);
    if (known !== undefined && producerEpoch < known.producerEpoch) {
      throw staleEpoch({ producerId, producerEpoch }, known);
    }
    if (this.hasOngoingTransaction(producerId, producerEpoch)) return undefined;
    let entry = this.verifications.get(producerId);
    if (entry === undefined) {
      entry = new VerificationStateEntry(producerId, sequence, producerEpoch, supportsEpochBump, nowMs);
      this.verifications.set(producerId, entry);
    } else {
      entry.note(sequence, producerEpoch);
    }
    return entry.guard;
  }

  /** What is asked about the producer; `undefined` if nothing is. */
  verificationState(producerId: ProducerId): VerificationStateEntry | undefined {
    return this.verifications.get(producerId);
  }

  /**
   * Checks that a transactional batch belongs to a transaction that its coordinator knows of: one that is open here, or
   * the one that `guard` was given out for. Throws INVALID_PRODUCER_EPOCH and INVALID_TXN_STATE.
   */
  checkVerified(batch: RecordBatch, guard: VerificationGuard | undefined): void {
    const { producerId, producerEpoch, isControlBatch } = batch;
    if (isControlBatch || this.hasOngoingTransaction(producerId, producerEpoch)) return;
    const entry = this.producers.get(producerId);
    if (entry !== undefined && producerEpoch < entry.producerEpoch) throw staleEpoch(batch, entry);
    if (guard !== undefined && this.verifications.get(producerId)?.guard === guard) return;
    throw new KafkaError(
      Errors.INVALID_TXN_STATE,
      `producer ${producerId} has no open transaction that this partition belongs to`,
    );
  }

  private validateSequenceOfVerification(batch: RecordBatch, entry: ProducerStateEntry | undefined): void {
    const asked = this.verifications.get(batch.producerId);
    if (asked === undefined) return;
    const { baseSequence } = batch;
    if (asked.supportsEpochBump && baseSequence !== 0 && (entry === undefined || entry.isEmpty)) {
      throw new KafkaError(
        Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
        `sequence ${baseSequence} is the first of producer ${batch.producerId}, which has to begin at 0`,
      );
    }
    // Where records of the epoch are here, their last sequence says what comes next: a lower one that asks is a record
    // of an earlier transaction that was sent twice and has come late.
    const isKnown = entry !== undefined && !entry.isEmpty && entry.producerEpoch === batch.producerEpoch;
    if (!isKnown && baseSequence > asked.lowestSequence) {
      throw new KafkaError(
        Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
        `sequence ${baseSequence} of producer ${batch.producerId} may not come before ${asked.lowestSequence}`,
      );
    }
  }

  /**
   * With `batch` a transaction has begun, or has ended. Under transaction version 2 a marker has the epoch of the next
   * transaction: that one may have asked already, and the marker is not the end of it.
   */
  private endVerification(batch: RecordBatch): void {
    const entry = this.verifications.get(batch.producerId);
    if (entry === undefined) return;
    const isOfNext =
      entry.supportsEpochBump && batch.isControlBatch && batch.producerEpoch === entry.producerEpoch;
    if (!isOfNext) this.verifications.delete(batch.producerId);
  }

  /**
   * Becomes what `from` is, which nobody uses any more. It says what the same records say, and knows more of those before
   * them that were deleted: their producers are known still, and guards that it has given out are good. The snapshot of
   * this end, where there is one, is written anew.
   */
  takeOver(from: ProducerStateManager): void {
    this.clear();
    for (const [producerId, entry] of from.producers) this.producers.set(producerId, entry);
    for (const [offset, txn] of from.ongoing) this.ongoing.set(offset, txn);
    for (const [offset, txn] of from.unreplicated) this.unreplicated.set(offset, txn);
    for (const [producerId, entry] of from.verifications) this.verifications.set(producerId, entry);
    if (this.snapshots.includes(this.endOffset)) this.writeSnapshot();
  }

  /** What is under way was asked about a log that held other records. */
  clearVerifications(): void {
    this.verifications.clear();
  }

  /** The last stable offset once `completed` is taken out of the open transactions. */
  lastStableOffsetAfter(completed: CompletedTxn): Offset {
    for (const txn of this.ongoing.values()) {
      if (txn.producerId !== completed.producerId) return txn.firstOffset;
    }
    return typeof completed.lastOffset === 'number' ? completed.lastOffset + 1 : completed.lastOffset + 1n;
  }

  completeTxn(completed: CompletedTxn): void {
    const txn = this.ongoing.get(completed.firstOffset);
    if (txn === undefined) return;
    this.ongoing.delete(completed.firstOffset);
    txn.lastOffset = completed.lastOffset;
    this.unreplicated.set(txn.firstOffset, txn);
  }

  /** Markers below `highWatermark` are on all replicas that count. */
  onHighWatermarkUpdated(highWatermark: Offset): void {
    if (this.unreplicated.size === 0) return;
    for (const [firstOffset, txn] of this.unreplicated) {
      if (txn.lastOffset !== undefined && txn.lastOffset < highWatermark)
        this.unreplicated.delete(firstOffset);
    }
  }

  updateMapEndOffset(offset: Offset): void {
    this.endOffset = offset;
  }

  removeExpiredProducers(nowMs: number): void {
    for (const [producerId, entry] of this.producers) {
      if (this.isExpired(entry, nowMs)) this.producers.delete(producerId);
    }
    const expirationMs = this.expirationMs();
    for (const [producerId, { timestampMs }] of this.verifications) {
      if (nowMs - timestampMs >= expirationMs) this.verifications.delete(producerId);
    }
  }

  private isExpired(entry: ProducerStateEntry, nowMs: number): boolean {
    return (
      entry.currentTxnFirstOffset === undefined && diff64(nowMs, entry.lastTimestamp) >= this.expirationMs()
    );
  }

  // Snapshots.

  /** Writes the state as a file named for {@link mapEndOffset}, if there is news since the last one. */
  takeSnapshot(): void {
    if (this.endOffset > this.lastSnapshot) this.writeSnapshot();
  }

  private writeSnapshot(): void {
    const file = this.disk.openSync(this.snapshotPath(this.endOffset), 'write');
    try {
      // No fsync: a torn snapshot has a wrong checksum, and the log says the same at the price of a scan.
      file.truncateSync(0);
      file.writeSync([ProducerSnapshotFile.format(this.producers.values(), this.producers.size)], 0);
    } finally {
      file.closeSync();
    }
    if (!this.snapshots.includes(this.endOffset)) this.snapshots.push(this.endOffset);
    this.lastSnapshot = this.endOffset;
  }

  /**
   * Starts from the latest snapshot in (`logStartOffset`, `logEndOffset`]; those outside are removed. The
   * caller then replays the batches from {@link mapEndOffset} on.
   */
  truncateAndReload(logStartOffset: Offset, logEndOffset: Offset, nowMs: number): void {
    for (const offset of [...this.snapshots]) {
      if (offset > logEndOffset || offset <= logStartOffset) this.removeSnapshot(offset);
    }
    if (logEndOffset === this.endOffset) {
      this.onLogStartOffsetIncremented(logStartOffset);
      return;
    }
    const ended = [...this.unreplicated.values()];
    this.clear();
    this.loadFromSnapshot(logStartOffset, nowMs);
    // A snapshot does not have them: their records would seem to be stable before their markers are.
    for (const txn of ended) {
      if (txn.lastOffset! < logEndOffset) this.unreplicated.set(txn.firstOffset, txn);
    }
  }

  private loadFromSnapshot(logStartOffset: Offset, nowMs: number): void {
    for (;;) {
      const offset = this.snapshots.at(-1);
      this.endOffset = offset ?? logStartOffset;
      this.lastSnapshot = this.endOffset;
      if (offset === undefined) return;
      try {
        const entries = ProducerSnapshotFile.parse(this.disk.readFileSync(this.snapshotPath(offset)));
        const open: TxnMetadata[] = [];
        for (const entry of entries) {
          if (this.isExpired(entry, nowMs)) continue;
          this.producers.set(entry.producerId, entry);
          const firstOffset = entry.currentTxnFirstOffset;
          if (firstOffset !== undefined)
            open.push({ producerId: entry.producerId, firstOffset, lastOffset: undefined });
        }
        open.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
        for (const txn of open) this.ongoing.set(txn.firstOffset, txn);
        return;
      } catch (error) {
        if (!(error instanceof CorruptSnapshotError)) throw error;
        this.logger.warn('a producer snapshot is corrupt; an older one is taken', {
          path: this.snapshotPath(offset),
          reason: error.message,
        });
        this.removeSnapshot(offset);
      }
    }
  }

  /** The log is empty and starts at `offset`. */
  truncateFullyAndStartAt(offset: Offset): void {
    this.clear();
    this.clearVerifications();
    for (const snapshot of [...this.snapshots]) this.removeSnapshot(snapshot);
    this.endOffset = offset;
    this.lastSnapshot = offset;
  }

  private clear(): void {
    this.producers.clear();
    this.ongoing.clear();
    this.unreplicated.clear();
  }

  onLogStartOffsetIncremented(logStartOffset: Offset): void {
    for (const [firstOffset, txn] of this.unreplicated) {
      if (txn.lastOffset !== undefined && txn.lastOffset < logStartOffset)
        this.unreplicated.delete(firstOffset);
    }
    if (this.endOffset < logStartOffset) this.endOffset = logStartOffset;
    this.lastSnapshot = this.snapshots.at(-1) ?? logStartOffset;
  }

  /** Keeps the snapshots that a segment starts at, and the newest one if it lies behind all of them. */
  removeStraySnapshots(segmentBaseOffsets: ReadonlySet<Offset>, lastBaseOffset: Offset): void {
    const newest = this.snapshots.at(-1);
    for (const offset of [...this.snapshots]) {
      const keep = segmentBaseOffsets.has(offset) || (offset === newest && offset > lastBaseOffset);
      if (!keep) this.removeSnapshot(offset);
    }
  }

  /** The segment that begins at `offset` is gone, and its snapshot goes with it. */
  removeSnapshot(offset: Offset): void {
    const slot = this.snapshots.indexOf(offset);
    if (slot < 0) return;
    this.disk.removeFileSync(this.snapshotPath(offset));
    this.snapshots.splice(slot, 1);
  }

  private snapshotPath(offset: Offset): string {
    return `${this.directory}/${offsetPrefix(offset)}${PRODUCER_SNAPSHOT_SUFFIX}`;
  }
}

function staleEpoch(
  batch: { readonly producerId: ProducerId; readonly producerEpoch: number },
  entry: ProducerStateEntry,
): KafkaError {
  return new KafkaError(
    Errors.INVALID_PRODUCER_EPOCH,
    `epoch ${batch.producerEpoch} of producer ${batch.producerId} is older than ${entry.producerEpoch}`,
  );
}

function validateSequence(batch: RecordBatch, entry: ProducerStateEntry): void {
  const { producerEpoch, baseSequence } = batch;
  if (producerEpoch !== entry.producerEpoch) {
    if (baseSequence === 0 || entry.producerEpoch === NO_PRODUCER_EPOCH) return;
    throw new KafkaError(
      Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
      `sequence ${baseSequence} begins epoch ${producerEpoch} of producer ${batch.producerId}, which has to begin at 0`,
    );
  }
  const last = entry.isEmpty ? NO_SEQUENCE : entry.lastSequence;
  if (baseSequence === last + 1 || (baseSequence === 0 && last === 0x7fff_ffff)) return;
  throw new KafkaError(
    Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
    `sequence ${baseSequence} of producer ${batch.producerId} does not follow ${last}, the last one written`,
  );
}

interface EndTxnMarker {
  readonly isAbort: boolean;
  readonly coordinatorEpoch: number;
}

/**
 * The marker in a control batch; `undefined` for another control record, or one that compaction has
 * emptied.
 */
function readEndTxnMarker(batch: RecordBatch): EndTxnMarker | undefined {
  if (batch.count <= 0) return undefined;
  for (const { key, value } of batch.records()) {
    if (key === null || key.length < 4 || value === null || value.length < 6) return undefined;
    const type = key.readInt16BE(2);
    if (type !== ControlRecordType.ABORT && type !== ControlRecordType.COMMIT) return undefined;
    return { isAbort: type === ControlRecordType.ABORT, coordinatorEpoch: value.readInt32BE(2) };
  }
  return undefined;
}
