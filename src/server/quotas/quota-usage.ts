import type { ClientQuotaKey } from '../../config/quota-keys.ts';

/** What somebody uses of a quota. */
export interface QuotaUsage {
  readonly quota: ClientQuotaKey;
  /** Whoever shares the limit: a user, a client id, a user with a client id, or an IP address. */
  readonly user: string | undefined;
  readonly clientId: string | undefined;
  readonly ip: string | undefined;
  /** In the unit of the quota: bytes, percent, partitions or connections a second. */
  readonly bound: number;
  readonly rate: number;
  /** For how long it will be held back, as far as is known now, ms; 0 if it is not. */
  readonly throttledForMs: number;
  /** How often it was held back since the quota was first used. */
  readonly throttleCount: number;
}
