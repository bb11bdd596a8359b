import { QuotaEntityType } from '../../config/quota-keys.ts';
import type { ClientQuotaEntity } from '../../metadata/client-quotas-image.ts';

/** The limit that holds for a client, and with whom the client shares it. */
export interface ClientLimit {
  readonly bound: number;
  /** `undefined`: whoever the user is. */
  readonly user: string | undefined;
  /** `undefined`: whatever the client id is. */
  readonly clientId: string | undefined;
}

/** The limits of a user, or of all that have none of their own. */
interface UserLimits {
  own: number | undefined;
  everyClientId: number | undefined;
  readonly clientIds: Map<string, number>;
}

/**
 * The limits of one kind for users and client ids, and which of them holds for a client. The first of these that there
 * is, as in Kafka:
 *
 * | level | the quota of                            | what counts against it                     |
 * |------:|-----------------------------------------|--------------------------------------------|
 * |     1 | the user with the client id             | the user's connections with that client id |
 * |     2 | the user with any client id             | the user's connections with that client id |
 * |     3 | the user                                | the user's connections                     |
 * |     4 | any user with the client id             | the user's connections with that client id |
 * |     5 | any user with any client id             | the user's connections with that client id |
 * |     6 | any user                                | the user's connections                     |
 * |     7 | the client id                           | connections with that client id            |
 * |     8 | any client id                           | connections with that client id            |
 *
 * For a client that gives no client id only 3 and 6 do.
 */
export class ClientQuotaLimits {
  private readonly users = new Map<string, UserLimits>();
  private readonly everyUser = noLimits();
  /** Of client ids whoever the user is; `own` is not used. */
  private readonly anybody = noLimits();
  private count = 0;

  /** How many limits there are. */
  get size(): number {
    return this.count;
  }

  /** Sets the limit of an entity of a user, a client id or both; null removes it. */
  set(entity: ClientQuotaEntity, bound: number | null): void {
    const user = entity.find(part => part.entityType === QuotaEntityType.USER);
    const clientId = entity.find(part => part.entityType === QuotaEntityType.CLIENT_ID);
    const limits = this.limitsOf(user?.entityName);
    const before = boundOf(limits, clientId?.entityName);
    setBound(limits, clientId?.entityName, bound ?? undefined);
    this.count += Number(bound !== null) - Number(before !== undefined);
    const name = user?.entityName;
    if (typeof name === 'string' && isEmpty(limits)) this.users.delete(name);
  }

  /** The limit of a client; `undefined` if it has none. `clientId` is empty for a client that gives none. */
  resolve(user: string, clientId: string): ClientLimit | undefined {
    const ofUser = this.users.get(user);
    return (
      (ofUser && resolveUser(ofUser, user, clientId)) ??
      resolveUser(this.everyUser, user, clientId) ??
      limit(clientIdBound(this.anybody, clientId), undefined, clientId)
    );
  }

  private limitsOf(user: string | null | undefined): UserLimits {
    if (user === undefined) return this.anybody;
    if (user === null) return this.everyUser;
    let limits = this.users.get(user);
    if (limits === undefined) this.users.set(user, (limits = noLimits()));
    return limits;
  }
}

function resolveUser(limits: UserLimits, user: string, clientId: string): ClientLimit | undefined {
  return limit(clientIdBound(limits, clientId), user, clientId) ?? limit(limits.own, user, undefined);
}

function clientIdBound(limits: UserLimits, clientId: string): number | undefined {
  return clientId === '' ? undefined : (limits.clientIds.get(clientId) ?? limits.everyClientId);
}

function limit(
  bound: number | undefined,
  user: string | undefined,
  clientId: string | undefined,
): ClientLimit | undefined {
  return bound === undefined ? undefined : { bound, user, clientId };
}

function noLimits(): UserLimits {
  return { own: undefined, everyClientId: undefined, clientIds: new Map() };
}

function isEmpty({ own, everyClientId, clientIds }: UserLimits): boolean {
  return own === undefined && everyClientId === undefined && clientIds.size === 0;
}

function boundOf(limits: UserLimits, clientId: string | null | undefined): number | undefined {
  if (clientId === undefined) return limits.own;
  return clientId === null ? limits.everyClientId : limits.clientIds.get(clientId);
}

function setBound(limits: UserLimits, clientId: string | null | undefined, bound: number | undefined): void {
  if (clientId === undefined) limits.own = bound;
  else if (clientId === null) limits.everyClientId = bound;
  else if (bound === undefined) limits.clientIds.delete(clientId);
  else limits.clientIds.set(clientId, bound);
}
