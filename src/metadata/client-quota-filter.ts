import { QuotaEntityType } from '../config/quota-keys.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { DescribeClientQuotasRequest } from '../protocol/messages/48-describe-client-quotas.ts';
import type { ClientQuotaEntity, ClientQuotaImage, ClientQuotasImage } from './client-quotas-image.ts';

/** Kafka's numbers for how one part of an entity is matched. */
export const QuotaMatchType = {
  /** Has this name. */
  EXACT: 0,
  /** Is the default of its type. */
  DEFAULT: 1,
  /** Is there, with any name or as the default. */
  SPECIFIED: 2,
} as const;

const ENTITY_TYPES: readonly string[] = Object.values(QuotaEntityType);

/** The name that a part must have, null for the default; `undefined` for any. */
type Wanted = string | null | undefined;

/**
 * Which quotas a DescribeClientQuotas request asks for (KIP-546). Every component must match a part of the entity;
 * `strict` leaves out entities that have other parts too.
 */
export class ClientQuotaFilter {
  private readonly wanted: ReadonlyMap<string, Wanted>;
  private readonly strict: boolean;

  /** Throws INVALID_REQUEST for components that contradict, UNSUPPORTED_VERSION for a type of entity of the future. */
  constructor({ components, strict }: DescribeClientQuotasRequest) {
    const wanted = new Map<string, Wanted>();
    for (const { entityType, matchType, match } of components) {
      if (entityType === '') throw invalid('the type of an entity is empty');
      if (wanted.has(entityType)) throw invalid(`entity type '${entityType}' is in the filter twice`);
      if (!ENTITY_TYPES.includes(entityType)) {
        throw new KafkaError(Errors.UNSUPPORTED_VERSION, `there is no entity type '${entityType}'`);
      }
      wanted.set(entityType, wantedName(entityType, matchType, match));
    }
    if (wanted.has(QuotaEntityType.IP) && wanted.size > 1) {
      throw invalid('quotas of IP addresses are asked for alone, without users and client ids');
    }
    this.wanted = wanted;
    this.strict = strict;
  }

  /** The quotas that match, in no order. */
  *select({ entities }: ClientQuotasImage): Iterable<ClientQuotaImage> {
    // Strictly nothing: no entity is without parts.
    if (this.strict && this.wanted.size === 0) return;
    for (const quota of entities.values()) if (this.matches(quota.entity)) yield quota;
  }

  private matches(entity: ClientQuotaEntity): boolean {
    if (this.strict && entity.length !== this.wanted.size) return false;
    for (const [type, name] of this.wanted) {
      const part = entity.find(each => each.entityType === type);
      if (part === undefined || (name !== undefined && part.entityName !== name)) return false;
    }
    return true;
  }
}

function wantedName(entityType: string, matchType: number, match: string | null): Wanted {
  switch (matchType) {
    case QuotaMatchType.EXACT:
      if (match === null) throw invalid(`the name of the ${entityType} to match is missing`);
      return match;
    case QuotaMatchType.DEFAULT:
    case QuotaMatchType.SPECIFIED:
      if (match !== null)
        throw invalid(`a name is given for the ${entityType}, which is not matched by name`);
      return matchType === QuotaMatchType.DEFAULT ? null : undefined;
    default:
      throw invalid(`there is no match type ${matchType}`);
  }
}

function invalid(text: string): KafkaError {
  return new KafkaError(Errors.INVALID_REQUEST, text);
}
