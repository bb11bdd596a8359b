import {
  type ClientQuotaEntity,
  clientQuotaKey,
  ClientQuotasImage,
  sortedEntity,
} from './client-quotas-image.ts';
import type { MetadataRecordData } from './metadata-record.ts';

/** The changed quotas of one entity; null for a quota that is gone. */
export interface ClientQuotaDelta {
  readonly entity: ClientQuotaEntity;
  readonly changes: Map<string, number | null>;
}

/** Changes of quotas on top of an image. */
export class ClientQuotasDelta {
  readonly image: ClientQuotasImage;
  /** By {@link clientQuotaKey}. */
  readonly changes = new Map<string, ClientQuotaDelta>();

  constructor(image: ClientQuotasImage) {
    this.image = image;
  }

  replay(record: MetadataRecordData<'ClientQuotaRecord'>): void {
    this.delta(record.entity).changes.set(record.key, record.remove ? null : record.value);
  }

  /** A snapshot has been read: what it did not name is gone. */
  finishSnapshot(): void {
    for (const { entity, quotas } of this.image.entities.values()) {
      const { changes } = this.delta(entity);
      for (const key of quotas.keys()) {
        if (!changes.has(key)) changes.set(key, null);
      }
    }
  }

  apply(): ClientQuotasImage {
    const entities = this.image.entities.mutate(draft => {
      for (const [entityKey, { entity, changes }] of this.changes) {
        const quotas = new Map(draft.get(entityKey)?.quotas);
        for (const [key, value] of changes) {
          if (value === null) quotas.delete(key);
          else quotas.set(key, value);
        }
        if (quotas.size === 0) draft.delete(entityKey);
        else draft.set(entityKey, { entity, quotas });
      }
    });
    return new ClientQuotasImage(entities);
  }

  private delta(entity: ClientQuotaEntity): ClientQuotaDelta {
    const key = clientQuotaKey(entity);
    let delta = this.changes.get(key);
    if (delta === undefined) {
      delta = { entity: sortedEntity(entity), changes: new Map() };
      this.changes.set(key, delta);
    }
    return delta;
  }
}
