import { type BrokerEpoch, max64, type Offset } from '../base/int64.ts';

interface BrokerHeartbeat {
  readonly epoch: BrokerEpoch;
  /** On the monotonic clock, ms. */
  lastContactMs: number;
  /** Whether this controller itself has heard of it, rather than given it a session on the word of the image. */
  heard: boolean;
  /** Its process has ended, as far as can be seen: its session ends with it. */
  crashed: boolean;
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
    const heartbeat = this.sessionOf(brokerId, epoch, nowMs);
    heartbeat.heard = true;
    heartbeat.crashed = false;
    heartbeat.lastContactMs = nowMs;
    heartbeat.metadataOffset = max64(heartbeat.metadataOffset, metadataOffset);
  }

  /** The image says that the broker is up: it has a session to be heard of in. */
  expect(brokerId: number, epoch: BrokerEpoch, nowMs: number): void {
    this.sessionOf(brokerId, epoch, nowMs);
  }

  /** This process stood still for so long and could hear nobody: it counts against no session. */
  excuse(pauseMs: number): void {
    for (const heartbeat of this.heartbeats.values()) heartbeat.lastContactMs += pauseMs;
  }

  /** Whether this controller has heard of the broker in that life of it. */
  wasHeard(brokerId: number, epoch: BrokerEpoch): boolean {
    const heartbeat = this.heartbeats.get(brokerId);
    return heartbeat?.epoch === epoch && heartbeat.heard;
  }

  remove(brokerId: number): void {
    this.heartbeats.delete(brokerId);
  }

  hasValidSession(brokerId: number, epoch: BrokerEpoch, nowMs: number): boolean {
    const heartbeat = this.heartbeats.get(brokerId);
    return heartbeat?.epoch === epoch && this.isInSession(heartbeat, nowMs);
  }

  /** The broker wants to stop, others must know of everything below `offset` first. Later calls move it on. */
  maintainControlledShutdown(brokerId: number, offset: Offset): void {
    const heartbeat = this.heartbeats.get(brokerId);
    if (heartbeat !== undefined) {
      heartbeat.controlledShutdownOffset = max64(heartbeat.controlledShutdownOffset ?? -1, offset);
    }
  }

  /** Whether it is known what others must read before the broker may stop. */
  isShuttingDown(brokerId: number): boolean {
    return this.heartbeats.get(brokerId)?.controlledShutdownOffset !== undefined;
  }

  /** Whether the others have read so far that this one may stop. */
  mayShutDown(brokerId: number, others: Iterable<number>): boolean {
    const offset = this.heartbeats.get(brokerId)?.controlledShutdownOffset;
    // Asked of a controller before this one: what the others must have read is not known here.
    if (offset === undefined) return false;
    for (const other of others) {
      if (other === brokerId) continue;
      const heartbeat = this.heartbeats.get(other);
      if (heartbeat !== undefined && heartbeat.metadataOffset < offset) return false;
    }
    return true;
  }

  /** Those of `brokerIds` whose session has ended. */
  *stale(brokerIds: Iterable<number>, nowMs: number): Iterable<number> {
    for (const id of brokerIds) {
      const heartbeat = this.heartbeats.get(id);
      if (heartbeat !== undefined && !this.isInSession(heartbeat, nowMs)) yield id;
    }
  }

  /** Whether nothing was heard of that life of the broker for `silenceMs`, though it has a session. */
  isSilent(brokerId: number, epoch: BrokerEpoch, silenceMs: number, nowMs: number): boolean {
    const heartbeat = this.heartbeats.get(brokerId);
    if (heartbeat?.epoch !== epoch || heartbeat.crashed) return false;
    return nowMs - heartbeat.lastContactMs >= silenceMs;
  }

  /** Ends the session of that life of the broker, until it is heard of again. */
  markCrashed(brokerId: number, epoch: BrokerEpoch): void {
    const heartbeat = this.heartbeats.get(brokerId);
    if (heartbeat?.epoch === epoch) heartbeat.crashed = true;
  }

  private isInSession({ crashed, lastContactMs }: BrokerHeartbeat, nowMs: number): boolean {
    return !crashed && nowMs - lastContactMs < this.sessionTimeoutMs;
  }

  private sessionOf(brokerId: number, epoch: BrokerEpoch, nowMs: number): BrokerHeartbeat {
    let heartbeat = this.heartbeats.get(brokerId);
    if (heartbeat === undefined || heartbeat.epoch !== epoch) {
      heartbeat = {
        epoch,
        lastContactMs: nowMs,
        heard: false,
        crashed: false,
        metadataOffset: -1,
        controlledShutdownOffset: undefined,
      };
      this.heartbeats.set(brokerId, heartbeat);
    }
    return heartbeat;
  }
}
