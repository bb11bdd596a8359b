/** A stretch of time without a broker, in ms since the epoch. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

export interface PartitionEnds {
  readonly lastStableOffset: number;
  readonly highWatermark: number;
}

interface Transfer {
  readonly count: number;
  readonly amounts: Map<number, number>;
}

interface Snapshot {
  readonly number: number;
  readonly ms: number;
  /** Of the transactions of which every record was seen. */
  readonly sum: number;
  /** Those of which records were seen, and some were not yet. */
  readonly partly: readonly string[];
}

/** A partition whose last stable offset is below its high watermark: since when it stands there. */
interface OpenSince {
  readonly offset: number;
  readonly ms: number;
}

/** A transaction's markers are written one by one; this much later all of them must be there. */
const MARKERS_MS = 10_000;

/**
 * What the observer of a bank saw, held against what the workers know. Each transaction adds amounts to several
 * accounts, and the amounts of all committed ones are `total` together.
 *
 * A snapshot is every record below the last stable offsets that one ListOffsets call gave. The markers of a transaction
 * come one by one, so a snapshot may have a part of one; its other records are then at or above the snapshot's offsets
 * and become readable within 10 s. With them, the amounts of a snapshot are `total` together.
 */
export class BankLedger {
  readonly problems: string[] = [];
  /** The longest time, without outages, that a transaction was seen open, in ms. */
  longestOpenMs = 0;
  snapshots = 0;
  private readonly total: number;
  private readonly longestMs: number;
  private readonly outages: Outage[] = [];
  private readonly offsets = new Map<string, number>();
  private readonly values = new Map<string, string>();
  private readonly transfers = new Map<string, Transfer>();
  private readonly partly = new Set<string>();
  private readonly said = new Map<string, string>();
  private readonly open = new Map<string, OpenSince>();
  private sum = 0;
  private pending: Snapshot[] = [];

  /** `longestMs` is how long a transaction may be seen open, outages left out. */
  constructor(total: number, longestMs: number) {
    this.total = total;
    this.longestMs = longestMs;
  }

  /** How many transactions were seen whole. */
  get seen(): number {
    return this.transfers.size - this.partly.size;
  }

  /** How many transactions the workers ended with the word. */
  saidCount(word: 'committed' | 'aborted' | 'unknown'): number {
    return [...this.said.values()].filter(said => said === word).length;
  }

  takeOutage(outage: Outage): void {
    this.outages.push(outage);
  }

  /** What the worker of a transaction says of its end. */
  takeEnd(id: string, word: string): void {
    this.said.set(id, word);
  }

  takeRecord(partition: string, offset: number, value: string): void {
    const last = this.offsets.get(partition) ?? -1;
    if (offset <= last) this.problems.push(`${partition}: offset ${offset} was read after ${last}`);
    this.offsets.set(partition, offset);
    this.values.set(`${partition}@${offset}`, value);
    const [id = '', amount, index, count] = value.split(' ');
    const transfer = this.transfers.get(id) ?? { count: Number(count), amounts: new Map() };
    if (transfer.amounts.has(Number(index))) {
      this.problems.push(`${id}: record ${index} is there twice`);
      return;
    }
    transfer.amounts.set(Number(index), Number(amount));
    this.transfers.set(id, transfer);
    if (transfer.amounts.size < transfer.count) {
      this.partly.add(id);
    } else {
      this.partly.delete(id);
      this.sum += sumOf(transfer);
    }
  }

  /** Every record below these last stable offsets has been taken; `ms` is when the offsets were known. */
  takeSnapshot(ms: number, ends: ReadonlyMap<string, PartitionEnds>): void {
    this.snapshots++;
    this.pending.push({ number: this.snapshots, ms, sum: this.sum, partly: [...this.partly] });
    this.pending = this.pending.filter(snapshot => !this.settled(snapshot, ms));
    for (const [partition, { lastStableOffset, highWatermark }] of ends) {
      this.watchOpen(partition, lastStableOffset, highWatermark, ms);
      const read = this.offsets.get(partition) ?? -1;
      if (read >= lastStableOffset) {
        this.problems.push(
          `${partition}: offset ${read} was read, and ${lastStableOffset} is the last stable`,
        );
      }
    }
  }

  /** At the end, when nothing is open any more. */
  finish(): void {
    for (const { number, partly } of this.pending) {
      this.problems.push(`snapshot ${number}: ${partly} never came whole`);
    }
    for (const id of this.partly) this.problems.push(`${id}: a part of it was committed`);
    for (const [id, word] of this.said) {
      const visible = this.transfers.has(id);
      if (word === 'committed' && !visible) this.problems.push(`${id}: committed, and not there`);
      if (word === 'aborted' && visible) this.problems.push(`${id}: never committed, and there`);
    }
    if (this.sum !== this.total) this.problems.push(`${this.sum} at the end instead of ${this.total}`);
  }

  /** Another reader, from the beginning, must have found the same records at the same offsets. */
  compareWith(other: BankLedger): void {
    for (const [at, value] of this.values) {
      const found = other.values.get(at);
      if (found !== value) this.problems.push(`${at}: ${value} at first, later ${found ?? 'nothing'}`);
    }
    for (const [at, value] of other.values) {
      if (!this.values.has(at)) this.problems.push(`${at}: ${value} was found by the later reader only`);
    }
  }

  private settled(snapshot: Snapshot, ms: number): boolean {
    const missing = snapshot.partly.filter(id => this.partly.has(id));
    if (missing.length > 0) {
      if (this.upMs(snapshot.ms, ms) <= MARKERS_MS) return false;
      this.problems.push(`snapshot ${snapshot.number}: ${missing} are not whole after ${MARKERS_MS} ms`);
      return true;
    }
    const transfers = snapshot.partly.map(id => this.transfers.get(id));
    const sum = transfers.reduce((all, transfer) => all + (transfer ? sumOf(transfer) : 0), snapshot.sum);
    if (sum !== this.total) {
      this.problems.push(`snapshot ${snapshot.number}: ${sum} instead of ${this.total}`);
    }
    return true;
  }

  private watchOpen(partition: string, lastStable: number, highWatermark: number, ms: number): void {
    if (lastStable >= highWatermark) {
      this.open.delete(partition);
      return;
    }
    const since = this.open.get(partition);
    if (since?.offset !== lastStable) {
      this.open.set(partition, { offset: lastStable, ms });
      return;
    }
    const openMs = this.upMs(since.ms, ms);
    this.longestOpenMs = Math.max(this.longestOpenMs, openMs);
    if (openMs <= this.longestMs) return;
    this.problems.push(`${partition}: the transaction at ${lastStable} is open for ${openMs} ms`);
    this.open.set(partition, { offset: lastStable, ms });
  }

  /** The ms between two times without those of outages. */
  private upMs(from: number, to: number): number {
    const overlap = (outage: Outage) => Math.max(0, Math.min(to, outage.to) - Math.max(from, outage.from));
    return this.outages.reduce((left, outage) => left - overlap(outage), to - from);
  }
}

function sumOf(transfer: Transfer): number {
  return [...transfer.amounts.values()].reduce((all, amount) => all + amount, 0);
}
