import { PersistentMap } from '../base/persistent-map.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';

export interface ClientQuotaEntityPart {
  /** `user`, `client-id` or `ip`. */
  readonly entityType: string;
  /** Null for the default of that type. */
  readonly entityName: string | null;
}

/** Whom a quota is for: one part for each type, sorted by type. */
export type ClientQuotaEntity = readonly ClientQuotaEntityPart[];

export interface ClientQuotaImage {
  readonly entity: ClientQuotaEntity;
  /** Never empty. */
  readonly quotas: ReadonlyMap<string, number>;
}

export class ClientQuotasImage {
  static readonly EMPTY = new ClientQuotasImage(PersistentMap.empty());

  /** By {@link clientQuotaKey}. */
  readonly entities: PersistentMap<string, ClientQuotaImage>;

  constructor(entities: PersistentMap<string, ClientQuotaImage>) {
    this.entities = entities;
  }

  quotas(entity: ClientQuotaEntity): ReadonlyMap<string, number> | undefined {
    return this.entities.get(clientQuotaKey(entity))?.quotas;
  }

  *records(): Iterable<MetadataRecord> {
    for (const { entity, quotas } of this.entities.values()) {
      for (const [key, value] of quotas) {
        yield metadataRecord('ClientQuotaRecord', {
          entity: entity.map(part => ({ ...part })),
          key,
          value,
          remove: false,
        });
      }
    }
  }
}

/** The parts in the order of their types. */
export function sortedEntity(parts: readonly ClientQuotaEntityPart[]): ClientQuotaEntity {
  return [...parts].sort((a, b) => (a.entityType < b.entityType ? -1 : a.entityType > b.entityType ? 1 : 0));
}

/** One string for an entity, whatever the order of its parts. */
export function clientQuotaKey(entity: ClientQuotaEntity): string {
  return JSON.stringify(sortedEntity(entity).map(part => [part.entityType, part.entityName]));
}
