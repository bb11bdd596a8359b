import { unreachable } from '../base/assert.ts';
import { AclsImage, type AccessControlEntry } from './acls-image.ts';
import { ClientQuotasDelta } from './client-quotas-delta.ts';
import { ClusterDelta } from './cluster-delta.ts';
import { ConfigResourceType } from './config-resource.ts';
import { ConfigurationsDelta } from './configurations-delta.ts';
import { type DelegationToken, DelegationTokenImage } from './delegation-token-image.ts';
import { FeaturesImage } from './features-image.ts';
import { MetadataImage, type MetadataProvenance } from './metadata-image.ts';
import type { MetadataRecord, MetadataRecordData } from './metadata-record.ts';
import { ProducerIdsImage } from './producer-ids-image.ts';
import { type ScramCredential, ScramImage, scramKey } from './scram-image.ts';
import { TableDelta } from './table-delta.ts';
import { TopicsDelta } from './topics-delta.ts';

/**
 * Changes on top of an image: records are replayed into it, {@link apply} makes the next image. Each part exists once
 * something in it changed, so that a publisher sees at a glance what does not concern it.
 */
export class MetadataDelta {
  /** What the changes are on top of. */
  readonly image: MetadataImage;
  /** Levels by name, 0 for a feature that is no longer in use. */
  features: TableDelta<string, number> | undefined;
  cluster: ClusterDelta | undefined;
  topics: TopicsDelta | undefined;
  configs: ConfigurationsDelta | undefined;
  clientQuotas: ClientQuotasDelta | undefined;
  producerIds: ProducerIdsImage | undefined;
  acls: TableDelta<string, AccessControlEntry> | undefined;
  scram: TableDelta<string, ScramCredential> | undefined;
  delegationTokens: TableDelta<string, DelegationToken> | undefined;

  constructor(image: MetadataImage) {
    this.image = image;
  }

  /**
   * Throws `MalformedError` for a record that does not fit what it changes. Begin, End and AbortTransactionRecord are
   * not for here: they say which records to replay.
   */
  replay(record: MetadataRecord): void {
    switch (record.type) {
      case 'TopicRecord':
        this.getOrCreateTopics().replayTopic(record.data);
        break;
      case 'PartitionRecord':
        this.getOrCreateTopics().replayPartition(record.data);
        break;
      case 'PartitionChangeRecord':
        this.getOrCreateTopics().replayPartitionChange(record.data);
        break;
      case 'RemoveTopicRecord':
        this.replayRemoveTopic(record.data);
        break;
      case 'ClearElrRecord':
        this.getOrCreateTopics().replayClearElr(record.data);
        break;
      case 'ConfigRecord':
        this.getOrCreateConfigs().replay(record.data);
        break;
      case 'FeatureLevelRecord':
        this.replayFeatureLevel(record.data);
        break;
      case 'ProducerIdsRecord':
        this.producerIds = new ProducerIdsImage(record.data.nextProducerId);
        break;
      case 'RegisterBrokerRecord':
      case 'UnregisterBrokerRecord':
      case 'FenceBrokerRecord':
      case 'UnfenceBrokerRecord':
      case 'BrokerRegistrationChangeRecord':
      case 'RegisterControllerRecord':
      case 'UnregisterControllerRecord':
        this.replayCluster(record);
        break;
      case 'ClientQuotaRecord':
      case 'AccessControlEntryRecord':
      case 'RemoveAccessControlEntryRecord':
      case 'UserScramCredentialRecord':
      case 'RemoveUserScramCredentialRecord':
      case 'DelegationTokenRecord':
      case 'RemoveDelegationTokenRecord':
        this.replaySecurity(record);
        break;
      // What is left of migrations from ZooKeeper, which no broker of today takes part in, says nothing to an image.
      case 'ZkMigrationStateRecord':
      case 'NoOpRecord':
      case 'BeginTransactionRecord':
      case 'EndTransactionRecord':
      case 'AbortTransactionRecord':
        return;
      default:
        unreachable(record);
    }
  }

  /** Call after the last record of a snapshot, replayed on top of an older image: what it did not name is gone. */
  finishSnapshot(): void {
    const { image } = this;
    this.features ??= new TableDelta(image.features.finalizedVersions);
    this.features.finishSnapshot();
    this.getOrCreateCluster().finishSnapshot();
    this.getOrCreateTopics().finishSnapshot();
    this.getOrCreateConfigs().finishSnapshot();
    this.getOrCreateQuotas().finishSnapshot();
    this.producerIds ??= ProducerIdsImage.EMPTY;
    this.getOrCreateAcls().finishSnapshot();
    this.getOrCreateScram().finishSnapshot();
    this.getOrCreateTokens().finishSnapshot();
  }

  /** The image with the changes. */
  apply(provenance: MetadataProvenance): MetadataImage {
    const { image } = this;
    return new MetadataImage(provenance, {
      features: this.features ? new FeaturesImage(this.features.apply()) : image.features,
      cluster: this.cluster?.apply() ?? image.cluster,
      topics: this.topics?.apply() ?? image.topics,
      configs: this.configs?.apply() ?? image.configs,
      clientQuotas: this.clientQuotas?.apply() ?? image.clientQuotas,
      producerIds: this.producerIds ?? image.producerIds,
      acls: this.acls ? new AclsImage(this.acls.apply()) : image.acls,
      scram: this.scram ? new ScramImage(this.scram.apply()) : image.scram,
      delegationTokens: this.delegationTokens
        ? new DelegationTokenImage(this.delegationTokens.apply())
        : image.delegationTokens,
    });
  }

  getOrCreateTopics(): TopicsDelta {
    return (this.topics ??= new TopicsDelta(this.image.topics));
  }

  private getOrCreateCluster(): ClusterDelta {
    return (this.cluster ??= new ClusterDelta(this.image.cluster));
  }

  private getOrCreateConfigs(): ConfigurationsDelta {
    return (this.configs ??= new ConfigurationsDelta(this.image.configs));
  }

  private getOrCreateQuotas(): ClientQuotasDelta {
    return (this.clientQuotas ??= new ClientQuotasDelta(this.image.clientQuotas));
  }

  private getOrCreateAcls(): TableDelta<string, AccessControlEntry> {
    return (this.acls ??= new TableDelta<string, AccessControlEntry>(this.image.acls.acls));
  }

  private getOrCreateScram(): TableDelta<string, ScramCredential> {
    return (this.scram ??= new TableDelta(this.image.scram.credentials));
  }

  private getOrCreateTokens(): TableDelta<string, DelegationToken> {
    return (this.delegationTokens ??= new TableDelta(this.image.delegationTokens.tokens));
  }

  private replayRemoveTopic(data: MetadataRecordData<'RemoveTopicRecord'>): void {
    const topics = this.getOrCreateTopics();
    const name = topics.topic(data.topicId)?.name;
    topics.replayRemoveTopic(data);
    if (name !== undefined) this.getOrCreateConfigs().removeResource(ConfigResourceType.TOPIC, name);
  }

  private replayFeatureLevel({ name, featureLevel }: MetadataRecordData<'FeatureLevelRecord'>): void {
    this.features ??= new TableDelta(this.image.features.finalizedVersions);
    if (featureLevel === 0) this.features.delete(name);
    else this.features.set(name, featureLevel);
  }

  private replayCluster(record: ClusterRecord): void {
    const cluster = this.getOrCreateCluster();
    switch (record.type) {
      case 'RegisterBrokerRecord':
        cluster.replayRegisterBroker(record.data);
        break;
      case 'UnregisterBrokerRecord':
        cluster.replayUnregisterBroker(record.data);
        break;
      case 'FenceBrokerRecord':
        cluster.replayFence(record.data.id, record.data.epoch, true);
        break;
      case 'UnfenceBrokerRecord':
        cluster.replayFence(record.data.id, record.data.epoch, false);
        break;
      case 'BrokerRegistrationChangeRecord':
        cluster.replayRegistrationChange(record.data);
        break;
      case 'RegisterControllerRecord':
        cluster.replayRegisterController(record.data);
        break;
      case 'UnregisterControllerRecord':
        cluster.replayUnregisterController(record.data);
        break;
    }
  }

  private replaySecurity(record: SecurityRecord): void {
    switch (record.type) {
      case 'ClientQuotaRecord':
        this.getOrCreateQuotas().replay(record.data);
        break;
      case 'AccessControlEntryRecord':
        this.getOrCreateAcls().set(record.data.id, record.data);
        break;
      case 'RemoveAccessControlEntryRecord':
        this.getOrCreateAcls().delete(record.data.id);
        break;
      case 'UserScramCredentialRecord':
        this.replayScram(record.data);
        break;
      case 'RemoveUserScramCredentialRecord':
        this.getOrCreateScram().delete(scramKey(record.data.mechanism, record.data.name));
        break;
      case 'DelegationTokenRecord':
        this.getOrCreateTokens().set(record.data.tokenId, record.data);
        break;
      case 'RemoveDelegationTokenRecord':
        this.getOrCreateTokens().delete(record.data.tokenId);
        break;
    }
  }

  private replayScram(data: MetadataRecordData<'UserScramCredentialRecord'>): void {
    // The bytes are views of the log's buffer, which an image must not keep alive.
    this.getOrCreateScram().set(scramKey(data.mechanism, data.name), {
      ...data,
      salt: Buffer.from(data.salt),
      storedKey: Buffer.from(data.storedKey),
      serverKey: Buffer.from(data.serverKey),
    });
  }
}

type RecordOf<T extends MetadataRecord['type']> = Extract<MetadataRecord, { type: T }>;

type ClusterRecord = RecordOf<
  | 'RegisterBrokerRecord'
  | 'UnregisterBrokerRecord'
  | 'FenceBrokerRecord'
  | 'UnfenceBrokerRecord'
  | 'BrokerRegistrationChangeRecord'
  | 'RegisterControllerRecord'
  | 'UnregisterControllerRecord'
>;

type SecurityRecord = RecordOf<
  | 'ClientQuotaRecord'
  | 'AccessControlEntryRecord'
  | 'RemoveAccessControlEntryRecord'
  | 'UserScramCredentialRecord'
  | 'RemoveUserScramCredentialRecord'
  | 'DelegationTokenRecord'
  | 'RemoveDelegationTokenRecord'
>;
