import { FeatureName } from '../metadata/features.ts';
import { ConfigResourceType } from '../metadata/config-resource.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import { metadataVersionSupports } from '../metadata/metadata-version.ts';

export interface ActivationState {
  readonly image: MetadataImage;
  /** Whether the log ends in a transaction that its leader did not finish. */
  readonly inTransaction: boolean;
  /** From `bootstrap.checkpoint`. */
  readonly bootstrapRecords: readonly MetadataRecord[];
  /** `min.insync.replicas` as it is in the file of this node. */
  readonly minInsyncReplicas: number;
}

/**
 * What a controller writes when it becomes active, as one batch: it ends a transaction that was left open by aborting
 * it, and gives an empty log its first records. With eligible leader replicas the controllers decide by
 * `min.insync.replicas`, so its value becomes a record that all of them see.
 */
export function activationRecords(state: ActivationState): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  if (state.inTransaction) {
    records.push(
      metadataRecord('AbortTransactionRecord', { reason: 'the controller that began it is gone' }),
    );
  }
  if (state.image.features.finalizedVersions.size > 0) return records;
  const level = levelIn(state.bootstrapRecords, FeatureName.METADATA_VERSION);
  const inTransaction = metadataVersionSupports.transactions(level);
  if (inTransaction) records.push(metadataRecord('BeginTransactionRecord', { name: 'Bootstrap records' }));
  records.push(...state.bootstrapRecords);
  if (levelIn(state.bootstrapRecords, FeatureName.ELIGIBLE_LEADER_REPLICAS_VERSION) > 0) {
    records.push(
      metadataRecord('ConfigRecord', {
        resourceType: ConfigResourceType.BROKER,
        resourceName: '',
        name: 'min.insync.replicas',
        value: String(state.minInsyncReplicas),
      }),
    );
  }
  if (inTransaction) records.push(metadataRecord('EndTransactionRecord', {}));
  return records;
}

function levelIn(records: readonly MetadataRecord[], feature: string): number {
  for (const record of records) {
    if (record.type === 'FeatureLevelRecord' && record.data.name === feature) return record.data.featureLevel;
  }
  return 0;
}
