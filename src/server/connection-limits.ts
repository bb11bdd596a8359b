export interface ConnectionLimitOptions {
  /** `max.connections`. */
  readonly maxConnections: number;
  /** `listener.name.<listener>.max.connections`, by the name of the listener. */
  readonly perListener?: ReadonlyMap<string, number>;
  /** `max.connections.per.ip`. */
  readonly maxConnectionsPerIp: number;
  /** `max.connections.per.ip.overrides`, by address. */
  readonly perIpOverrides: ReadonlyMap<string, number>;
}

/** Counts open connections, in all, by listener and by client address. */
export class ConnectionLimits {
  private options: ConnectionLimitOptions;
  private readonly byAddress = new Map<string, number>();
  private readonly byListener = new Map<string, number>();
  private total = 0;

  constructor(options: ConnectionLimitOptions) {
    this.options = options;
  }

  /** Other limits from now on. Connections that are open stay so. */
  set limits(options: ConnectionLimitOptions) {
    this.options = options;
  }

  /** The number of open connections. */
  get count(): number {
    return this.total;
  }

  /** Counts a connection in, or says which limit it would exceed. */
  admit(
    address: string,
    listenerName: string,
  ): 'admitted' | 'max.connections' | 'max.connections of the listener' | 'max.connections.per.ip' {
    const { maxConnections, perListener, maxConnectionsPerIp, perIpOverrides } = this.options;
    const ofAddress = this.byAddress.get(address) ?? 0;
    const ofListener = this.byListener.get(listenerName) ?? 0;
    if (this.total >= maxConnections) return 'max.connections';
    if (ofListener >= (perListener?.get(listenerName) ?? maxConnections)) {
      return 'max.connections of the listener';
    }
    if (ofAddress >= (perIpOverrides.get(address) ?? maxConnectionsPerIp)) return 'max.connections.per.ip';
    this.total++;
    this.byAddress.set(address, ofAddress + 1);
    this.byListener.set(listenerName, ofListener + 1);
    return 'admitted';
  }

  /** Counts out a connection that was admitted. */
  release(address: string, listenerName: string): void {
    this.total--;
    const ofAddress = (this.byAddress.get(address) ?? 0) - 1;
    if (ofAddress > 0) this.byAddress.set(address, ofAddress);
    else this.byAddress.delete(address);
    this.byListener.set(listenerName, (this.byListener.get(listenerName) ?? 0) - 1);
  }
}
