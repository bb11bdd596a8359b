import type { LeaderEpoch, Offset, Timestamp } from '../base/int64.ts';
import { AclsImage } from './acls-image.ts';
import { ClientQuotasImage } from './client-quotas-image.ts';
import { ClusterImage } from './cluster-image.ts';
import { ConfigurationsImage } from './configurations-image.ts';
import { DelegationTokenImage } from './delegation-token-image.ts';
import { FeaturesImage } from './features-image.ts';
import type { MetadataRecord } from './metadata-record.ts';
import { ProducerIdsImage } from './producer-ids-image.ts';
import { ScramImage } from './scram-image.ts';
import { TopicsImage } from './topics-image.ts';

/** Up to where in the metadata log an image reads. */
export interface MetadataProvenance {
  /** The offset of the last record in it; -1 for none. */
  readonly lastContainedOffset: Offset;
  readonly lastContainedEpoch: LeaderEpoch;
  /** The time of the batch of that record, ms; -1 for none. */
  readonly lastContainedLogTimeMs: Timestamp;
}

export const NO_PROVENANCE: MetadataProvenance = {
  lastContainedOffset: -1,
  lastContainedEpoch: -1,
  lastContainedLogTimeMs: -1,
};

export interface MetadataImageParts {
  readonly features: FeaturesImage;
  readonly cluster: ClusterImage;
  readonly topics: TopicsImage;
  readonly configs: ConfigurationsImage;
  readonly clientQuotas: ClientQuotasImage;
  readonly producerIds: ProducerIdsImage;
  readonly acls: AclsImage;
  readonly scram: ScramImage;
  readonly delegationTokens: DelegationTokenImage;
}

/**
 * The metadata of the cluster as of one offset of the metadata log: the fold of all records up to it. An image never
 * changes; a later one shares with it whatever stayed the same. `MetadataDelta` makes the next image.
 */
export class MetadataImage implements MetadataImageParts {
  static readonly EMPTY = new MetadataImage(NO_PROVENANCE, {
    features: FeaturesImage.EMPTY,
    cluster: ClusterImage.EMPTY,
    topics: TopicsImage.EMPTY,
    configs: ConfigurationsImage.EMPTY,
    clientQuotas: ClientQuotasImage.EMPTY,
    producerIds: ProducerIdsImage.EMPTY,
    acls: AclsImage.EMPTY,
    scram: ScramImage.EMPTY,
    delegationTokens: DelegationTokenImage.EMPTY,
  });

  readonly provenance: MetadataProvenance;
  readonly features: FeaturesImage;
  readonly cluster: ClusterImage;
  readonly topics: TopicsImage;
  readonly configs: ConfigurationsImage;
  readonly clientQuotas: ClientQuotasImage;
  readonly producerIds: ProducerIdsImage;
  readonly acls: AclsImage;
  readonly scram: ScramImage;
  readonly delegationTokens: DelegationTokenImage;

  constructor(provenance: MetadataProvenance, parts: MetadataImageParts) {
    this.provenance = provenance;
    this.features = parts.features;
    this.cluster = parts.cluster;
    this.topics = parts.topics;
    this.configs = parts.configs;
    this.clientQuotas = parts.clientQuotas;
    this.producerIds = parts.producerIds;
    this.acls = parts.acls;
    this.scram = parts.scram;
    this.delegationTokens = parts.delegationTokens;
  }

  /** The offset of the last record in it, -1 for none: also the epoch of the finalized features. */
  get highestOffset(): Offset {
    return this.provenance.lastContainedOffset;
  }

  /** The records of a snapshot: replayed on the empty image they give this one (M8). */
  *records(): Iterable<MetadataRecord> {
    const { metadataVersion } = this.features;
    yield* this.features.records();
    yield* this.cluster.records(metadataVersion);
    yield* this.topics.records(metadataVersion);
    yield* this.configs.records();
    yield* this.clientQuotas.records();
    yield* this.producerIds.records();
    yield* this.acls.records();
    yield* this.scram.records(metadataVersion);
    yield* this.delegationTokens.records(metadataVersion);
  }
}
