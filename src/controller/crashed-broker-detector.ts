import type { BrokerRegistration, Endpoint } from '../metadata/broker-registration.ts';
import { isConnectionRefused } from '../runtime/connection-refused.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { BrokerHeartbeatManager } from './broker-heartbeat-manager.ts';

/** A broker that has missed so many heartbeats is looked after. */
const HEARTBEATS_MISSED = 2;

/**
 * Finds brokers whose process has ended without a word (kill -9, out of memory), long before their session does: they
 * have missed heartbeats, and the host of each of their listeners says that nobody listens there. Both must be so. A
 * controller may stand where the addresses that a broker advertises lead nowhere, and a broker that is busy or stopped
 * in its tracks still has its listeners: either keeps its whole session, and so does one whose host is down.
 */
export class CrashedBrokerDetector {
  private readonly runtime: Runtime;
  private readonly heartbeats: BrokerHeartbeatManager;
  private readonly silenceMs: number;
  private readonly onCrashed: (broker: BrokerRegistration) => void;
  /** Brokers that are being looked after. */
  private readonly pending = new Set<number>();

  /** `onCrashed` is called when the session of a broker was ended. */
  constructor(
    runtime: Runtime,
    heartbeats: BrokerHeartbeatManager,
    heartbeatIntervalMs: number,
    onCrashed: (broker: BrokerRegistration) => void,
  ) {
    this.runtime = runtime;
    this.heartbeats = heartbeats;
    this.silenceMs = HEARTBEATS_MISSED * heartbeatIntervalMs;
    this.onCrashed = onCrashed;
  }

  /** Looks after those of `brokers` that should have been heard of. */
  check(brokers: Iterable<BrokerRegistration>): void {
    for (const broker of brokers) {
      if (broker.fenced || this.pending.has(broker.id) || !this.isSilent(broker)) continue;
      this.pending.add(broker.id);
      void this.lookAfter(broker);
    }
  }

  private isSilent({ id, epoch }: BrokerRegistration): boolean {
    return this.heartbeats.isSilent(id, epoch, this.silenceMs, this.runtime.clock.monotonicMs());
  }

  private async lookAfter(broker: BrokerRegistration): Promise<void> {
    const refusals = await Promise.all(Array.from(broker.listeners.values(), at => this.isRefused(at)));
    this.pending.delete(broker.id);
    // It may have been heard of meanwhile, and a controller that leads no more has no sessions.
    if (refusals.length === 0 || refusals.includes(false) || !this.isSilent(broker)) return;
    this.heartbeats.markCrashed(broker.id, broker.epoch);
    this.onCrashed(broker);
  }

  private async isRefused({ host, port }: Endpoint): Promise<boolean> {
    try {
      const socket = await this.runtime.network.connect({ host, port, timeoutMs: this.silenceMs });
      socket.destroy();
      return false;
    } catch (error) {
      return isConnectionRefused(error);
    }
  }
}
