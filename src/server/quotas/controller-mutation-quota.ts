import { type RateWindow, SampledRate } from '../../base/sampled-rate.ts';
import { TokenBucket } from '../../base/token-bucket.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import type { Clock } from '../../runtime/runtime.ts';
import type { ClientQuotaManager, QuotaClient, QuotaMeter } from './client-quota-manager.ts';

/** Decides by a bucket of tokens; the rate is there to be shown. */
export class MutationMeter implements QuotaMeter {
  private readonly bucket: TokenBucket;
  private readonly rate: SampledRate;

  constructor(window: RateWindow) {
    this.bucket = new TokenBucket(window);
    this.rate = new SampledRate(window);
  }

  record(value: number, nowMs: number, bound: number): void {
    this.bucket.record(value, nowMs, bound);
    this.rate.record(value, nowMs);
  }

  throttleMs(bound: number, nowMs: number): number {
    return this.bucket.throttleMs(bound, nowMs);
  }

  measure(nowMs: number): number {
    return this.rate.measure(nowMs);
  }
}

/**
 * `controller_mutation_rate` (KIP-599) for one request that creates or deletes partitions. A strict quota refuses what
 * comes while there is a debt; one that is not takes everything, as for clients whose version does not know the error.
 * Both take what makes the debt.
 */
export class ControllerMutationQuota {
  private readonly clock: Clock;
  private readonly manager: ClientQuotaManager;
  private readonly client: QuotaClient;
  private readonly isStrict: boolean;
  /** Monotonic, ms. */
  private throttledUntilMs = 0;

  constructor(clock: Clock, manager: ClientQuotaManager, client: QuotaClient, isStrict: boolean) {
    this.clock = clock;
    this.manager = manager;
    this.client = client;
    this.isStrict = isStrict;
  }

  /** Counts `partitions` that are about to be created or deleted. Throws THROTTLING_QUOTA_EXCEEDED. */
  apply(partitions: number): void {
    if (!this.manager.isEnabled) return;
    const { manager, client } = this;
    const throttleMs = this.isStrict
      ? manager.getThrottleMs(client)
      : manager.recordAndGetThrottleMs(client, partitions);
    if (throttleMs > 0) this.throttledUntilMs = this.clock.monotonicMs() + throttleMs;
    if (!this.isStrict) return;
    if (throttleMs > 0) {
      const text = `the quota of changes to partitions is used up: try again in ${throttleMs} ms`;
      throw new KafkaError(Errors.THROTTLING_QUOTA_EXCEEDED, text);
    }
    manager.record(client, partitions);
  }

  /** For how long the client is still to be held back, ms: the request may have waited since. */
  get throttleTimeMs(): number {
    if (this.throttledUntilMs === 0) return 0;
    return Math.max(0, Math.round(this.throttledUntilMs - this.clock.monotonicMs()));
  }
}
