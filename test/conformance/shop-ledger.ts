/** A record as the shop's programs print it. */
export interface ShopRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string;
  readonly value: string;
}

/** Orders and payments further apart than this are not joined, in ms. */
export const JOIN_MS = 4_000;
/** The length of a window, in ms. */
export const WINDOW_MS = 500;
/** The key of the clicks that close all windows but their own. */
const END = 'end';
/** How many lines of one kind a problem quotes. */
const QUOTED = 3;

export const INPUTS = ['customers', 'orders', 'payments', 'clicks'] as const;
export const RESULTS = ['paid', 'enriched', 'region-counts', 'page-windows'] as const;

/** Reads the words of a line after its first. */
export function shopRecord([
  topic = '',
  partition,
  offset,
  timestampMs,
  key = '',
  value = '',
]: readonly string[]) {
  const record: ShopRecord = {
    topic,
    partition: Number(partition),
    offset: Number(offset),
    timestampMs: Number(timestampMs),
    key,
    value,
  };
  return record;
}

/**
 * What was put into the shop of `java/streams/Main.java`, and what must come out of it: each result just once. It does
 * not depend on the order in which partitions are read: customers are there before orders, the join takes what is late,
 * and the clicks of a partition come in the order of their times.
 */
export class ShopLedger {
  private readonly sent: ShopRecord[] = [];

  takeSent(record: ShopRecord): void {
    this.sent.push(record);
  }

  /** What was sent must be what is in the topics, at the same offsets. */
  inputProblems(read: readonly ShopRecord[]): string[] {
    const line = ({ topic, partition, offset, timestampMs, key, value }: ShopRecord) =>
      `${topic}-${partition} ${offset} ${timestampMs} ${key} ${value}`;
    return differences('input', this.sent.map(line), read.map(line));
  }

  /** What must be in each of the results: "key value". */
  expected(): Map<string, string[]> {
    return new Map([
      ['paid', this.paid()],
      ['enriched', this.enriched()],
      ['region-counts', this.regionCounts()],
      ['page-windows', this.pageWindows()],
    ]);
  }

  /** How the results, in the order of their offsets, differ from what must be in them. */
  resultProblems(read: readonly ShopRecord[]): string[] {
    const problems: string[] = [];
    for (const [topic, expected] of this.expected()) {
      const found = read.filter(record => record.topic === topic);
      problems.push(
        ...differences(
          topic,
          expected,
          found.map(({ key, value }) => `${key} ${value}`),
        ),
      );
    }
    const counts = new Map<string, number>();
    for (const { topic, key, value } of read) {
      if (topic !== 'region-counts') continue;
      const before = counts.get(key) ?? 0;
      if (Number(value) !== before + 1)
        problems.push(`region-counts: ${value} of ${key} comes after ${before}`);
      counts.set(key, Number(value));
    }
    return problems;
  }

  private of(topic: (typeof INPUTS)[number]): ShopRecord[] {
    return this.sent.filter(record => record.topic === topic);
  }

  private paid(): string[] {
    const orders = new Map(this.of('orders').map(order => [order.key, order]));
    return this.of('payments').flatMap(payment => {
      const order = orders.get(payment.value);
      if (order === undefined || Math.abs(payment.timestampMs - order.timestampMs) > JOIN_MS) return [];
      return [`${order.key} ${order.value} ${payment.key}`];
    });
  }

  private enriched(): string[] {
    const regions = new Map(this.of('customers').map(({ key, value }) => [key, value]));
    return this.of('orders').flatMap(({ key, value }) => {
      const region = regions.get(value);
      return region === undefined ? [] : [`${key} ${value} ${region}`];
    });
  }

  private regionCounts(): string[] {
    const counts = new Map<string, number>();
    return this.enriched().map(line => {
      const region = line.split(' ').at(-1)!;
      const count = (counts.get(region) ?? 0) + 1;
      counts.set(region, count);
      return `${region} ${count}`;
    });
  }

  private pageWindows(): string[] {
    const windows = new Map<string, { count: number; sum: number }>();
    for (const { key, value, timestampMs } of this.of('clicks')) {
      if (key === END) continue;
      const name = `${key}@${timestampMs - (timestampMs % WINDOW_MS)}`;
      const { count, sum } = windows.get(name) ?? { count: 0, sum: 0 };
      windows.set(name, { count: count + 1, sum: sum + Number(value) });
    }
    return [...windows].map(([name, { count, sum }]) => `${name} ${count} ${sum}`);
  }
}

/** How two multisets of lines differ. */
function differences(what: string, expected: readonly string[], found: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of expected) left.set(line, (left.get(line) ?? 0) + 1);
  for (const line of found) left.set(line, (left.get(line) ?? 0) - 1);
  const missing: string[] = [];
  const surplus: string[] = [];
  for (const [line, count] of left) {
    if (count > 0) missing.push(line);
    if (count < 0) surplus.push(line);
  }
  return [
    ...[...missing.slice(0, QUOTED), ...more(missing)].map(line => `${what}: lacks ${line}`),
    ...[...surplus.slice(0, QUOTED), ...more(surplus)].map(line => `${what}: has too often ${line}`),
  ];
}

function more(lines: readonly string[]): string[] {
  return lines.length > QUOTED ? [`${lines.length - QUOTED} more`] : [];
}
