import type { TopicPartition } from '../log/topic-partition.ts';
import type { Clock } from '../runtime/runtime.ts';

/** `*`, or `partition:broker` each: `leader.` and `follower.replication.throttled.replicas` of a topic. */
export function isThrottledReplica(
  throttledReplicas: readonly string[],
  { partition }: TopicPartition,
  brokerId: number,
): boolean {
  if (throttledReplicas.length === 0) return false;
  return throttledReplicas.includes('*') || throttledReplicas.includes(`${partition}:${brokerId}`);
}

/** A rate is held over this time: what was not used of it before is lost, ms. */
const WINDOW_MS = 1_000;

/**
 * A limit in bytes a second for the replication of throttled replicas (KIP-73). What is read goes over the limit by one
 * answer at most; then nothing is read until the debt is paid.
 */
export class ReplicationQuota {
  private readonly clock: Clock;
  private readonly bytesPerSecond: () => number;
  /** Bytes that may be used; below 0 is a debt. */
  private credit = 0;
  private updatedMs = Number.NEGATIVE_INFINITY;

  /** `bytesPerSecond` is asked each time, since operators change it while they wait. */
  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.clock = clock;
    this.bytesPerSecond = bytesPerSecond;
  }

  isExceeded(): boolean {
    const rate = this.bytesPerSecond();
    if (rate >= Number.MAX_SAFE_INTEGER) return false;
    this.refill(rate);
    return this.credit <= 0;
  }

  /** Until {@link isExceeded} is false again, ms; 0 if it is. */
  delayMs(): number {
    if (!this.isExceeded()) return 0;
    const rate = Math.max(1, this.bytesPerSecond());
    return Math.max(1, Math.ceil(((1 - this.credit) * 1_000) / rate));
  }

  record(bytes: number): void {
    this.credit -= bytes;
  }

  private refill(rate: number): void {
    const nowMs = this.clock.monotonicMs();
    const passedMs = Math.min(nowMs - this.updatedMs, WINDOW_MS);
    this.updatedMs = nowMs;
    this.credit = Math.min(this.credit + (rate * passedMs) / 1_000, (rate * WINDOW_MS) / 1_000);
  }
}
