import type { LeaderEpoch } from '../base/int64.ts';
import type { HostAndPort } from '../config/listeners.ts';
import type { ClusterImage } from '../metadata/cluster-image.ts';
import type { BrokerRegistration, Endpoint } from '../metadata/broker-registration.ts';
import { DirectoryId } from '../metadata/directory-id.ts';
import { NO_LEADER, type PartitionRegistration } from '../metadata/partition-registration.ts';
import { Errors } from '../protocol/errors.ts';
import type { RequestContext } from './handler.ts';
import type { NodeServices } from './node-services.ts';

/** What a client that came by one listener is told of a partition. */
export interface PartitionMetadata {
  readonly errorCode: number;
  /** -1 if there is no leader that this client can reach. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

/**
 * Tells clients of one listener about partitions: a broker that is fenced, or that does not have that listener, is
 * offline for them. Made for one request, because brokers are asked about once for each of their partitions.
 */
export class PartitionDescriber {
  private readonly cluster: ClusterImage;
  private readonly listenerName: string;
  /** Metadata version 0: replicas that cannot be reached are left out, and REPLICA_NOT_AVAILABLE says so. */
  private readonly leaveOutUnreachable: boolean;
  /** Metadata version 6 and later tell a leader without the listener from one that is not there. */
  private readonly tellMissingListener: boolean;
  private readonly reachableBrokers = new Map<number, boolean>();

  constructor(
    cluster: ClusterImage,
    listenerName: string,
    options: { readonly leaveOutUnreachable: boolean; readonly tellMissingListener: boolean },
  ) {
    this.cluster = cluster;
    this.listenerName = listenerName;
    this.leaveOutUnreachable = options.leaveOutUnreachable;
    this.tellMissingListener = options.tellMissingListener;
  }

  describe(partition: PartitionRegistration): PartitionMetadata {
    const { leader, leaderEpoch, replicas, isr } = partition;
    const replicaNodes = this.leaveOutUnreachable ? replicas.filter(id => this.isReachable(id)) : replicas;
    const isrNodes = this.leaveOutUnreachable ? isr.filter(id => this.isReachable(id)) : isr;
    const hasLeader = leader !== NO_LEADER && this.isReachable(leader);
    let errorCode: number = Errors.NONE;
    if (!hasLeader) {
      const missingListener = this.tellMissingListener && this.cluster.broker(leader) !== undefined;
      errorCode = missingListener ? Errors.LISTENER_NOT_FOUND : Errors.LEADER_NOT_AVAILABLE;
    } else if (replicaNodes.length < replicas.length || isrNodes.length < isr.length) {
      errorCode = Errors.REPLICA_NOT_AVAILABLE;
    }
    return {
      errorCode,
      leaderId: hasLeader ? leader : NO_LEADER,
      leaderEpoch,
      replicaNodes,
      isrNodes,
      offlineReplicas: this.offlineReplicas(partition),
    };
  }

  private offlineReplicas({ replicas, directories }: PartitionRegistration): readonly number[] {
    let offline: number[] | undefined;
    for (let i = 0; i < replicas.length; i++) {
      const id = replicas[i]!;
      const directory = directories[i] ?? DirectoryId.UNASSIGNED;
      if (this.isReachable(id) && hasOnlineDirectory(this.cluster.broker(id)!, directory)) continue;
      offline ??= [];
      offline.push(id);
    }
    return offline ?? NONE;
  }

  private isReachable(brokerId: number): boolean {
    let reachable = this.reachableBrokers.get(brokerId);
    if (reachable === undefined) {
      reachable = reachableEndpoint(this.cluster.broker(brokerId), this.listenerName) !== undefined;
      this.reachableBrokers.set(brokerId, reachable);
    }
    return reachable;
  }
}

const NONE: readonly number[] = [];

/** Where clients of a listener reach the broker; `undefined` if it is fenced or has no such listener. */
export function reachableEndpoint(
  broker: BrokerRegistration | undefined,
  listenerName: string,
): Endpoint | undefined {
  return broker === undefined || broker.fenced ? undefined : broker.listeners.get(listenerName);
}

/**
 * Where the client of a request reaches the broker. With `advertised.listeners=auto` this node is where the client has
 * dialled it; other nodes are where they have registered. `undefined` as in {@link reachableEndpoint}.
 */
export function endpointForClient(
  { config, nodeId }: NodeServices,
  { listenerName, localAddress }: RequestContext,
  broker: BrokerRegistration | undefined,
): HostAndPort | undefined {
  const endpoint = reachableEndpoint(broker, listenerName);
  return endpoint !== undefined && broker?.id === nodeId && config.advertisesDialledAddress
    ? localAddress
    : endpoint;
}

function hasOnlineDirectory({ directories }: BrokerRegistration, directory: string): boolean {
  if (directory === DirectoryId.LOST) return false;
  if (directory === DirectoryId.MIGRATING || directory === DirectoryId.UNASSIGNED) return true;
  return directories.length === 0 || directories.includes(directory);
}

/** Where a client finds the leader, as Produce and Fetch tell it: -1 for what is not known. */
export function leaderIdAndEpoch(registration: PartitionRegistration | undefined): {
  leaderId: number;
  leaderEpoch: LeaderEpoch;
} {
  return { leaderId: registration?.leader ?? -1, leaderEpoch: registration?.leaderEpoch ?? -1 };
}
