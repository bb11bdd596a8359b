import { diff64, type Offset, type ProducerId, sub64, type Timestamp } from '../base/int64.ts';
import { decrementSequence, NO_PRODUCER_EPOCH, NO_SEQUENCE } from '../record/record.ts';

/** How many batches of a producer are remembered: as many requests as a client may have in flight. */
const BATCHES_TO_RETAIN = 5;

/** One batch that a producer wrote. */
export interface BatchMetadata {
  readonly lastSequence: number;
  readonly lastOffset: Offset;
  /** lastOffset - firstOffset. */
  readonly offsetDelta: number;
  readonly timestamp: Timestamp;
}

/** The last batches of an epoch, oldest first. */
interface EarlierEpoch {
  readonly producerEpoch: number;
  readonly batches: readonly BatchMetadata[];
}

export function firstOffsetOf(batch: BatchMetadata): Offset {
  return sub64(batch.lastOffset, batch.offsetDelta);
}

function firstSequenceOf(batch: BatchMetadata): number {
  return decrementSequence(batch.lastSequence, batch.offsetDelta);
}

/** What a log remembers of one producer: its epoch, its last batches, the start of its open transaction. */
export class ProducerStateEntry {
  readonly producerId: ProducerId;
  producerEpoch: number;
  /** -1 before the first marker. */
  coordinatorEpoch: number;
  lastTimestamp: Timestamp;
  /** `undefined` outside a transaction. */
  currentTxnFirstOffset: Offset | undefined;
  /** Oldest first. */
  private retained: BatchMetadata[] = [];
  /** Those before {@link retained}, as many again: the batches that pushed them out may yet be undone. */
  private pushedOut: BatchMetadata[] = [];
  /** Those of the epoch that had batches before: the batch or the marker that began this one may yet be undone. */
  private ofEarlierEpoch: EarlierEpoch | undefined;

  constructor(
    producerId: ProducerId,
    producerEpoch = NO_PRODUCER_EPOCH,
    coordinatorEpoch = -1,
    lastTimestamp: Timestamp = -1,
    currentTxnFirstOffset?: Offset,
  ) {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
    this.coordinatorEpoch = coordinatorEpoch;
    this.lastTimestamp = lastTimestamp;
    this.currentTxnFirstOffset = currentTxnFirstOffset;
  }

  get batches(): readonly BatchMetadata[] {
    return this.retained;
  }

  get isEmpty(): boolean {
    return this.retained.length === 0;
  }

  get lastBatch(): BatchMetadata | undefined {
    return this.retained[this.retained.length - 1];
  }

  get lastSequence(): number {
    return this.lastBatch?.lastSequence ?? NO_SEQUENCE;
  }

  addBatch(producerEpoch: number, batch: BatchMetadata): void {
    if (producerEpoch !== this.producerEpoch) this.beginEpoch(producerEpoch);
    if (this.retained.length >= BATCHES_TO_RETAIN) {
      this.pushedOut.push(this.retained.shift()!);
      if (this.pushedOut.length > BATCHES_TO_RETAIN) this.pushedOut.shift();
    }
    this.retained.push(batch);
    this.lastTimestamp = batch.timestamp;
  }

  private beginEpoch(producerEpoch: number): void {
    if (!this.isEmpty)
      this.ofEarlierEpoch = { producerEpoch: this.producerEpoch, batches: this.remembered() };
    this.retained = [];
    this.pushedOut = [];
    this.producerEpoch = producerEpoch;
  }

  /**
   * Takes the older batches back that `before`, from before a truncation to `endOffset`, remembers: a snapshot has the
   * last one only, and a retry of one of the others would pass for a gap.
   */
  recall(before: ProducerStateEntry, endOffset: Offset): void {
    const [first] = this.retained;
    if (first === undefined) return;
    const older = before
      .rememberedOf(this.producerEpoch)
      .filter(({ lastOffset }) => lastOffset < endOffset && lastOffset < first.lastOffset);
    this.retained = [...older, ...this.retained].slice(-BATCHES_TO_RETAIN);
  }

  private rememberedOf(producerEpoch: number): readonly BatchMetadata[] {
    if (producerEpoch === this.producerEpoch) return this.remembered();
    const { ofEarlierEpoch } = this;
    return ofEarlierEpoch?.producerEpoch === producerEpoch ? ofEarlierEpoch.batches : [];
  }

  private remembered(): readonly BatchMetadata[] {
    return [...this.pushedOut, ...this.retained];
  }

  /** A marker ended the transaction. A new epoch starts its sequences anew. */
  endTransaction(producerEpoch: number, coordinatorEpoch: number, timestamp: Timestamp): void {
    if (producerEpoch !== this.producerEpoch) this.beginEpoch(producerEpoch);
    this.coordinatorEpoch = coordinatorEpoch;
    this.lastTimestamp = timestamp;
    this.currentTxnFirstOffset = undefined;
  }

  /** The remembered batch with exactly these sequences and this epoch. */
  findDuplicate(
    producerEpoch: number,
    firstSequence: number,
    lastSequence: number,
  ): BatchMetadata | undefined {
    if (producerEpoch !== this.producerEpoch) return undefined;
    for (const batch of this.retained) {
      if (batch.lastSequence === lastSequence && firstSequenceOf(batch) === firstSequence) return batch;
    }
    return undefined;
  }
}

/** The metadata of a batch that ends with `lastSequence` and `lastOffset` and began at `firstOffset`. */
export function batchMetadata(
  lastSequence: number,
  firstOffset: Offset,
  lastOffset: Offset,
  timestamp: Timestamp,
): BatchMetadata {
  return { lastSequence, lastOffset, offsetDelta: diff64(lastOffset, firstOffset), timestamp };
}
