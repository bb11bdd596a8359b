/** Kafka's numbers for what a configuration belongs to. */
export const ConfigResourceType = {
  UNKNOWN: 0,
  TOPIC: 2,
  BROKER: 4,
  BROKER_LOGGER: 8,
  CLIENT_METRICS: 16,
  GROUP: 32,
} as const;

export interface ConfigResource {
  /** One of {@link ConfigResourceType}, or another number in a record of a newer version. */
  readonly type: number;
  /** A broker's is its id in decimal, or empty for the default of all brokers. */
  readonly name: string;
}

/** One string for a resource, as a key of maps. */
export function configResourceKey(type: number, name: string): string {
  return `${type}:${name}`;
}
