import { type Uuid, ZERO_UUID } from '../base/uuid.ts';

/** A replica of the quorum: node id, and the id of its metadata directory (ZERO_UUID if it is not known). */
export interface ReplicaKey {
  readonly id: number;
  readonly directoryId: Uuid;
}

export interface VoterEndpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface VoterNode extends ReplicaKey {
  readonly endpoints: readonly VoterEndpoint[];
  /** The versions of `kraft.version` that the voter supports; inclusive. */
  readonly minKRaftVersion: number;
  readonly maxKRaftVersion: number;
}

/** Whether two keys can be the same replica: an unknown directory id matches any. */
export function sameReplica(a: ReplicaKey, b: ReplicaKey): boolean {
  if (a.id !== b.id) return false;
  return a.directoryId === b.directoryId || a.directoryId === ZERO_UUID || b.directoryId === ZERO_UUID;
}

/**
 * Who may vote. Immutable. With `kraft.version` 0 the set is configuration (`controller.quorum.voters`) and
 * has no directory ids; with 1 it is a record in the log, changed by one voter at a time (KIP-853).
 */
export class VoterSet {
  private readonly byId: ReadonlyMap<number, VoterNode>;

  constructor(voters: Iterable<VoterNode>) {
    const byId = new Map<number, VoterNode>();
    for (const voter of [...voters].sort((a, b) => a.id - b.id)) {
      if (byId.has(voter.id)) throw new RangeError(`voter ${voter.id} is listed twice`);
      byId.set(voter.id, voter);
    }
    this.byId = byId;
  }

  /** A set without directory ids and endpoints. */
  static ofIds(ids: Iterable<number>): VoterSet {
    return new VoterSet(Array.from(ids, id => voterNode(id, ZERO_UUID)));
  }

  get size(): number {
    return this.byId.size;
  }

  /** How many voters are a majority. */
  get majority(): number {
    return Math.floor(this.byId.size / 2) + 1;
  }

  /** By ascending id. */
  get voters(): VoterNode[] {
    return [...this.byId.values()];
  }

  get ids(): number[] {
    return [...this.byId.keys()];
  }

  get(id: number): VoterNode | undefined {
    return this.byId.get(id);
  }

  /** Whether `replica` is a voter. A wiped disk has a new directory id and is none (M12). */
  has(replica: ReplicaKey): boolean {
    const voter = this.byId.get(replica.id);
    return (
      voter !== undefined && (voter.directoryId === ZERO_UUID || voter.directoryId === replica.directoryId)
    );
  }

  /** Whether `replica` is the only voter. */
  isOnly(replica: ReplicaKey): boolean {
    return this.byId.size === 1 && this.has(replica);
  }

  with(voter: VoterNode): VoterSet {
    return new VoterSet([...this.byId.values(), voter]);
  }

  without(id: number): VoterSet {
    return new VoterSet([...this.byId.values()].filter(voter => voter.id !== id));
  }

  equals(other: VoterSet): boolean {
    return (
      this.size === other.size &&
      this.voters.every(voter => other.get(voter.id)?.directoryId === voter.directoryId)
    );
  }
}

export function voterNode(
  id: number,
  directoryId: Uuid,
  endpoints: readonly VoterEndpoint[] = [],
  minKRaftVersion = 0,
  maxKRaftVersion = 1,
): VoterNode {
  return { id, directoryId, endpoints, minKRaftVersion, maxKRaftVersion };
}
