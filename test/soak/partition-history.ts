/** A record as clients know it. `number` stands at the start of its value; `undefined` for a tombstone. */
export interface SoakRecord {
  readonly key: string;
  readonly number: number | undefined;
}

/** A value that says which record it is of. */
export function textOf(number: number, bytes: number): string {
  return `${number}.`.padEnd(bytes, 'soak');
}

export function numberIn(value: string | null): number | undefined {
  return value === null ? undefined : Number.parseInt(value, 10);
}

function show({ key, number }: SoakRecord): string {
  return `${key}=${number ?? 'nothing'}`;
}

/** How records of a topic may leave it. */
export interface TopicPolicy {
  readonly isCompacted: boolean;
  readonly isDeletedFrom: boolean;
}

/** What clients were told of one partition, and what contradicts itself in it. */
export class PartitionHistory {
  readonly name: string;
  readonly policy: TopicPolicy;
  readonly problems: string[] = [];
  /** By offset. */
  readonly acked: Map<number, SoakRecord> = new Map();
  private readonly read = new Map<number, SoakRecord>();
  private lastRead = -1;
  private startOffset = -1;
  private highWatermark = -1;

  constructor(name: string, policy: TopicPolicy) {
    this.name = name;
    this.policy = policy;
  }

  private report(problem: string): void {
    // The first ones tell most.
    if (this.problems.length < 20) this.problems.push(`${this.name}: ${problem}`);
  }

  takeAcknowledgement(baseOffset: number, records: readonly SoakRecord[]): void {
    for (const [index, record] of records.entries()) {
      const offset = baseOffset + index;
      const before = this.acked.get(offset);
      if (before !== undefined)
        this.report(`offset ${offset} was acknowledged for ${show(before)} and for ${show(record)}`);
      this.acked.set(offset, record);
      this.compare(offset, this.read.get(offset), record);
    }
  }

  /** What a consumer reads that goes on from where it was. */
  takeRead(offset: number, record: SoakRecord): void {
    if (offset <= this.lastRead) this.report(`read offset ${offset} after ${this.lastRead}`);
    this.lastRead = Math.max(this.lastRead, offset);
    this.read.set(offset, record);
    this.compare(offset, record, this.acked.get(offset));
  }

  private compare(offset: number, read: SoakRecord | undefined, acked: SoakRecord | undefined): void {
    if (read === undefined || acked === undefined) return;
    if (read.key !== acked.key || read.number !== acked.number)
      this.report(`offset ${offset} was acknowledged as ${show(acked)} and read as ${show(read)}`);
  }

  /** What a leader says of the two ends: neither goes back (S6, R3). */
  takeOffsets(startOffset: number, highWatermark: number): void {
    if (startOffset < this.startOffset) this.report(`starts at ${startOffset}, after ${this.startOffset}`);
    if (highWatermark < this.highWatermark)
      this.report(`has the high watermark ${highWatermark}, after ${this.highWatermark}`);
    this.startOffset = Math.max(this.startOffset, startOffset);
    this.highWatermark = Math.max(this.highWatermark, highWatermark);
  }

  /** Records up to there were deleted, and that was acknowledged. */
  takeDeleted(offset: number): void {
    this.startOffset = Math.max(this.startOffset, offset);
  }

  get present(): { readonly startOffset: number; readonly highWatermark: number } {
    return { startOffset: this.startOffset, highWatermark: this.highWatermark };
  }

  /** The problems so far, and those of what is there at the end: all records from `startOffset` on, in order. */
  verdict(startOffset: number, end: ReadonlyMap<number, SoakRecord>): string[] {
    this.takeOffsets(startOffset, this.highWatermark);
    for (const [offset, record] of end)
      this.compare(offset, record, this.acked.get(offset) ?? this.read.get(offset));
    const early = [...end.keys()].find(offset => offset < startOffset);
    if (early !== undefined) this.report(`offset ${early} is read, and the log starts at ${startOffset}`);
    const lost = this.policy.isCompacted
      ? this.lostKeys(startOffset, end)
      : this.lostRecords(startOffset, end);
    if (lost.length > 0) this.report(`${lost.length} acknowledged are lost: ${lost.slice(0, 5).join('; ')}`);
    if (this.policy.isDeletedFrom && startOffset === 0) this.report('nothing was ever deleted');
    if (this.policy.isCompacted && end.size * 1.5 > this.acked.size)
      this.report(`${end.size} records of ${this.acked.size} are left: it was not compacted`);
    return this.problems;
  }

  private lostRecords(startOffset: number, end: ReadonlyMap<number, SoakRecord>): string[] {
    return [...this.acked.keys()]
      .filter(offset => offset >= startOffset && !end.has(offset))
      .map(offset => `offset ${offset}`);
  }

  /** Keys whose last acknowledged record is not there, nor one that came later: another try of the same client. */
  private lostKeys(startOffset: number, end: ReadonlyMap<number, SoakRecord>): string[] {
    const lastAcked = lastOffsets(this.acked);
    const lastThere = lastOffsets(end);
    const lost: string[] = [];
    for (const [key, offset] of lastAcked) {
      if (offset < startOffset) continue;
      const record = this.acked.get(offset);
      const there = lastThere.get(key);
      // A tombstone may be gone itself, and must have taken all before it along.
      const isFine = there === undefined ? record?.number === undefined : there >= offset;
      if (!isFine)
        lost.push(`${key} at ${offset}, there is ${there === undefined ? 'nothing' : `offset ${there}`}`);
    }
    return lost;
  }
}

function lastOffsets(records: ReadonlyMap<number, SoakRecord>): Map<string, number> {
  const last = new Map<string, number>();
  for (const [offset, { key }] of records) last.set(key, Math.max(offset, last.get(key) ?? -1));
  return last;
}
