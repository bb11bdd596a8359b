import { addressBytes, addressText } from '../../base/ip-address.ts';
import type { LimitedLogger } from '../../base/logger.ts';
import { type RateWindow, SampledRate } from '../../base/sampled-rate.ts';
import { ClientQuotaKey } from '../../config/quota-keys.ts';
import type { Clock } from '../../runtime/runtime.ts';
import type { QuotaUsage } from './quota-usage.ts';
import { RecentMap } from './recent-map.ts';

/** How many connections a node takes in a second, whoever makes them. */
export interface ConnectionRateLimits {
  /** `max.connection.creation.rate`; infinite for no limit. */
  readonly node: number;
  /** Of each listener, by its name: its own, else the node's. */
  readonly listeners: ReadonlyMap<string, number>;
  /**
   * The listener for other brokers, where clients have another one: what clients do does not keep brokers from each
   * other, so that only its own limit is for it.
   */
  readonly protectedListener: string | undefined;
}

export const NO_RATE_LIMITS: ConnectionRateLimits = {
  node: Number.POSITIVE_INFINITY,
  listeners: new Map(),
  protectedListener: undefined,
};

interface IpSensor {
  readonly ip: string;
  readonly rate: SampledRate;
  throttledUntilMs: number;
  throttleCount: number;
}

/**
 * How fast connections come: to the node, to each listener, and from each IP address (`connection_creation_rate`,
 * KIP-612). Nobody waits for longer than a sample.
 */
export class ConnectionRates {
  private readonly clock: Clock;
  private readonly logger: LimitedLogger;
  private readonly window: RateWindow;
  private limits: ConnectionRateLimits;
  private readonly nodeRate: SampledRate;
  private readonly listenerRates = new Map<string, SampledRate>();
  /** Of addresses in the one way in which they are written. */
  private readonly ips = new Map<string, number>();
  private everyIp: number | undefined;
  private readonly sensors = new RecentMap<IpSensor>();

  constructor(clock: Clock, logger: LimitedLogger, window: RateWindow, limits: ConnectionRateLimits) {
    this.clock = clock;
    this.logger = logger;
    this.window = window;
    this.limits = limits;
    this.nodeRate = new SampledRate(window);
  }

  /** Other limits from now on. What waits is let in, or waits on, by these. */
  setLimits(limits: ConnectionRateLimits): void {
    this.limits = limits;
  }

  /** Whether any limit is set. */
  get isEnabled(): boolean {
    const { node, listeners } = this.limits;
    if (this.ips.size > 0 || this.everyIp !== undefined || Number.isFinite(node)) return true;
    for (const bound of listeners.values()) if (Number.isFinite(bound)) return true;
    return false;
  }

  /** The limit of an address, or with null of every address that has none of its own; null for none. */
  update(ip: string | null, bound: number | null): void {
    if (ip === null) this.everyIp = bound ?? undefined;
    else if (bound === null) this.ips.delete(canonical(ip));
    else this.ips.set(canonical(ip), bound);
  }

  /** Counts a connection to a listener, and gives for how long it is to wait before it is let in, ms. */
  recordAndGetDelayMs(listenerName: string): number {
    const nowMs = this.clock.monotonicMs();
    const delays = this.sharedRates(listenerName).map(([rate, bound]) => {
      rate.record(1, nowMs);
      return Number.isFinite(bound) ? rate.throttleMs(bound, nowMs) : 0;
    });
    const delayMs = Math.min(Math.max(...delays), this.window.sampleMs);
    if (delayMs > 0) {
      const fields = { listener: listenerName, delayMs };
      this.logger.info(`connections ${listenerName}`, 'connections come too fast and wait', fields);
    }
    return delayMs;
  }

  /**
   * Counts a connection of an address that is let in, and gives 0; or for how long the address has made too many, ms:
   * then the connection is none, and is not counted anywhere.
   */
  recordIpAndGetThrottleMs(listenerName: string, address: string): number {
    if (this.ips.size === 0 && this.everyIp === undefined) return 0;
    const ip = canonical(address);
    const bound = this.boundOf(ip);
    if (bound === undefined) return 0;
    const nowMs = this.clock.monotonicMs();
    const sensor = this.sensorOf(ip, nowMs);
    sensor.rate.record(1, nowMs);
    const throttleMs = Math.min(sensor.rate.throttleMs(bound, nowMs), this.window.sampleMs);
    if (throttleMs <= 0) return 0;
    sensor.rate.record(-1, nowMs);
    for (const [rate] of this.sharedRates(listenerName)) rate.record(-1, nowMs);
    sensor.throttledUntilMs = Math.max(sensor.throttledUntilMs, nowMs + throttleMs);
    sensor.throttleCount++;
    this.logger.info(`ip ${ip}`, 'a connection is closed by the quota of its address', {
      quota: ClientQuotaKey.CONNECTION_CREATION_RATE,
      ip,
      bound,
      throttleMs,
    });
    return throttleMs;
  }

  /** Every address that has a limit and has been here lately. */
  *usages(): Iterable<QuotaUsage> {
    const nowMs = this.clock.monotonicMs();
    for (const { ip, rate, throttledUntilMs, throttleCount } of this.sensors.values()) {
      const bound = this.boundOf(ip);
      if (bound === undefined) continue;
      yield {
        quota: ClientQuotaKey.CONNECTION_CREATION_RATE,
        user: undefined,
        clientId: undefined,
        ip,
        bound,
        rate: rate.measure(nowMs),
        throttledForMs: Math.max(0, throttledUntilMs - nowMs),
        throttleCount,
      };
    }
  }

  /** What a connection to the listener counts for, with its limits. */
  private sharedRates(listenerName: string): [rate: SampledRate, bound: number][] {
    const { node, listeners, protectedListener } = this.limits;
    let own = this.listenerRates.get(listenerName);
    if (own === undefined) this.listenerRates.set(listenerName, (own = new SampledRate(this.window)));
    const ofListener: [SampledRate, number] = [own, listeners.get(listenerName) ?? Number.POSITIVE_INFINITY];
    return listenerName === protectedListener ? [ofListener] : [[this.nodeRate, node], ofListener];
  }

  private boundOf(ip: string): number | undefined {
    return this.ips.get(ip) ?? this.everyIp;
  }

  private sensorOf(ip: string, nowMs: number): IpSensor {
    let sensor = this.sensors.get(ip, nowMs);
    if (sensor === undefined) {
      sensor = { ip, rate: new SampledRate(this.window), throttledUntilMs: 0, throttleCount: 0 };
      this.sensors.add(ip, sensor, nowMs);
    }
    return sensor;
  }
}

/** An address has several texts, and one of IPv4 may come as one of IPv6. */
function canonical(address: string): string {
  let bytes: Buffer;
  try {
    bytes = addressBytes(address);
  } catch (error) {
    if (error instanceof RangeError) return address;
    throw error;
  }
  const isMapped = bytes.length === 16 && bytes.readUIntBE(4, 6) === 0 && bytes.readUIntBE(10, 2) === 0xffff;
  return addressText(isMapped && bytes.readUInt32BE(0) === 0 ? bytes.subarray(12) : bytes) ?? address;
}
