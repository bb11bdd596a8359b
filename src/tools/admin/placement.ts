/** A broker that may hold replicas. */
export interface PlannedBroker {
  readonly id: number;
  readonly rack: string | null;
}

/** A partition as it is. The first replica is preferred as leader. */
export interface PlannedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Broker ids. */
  readonly replicas: readonly number[];
  /** The size of one replica. */
  readonly bytes: number;
}

const NONE = -1;

/**
 * Which broker holds which replicas, while a plan is made. Brokers, partitions and topics are indexes here.
 *
 * The rule of racks: a partition has replicas on as many racks as it can, and on none more than it must. Where a broker
 * has no rack, each broker counts as a rack of its own, so that the rule says nothing.
 */
export class Placement {
  readonly brokers: readonly PlannedBroker[];
  readonly partitions: readonly PlannedPartition[];
  /** By partition: indexes of brokers. */
  readonly replicas: number[][];
  /** By broker: how many replicas it holds. */
  readonly counts: number[];
  /** By broker: of how many partitions it is the preferred leader. */
  readonly leaders: number[];
  /** By broker: bytes of the replicas that it holds. */
  readonly bytes: number[];
  /** By broker: indexes of the partitions that it holds. */
  private readonly held: Set<number>[];
  private readonly topicOf: number[];
  /** By topic and broker. */
  private readonly topicCounts: Int32Array;
  private readonly rackOf: number[];
  private readonly rackSizes: number[];

  /** Throws `RangeError` for a replica on a broker that is not in `brokers`. */
  constructor(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]) {
    this.brokers = [...brokers].sort((a, b) => a.id - b.id);
    this.partitions = partitions;
    const indexes = new Map(this.brokers.map((broker, index) => [broker.id, index]));
    const topics = new Map<string, number>();
    this.topicOf = partitions.map(({ topic }) => indexIn(topics, topic));
    this.topicCounts = new Int32Array(topics.size * this.brokers.length);
    this.counts = this.brokers.map(() => 0);
    this.leaders = this.brokers.map(() => 0);
    this.bytes = this.brokers.map(() => 0);
    this.held = this.brokers.map(() => new Set());

    const racks = new Map<string, number>();
    const hasRacks = this.brokers.every(broker => broker.rack !== null);
    this.rackOf = this.brokers.map(({ rack }, index) => (hasRacks ? indexIn(racks, rack!) : index));
    this.rackSizes = [];
    for (const rack of this.rackOf) this.rackSizes[rack] = (this.rackSizes[rack] ?? 0) + 1;

    this.replicas = partitions.map(() => []);
    partitions.forEach((partition, at) => {
      for (const id of partition.replicas) {
        const broker = indexes.get(id);
        if (broker === undefined)
          throw new RangeError(`broker ${id} is not one of those that are planned for`);
        this.replicas[at]!.push(broker);
        this.hold(at, broker, 1);
      }
      const preferred = this.replicas[at]![0];
      if (preferred !== undefined) this.leaders[preferred]!++;
    });
  }

  /** Partitions with a replica on `broker`, in an order that is the same for the same plan. */
  heldBy(broker: number): Iterable<number> {
    return this.held[broker]!;
  }

  holds(broker: number, partition: number): boolean {
    return this.held[broker]!.has(partition);
  }

  /** Puts the replica of `partition` that is on `from` on `to`, in the same place of the list. */
  move(partition: number, from: number, to: number): void {
    const replicas = this.replicas[partition]!;
    const at = replicas.indexOf(from);
    replicas[at] = to;
    this.hold(partition, from, -1);
    this.hold(partition, to, 1);
    if (at === 0) {
      this.leaders[from]!--;
      this.leaders[to]!++;
    }
  }

  /** Makes `to`, which holds a replica of `partition`, its preferred leader. */
  prefer(partition: number, to: number): void {
    const replicas = this.replicas[partition]!;
    const at = replicas.indexOf(to);
    const from = replicas[0]!;
    replicas[0] = to;
    replicas[at] = from;
    this.leaders[from]!--;
    this.leaders[to]!++;
  }

  /** How many replicas of the topic of `partition` a broker holds. */
  topicCount(partition: number, broker: number): number {
    return this.topicCounts[this.topicOf[partition]! * this.brokers.length + broker]!;
  }

  /**
   * Whether the rule of racks holds for `partition`, or is not further from it, when its replica on `from` is on `to`,
   * which holds none of it.
   */
  mayMove(partition: number, from: number, to: number): boolean {
    const fromRack = this.rackOf[from]!;
    const toRack = this.rackOf[to]!;
    if (fromRack === toRack) return true;
    const onFrom = this.onRack(partition, fromRack);
    const onTo = this.onRack(partition, toRack);
    // Fewer racks than before.
    if (onFrom === 1 && onTo > 0) return false;
    return onTo + 1 <= this.rackCap(this.replicas[partition]!.length) || onTo + 1 < onFrom;
  }

  /** The replica that has to move for the rule of racks and the racks that may take it; `undefined` if it holds. */
  rackViolation(
    partition: number,
  ): { readonly from: number; readonly targets: readonly number[] } | undefined {
    const replicas = this.replicas[partition]!;
    const cap = this.rackCap(replicas.length);
    const onRack = this.rackSizes.map((_, rack) => this.onRack(partition, rack));
    const most = Math.max(...onRack);
    const free = onRack.flatMap((count, rack) => (count === 0 ? [rack] : []));
    const tooMany = most > cap || (most > 1 && free.length > 0);
    if (!tooMany) return undefined;
    const crowded = onRack.indexOf(most);
    const targets = this.brokers.flatMap((_, broker) => {
      const rack = this.rackOf[broker]!;
      const fits = free.length > 0 ? onRack[rack] === 0 : onRack[rack]! < cap;
      return fits && !this.holds(broker, partition) ? [broker] : [];
    });
    if (targets.length === 0) return undefined;
    // The preferred leader stays if another one can go.
    const onCrowded = replicas.filter(broker => this.rackOf[broker] === crowded);
    const followers = onCrowded.filter(broker => broker !== replicas[0]);
    return { from: this.fullest(followers.length > 0 ? followers : onCrowded), targets };
  }

  /** How many replicas of `partition` are on the rack of `broker`, not counting the one on `except`. */
  besides(partition: number, broker: number, except: number): number {
    const rack = this.rackOf[broker]!;
    return (
      this.onRack(partition, rack) - (this.rackOf[except] === rack && this.holds(except, partition) ? 1 : 0)
    );
  }

  private fullest(brokers: readonly number[]): number {
    let best = NONE;
    for (const broker of brokers) {
      if (best === NONE || this.counts[broker]! > this.counts[best]!) best = broker;
    }
    return best;
  }

  private onRack(partition: number, rack: number): number {
    let count = 0;
    for (const broker of this.replicas[partition]!) if (this.rackOf[broker] === rack) count++;
    return count;
  }

  /** How many replicas of a partition a rack holds at most when they are spread as evenly as the racks allow. */
  private rackCap(replicationFactor: number): number {
    for (let cap = 1; cap < replicationFactor; cap++) {
      let room = 0;
      for (const size of this.rackSizes) room += Math.min(size, cap);
      if (room >= replicationFactor) return cap;
    }
    return replicationFactor;
  }

  private hold(partition: number, broker: number, change: 1 | -1): void {
    if (change === 1) this.held[broker]!.add(partition);
    else this.held[broker]!.delete(partition);
    this.counts[broker]! += change;
    this.bytes[broker]! += change * this.partitions[partition]!.bytes;
    this.topicCounts[this.topicOf[partition]! * this.brokers.length + broker]! += change;
  }
}

function indexIn(indexes: Map<string, number>, key: string): number {
  const known = indexes.get(key);
  if (known !== undefined) return known;
  indexes.set(key, indexes.size);
  return indexes.size - 1;
}
