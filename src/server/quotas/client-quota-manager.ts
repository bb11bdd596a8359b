import type { LimitedLogger } from '../../base/logger.ts';
import { type RateWindow, SampledRate } from '../../base/sampled-rate.ts';
import type { ClientQuotaKey } from '../../config/quota-keys.ts';
import type { ClientQuotaEntity } from '../../metadata/client-quotas-image.ts';
import type { Clock } from '../../runtime/runtime.ts';
import { type ClientLimit, ClientQuotaLimits } from './client-quota-limits.ts';
import type { QuotaUsage } from './quota-usage.ts';
import { RecentMap } from './recent-map.ts';

/** Whose request it is: part of what a handler knows of it. */
export interface QuotaClient {
  /** `Type:name`. */
  readonly principal: string;
  readonly clientId: string | null;
}

export interface ClientQuotaOptions {
  readonly quota: ClientQuotaKey;
  readonly window: RateWindow;
  /** A client is held back for so long at most, ms. */
  readonly throttleMaxMs: number;
  /** Makes what measures one client. Left out: a rate over the window. */
  readonly meter?: () => QuotaMeter;
}

/** Measures what those who share a limit use, and how long they must wait. Times are monotonic, ms. */
export interface QuotaMeter {
  record(value: number, nowMs: number, bound: number): void;
  /** 0 if nobody has to wait. */
  throttleMs(bound: number, nowMs: number): number;
  /** Per second. */
  measure(nowMs: number): number;
}

/** What those who share a limit have used of it. */
interface Sensor {
  limit: ClientLimit;
  /** Of {@link ClientQuotaManager.changes}, when the limit was looked up. */
  limitOf: number;
  readonly meter: QuotaMeter;
  throttledUntilMs: number;
  throttleCount: number;
}

/** The longest throttle time that an answer can tell. */
export const THROTTLE_MS_MAX = 0x7fff_ffff;

/**
 * One kind of quota of users and client ids on this broker: measures what clients use, and says for how long a client
 * that has used more than its limit must wait. Clients without a limit are not measured.
 */
export class ClientQuotaManager {
  private readonly clock: Clock;
  private readonly logger: LimitedLogger;
  private readonly options: ClientQuotaOptions;
  private readonly limits = new ClientQuotaLimits();
  private readonly sensors = new RecentMap<Sensor>();
  /** How often quotas have changed. */
  private changes = 0;

  constructor(clock: Clock, logger: LimitedLogger, options: ClientQuotaOptions) {
    this.clock = clock;
    this.logger = logger;
    this.options = options;
  }

  /** Whether there is any quota of this kind. While there is none, clients cost no more than this question. */
  get isEnabled(): boolean {
    return this.limits.size > 0;
  }

  /** The quota of `entity` from now on; null for none. */
  update(entity: ClientQuotaEntity, bound: number | null): void {
    this.limits.set(entity, bound);
    this.changes++;
  }

  /** Records what `client` has used, and gives for how long it is to be held back for it, ms. */
  recordAndGetThrottleMs(client: QuotaClient, value: number): number {
    const nowMs = this.clock.monotonicMs();
    const sensor = this.sensorOf(client, nowMs);
    if (sensor === undefined) return 0;
    sensor.meter.record(value, nowMs, sensor.limit.bound);
    return this.throttleMs(sensor, nowMs);
  }

  /** For how long `client` is to be held back for what it has used before, ms. */
  getThrottleMs(client: QuotaClient): number {
    const nowMs = this.clock.monotonicMs();
    const sensor = this.sensorOf(client, nowMs);
    return sensor === undefined ? 0 : this.throttleMs(sensor, nowMs);
  }

  /** Records without holding back, or takes back what was recorded at this moment with a negative value. */
  record(client: QuotaClient, value: number): void {
    const nowMs = this.clock.monotonicMs();
    const sensor = this.sensorOf(client, nowMs);
    sensor?.meter.record(value, nowMs, sensor.limit.bound);
  }

  /** The most that `client` can use at once without being held back for certain, if it has used nothing before. */
  maxValueInWindow({ principal, clientId }: QuotaClient): number {
    if (!this.isEnabled) return Number.POSITIVE_INFINITY;
    const limit = this.limits.resolve(userOf(principal), clientId ?? '');
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    const { samples, sampleMs } = this.options.window;
    return (limit.bound * (samples - 1) * sampleMs) / 1_000;
  }

  /** Everybody who has been here lately, since quotas last changed, and has a limit; and those who are held back. */
  *usages(): Iterable<QuotaUsage> {
    const nowMs = this.clock.monotonicMs();
    for (const { limit, limitOf, meter, throttledUntilMs, throttleCount } of this.sensors.values()) {
      if (limitOf !== this.changes && throttledUntilMs <= nowMs) continue;
      yield {
        quota: this.options.quota,
        user: limit.user,
        clientId: limit.clientId,
        ip: undefined,
        bound: limit.bound,
        rate: meter.measure(nowMs),
        throttledForMs: Math.max(0, throttledUntilMs - nowMs),
        throttleCount,
      };
    }
  }

  private sensorOf({ principal, clientId }: QuotaClient, nowMs: number): Sensor | undefined {
    if (!this.isEnabled) return undefined;
    const limit = this.limits.resolve(userOf(principal), clientId ?? '');
    if (limit === undefined) return undefined;
    const key = keyOf(limit);
    let sensor = this.sensors.get(key, nowMs);
    if (sensor === undefined) {
      const { window, meter: makeMeter } = this.options;
      const meter = makeMeter?.() ?? new SampledRate(window);
      sensor = { limit, limitOf: this.changes, meter, throttledUntilMs: 0, throttleCount: 0 };
      this.sensors.add(key, sensor, nowMs);
    }
    sensor.limit = limit;
    sensor.limitOf = this.changes;
    return sensor;
  }

  private throttleMs(sensor: Sensor, nowMs: number): number {
    const throttleMs = Math.min(
      sensor.meter.throttleMs(sensor.limit.bound, nowMs),
      this.options.throttleMaxMs,
    );
    if (throttleMs <= 0) return 0;
    sensor.throttledUntilMs = Math.max(sensor.throttledUntilMs, nowMs + throttleMs);
    sensor.throttleCount++;
    const { quota } = this.options;
    const { bound, user, clientId } = sensor.limit;
    this.logger.info(`${quota} ${keyOf(sensor.limit)}`, 'a client is held back by its quota', {
      quota,
      user,
      clientId,
      bound,
      rate: Math.round(sensor.meter.measure(nowMs)),
      throttleMs,
    });
    return throttleMs;
  }
}

/** The name of a principal. It may hold colons, its type none. */
function userOf(principal: string): string {
  return principal.slice(principal.indexOf(':') + 1);
}

/** The length keeps a user and a client id apart, whatever they hold. */
function keyOf({ user, clientId }: ClientLimit): string {
  if (user === undefined) return `c${clientId}`;
  return clientId === undefined ? `u${user}` : `b${user.length}:${user}${clientId}`;
}
