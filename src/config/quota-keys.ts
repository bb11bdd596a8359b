/** What a quota of clients limits, by Kafka's names. */
export const ClientQuotaKey = {
  /** Bytes of Produce requests a second. */
  PRODUCER_BYTE_RATE: 'producer_byte_rate',
  /** Bytes of answers to Fetch requests of consumers a second. */
  CONSUMER_BYTE_RATE: 'consumer_byte_rate',
  /** The part of a broker's time that requests may take, in percent. */
  REQUEST_PERCENTAGE: 'request_percentage',
  /** Partitions that are created or deleted a second. */
  CONTROLLER_MUTATION_RATE: 'controller_mutation_rate',
  /** New connections a second. */
  CONNECTION_CREATION_RATE: 'connection_creation_rate',
} as const;
export type ClientQuotaKey = (typeof ClientQuotaKey)[keyof typeof ClientQuotaKey];

/** Whom a quota is for, by Kafka's names. */
export const QuotaEntityType = { USER: 'user', CLIENT_ID: 'client-id', IP: 'ip' } as const;

type QuotaValueType = 'INT' | 'LONG' | 'DOUBLE';

/** The keys of quotas of users, of client ids and of both together. */
export const USER_AND_CLIENT_QUOTA_KEYS: ReadonlyMap<string, QuotaValueType> = new Map([
  [ClientQuotaKey.PRODUCER_BYTE_RATE, 'LONG'],
  [ClientQuotaKey.CONSUMER_BYTE_RATE, 'LONG'],
  [ClientQuotaKey.REQUEST_PERCENTAGE, 'DOUBLE'],
  [ClientQuotaKey.CONTROLLER_MUTATION_RATE, 'DOUBLE'],
]);

/** The keys of quotas of IP addresses. */
export const IP_QUOTA_KEYS: ReadonlyMap<string, QuotaValueType> = new Map([
  [ClientQuotaKey.CONNECTION_CREATION_RATE, 'INT'],
]);

const LARGEST: { readonly [T in QuotaValueType]: number } = {
  INT: 2 ** 31 - 1,
  LONG: 2 ** 63,
  DOUBLE: Number.POSITIVE_INFINITY,
};
/** A number that is a whole one but for this counts as one, as in Kafka. */
const FRACTION_MAX = 1e-6;

/** What is wrong with `value` as that of a quota of type `type`, in words; `undefined` if nothing is. */
export function quotaValueProblem(type: QuotaValueType, value: number): string | undefined {
  // Nothing compares to NaN: written like this, it is none of what is let through.
  if (!(value > 0)) return 'must be greater than 0';
  if (value > LARGEST[type]) return `is too large for a ${type}`;
  if (type !== 'DOUBLE' && Math.abs(value % 1) > FRACTION_MAX) return 'must be a whole number';
  return undefined;
}
