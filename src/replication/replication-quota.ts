import { type RateWindow, SampledRate } from '../base/sampled-rate.ts';
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

/**
 * A limit in bytes a second for the replication of throttled replicas (KIP-73), over
 * `replication.quota.window.num` samples of `replication.quota.window.size.seconds`. What is read goes over the limit
 * by one answer at most; then nothing is read until the rate has come down.
 */
export class ReplicationQuota {
  private readonly clock: Clock;
  private readonly window: RateWindow;
  private readonly bytesPerSecond: () => number;
  private readonly rate: SampledRate;

  /** `bytesPerSecond` is asked each time, since operators change it while they wait. */
  constructor(clock: Clock, window: RateWindow, bytesPerSecond: () => number) {
    this.clock = clock;
    this.window = window;
    this.bytesPerSecond = bytesPerSecond;
    this.rate = new SampledRate(window, 'elapsed');
  }

  isExceeded(): boolean {
    const bound = this.bytesPerSecond();
    return bound < Number.MAX_SAFE_INTEGER && this.rate.measure(this.clock.monotonicMs()) > bound;
  }

  /** Until {@link isExceeded} is false again, ms; 0 if it is. */
  delayMs(): number {
    const bound = this.bytesPerSecond();
    if (bound >= Number.MAX_SAFE_INTEGER) return 0;
    const delayMs = this.rate.throttleMs(bound, this.clock.monotonicMs());
    // By then every sample is forgotten, also where nothing is let through.
    return Math.min(delayMs, this.window.samples * this.window.sampleMs);
  }

  record(bytes: number): void {
    this.rate.record(bytes, this.clock.monotonicMs());
  }
}
