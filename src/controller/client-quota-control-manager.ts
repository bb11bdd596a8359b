import { addressBytes } from '../base/ip-address.ts';
import {
  IP_QUOTA_KEYS,
  QuotaEntityType,
  quotaValueProblem,
  USER_AND_CLIENT_QUOTA_KEYS,
} from '../config/quota-keys.ts';
import {
  type ClientQuotaEntity,
  type ClientQuotaEntityPart,
  clientQuotaKey,
  sortedEntity,
} from '../metadata/client-quotas-image.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../protocol/messages/49-alter-client-quotas.ts';
import { atomicResult, type ControllerResult } from './controller-result.ts';

/** How many records one request may write. */
const MAX_RECORDS = 10_000;

type AlterEntry = AlterClientQuotasRequest['entries'][number];
export type AlterQuotasResult = AlterClientQuotasResponse['entries'][number];

/** Sets and removes quotas of clients. Entities of one request succeed or fail one by one. */
export class ClientQuotaControlManager {
  /**
   * One answer for each entity. Errors of an entity, all INVALID_REQUEST: it is empty, of types that do not go together
   * or are not known, or has an empty name; a key is not one of its kind, or in the request twice; a value is not
   * possible. An entity that the request names again is refused from then on; what came first stays, as in Kafka.
   * Of all of them: POLICY_VIOLATION for more than {@link MAX_RECORDS} changes.
   */
  alterClientQuotas(
    image: MetadataImage,
    { entries, validateOnly }: AlterClientQuotasRequest,
  ): ControllerResult<AlterQuotasResult[]> {
    const records: MetadataRecord[] = [];
    const results = new Map<string, AlterQuotasResult>();
    for (const entry of entries) {
      const entity = entityOf(entry);
      const key = clientQuotaKey(entity);
      let error: KafkaError | undefined;
      try {
        if (results.has(key)) throw invalid('an entity may be in a request only once');
        records.push(...changesOf(image, entity, entry));
      } catch (refusal) {
        if (!(refusal instanceof KafkaError)) throw refusal;
        error = refusal;
      }
      results.set(key, {
        errorCode: error?.code ?? Errors.NONE,
        errorMessage: error?.message ?? null,
        entity: entity.map(part => ({ ...part })),
      });
    }
    if (records.length > MAX_RECORDS) {
      throw new KafkaError(Errors.POLICY_VIOLATION, `a request may change ${MAX_RECORDS} quotas: split it`);
    }
    return atomicResult(validateOnly ? [] : records, [...results.values()]);
  }
}

/** As in Kafka, the last name of a type counts. */
function entityOf({ entity }: AlterEntry): ClientQuotaEntity {
  const names = new Map(entity.map(({ entityType, entityName }) => [entityType, entityName]));
  return sortedEntity([...names].map(([entityType, entityName]) => ({ entityType, entityName })));
}

/** The records for what is not as asked yet. */
function changesOf(image: MetadataImage, entity: ClientQuotaEntity, { ops }: AlterEntry): MetadataRecord[] {
  const wanted = new Map<string, number | undefined>();
  for (const { key, value, remove } of ops) {
    if (wanted.has(key)) throw invalid(`quota ${key} is in the request twice`);
    wanted.set(key, remove ? undefined : value);
  }
  const keys = keysOf(entity);
  const present = image.clientQuotas.quotas(entity);
  const records: MetadataRecord[] = [];
  for (const [key, value] of wanted) {
    if (value === present?.get(key)) continue;
    const type = keys.get(key);
    // What is removed need not be one of today's quotas.
    if (value !== undefined) {
      if (type === undefined) throw invalid(`there is no quota ${key} for ${describe(entity)}`);
      const problem = quotaValueProblem(type, value);
      if (problem !== undefined) throw invalid(`the value of quota ${key} ${problem}`);
    }
    records.push(
      metadataRecord('ClientQuotaRecord', {
        entity: entity.map(part => ({ ...part })),
        key,
        value: value ?? 0,
        remove: value === undefined,
      }),
    );
  }
  return records;
}

/** The keys that quotas of an entity of this kind may have. */
function keysOf(entity: ClientQuotaEntity): typeof IP_QUOTA_KEYS {
  if (entity.length === 0) throw invalid('the entity is empty');
  for (const { entityType, entityName } of entity) {
    if (!Object.values<string>(QuotaEntityType).includes(entityType)) {
      throw invalid(`there is no entity type '${entityType}'`);
    }
    if (entityName === '') throw invalid(`the name of the ${entityType} is empty`);
  }
  const ip = entity.find(part => part.entityType === QuotaEntityType.IP);
  if (ip === undefined) return USER_AND_CLIENT_QUOTA_KEYS;
  if (entity.length > 1) throw invalid('an IP address goes with neither a user nor a client id');
  checkAddress(ip);
  return IP_QUOTA_KEYS;
}

/** Names of hosts are not looked up: what they stand for may be another address tomorrow. */
function checkAddress({ entityName }: ClientQuotaEntityPart): void {
  if (entityName === null) return;
  try {
    addressBytes(entityName);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalid(error.message);
  }
}

function describe(entity: ClientQuotaEntity): string {
  return entity.map(part => `${part.entityType} ${part.entityName ?? '<default>'}`).join(', ');
}

function invalid(text: string): KafkaError {
  return new KafkaError(Errors.INVALID_REQUEST, text);
}
