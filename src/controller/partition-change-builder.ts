import type { Uuid } from '../base/uuid.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import { recordVersions } from '../metadata/metadata-version.ts';
import {
  emptyPartitionChange,
  LeaderRecoveryState,
  NO_LEADER,
  type PartitionRegistration,
} from '../metadata/partition-registration.ts';

export interface PartitionChangeOptions {
  readonly metadataVersion: number;
  /** Whether `eligible.leader.replicas.version` is above 0. */
  readonly eligibleLeaderReplicas: boolean;
  /** `min.insync.replicas` of the topic. */
  readonly minInsyncReplicas: number;
  /** `unclean.leader.election.enable` of the topic. */
  readonly uncleanElection: boolean;
  /** Whether a broker may lead this partition: it is not fenced, not shutting down, its directory is online. */
  readonly isAcceptableLeader: (brokerId: number) => boolean;
}

/**
 * Finds out what becomes of a partition when its ISR must shrink or a broker comes back, and elects a leader if the
 * present one cannot stay (KIP-966):
 *
 * ```
 * the leader stays             while it is in the ISR and acceptable
 * else from the ISR            the first acceptable one in the order of the replicas
 * else from the ELR            (eligible leader replicas: they hold all below the high watermark): ISR = that one
 * else unclean, if allowed     any acceptable replica: ISR = that one, recovery state RECOVERING
 * else the last known leader   when ISR and ELR are empty because its disk may have lost records: as unclean
 * else nobody                  leader -1
 * ```
 *
 * A replica that leaves an ISR which goes below `min.insync.replicas` becomes eligible, for nothing is acknowledged from
 * then on. Without the feature the last member of an ISR never leaves it.
 */
export class PartitionChangeBuilder {
  private readonly partition: PartitionRegistration;
  private readonly topicId: Uuid;
  private readonly partitionId: number;
  private readonly options: PartitionChangeOptions;
  private targetIsr: readonly number[];
  private targetElr: readonly number[];
  private uncleanShutdown: ReadonlySet<number> = new Set();

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
  }

  /** The ISR without the brokers that must go. */
  removeFromIsr(gone: (brokerId: number) => boolean): this {
    this.targetIsr = this.partition.isr.filter(id => !gone(id));
    return this;
  }

  /** These brokers stopped without flushing: what they had may be lost, so they are not eligible either. */
  withUncleanShutdown(brokerIds: Iterable<number>): this {
    this.uncleanShutdown = new Set(brokerIds);
    return this;
  }

  /** `undefined` if nothing changes. */
  build(): MetadataRecord | undefined {
    const { partition, options } = this;
    this.completeElr();
    if (this.targetIsr.length === 0 && !(options.eligibleLeaderReplicas && this.hasFallback())) {
      this.targetIsr = partition.isr;
    }
    const change = emptyPartitionChange(this.topicId, this.partitionId);
    const election = this.elect();
    let changed = false;
    if (election.leader !== partition.leader) {
      change.leader = election.leader;
      changed = true;
    }
    if (election.unclean && partition.leaderRecoveryState !== LeaderRecoveryState.RECOVERING) {
      change.leaderRecoveryState = LeaderRecoveryState.RECOVERING;
      changed = true;
    }
    if (!sameList(this.targetIsr, partition.isr)) {
      change.isr = [...this.targetIsr];
      changed = true;
    }
    if (options.eligibleLeaderReplicas) {
      const elr = this.targetElr.filter(id => !this.targetIsr.includes(id));
      if (!sameList(elr, partition.elr)) {
        change.eligibleLeaderReplicas = [...elr];
        changed = true;
      }
      const lastKnown = this.lastKnownLeader(election.leader);
      if (!sameList(lastKnown, partition.lastKnownElr)) {
        change.lastKnownElr = [...lastKnown];
        changed = true;
      }
    }
    if (!changed) return undefined;
    const version = recordVersions.partitionChange(options.metadataVersion);
    return metadataRecord('PartitionChangeRecord', change, version);
  }

  /** Who leaves an ISR that is or becomes too small stays eligible. */
  private completeElr(): void {
    const { partition, options } = this;
    if (!options.eligibleLeaderReplicas) return;
    const enough = this.targetIsr.length >= Math.min(options.minInsyncReplicas, partition.replicas.length);
    const candidates = enough ? [] : [...partition.elr, ...partition.isr];
    this.targetElr = [...new Set(candidates)].filter(
      id => !this.targetIsr.includes(id) && !this.uncleanShutdown.has(id) && partition.replicas.includes(id),
    );
  }

  /** Whether somebody else than the last member of the ISR can take over one day. */
  private hasFallback(): boolean {
    return (
      this.targetElr.length > 0 ||
      this.partition.leader !== NO_LEADER ||
      this.partition.lastKnownElr.length > 0
    );
  }

  private elect(): { leader: number; unclean: boolean } {
    const { partition, options } = this;
    const acceptable = options.isAcceptableLeader;
    const { leader } = partition;
    if (leader !== NO_LEADER && this.targetIsr.includes(leader) && acceptable(leader)) {
      return { leader, unclean: false };
    }
    const fromIsr = partition.replicas.find(id => this.targetIsr.includes(id) && acceptable(id));
    if (fromIsr !== undefined) return { leader: fromIsr, unclean: false };
    const fromElr = partition.replicas.find(id => this.targetElr.includes(id) && acceptable(id));
    if (fromElr !== undefined) return this.sole(fromElr, false);
    if (options.uncleanElection) {
      const any = partition.replicas.find(id => !this.uncleanShutdown.has(id) && acceptable(id));
      if (any !== undefined) return this.sole(any, true);
    }
    const [lastKnown] = partition.lastKnownElr;
    if (
      options.eligibleLeaderReplicas &&
      this.targetIsr.length === 0 &&
      this.targetElr.length === 0 &&
      partition.lastKnownElr.length === 1 &&
      acceptable(lastKnown!)
    ) {
      return this.sole(lastKnown!, true);
    }
    return { leader: NO_LEADER, unclean: false };
  }

  /** The leader came from outside the ISR, which begins anew with it. */
  private sole(leader: number, unclean: boolean): { leader: number; unclean: boolean } {
    this.targetIsr = [leader];
    this.targetElr = unclean ? [] : this.targetElr.filter(id => id !== leader);
    return { leader, unclean };
  }

  /** Whom to ask when ISR and ELR are empty. It is kept from the moment the ISR is, until there is a leader again. */
  private lastKnownLeader(newLeader: number): readonly number[] {
    const { partition } = this;
    if (newLeader !== NO_LEADER) return [];
    if (this.targetIsr.length === 0 && partition.leader !== NO_LEADER) return [partition.leader];
    return partition.lastKnownElr;
  }
}

function sameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
