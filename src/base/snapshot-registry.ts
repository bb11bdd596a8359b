import { invariant } from './assert.ts';
import type { Int64 } from './int64.ts';

/** A container whose state can be taken back to a snapshot. `Delta` is what it keeps for one snapshot. */
export interface Revertable<Delta> {
  /** Puts back what `delta` recorded; deltas are given newest first. */
  revert(delta: Delta): void;
}

/** The state of all containers of a registry as of an epoch, kept as what has changed since. */
export class Snapshot {
  /** Usually the offset after the last record that the state holds. */
  readonly epoch: Int64;
  /** What each container held before its changes since this snapshot, up to the next one. */
  readonly deltas = new Map<Revertable<unknown>, unknown>();

  constructor(epoch: Int64) {
    this.epoch = epoch;
  }
}

/**
 * Names states of a set of containers ({@link TimelineMap}) by epochs, so that all of them can be read as of an
 * epoch, or taken back to it. A snapshot costs nothing when it is taken; afterwards the first change of a key costs
 * one entry. Epochs rise.
 */
export class SnapshotRegistry {
  /** Ascending by epoch. */
  private list: Snapshot[] = [];

  /** Ascending by epoch. */
  get snapshots(): readonly Snapshot[] {
    return this.list;
  }

  /** The newest snapshot, which records the changes made now. */
  get latest(): Snapshot | undefined {
    return this.list[this.list.length - 1];
  }

  has(epoch: Int64): boolean {
    return this.indexOf(epoch) >= 0;
  }

  /** Takes a snapshot of the present state. Does nothing if the newest one is of the same epoch and unchanged since. */
  takeSnapshot(epoch: Int64): void {
    const { latest } = this;
    if (latest !== undefined) {
      if (latest.epoch === epoch && latest.deltas.size === 0) return;
      invariant(latest.epoch < epoch, 'snapshot-epochs', () => `snapshot ${epoch} after ${latest.epoch}`);
    }
    this.list.push(new Snapshot(epoch));
  }

  /** Takes every container back to `epoch`, which must have a snapshot; that snapshot stays, newer ones are gone. */
  revertTo(epoch: Int64): void {
    const target = this.indexOf(epoch);
    invariant(target >= 0, 'snapshot-exists', () => `no snapshot of ${epoch}`);
    for (let i = this.list.length - 1; i >= target; i--) {
      const { deltas } = this.list[i]!;
      for (const [container, delta] of deltas) container.revert(delta);
      deltas.clear();
    }
    this.list.length = target + 1;
  }

  /** Forgets the snapshots before `epoch`: nobody will read them or go back to them. */
  deleteBefore(epoch: Int64): void {
    let count = 0;
    while (count < this.list.length && this.list[count]!.epoch < epoch) count++;
    if (count > 0) this.list.splice(0, count);
  }

  /** Where the snapshot of `epoch` stands in {@link snapshots}, or -1. Few are alive, and mostly the first is wanted. */
  indexOf(epoch: Int64): number {
    for (let i = 0; i < this.list.length; i++) if (this.list[i]!.epoch === epoch) return i;
    return -1;
  }
}
