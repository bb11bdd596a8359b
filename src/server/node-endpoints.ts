import type { EndPoint } from '../config/listeners.ts';
import { SUPPORTED_FEATURES } from '../metadata/features.ts';

const SECURITY_PROTOCOL_NUMBERS = { PLAINTEXT: 0, SSL: 1, SASL_PLAINTEXT: 2, SASL_SSL: 3 } as const;

/** A listener as a registration tells of it. */
export interface RegisteredListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Kafka's number of the security protocol. */
  readonly securityProtocol: number;
}

/** `advertised` as it is registered: port 0 stands for the port in use, which `ports` gives by listener name. */
export function registeredListener(
  { listenerName, host, port, securityProtocol }: EndPoint,
  ports: ReadonlyMap<string, number>,
): RegisteredListener {
  return {
    name: listenerName,
    host,
    port: port === 0 ? (ports.get(listenerName) ?? 0) : port,
    securityProtocol: SECURITY_PROTOCOL_NUMBERS[securityProtocol],
  };
}

/** The feature levels that a registration says this node can run at. */
export function supportedFeatures() {
  return Array.from(SUPPORTED_FEATURES, ([name, { min, max }]) => ({
    name,
    minSupportedVersion: min,
    maxSupportedVersion: max,
  }));
}
