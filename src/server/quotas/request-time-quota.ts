import type { Clock } from '../../runtime/runtime.ts';
import type { ClientQuotaManager, QuotaClient } from './client-quota-manager.ts';

/** The rate of one ms of work in each ms is 100 percent. */
const PERCENT_PER_MS = 100 / 1_000;

/**
 * `request_percentage`: the part of its time that a node may spend on the requests of a client. 100 percent are all of
 * the event loop. The time of a request is that of decoding it, of the synchronous half of its handler, and of encoding
 * its answer.
 */
export class RequestTimeQuota {
  private readonly clock: Clock;
  private readonly manager: ClientQuotaManager;

  constructor(clock: Clock, manager: ClientQuotaManager) {
    this.clock = clock;
    this.manager = manager;
  }

  get isEnabled(): boolean {
    return this.manager.isEnabled;
  }

  /** Monotonic, ms. */
  nowMs(): number {
    return this.clock.monotonicMs();
  }

  /** Records `busyMs` of work for `client`, and gives for how long it is to be held back, ms. */
  recordAndGetThrottleMs(client: QuotaClient, busyMs: number): number {
    return this.manager.recordAndGetThrottleMs(client, busyMs * PERCENT_PER_MS);
  }

  /** Records work that counts at the next request only. */
  record(client: QuotaClient, busyMs: number): void {
    this.manager.record(client, busyMs * PERCENT_PER_MS);
  }
}
