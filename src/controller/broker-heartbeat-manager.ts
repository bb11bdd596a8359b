import { type BrokerEpoch, max64, type Offset } from '../base/int64.ts';

interface BrokerHeartbeat {
  readonly epoch: BrokerEpoch;
  /** On the monotonic clock, ms. */
  lastContactMs: number;
  /** How far the broker has read the metadata log; -1 if it has not said. */
  metadataOffset: Offset;
  /** Other brokers must have read up to here before this one may stop; undefined while it does not want to. */
  controlledShutdownOffset: Offset | undefined;
}

/**
 * When brokers were last heard of. It is the one thing the active controller keeps that is not in the image: a new
 * controller begins with the brokers of the image and gives each a whole session.
 */
export class BrokerHeartbeatManager {
  private readonly sessionTimeoutMs: number;
  private readonly heartbeats = new Map<number, BrokerHeartbeat>();

  constructor(sessionTimeoutMs: number) {
    this.sessionTimeoutMs = sessionTimeoutMs;
  }

  clear(): void {
    this.heartbeats.clear();
  }

  /** The broker was heard of in this life of it. */
  touch(brokerId: number, epoch: BrokerEpoch, nowMs: number, metadataOffset: Offset = -1): void {
    const heartbeat = this.heartbeats.get(brokerId);
    if (heartbeat === undefined || heartbeat.epoch !== epoch) {
      this.heartbeats.set(brokerId, {
        epoch,
        lastContactMs: nowMs,
        metadataOffset,
        controlledShutdownOffset: undefined,
      });
      return;
    }
    heartbeat.lastContactMs = nowMs;
    heartbeat.metadataOffset = max64(heartbeat.metadataOffset, metadataOffset);
  }

  remove(brokerId: number): void {
    this.heartbeats.delete(brokerId);
  }

  hasValidSession(brokerId: number, epoch: BrokerEpoch, nowMs: number): boolean {
    const heartbeat = this.heartbeats.get(brokerId);
    return heartbeat?.epoch === epoch && nowMs - heartbeat.lastContactMs < this.sessionTimeoutMs;
  }

  /** The broker wants to stop, others must know of everything below `offset` first. Later calls move it on. */
  maintainControlledShutdown(brokerId: number, offset: Offset): void {
    const heartbeat = this.heartbeats.get(brokerId);
    if (heartbeat !== undefined) {
      heartbeat.controlledShutdownOffset = max64(heartbeat.controlledShutdownOffset ?? -1, offset);
    }
  }

  /** Whether the others have read so far that this one may stop. */
  mayShutDown(brokerId: number, others: Iterable<number>): boolean {
    const offset = this.heartbeats.get(brokerId)?.controlledShutdownOffset ?? -1;
    for (const other of others) {
      if (other === brokerId) continue;
      const heartbeat = this.heartbeats.get(other);
      if (heartbeat !== undefined && heartbeat.metadataOffset < offset) return false;
    }
    return true;
  }

  /** Those of `brokerIds` that were not heard of for a session. */
  *stale(brokerIds: Iterable<number>, nowMs: number): Iterable<number> {
    for (const id of brokerIds) {
      const heartbeat = this.heartbeats.get(id);
      if (heartbeat !== undefined && nowMs - heartbeat.lastContactMs >= this.sessionTimeoutMs) yield id;
    }
  }
}
