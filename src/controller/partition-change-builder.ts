import type { Uuid } from '../base/uuid.ts';
import {
  type MetadataRecordData,
  type MetadataRecordOf,
  metadataRecord,
} from '../metadata/metadata-record.ts';
import { metadataVersionSupports, recordVersions } from '../metadata/metadata-version.ts';
import {
  emptyPartitionChange,
  LeaderRecoveryState,
  NO_LEADER,
  NO_LEADER_CHANGE,
  type PartitionRegistration,
} from '../metadata/partition-registration.ts';
import { completedReassignment } from './partition-reassignment.ts';

/**
 * How far an election may go. `ONLINE`: keep the leader if it can stay, else anybody who has all that was acknowledged.
 * `PREFERRED`: the first replica if it may lead, else as before. `UNCLEAN`: as `ONLINE`, and if that finds nobody, any
 * replica that is up.
 */
export type Election = 'ONLINE' | 'PREFERRED' | 'UNCLEAN';

export interface PartitionChangeOptions {
  readonly metadataVersion: number;
  /** Whether `eligible.leader.replicas.version` is above 0. */
  readonly eligibleLeaderReplicas: boolean;
  /** `min.insync.replicas` of the topic. */
  readonly minInsyncReplicas: number;
  readonly election: Election;
  /** Whether a broker may lead: it is not fenced, not shutting down, and the directory of its replica is online. */
  readonly isAcceptableLeader: (brokerId: number, directory: Uuid | undefined) => boolean;
  /** The log directory of a replica that is new on a broker. */
  readonly defaultDirectory: (brokerId: number) => Uuid;
}

/**
 * Makes the record that takes a partition from its present state to the one wanted, and elects a leader if the present
 * one cannot stay (KIP-966):
 *
 * ```
 * the leader stays             while it is in the ISR and acceptable
 * else from the ISR            the first acceptable one in the order of the replicas
 * else from the ELR            when the ISR is empty (eligible leader replicas hold all below the high watermark):
 *                              ISR = that one
 * else the last known leader   when ISR and ELR are empty because its disk may have lost records: ISR = that one,
 *                              recovery state RECOVERING
 * else unclean, if allowed     any acceptable replica: likewise
 * else nobody                  leader -1
 * ```
 *
 * A replica that leaves an ISR which goes below `min.insync.replicas` becomes eligible, for nothing is acknowledged from
 * then on. Without the feature the last member of an ISR never leaves it. A reassignment whose target is in the ISR is
 * completed by whatever change comes next. The leader epoch grows with each election, and when a replica is taken away
 * from the partition, so that it is fenced.
 */
export class PartitionChangeBuilder {
  private readonly partition: PartitionRegistration;
  private readonly topicId: Uuid;
  private readonly partitionId: number;
  private readonly options: PartitionChangeOptions;
  private movedDirectories: ReadonlyMap<number, Uuid> = NOWHERE;
  private targetIsr: readonly number[];
  private targetElr: readonly number[];
  private targetReplicas: readonly number[];
  private targetAdding: readonly number[];
  private targetRemoving: readonly number[];
  private targetRecoveryState: number;
  private uncleanShutdown = NOBODY;
  private emptyReplica: number | undefined;

  constructor(
    topicId: Uuid,
    partitionId: number,
    partition: PartitionRegistration,
    options: PartitionChangeOptions,
  ) {
    this.topicId = topicId;
    this.partitionId = partitionId;
    this.partition = partition;
    this.options = options;
    this.targetIsr = partition.isr;
    this.targetElr = partition.elr;
    this.targetReplicas = partition.replicas;
    this.targetAdding = partition.addingReplicas;
    this.targetRemoving = partition.removingReplicas;
    this.targetRecoveryState = partition.leaderRecoveryState;
  }

  withIsr(isr: readonly number[]): this {
    this.targetIsr = isr;
    return this;
  }

  /** The ISR without the brokers that must go. */
  removeFromIsr(gone: (brokerId: number) => boolean): this {
    this.targetIsr = this.targetIsr.filter(id => !gone(id));
    return this;
  }

  withRecoveryState(state: number): this {
    this.targetRecoveryState = state;
    return this;
  }

  /** Replicas, and which of them come and go. */
  withReplicas(replicas: readonly number[], adding: readonly number[], removing: readonly number[]): this {
    this.targetReplicas = replicas;
    this.targetAdding = adding;
    this.targetRemoving = removing;
    return this;
  }

  /** The replica of the broker is in this directory. */
  withDirectory(brokerId: number, directory: Uuid): this {
    this.movedDirectories = new Map([...this.movedDirectories, [brokerId, directory]]);
    return this;
  }

  /** These brokers stopped without flushing: what they had may be lost, so they are not eligible either. */
  withUncleanShutdown(brokerIds: Iterable<number>): this {
    this.uncleanShutdown = new Set(brokerIds);
    return this;
  }

  /** The replica begins anew, without a record: it has nothing to lead with, unless it is the only one. */
  withEmptyReplica(brokerId: number): this {
    this.emptyReplica = brokerId;
    return this.withUncleanShutdown([brokerId]);
  }

  /** Where the replica is after the change; `undefined` for a broker that has had none so far. */
  directoryOf(brokerId: number): Uuid | undefined {
    const { partition, movedDirectories } = this;
    return movedDirectories.get(brokerId) ?? partition.directories[partition.replicas.indexOf(brokerId)];
  }

  /** `undefined` if nothing changes. */
  build(): MetadataRecordOf<'PartitionChangeRecord'> | undefined {
    const { partition, options } = this;
    this.completeReassignment();
    this.populateElr();
    const { leader, unclean } = this.elect();
    const change = emptyPartitionChange(this.topicId, this.partitionId);
    let changed = false;
    const set = (fields: Partial<MetadataRecordData<'PartitionChangeRecord'>>): void => {
      Object.assign(change, fields);
      changed = true;
    };
    if (leader !== partition.leader) set({ leader });
    if (!sameList(this.targetIsr, partition.isr)) set({ isr: [...this.targetIsr] });
    if (change.leader === NO_LEADER_CHANGE && this.mustFenceReplicas()) set({ leader: partition.leader });
    if (metadataVersionSupports.eligibleLeaderReplicas(options.metadataVersion)) {
      const lastKnown = this.lastKnownLeader(leader);
      if (!sameList(this.targetElr, partition.elr)) set({ eligibleLeaderReplicas: [...this.targetElr] });
      if (!sameList(lastKnown, partition.lastKnownElr)) set({ lastKnownElr: [...lastKnown] });
    }
    const recoveryState = unclean ? LeaderRecoveryState.RECOVERING : this.targetRecoveryState;
    if (recoveryState !== partition.leaderRecoveryState) set({ leaderRecoveryState: recoveryState });
    if (!sameList(this.targetReplicas, partition.replicas)) set({ replicas: [...this.targetReplicas] });
    if (!sameList(this.targetAdding, partition.addingReplicas))
      set({ addingReplicas: [...this.targetAdding] });
    if (!sameList(this.targetRemoving, partition.removingReplicas)) {
      set({ removingReplicas: [...this.targetRemoving] });
    }
    if (metadataVersionSupports.directoryAssignment(options.metadataVersion)) {
      const directories = this.targetDirectories();
      if (!sameList(directories, partition.directories)) set({ directories: [...directories] });
    }
    if (!changed) return undefined;
    return metadataRecord(
      'PartitionChangeRecord',
      change,
      recordVersions.partitionChange(options.metadataVersion),
    );
  }

  private completeReassignment(): void {
    const completed = completedReassignment({
      replicas: this.targetReplicas,
      adding: this.targetAdding,
      removing: this.targetRemoving,
      isr: this.targetIsr,
    });
    if (completed === undefined) return;
    this.withReplicas(completed.replicas, [], []);
    this.targetIsr = completed.isr;
  }

  /** Who leaves an ISR that is or becomes too small stays eligible. */
  private populateElr(): void {
    const { partition } = this;
    if (!this.options.eligibleLeaderReplicas) {
      this.targetElr = [];
      if (this.targetIsr.length === 0) this.targetIsr = partition.isr;
      return;
    }
    if (this.hasEnoughInSync()) {
      this.targetElr = [];
      return;
    }
    const isEligible = (id: number): boolean =>
      !this.targetIsr.includes(id) && !this.uncleanShutdown.has(id) && this.targetReplicas.includes(id);
    if (partition.elr.length === 0 && sameList(this.targetIsr, partition.isr)) return;
    this.targetElr = [...new Set([...partition.elr, ...partition.isr])].filter(isEligible);
  }

  private hasEnoughInSync(): boolean {
    return this.targetIsr.length >= Math.min(this.options.minInsyncReplicas, this.targetReplicas.length);
  }

  private elect(): { readonly leader: number; readonly unclean: boolean } {
    const { partition, options } = this;
    const preferred = this.targetReplicas[0];
    if (options.election === 'PREFERRED' && preferred !== undefined && this.mayLead(preferred)) {
      return this.elected(preferred);
    }
    if (partition.leader !== NO_LEADER && this.mayLead(partition.leader))
      return this.elected(partition.leader);
    const clean = this.targetReplicas.find(id => this.mayLead(id));
    if (clean !== undefined) return this.elected(clean);
    const lastKnownElr = this.keptLastKnown();
    const [lastKnown] = lastKnownElr;
    if (
      options.eligibleLeaderReplicas &&
      this.targetIsr.length === 0 &&
      this.targetElr.length === 0 &&
      lastKnownElr.length === 1 &&
      this.targetReplicas.includes(lastKnown!) &&
      this.isAcceptable(lastKnown!)
    ) {
      return this.electedUncleanly(lastKnown!);
    }
    if (options.election === 'UNCLEAN') {
      const any = this.targetReplicas.find(id => !this.uncleanShutdown.has(id) && this.isAcceptable(id));
      if (any !== undefined) return this.electedUncleanly(any);
    }
    return { leader: NO_LEADER, unclean: false };
  }

  /** Whether the replica has all that was acknowledged, and may lead. */
  private mayLead(id: number): boolean {
    const { targetIsr } = this;
    const complete = targetIsr.length > 0 ? targetIsr.includes(id) : this.targetElr.includes(id);
    return complete && this.isAcceptable(id);
  }

  private isAcceptable(id: number): boolean {
    return this.options.isAcceptableLeader(id, this.directoryOf(id));
  }

  private elected(leader: number): { leader: number; unclean: false } {
    if (this.targetIsr.length === 0) {
      this.targetIsr = [leader];
      this.targetElr = this.hasEnoughInSync() ? [] : this.targetElr.filter(id => id !== leader);
    }
    return { leader, unclean: false };
  }

  /** The leader may lack records that others have: the ISR begins anew with it. */
  private electedUncleanly(leader: number): { leader: number; unclean: true } {
    this.targetIsr = [leader];
    this.targetElr = [];
    return { leader, unclean: true };
  }

  /**
   * Whether brokers must not go on replicating as they did. A replica that is taken away is fenced by a new leader
   * epoch; before metadata.version 12 brokers counted on one with each smaller ISR, too.
   */
  private mustFenceReplicas(): boolean {
    const { partition } = this;
    if (!containsAll(this.targetReplicas, partition.replicas)) return true;
    const shrinks = !containsAll(this.targetIsr, partition.isr);
    return shrinks && metadataVersionSupports.leaderEpochBumpOnIsrShrink(this.options.metadataVersion);
  }

  /** Whom to ask when ISR and ELR are empty. It is kept from the moment the ISR is, until there is a leader again. */
  private lastKnownLeader(newLeader: number): readonly number[] {
    const { partition } = this;
    if (newLeader !== NO_LEADER || !this.options.eligibleLeaderReplicas) return [];
    if (this.targetIsr.length > 0 || partition.isr.length === 0) return this.keptLastKnown();
    return [partition.leader !== NO_LEADER ? partition.leader : partition.isr[0]!];
  }

  private keptLastKnown(): readonly number[] {
    const { lastKnownElr } = this.partition;
    if (this.emptyReplica === undefined || this.targetReplicas.length === 1) return lastKnownElr;
    return lastKnownElr.filter(id => id !== this.emptyReplica);
  }

  private targetDirectories(): readonly Uuid[] {
    const { partition, movedDirectories } = this;
    if (this.targetReplicas === partition.replicas && movedDirectories.size === 0)
      return partition.directories;
    return this.targetReplicas.map(id => this.directoryOf(id) ?? this.options.defaultDirectory(id));
  }
}

const NOBODY: ReadonlySet<number> = new Set();
const NOWHERE: ReadonlyMap<number, Uuid> = new Map();

function containsAll(list: readonly number[], part: readonly number[]): boolean {
  return list === part || part.every(id => list.includes(id));
}

function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((value, i) => value === b[i]));
}
