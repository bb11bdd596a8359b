import { invariant } from '../base/assert.ts';
import { add64, compare64, type LeaderEpoch, min64, type Offset } from '../base/int64.ts';
import type { ControlRecord } from './control-record.ts';
import type { OffsetAndEpoch } from './raft-client.ts';
import type { VoterSet } from './voter-set.ts';

/** One batch, as the core sees it. What the data says is none of its business. */
export interface LogEntry {
  readonly baseOffset: Offset;
  /** Inclusive. */
  readonly lastOffset: Offset;
  readonly epoch: LeaderEpoch;
  /** Of a control batch; empty for data. */
  readonly controls: readonly ControlRecord[];
  /** The records of a data batch; the core only hands it on. */
  readonly payload?: unknown;
}

export interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/** The voters from `offset` on. Offset -1: from the configuration or the snapshot that `format` wrote. */
export interface VoterSetAtOffset {
  readonly offset: Offset;
  readonly voters: VoterSet;
  readonly kraftVersion: number;
}

export interface LogSummaryInit {
  readonly startOffset: Offset;
  /** Of the record before `startOffset`, which only a snapshot holds; 0 if the log starts at 0. */
  readonly startEpoch: LeaderEpoch;
  readonly endOffset: Offset;
  /** Ascending. */
  readonly epochs: readonly EpochStart[];
  readonly latestSnapshotId: OffsetAndEpoch | undefined;
  /** Ascending; the first stands for whatever lies before the others. */
  readonly voterSets: readonly VoterSetAtOffset[];
}

/** Orders log positions as elections do: by epoch, then by offset. */
export function compareOffsetAndEpoch(a: OffsetAndEpoch, b: OffsetAndEpoch): number {
  return a.epoch - b.epoch || compare64(a.offset, b.offset);
}

/**
 * What the core has to know of its log: its bounds, where each epoch starts, and the voter sets in it. It
 * changes in the step that orders the change; {@link durableEndOffset} follows when the driver says that the
 * bytes are on disk.
 */
export class LogSummary {
  startOffset: Offset;
  /** Of the record before {@link startOffset}. */
  startEpoch: LeaderEpoch;
  endOffset: Offset;
  /** Everything below it has been fsynced. */
  durableEndOffset: Offset;
  /**
   * How often the end was cut off. A flush that began before the last cut says nothing about what came after.
   */
  truncations = 0;
  latestSnapshotId: OffsetAndEpoch | undefined;
  private epochs: EpochStart[];
  private voterSets: VoterSetAtOffset[];

  constructor(init: LogSummaryInit) {
    this.startOffset = init.startOffset;
    this.startEpoch = init.startEpoch;
    this.endOffset = init.endOffset;
    this.durableEndOffset = init.endOffset;
    this.epochs = [...init.epochs];
    this.latestSnapshotId = init.latestSnapshotId;
    this.voterSets = [...init.voterSets];
    invariant(this.voterSets.length > 0, 'voters', 'there is no first voter set');
  }

  /** Of the last record, or of the snapshot that the log starts at; 0 for an empty one. */
  get lastEpoch(): LeaderEpoch {
    return this.epochs.at(-1)?.epoch ?? this.startEpoch;
  }

  get end(): OffsetAndEpoch {
    return { offset: this.endOffset, epoch: this.lastEpoch };
  }

  /** The newest voter set, committed or not. */
  get voters(): VoterSetAtOffset {
    return this.voterSets.at(-1)!;
  }

  /** The voter set as of the records below `offset`. */
  votersBelow(offset: Offset): VoterSetAtOffset {
    return this.voterSets.findLast(set => set.offset < offset) ?? this.voterSets[0]!;
  }

  append(entry: LogEntry): void {
    invariant(
      entry.baseOffset === this.endOffset,
      'M3',
      () => `${entry.baseOffset} appended at ${this.endOffset}`,
    );
    invariant(
      entry.epoch >= this.lastEpoch,
      'M3',
      () => `epoch ${entry.epoch} appended after ${this.lastEpoch}`,
    );
    if (entry.epoch > this.lastEpoch || this.epochs.length === 0) {
      this.epochs.push({ epoch: entry.epoch, startOffset: entry.baseOffset });
    }
    let offset = entry.baseOffset;
    for (const control of entry.controls) {
      if (control.type === 'voters') {
        this.voterSets.push({ offset, voters: control.voters, kraftVersion: this.voters.kraftVersion });
      } else if (control.type === 'kraftVersion') {
        this.voterSets.push({ offset, voters: this.voters.voters, kraftVersion: control.level });
      }
      offset = add64(offset, 1);
    }
    this.endOffset = add64(entry.lastOffset, 1);
  }

  /**
   * Whether only a snapshot can bring a replica that is at `offset`, after a record of `epoch`, onto this
   * log.
   */
  isBehindStart(offset: Offset, epoch: LeaderEpoch): boolean {
    if (this.startOffset === 0) return false;
    return (
      offset < this.startOffset ||
      epoch < this.startEpoch ||
      (offset === this.startOffset && epoch !== this.startEpoch)
    );
  }

  flushed(endOffset: Offset, truncations: number): void {
    if (truncations !== this.truncations) return;
    if (endOffset > this.durableEndOffset) this.durableEndOffset = min64(endOffset, this.endOffset);
  }

  /** The largest epoch not above `epoch` that the log knows, and where it ends (exclusive). */
  endOffsetForEpoch(epoch: LeaderEpoch): OffsetAndEpoch {
    const { epochs } = this;
    for (let i = epochs.length - 1; i >= 0; i--) {
      const known = epochs[i]!;
      if (known.epoch <= epoch) {
        return { epoch: known.epoch, offset: epochs[i + 1]?.startOffset ?? this.endOffset };
      }
    }
    return { epoch: Math.min(epoch, this.startEpoch), offset: this.startOffset };
  }

  /** Removes everything at and above `offset`. */
  truncateTo(offset: Offset): void {
    if (offset >= this.endOffset) return;
    this.endOffset = offset;
    this.durableEndOffset = min64(this.durableEndOffset, offset);
    this.truncations++;
    this.epochs = this.epochs.filter(known => known.startOffset < offset);
    this.voterSets = this.voterSets.filter((set, i) => i === 0 || set.offset < offset);
  }

  /** The prefix below `offset` is gone; a snapshot stands for it. */
  advanceStart(offset: Offset): void {
    invariant(
      offset >= this.startOffset && offset <= this.endOffset,
      'M8',
      () => `the log cannot start at ${offset}`,
    );
    if (offset === this.startOffset) return;
    this.startEpoch = this.epochs.findLast(known => known.startOffset < offset)?.epoch ?? this.startEpoch;
    this.startOffset = offset;
    const first = this.epochs.findLastIndex(known => known.startOffset <= offset);
    if (first > 0) this.epochs = this.epochs.slice(first);
    const oldest = this.voterSets.findLastIndex(set => set.offset < offset);
    if (oldest > 0) this.voterSets = this.voterSets.slice(oldest);
  }

  /** The snapshot takes the place of the whole log. */
  replaceBySnapshot(id: OffsetAndEpoch, voters: VoterSetAtOffset): void {
    this.startOffset = id.offset;
    this.startEpoch = id.epoch;
    this.endOffset = id.offset;
    this.durableEndOffset = id.offset;
    this.truncations++;
    this.epochs = [];
    this.latestSnapshotId = id;
    this.voterSets = [voters];
  }
}
