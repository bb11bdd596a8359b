import type { Uuid } from '../base/uuid.ts';
import { DirectoryId } from '../metadata/directory-id.ts';
import type { BrokerRegistration } from '../metadata/broker-registration.ts';
import type { Random } from '../runtime/runtime.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';

/** Where one partition goes: brokers, the preferred leader first, and a log directory for each. */
export interface PartitionAssignment {
  readonly replicas: readonly number[];
  readonly directories: readonly Uuid[];
}

export interface PlacementSpec {
  readonly partitionCount: number;
  readonly replicationFactor: number;
}

/**
 * Places replicas in stripes over racks and brokers. The goals, in order: no two replicas of a partition on one broker;
 * as many racks as possible for each partition; the leader on a broker that is not fenced; leaders and replicas spread
 * evenly over racks, then over the brokers of a rack; a fenced broker only where the others of its rack are used up.
 * Brokers that are about to stop, or whose directories are all cordoned, get none.
 *
 * Racks are walked in one order from a start that moves on with each partition, brokers of a rack likewise; both orders
 * are shuffled for each call, so that small topics do not all begin at the same broker. Brokers without a rack make up
 * one rack.
 */
export class ReplicaPlacer {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** Throws `KafkaError` INVALID_REPLICATION_FACTOR where there are too few brokers. */
  place(brokers: Iterable<BrokerRegistration>, spec: PlacementSpec): PartitionAssignment[] {
    const { partitionCount, replicationFactor } = spec;
    const byId = new Map<number, BrokerRegistration>();
    for (const broker of brokers) if (isUsable(broker)) byId.set(broker.id, broker);
    if (replicationFactor <= 0) throw tooFew('it is not positive');
    if (replicationFactor > byId.size) {
      throw tooFew(`only ${byId.size} broker(s) are registered that take new replicas`);
    }
    const racks = this.racksOf(byId.values());
    if (!racks.some(rack => rack.unfenced.ids.length > 0)) throw tooFew('all brokers are fenced');
    const assignments: PartitionAssignment[] = [];
    let start = 0;
    for (let partition = 0; partition < partitionCount; partition++) {
      const replicas = placeOne(racks, start, replicationFactor);
      start = (start + 1) % racks.length;
      assignments.push({ replicas, directories: replicas.map(id => defaultDirectory(byId.get(id)!)) });
    }
    return assignments;
  }

  private racksOf(brokers: Iterable<BrokerRegistration>): Rack[] {
    const byName = new Map<string | null, { unfenced: number[]; fenced: number[] }>();
    for (const broker of brokers) {
      let rack = byName.get(broker.rack);
      if (rack === undefined) {
        rack = { unfenced: [], fenced: [] };
        byName.set(broker.rack, rack);
      }
      (broker.fenced ? rack.fenced : rack.unfenced).push(broker.id);
    }
    const racks = [...byName.entries()]
      .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))
      .map(([, rack]) => ({ unfenced: this.ring(rack.unfenced), fenced: this.ring(rack.fenced) }));
    return this.shuffle(racks);
  }

  private ring(ids: number[]): Ring {
    return { ids: this.shuffle(ids.sort((a, b) => a - b)), leads: 0, follows: 0 };
  }

  private shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}

/** Brokers in a circle, with where the next partition begins: one that is led from this rack, or one that is not. */
interface Ring {
  readonly ids: readonly number[];
  leads: number;
  follows: number;
}

interface Rack {
  readonly unfenced: Ring;
  readonly fenced: Ring;
}

/** Walks the brokers of one rack for one partition: the unfenced ones first. */
class RackCursor {
  private readonly rack: Rack;
  private start: number | undefined;
  private used = 0;
  private fencedStart: number | undefined;
  private fencedUsed = 0;

  constructor(rack: Rack) {
    this.rack = rack;
  }

  /** `undefined` if all brokers of the rack are fenced. */
  leader(): number | undefined {
    const { unfenced } = this.rack;
    if (unfenced.ids.length === 0) return undefined;
    this.start = unfenced.leads;
    unfenced.leads = (unfenced.leads + 1) % unfenced.ids.length;
    return unfenced.ids[(this.start + this.used++) % unfenced.ids.length];
  }

  /** `undefined` if all brokers of the rack are in use. */
  next(): number | undefined {
    const { unfenced, fenced } = this.rack;
    if (this.used < unfenced.ids.length) {
      this.start ??= follow(unfenced);
      return unfenced.ids[(this.start + this.used++) % unfenced.ids.length];
    }
    if (this.fencedUsed >= fenced.ids.length) return undefined;
    this.fencedStart ??= follow(fenced);
    return fenced.ids[(this.fencedStart + this.fencedUsed++) % fenced.ids.length];
  }
}

function follow(ring: Ring): number {
  const start = ring.follows;
  ring.follows = (start + 1) % ring.ids.length;
  return start;
}

function placeOne(racks: readonly Rack[], start: number, replicationFactor: number): number[] {
  const cursors = racks.map((_, i) => new RackCursor(racks[(start + i) % racks.length]!));
  const replicas: number[] = [];
  let at = 0;
  while (replicas.length === 0) {
    const leader = cursors[at]!.leader();
    at = (at + 1) % cursors.length;
    if (leader !== undefined) replicas.push(leader);
  }
  while (replicas.length < replicationFactor) {
    const replica = cursors[at]!.next();
    at = (at + 1) % cursors.length;
    if (replica !== undefined) replicas.push(replica);
  }
  return replicas;
}

/** Whether the broker may get new replicas: it is not about to stop, and not all of its directories are cordoned. */
function isUsable({ inControlledShutdown, directories, cordonedDirectories }: BrokerRegistration): boolean {
  if (inControlledShutdown) return false;
  return directories.length === 0 || directories.some(id => !cordonedDirectories?.includes(id));
}

/** The directory of a replica that nobody has placed yet: the only one there is, or the broker's to choose. */
export function defaultDirectory(broker: BrokerRegistration): Uuid {
  if (broker.directories.length === 0) return DirectoryId.MIGRATING;
  return broker.directories.length === 1 ? broker.directories[0]! : DirectoryId.UNASSIGNED;
}

function tooFew(reason: string): KafkaError {
  return new KafkaError(Errors.INVALID_REPLICATION_FACTOR, reason);
}
