import type { PersistentKey, PersistentMap } from '../base/persistent-map.ts';

/** Changes of one table of an image, row by row. */
export class TableDelta<K extends PersistentKey, V> {
  readonly image: PersistentMap<K, V>;
  /** New or changed; `undefined` for a row that is gone. */
  readonly changes = new Map<K, V | undefined>();

  constructor(image: PersistentMap<K, V>) {
    this.image = image;
  }

  /** As it is with the changes so far. */
  get(key: K): V | undefined {
    return this.changes.has(key) ? this.changes.get(key) : this.image.get(key);
  }

  set(key: K, value: V): void {
    this.changes.set(key, value);
  }

  delete(key: K): void {
    this.changes.set(key, undefined);
  }

  /** A snapshot has been read: what it did not name is gone. */
  finishSnapshot(): void {
    for (const key of this.image.keys()) {
      if (!this.changes.has(key)) this.changes.set(key, undefined);
    }
  }

  apply(): PersistentMap<K, V> {
    return this.image.mutate(draft => {
      for (const [key, value] of this.changes) {
        if (value === undefined) draft.delete(key);
        else draft.set(key, value);
      }
    });
  }
}
