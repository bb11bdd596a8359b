import type { Offset } from '../base/int64.ts';
import type { ClusterImage } from '../metadata/cluster-image.ts';
import type { Partition } from './partition.ts';

/** A replica that a consumer may be sent to. */
interface ReplicaView {
  readonly brokerId: number;
  readonly logEndOffset: Offset;
  /** 0 for the leader. */
  readonly lagMs: number;
}

/** `replica.selector.class`: the one selector that Kafka ships which does anything. */
export const RACK_AWARE_REPLICA_SELECTOR = 'org.apache.kafka.common.replica.RackAwareReplicaSelector';

/**
 * The broker id of the replica in the consumer's rack that is furthest (KIP-392): the leader stays if it is in that
 * rack, or if no member of the ISR there has `fetchOffset`. -1 for the leader, which is not told.
 */
export function rackAwareReplica(
  partition: Partition,
  cluster: ClusterImage,
  localId: number,
  clientRack: string,
  fetchOffset: Offset,
  nowMs: number,
): number {
  if (clientRack === '' || cluster.broker(localId)?.rack === clientRack) return -1;
  const end = partition.leaderLog().logEndOffset;
  let best: ReplicaView | undefined;
  for (const replica of partition.remoteReplicas) {
    const { brokerId, logEndOffset, logStartOffset } = replica;
    const broker = cluster.broker(brokerId);
    if (broker === undefined || broker.fenced || broker.rack !== clientRack) continue;
    if (!partition.isInSync(brokerId) || logEndOffset < fetchOffset || logStartOffset > fetchOffset) continue;
    const view = { brokerId, logEndOffset, lagMs: nowMs - replica.lastCaughtUpMs(end) };
    if (best === undefined || isBetter(view, best)) best = view;
  }
  return best?.brokerId ?? -1;
}

function isBetter(a: ReplicaView, b: ReplicaView): boolean {
  if (a.logEndOffset !== b.logEndOffset) return a.logEndOffset > b.logEndOffset;
  if (a.lagMs !== b.lagMs) return a.lagMs < b.lagMs;
  return a.brokerId > b.brokerId;
}
