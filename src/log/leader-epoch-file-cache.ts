import type { LeaderEpoch, Offset } from '../base/int64.ts';
import { parseInt64 } from '../base/int64.ts';
import type { Disk } from '../runtime/runtime.ts';
import { CheckpointFile, CorruptCheckpointError } from './checkpoint-file.ts';

export interface EpochEntry {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

export interface OffsetAndEpoch {
  /** Exclusive. */
  readonly offset: Offset;
  readonly leaderEpoch: LeaderEpoch;
}

/**
 * The offsets at which leader epochs began, in `leader-epoch-checkpoint` (`epoch startOffset` on a line).
 * Epochs and start offsets both strictly increase (S11).
 *
 * Entries are written with {@link persist}, not with each change: a tail lost in a crash comes back when
 * the batches behind the recovery point are read again, each of which names its epoch.
 */
export class LeaderEpochFileCache {
  readonly path: string;
  private readonly disk: Disk;
  private epochs: EpochEntry[] = [];
  private changed = false;
  private fileExists: boolean;

  constructor(disk: Disk, path: string, fileExists: boolean) {
    this.disk = disk;
    this.path = path;
    this.fileExists = fileExists;
  }

  /** Reads the file. Throws {@link CorruptCheckpointError}; the cache is empty then. */
  load(): void {
    this.epochs = [];
    if (!this.fileExists) return;
    const read: EpochEntry[] = [];
    for (const line of CheckpointFile.read(this.disk, this.path) ?? []) {
      const [epochText, offsetText, ...rest] = line.trim().split(/\s+/);
      const startOffset = offsetText === undefined ? undefined : parseInt64(offsetText);
      const last = read.at(-1);
      const ordered =
        last === undefined || (Number(epochText) > last.epoch && startOffset! > last.startOffset);
      if (
        !/^\d{1,10}$/.test(epochText ?? '') ||
        startOffset === undefined ||
        startOffset < 0 ||
        rest.length > 0 ||
        !ordered
      ) {
        throw new CorruptCheckpointError(this.path, `'${line}' is not an entry in order`);
      }
      read.push({ epoch: Number(epochText), startOffset });
    }
    this.epochs = read;
  }

  get entries(): readonly EpochEntry[] {
    return this.epochs;
  }

  get isDirty(): boolean {
    return this.changed;
  }

  get latest(): EpochEntry | undefined {
    return this.epochs[this.epochs.length - 1];
  }

  get latestEpoch(): LeaderEpoch | undefined {
    return this.latest?.epoch;
  }

  get earliest(): EpochEntry | undefined {
    return this.epochs[0];
  }

  /**
   * Notes that `epoch` begins at `startOffset`. Entries at the end that it contradicts (a higher epoch, an
   * offset at or behind it) go. An epoch that began before keeps its start.
   */
  assign(epoch: LeaderEpoch, startOffset: Offset): void {
    const { latest } = this;
    if (latest !== undefined && latest.epoch === epoch && latest.startOffset <= startOffset) return;
    this.changed = true;
    let length = this.epochs.length;
    while (
      length > 0 &&
      (this.epochs[length - 1]!.epoch >= epoch || this.epochs[length - 1]!.startOffset >= startOffset)
    ) {
      length--;
    }
    this.epochs.length = length;
    this.epochs.push({ epoch, startOffset });
  }

  /**
   * Where `epoch` ends: the highest epoch that is not above it, and the offset at which the next one
   * begins, or `logEndOffset` for the latest. `undefined` if the epoch is above all that are known, or
   * nothing is known.
   */
  endOffsetFor(epoch: LeaderEpoch, logEndOffset: Offset): OffsetAndEpoch | undefined {
    const { latest } = this;
    if (epoch < 0 || latest === undefined || epoch > latest.epoch) return undefined;
    if (epoch === latest.epoch) return { leaderEpoch: epoch, offset: logEndOffset };
    const higher = this.epochs.findIndex(entry => entry.epoch > epoch);
    const floor = this.epochs[higher - 1];
    return { leaderEpoch: floor?.epoch ?? epoch, offset: this.epochs[higher]!.startOffset };
  }

  /** The epoch that the record at `offset` was written in. */
  epochForOffset(offset: Offset): LeaderEpoch | undefined {
    for (let slot = this.epochs.length - 1; slot >= 0; slot--) {
      const entry = this.epochs[slot]!;
      if (entry.startOffset <= offset) return entry.epoch;
    }
    return undefined;
  }

  /** The log now ends at `endOffset`: epochs that begin there or later go. */
  truncateFromEnd(endOffset: Offset): void {
    let length = this.epochs.length;
    while (length > 0 && this.epochs[length - 1]!.startOffset >= endOffset) length--;
    if (length === this.epochs.length) return;
    this.epochs.length = length;
    this.changed = true;
  }

  /** The log now starts at `startOffset`: the epoch in force there begins there, those before it go. */
  truncateFromStart(startOffset: Offset): void {
    let removed = 0;
    while (removed < this.epochs.length && this.epochs[removed]!.startOffset <= startOffset) removed++;
    if (removed === 0) return;
    const inForce = this.epochs[removed - 1]!;
    if (removed === 1 && inForce.startOffset === startOffset) return;
    this.epochs.splice(0, removed, { epoch: inForce.epoch, startOffset });
    this.changed = true;
  }

  clear(): void {
    if (this.epochs.length === 0) return;
    this.epochs = [];
    this.changed = true;
  }

  /** Replaces the file if there is something new to say. */
  persist(): void {
    if (!this.changed) return;
    if (this.epochs.length > 0 || this.fileExists) {
      this.disk.replaceFileSync(
        this.path,
        CheckpointFile.format(this.epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`)),
      );
      this.fileExists = true;
    }
    this.changed = false;
  }
}
