/** How many entries, and characters of their keys, are kept at most. */
const ENTRIES_MAX = 20_000;
const KEY_CHARACTERS_MAX = 4 * 1024 * 1024;
/** An entry that was not used for so long is dropped, ms. Kafka's figure. */
const IDLE_MS = 3_600_000;
/** An entry keeps its place for so long, so that a busy one does not move with each use. */
const PLACE_MS = 60_000;

interface Entry<V> {
  readonly value: V;
  usedMs: number;
}

/**
 * What is known of those who have been here lately. Clients choose the keys (a client id is one): those that were not
 * used for the longest time give way.
 */
export class RecentMap<V> {
  /** Those not used for longest come first. */
  private readonly entries = new Map<string, Entry<V>>();
  private characters = 0;

  get size(): number {
    return this.entries.size;
  }

  get(key: string, nowMs: number): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (nowMs - entry.usedMs > PLACE_MS) {
      entry.usedMs = nowMs;
      this.entries.delete(key);
      this.entries.set(key, entry);
    }
    return entry.value;
  }

  /** `key` is not there yet. */
  add(key: string, value: V, nowMs: number): void {
    this.entries.set(key, { value, usedMs: nowMs });
    this.characters += key.length;
    for (const [oldest, { usedMs }] of this.entries) {
      const isFull = this.entries.size > ENTRIES_MAX || this.characters > KEY_CHARACTERS_MAX;
      if (oldest === key || (!isFull && nowMs - usedMs <= IDLE_MS)) return;
      this.entries.delete(oldest);
      this.characters -= oldest.length;
    }
  }

  *values(): Iterable<V> {
    for (const { value } of this.entries.values()) yield value;
  }
}
