import { invariant } from './assert.ts';
import type { Int64 } from './int64.ts';
import type { Revertable, Snapshot, SnapshotRegistry } from './snapshot-registry.ts';

/** What keys held when a snapshot was taken; `undefined` for a key that was not there. */
type Delta<K, V> = Map<K, V | undefined>;

/**
 * A map that belongs to a {@link SnapshotRegistry}: it can be read as of any live snapshot and goes back with the
 * registry. Reads and writes of the present state cost one `Map` operation more at most. Values are replaced, never
 * changed in place, unless they keep their own history.
 *
 * Methods that take an `epoch` read the present state without it; with it, that epoch must have a snapshot.
 */
export class TimelineMap<K, V extends NonNullable<unknown> | null> implements Revertable<Delta<K, V>> {
  private readonly registry: SnapshotRegistry;
  private readonly current = new Map<K, V>();

  constructor(registry: SnapshotRegistry) {
    this.registry = registry;
  }

  /** Of the present state. */
  get size(): number {
    return this.current.size;
  }

  get(key: K, epoch?: Int64): V | undefined {
    if (epoch !== undefined) {
      const { snapshots } = this.registry;
      for (let i = this.snapshotIndex(epoch); i < snapshots.length; i++) {
        const delta = this.deltaOf(snapshots[i]!);
        if (delta?.has(key) === true) return delta.get(key);
      }
    }
    return this.current.get(key);
  }

  has(key: K, epoch?: Int64): boolean {
    return this.get(key, epoch) !== undefined;
  }

  set(key: K, value: V): void {
    this.record(key);
    this.current.set(key, value);
  }

  /** Returns whether the key was there. */
  delete(key: K): boolean {
    if (!this.current.has(key)) return false;
    this.record(key);
    return this.current.delete(key);
  }

  /** In no particular order. Entries of the present state may be deleted while they are walked. */
  *entries(epoch?: Int64): IterableIterator<[K, V]> {
    const past = epoch === undefined ? undefined : this.changedSince(epoch);
    if (past === undefined) {
      yield* this.current;
      return;
    }
    for (const entry of this.current) if (!past.has(entry[0])) yield entry;
    for (const [key, value] of past) if (value !== undefined) yield [key, value];
  }

  *keys(epoch?: Int64): IterableIterator<K> {
    if (epoch === undefined) yield* this.current.keys();
    else for (const [key] of this.entries(epoch)) yield key;
  }

  *values(epoch?: Int64): IterableIterator<V> {
    if (epoch === undefined) yield* this.current.values();
    else for (const [, value] of this.entries(epoch)) yield value;
  }

  isEmpty(epoch?: Int64): boolean {
    return epoch === undefined ? this.current.size === 0 : this.entries(epoch).next().done === true;
  }

  revert(delta: Delta<K, V>): void {
    for (const [key, value] of delta) {
      if (value === undefined) this.current.delete(key);
      else this.current.set(key, value);
    }
  }

  /** Remembers what `key` holds for the newest snapshot, if this is its first change since. */
  private record(key: K): void {
    const { latest } = this.registry;
    if (latest === undefined) return;
    let delta = this.deltaOf(latest);
    if (delta === undefined) latest.deltas.set(this, (delta = new Map()));
    if (!delta.has(key)) delta.set(key, this.current.get(key));
  }

  private changedSince(epoch: Int64): Delta<K, V> | undefined {
    const { snapshots } = this.registry;
    let all: Delta<K, V> | undefined;
    for (let i = this.snapshotIndex(epoch); i < snapshots.length; i++) {
      const delta = this.deltaOf(snapshots[i]!);
      if (delta === undefined) continue;
      all ??= new Map();
      // The oldest record of a key is the one that tells its value at `epoch`.
      for (const [key, value] of delta) if (!all.has(key)) all.set(key, value);
    }
    return all;
  }

  private snapshotIndex(epoch: Int64): number {
    const index = this.registry.indexOf(epoch);
    invariant(index >= 0, 'snapshot-exists', () => `no snapshot of ${epoch}`);
    return index;
  }

  private deltaOf(snapshot: Snapshot): Delta<K, V> | undefined {
    return snapshot.deltas.get(this as Revertable<unknown>) as Delta<K, V> | undefined;
  }
}
