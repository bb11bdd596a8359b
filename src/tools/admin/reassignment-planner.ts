import { Placement, type PlannedBroker, type PlannedPartition } from './placement.ts';

/*
 * Plans of where replicas go. They are computed from what is known of the cluster and nothing else: who carries them
 * out comes after.
 */

/** A partition whose replicas change, or their order. */
export interface PlannedChange {
  readonly topic: string;
  readonly partition: number;
  /** Broker ids; the first is preferred as leader. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** What is copied: the size of a replica for each broker that is new in `to`. */
  readonly bytes: number;
}

/** There is no such plan; the message says why. */
export class PlanError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PlanError';
  }
}

/**
 * Evens out a cluster with as few replicas moved as that takes.
 *
 * 1. A partition that could be on more racks than it is gets there.
 * 2. Brokers hold equal numbers of replicas, give or take one, as far as racks allow. A replica moves along the
 *    shortest chain of brokers from one that holds too many to one that holds too few.
 * 3. Brokers are the preferred leader of equal numbers of partitions, give or take one, by the order of replicas alone:
 *    nothing is copied for it.
 *
 * All replicas must be on `brokers`, or a {@link PlanError} says which is not.
 */
export function planRebalance(
  brokers: readonly PlannedBroker[],
  partitions: readonly PlannedPartition[],
): PlannedChange[] {
  const known = new Set(brokers.map(({ id }) => id));
  for (const { topic, partition, replicas } of partitions) {
    const lost = replicas.find(id => !known.has(id));
    if (lost !== undefined) {
      throw new PlanError(
        `${topic}-${partition} has a replica on broker ${lost}, which is not running: start it, or move its replicas ` +
          `off with 'odradek cluster decommission ${lost}'`,
      );
    }
  }
  const placement = new Placement(brokers, partitions);
  if (brokers.length < 2) return [];
  spreadOverRacks(placement);
  level(placement, placement.counts, replicaEdge(placement));
  level(placement, placement.leaders, leaderEdge(placement));
  return changes(placement, partitions);
}

/**
 * Empties a broker: each of its replicas goes to the broker that holds the fewest among those that the rule of racks
 * allows; nothing else moves. Throws {@link PlanError} if a partition has no place left for a replica.
 *
 * `brokers` are those that may take replicas; the one to empty is not among them.
 */
export function planDecommission(
  leaving: PlannedBroker,
  brokers: readonly PlannedBroker[],
  partitions: readonly PlannedPartition[],
): PlannedChange[] {
  const affected = partitions.filter(({ replicas }) => replicas.includes(leaving.id));
  const factor = Math.max(0, ...affected.map(({ replicas }) => replicas.length));
  if (factor > brokers.length) {
    const { topic, partition } = affected.find(({ replicas }) => replicas.length === factor)!;
    throw new PlanError(
      `${topic}-${partition} has ${factor} replicas and ${brokers.length} other ` +
        `${brokers.length === 1 ? 'broker is' : 'brokers are'} running: without broker ${leaving.id} its replication ` +
        'factor cannot be kept. Add a broker first, or give its topic fewer replicas with kafka-reassign-partitions.sh',
    );
  }
  // Replicas may be on brokers that are down: they stay where they are, and count.
  const all = new Map([leaving, ...brokers].map(broker => [broker.id, broker]));
  for (const { replicas } of partitions) {
    for (const id of replicas) if (!all.has(id)) all.set(id, { id, rack: leaving.rack === null ? null : '' });
  }
  const placement = new Placement([...all.values()], partitions);
  const from = placement.brokers.findIndex(({ id }) => id === leaving.id);
  const eligible = new Set(brokers.map(({ id }) => id));
  for (const partition of [...placement.heldBy(from)]) {
    placement.move(partition, from, bestTarget(placement, partition, from, eligible));
  }
  return changes(placement, partitions);
}

/** The broker that should take a replica of `partition` from `from`: there are more of them than replicas that stay. */
function bestTarget(
  placement: Placement,
  partition: number,
  from: number,
  eligible: ReadonlySet<number>,
): number {
  const order = (a: number, b: number): number =>
    placement.besides(partition, a, from) - placement.besides(partition, b, from) ||
    placement.counts[a]! - placement.counts[b]! ||
    placement.topicCount(partition, a) - placement.topicCount(partition, b) ||
    placement.bytes[a]! - placement.bytes[b]! ||
    a - b;
  const free = placement.brokers.flatMap(({ id }, broker) =>
    eligible.has(id) && !placement.holds(broker, partition) ? [broker] : [],
  );
  return free.reduce((best, broker) => (order(broker, best) < 0 ? broker : best));
}

function spreadOverRacks(placement: Placement): void {
  for (let partition = 0; partition < placement.partitions.length; partition++) {
    for (;;) {
      const violation = placement.rackViolation(partition);
      if (violation === undefined) break;
      const { from, targets } = violation;
      const to = targets.reduce((a, b) => (placement.counts[b]! < placement.counts[a]! ? b : a));
      placement.move(partition, from, to);
    }
  }
}

/** How one unit of load gets from one broker to another. */
interface Edge {
  /** Whether some unit can. */
  exists(from: number, to: number): boolean;
  /** Moves the best unit. False if there is none (any more). */
  shift(from: number, to: number): boolean;
}

/**
 * Takes units of load along shortest chains of brokers from the ones with the most to ones with at least two less,
 * until there is no such chain. A whole chain lowers the sum of squares; one that breaks may not, so passes are counted
 * too.
 */
function level(placement: Placement, load: readonly number[], edge: Edge): void {
  const brokers = placement.brokers.map((_, broker) => broker);
  const passesMax = 2 * load.reduce((sum, units) => sum + units, 0);
  for (let pass = 0; pass < passesMax; pass++) {
    const order = [...brokers].sort((a, b) => load[b]! - load[a]! || a - b);
    const lowest = load[order.at(-1)!]!;
    const moved = order.some(from => load[from]! - lowest >= 2 && shiftFrom(from, brokers, load, edge));
    if (!moved) return;
  }
}

/** One unit from `from` to the nearest broker with at least two less, the emptiest of those that are as near. */
function shiftFrom(from: number, brokers: readonly number[], load: readonly number[], edge: Edge): boolean {
  const cameFrom = new Map<number, number>([[from, from]]);
  let ring = [from];
  while (ring.length > 0) {
    const next: number[] = [];
    const unseen = brokers
      .filter(broker => !cameFrom.has(broker))
      .sort((a, b) => load[a]! - load[b]! || a - b);
    for (const to of unseen) {
      const via = ring.find(broker => edge.exists(broker, to));
      if (via === undefined) continue;
      cameFrom.set(to, via);
      next.push(to);
      // Brokers are looked at from the emptiest: the first that is reached is the best of its ring.
      if (load[from]! - load[to]! >= 2) return shiftAlong(to, cameFrom, edge);
    }
    ring = next;
  }
  return false;
}

/** Shifts one unit along the chain that ends in `end`, last link first. A link that is gone ends it there. */
function shiftAlong(end: number, cameFrom: ReadonlyMap<number, number>, edge: Edge): boolean {
  let moved = false;
  for (let to = end; cameFrom.get(to) !== to; to = cameFrom.get(to)!) {
    if (!edge.shift(cameFrom.get(to)!, to)) break;
    moved = true;
  }
  return moved;
}

function replicaEdge(placement: Placement): Edge {
  const can = (partition: number, from: number, to: number): boolean =>
    !placement.holds(to, partition) && placement.mayMove(partition, from, to);
  return {
    exists(from, to) {
      for (const partition of placement.heldBy(from)) if (can(partition, from, to)) return true;
      return false;
    },
    shift(from, to) {
      let best: number | undefined;
      let bestGain = Number.NEGATIVE_INFINITY;
      for (const partition of placement.heldBy(from)) {
        // A topic that `from` holds more of than `to` is spread better afterwards.
        const gain = placement.topicCount(partition, from) - placement.topicCount(partition, to);
        const better =
          best === undefined ||
          gain > bestGain ||
          (gain === bestGain && placement.partitions[partition]!.bytes < placement.partitions[best]!.bytes);
        if (!better || !can(partition, from, to)) continue;
        best = partition;
        bestGain = gain;
      }
      if (best === undefined) return false;
      placement.move(best, from, to);
      return true;
    },
  };
}

function leaderEdge(placement: Placement): Edge {
  const find = (from: number, to: number): number | undefined => {
    for (const partition of placement.heldBy(from)) {
      if (placement.replicas[partition]![0] === from && placement.holds(to, partition)) return partition;
    }
    return undefined;
  };
  return {
    exists: (from, to) => find(from, to) !== undefined,
    shift(from, to) {
      const partition = find(from, to);
      if (partition === undefined) return false;
      placement.prefer(partition, to);
      return true;
    },
  };
}

function changes(placement: Placement, partitions: readonly PlannedPartition[]): PlannedChange[] {
  return partitions.flatMap(({ topic, partition, replicas, bytes }, index) => {
    const to = placement.replicas[index]!.map(broker => placement.brokers[broker]!.id);
    if (to.every((id, at) => id === replicas[at])) return [];
    const copies = to.filter(id => !replicas.includes(id)).length;
    return [{ topic, partition, from: replicas, to, bytes: copies * bytes }];
  });
}
