export const CLIENTS = ['java', 'kafkajs', 'librdkafka', 'franz-go'] as const;
export type ClientName = (typeof CLIENTS)[number];

/** Clients whose producer promises that nothing fails, nothing is there twice and the order is kept. */
export const IDEMPOTENT: ReadonlySet<ClientName> = new Set(['java', 'librdkafka', 'franz-go']);

/** Longer than kafkajs takes from its look at the committed offsets to the first record that it reads from there. */
const REBALANCE_MS = 15_000;

export interface Acknowledgement {
  readonly partition: number;
  /** -1 where the client does not know it. */
  readonly offset: number;
  readonly number: number;
}

/**
 * What one client's producer and consumer were told, from the lines of its program: acknowledgements with their times,
 * what was read, what was committed. What contradicts itself on the way is kept in `problems`.
 */
export class ClientHistory {
  readonly client: ClientName;
  readonly partitions: number;
  readonly acked: Acknowledgement[] = [];
  readonly problems: string[] = [];
  /** What the client said of retries and lost commits; for the message of a failure. */
  readonly notes: string[] = [];
  /** The offset behind the last commit that was acknowledged, for each partition; -1 before the first. */
  readonly committed: number[];
  /** What stood at each offset that was read, by partition. */
  readonly values: string[][];
  /** How many records were ever sent; undefined until the producer has ended. */
  sent: number | undefined;
  /** When each acknowledgement came, by partition, in ms. */
  private readonly ackedAt: number[][];
  /** The offset after the last record read, for each partition. */
  private readonly nextRead: number[];
  /** Each commit that was acknowledged and when, in ms, by partition. */
  private readonly commits: { readonly offset: number; readonly time: number }[][];

  constructor(client: ClientName, partitions: number) {
    this.client = client;
    this.partitions = partitions;
    const each = <T>(value: () => T): T[] => Array.from({ length: partitions }, value);
    this.committed = each(() => -1);
    this.values = each(() => []);
    this.ackedAt = each(() => []);
    this.nextRead = each(() => 0);
    this.commits = each(() => []);
  }

  /** Whether the consumer has read everything up to the end offsets (exclusive). */
  hasReadUpTo(ends: readonly number[]): boolean {
    return ends.every((end, partition) => (this.values[partition]?.length ?? 0) >= end);
  }

  /** The partitions without an acknowledgement since a time . */
  silentSince(time: number): number[] {
    return this.ackedAt.flatMap((times, partition) => ((times.at(-1) ?? -1) > time ? [] : [partition]));
  }

  /** The longest time, in ms, that a partition had no acknowledgement in a span, gaps across its start included. */
  longestSilence(from: number, to: number): number {
    let longest = 0;
    for (const times of this.ackedAt) {
      let last = from;
      for (const time of times) {
        if (time > to) break;
        if (time > from) longest = Math.max(longest, time - last);
        last = time;
      }
      longest = Math.max(longest, to - Math.max(from, last));
    }
    return longest;
  }

  /** One line of the program, and the time at which it came. */
  take(line: string, now: number): void {
    const [kind, first = '', second = '', third = ''] = line.split('\t');
    switch (kind) {
      case 'acked':
        this.acked.push({ partition: Number(first), offset: Number(second), number: Number(third) });
        this.ackedAt[Number(first)]?.push(now);
        return;
      case 'failed':
        if (IDEMPOTENT.has(this.client)) this.problems.push(`the send of ${first} failed: ${second}`);
        else this.notes.push(line);
        return;
      case 'sent':
        this.sent = Number(first);
        return;
      case 'read':
        this.takeRead(Number(first), Number(second), third, now);
        return;
      case 'committed':
        this.takeCommit(Number(first), Number(second), now);
        return;
      case 'note':
        this.notes.push(line);
    }
  }

  /**
   * A consumer may go back to what was committed, never further, and never skips a record. That of kafkajs commits by a
   * timer beside its reading: what it had read before a rebalance may be committed between the look at the committed
   * offset and the first record read from there. So it may go back behind a commit of the last seconds, and leap over
   * what it has read.
   */
  private takeRead(partition: number, offset: number, value: string, now: number): void {
    const due = this.nextRead[partition] ?? 0;
    const known = this.values[partition] ?? [];
    const commitsAside = this.client === 'kafkajs';
    const committed = this.committedBefore(partition, commitsAside ? now - REBALANCE_MS : now);
    let unread = due;
    while (commitsAside && unread < offset && known[unread] !== undefined) unread++;
    if (unread < offset) this.problems.push(`partition ${partition}: read ${offset} where ${unread} was due`);
    if (offset < due && offset < committed) {
      this.problems.push(`partition ${partition}: read ${offset} again, ${committed} was committed`);
    }
    const before = known[offset];
    if (before !== undefined && before !== value) {
      this.problems.push(`partition ${partition}, offset ${offset}: read ${before}, later ${value}`);
    }
    known[offset] = value;
    this.nextRead[partition] = offset + 1;
  }

  /** The last commit that was acknowledged up to a time; -1 if there was none. */
  private committedBefore(partition: number, time: number): number {
    return this.commits[partition]?.findLast(commit => commit.time <= time)?.offset ?? -1;
  }

  private takeCommit(partition: number, offset: number, now: number): void {
    const before = this.committed[partition] ?? -1;
    if (offset >= before) {
      this.committed[partition] = offset;
      this.commits[partition]?.push({ offset, time: now });
    } else this.problems.push(`partition ${partition}: ${offset} was committed after ${before}`);
  }
}
