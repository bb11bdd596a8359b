import fc from 'fast-check';
import { type MetadataRecord, metadataRecord } from '../../../src/metadata/metadata-record.ts';
import { NO_LEADER_CHANGE } from '../../../src/metadata/partition-registration.ts';

const NAMES = ['__proto__', 'constructor', 'a.b', 'a_b', 'plain', '-dash'];
const BROKERS = [1, 2, 3];
const id = (n: number): string => Buffer.from(`topic-id-${String(n).padStart(7, '0')}`).toString('base64url');

interface Choice {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
}

/** Makes valid histories: choices are turned into records that fit what came before. */
class HistoryBuilder {
  private readonly topics = new Map<string, { id: string; partitions: number }>();
  private readonly brokers = new Map<number, number>();
  private nextTopic = 0;
  private nextEpoch = 0;

  batch(choice: Choice): MetadataRecord[] {
    const { kind, a, b } = choice;
    const name = NAMES[a % NAMES.length]!;
    const brokerId = BROKERS[b % BROKERS.length]!;
    switch (kind) {
      case 0:
        return this.createTopic(name, 1 + (b % 3));
      case 1:
        return this.removeTopic(name);
      case 2:
        return this.addPartition(name);
      case 3:
        return this.changePartition(name, b);
      case 4:
        return [this.config(2, name, `key-${b % 3}`, a % 2 === 0 ? String(b) : null)];
      case 5:
        return [
          this.config(
            4,
            b % 2 === 0 ? '' : String(brokerId),
            'log.retention.ms',
            a % 3 === 0 ? null : String(a),
          ),
        ];
      case 6:
        return this.broker(brokerId, a);
      case 7:
        return this.security(a, b);
      case 8:
        return [metadataRecord('ProducerIdsRecord', { brokerId, brokerEpoch: 1, nextProducerId: a * 1000 })];
      case 9:
        return [metadataRecord('FeatureLevelRecord', { name: `feature-${a % 2}`, featureLevel: b % 3 })];
      case 10:
        return [metadataRecord('ClearElrRecord', { topicName: a % 3 === 0 ? '' : name })];
      default:
        return [metadataRecord('NoOpRecord', {})];
    }
  }

  private createTopic(name: string, partitions: number): MetadataRecord[] {
    if (this.topics.has(name)) return [];
    const topicId = id(this.nextTopic++);
    this.topics.set(name, { id: topicId, partitions });
    return [
      metadataRecord('TopicRecord', { name, topicId }),
      ...Array.from({ length: partitions }, (_, i) => this.partition(topicId, i)),
    ];
  }

  private removeTopic(name: string): MetadataRecord[] {
    const topic = this.topics.get(name);
    this.topics.delete(name);
    return topic === undefined ? [] : [metadataRecord('RemoveTopicRecord', { topicId: topic.id })];
  }

  private addPartition(name: string): MetadataRecord[] {
    const topic = this.topics.get(name);
    return topic === undefined ? [] : [this.partition(topic.id, topic.partitions++)];
  }

  private changePartition(name: string, b: number): MetadataRecord[] {
    const topic = this.topics.get(name);
    if (topic === undefined) return [];
    const data = {
      partitionId: b % topic.partitions,
      topicId: topic.id,
      isr: b % 2 === 0 ? [2] : null,
      leader: b % 3 === 0 ? NO_LEADER_CHANGE : 2,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: b % 5 === 0 ? 1 : -1,
      directories: null,
      eligibleLeaderReplicas: b % 2 === 0 ? [1] : null,
      lastKnownElr: b % 7 === 0 ? [1] : null,
    };
    return [metadataRecord('PartitionChangeRecord', data, 2)];
  }

  private partition(topicId: string, partitionId: number): MetadataRecord {
    const data = {
      partitionId,
      topicId,
      replicas: [1, 2],
      isr: [1, 2],
      removingReplicas: [],
      addingReplicas: [],
      leader: 1,
      leaderRecoveryState: 0,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: [id(1), id(2)],
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    };
    return metadataRecord('PartitionRecord', data, 2);
  }

  private config(
    resourceType: number,
    resourceName: string,
    name: string,
    value: string | null,
  ): MetadataRecord {
    return metadataRecord('ConfigRecord', { resourceType, resourceName, name, value });
  }

  private broker(brokerId: number, a: number): MetadataRecord[] {
    const epoch = this.brokers.get(brokerId);
    if (epoch === undefined || a % 6 === 0) {
      this.brokers.set(brokerId, ++this.nextEpoch);
      const data = {
        brokerId,
        isMigratingZkBroker: false,
        incarnationId: id(a),
        brokerEpoch: this.nextEpoch,
        endPoints: [{ name: 'PLAINTEXT', host: '__proto__', port: 9092, securityProtocol: 0 }],
        features: [{ name: 'metadata.version', minSupportedVersion: 7, maxSupportedVersion: 30 }],
        rack: a % 2 === 0 ? null : 'rack',
        fenced: true,
        inControlledShutdown: false,
        logDirs: [id(a), id(a + 1)],
        cordonedLogDirs: null,
      };
      return [metadataRecord('RegisterBrokerRecord', data, 4)];
    }
    if (a % 6 === 1) {
      this.brokers.delete(brokerId);
      return [metadataRecord('UnregisterBrokerRecord', { brokerId, brokerEpoch: epoch })];
    }
    if (a % 6 === 2) return [metadataRecord('FenceBrokerRecord', { id: brokerId, epoch })];
    if (a % 6 === 3) return [metadataRecord('UnfenceBrokerRecord', { id: brokerId, epoch })];
    const data = {
      brokerId,
      brokerEpoch: epoch,
      fenced: a % 3 === 0 ? -1 : 0,
      inControlledShutdown: a % 2,
      logDirs: a % 4 === 0 ? [id(9)] : [],
      cordonedLogDirs: a % 5 === 0 ? [] : null,
    };
    return [metadataRecord('BrokerRegistrationChangeRecord', data, 3)];
  }

  private security(a: number, b: number): MetadataRecord[] {
    const name = NAMES[a % NAMES.length]!;
    const entity = [
      { entityType: 'user', entityName: a % 4 === 0 ? null : name },
      { entityType: 'client-id', entityName: name },
    ];
    if (b % 2 === 0) entity.reverse();
    const credential = { name, mechanism: 1 + (b % 2) };
    switch (b % 8) {
      case 0:
      case 1:
        return [
          metadataRecord('ClientQuotaRecord', {
            entity,
            key: `q${a % 2}`,
            value: a / 2,
            remove: a % 5 === 0,
          }),
        ];
      case 2:
        return [
          metadataRecord('AccessControlEntryRecord', {
            id: id(a % 4),
            resourceType: 2,
            resourceName: name,
            patternType: 3,
            principal: `User:${a}`,
            host: '*',
            operation: 3,
            permissionType: 3,
          }),
        ];
      case 3:
        return [metadataRecord('RemoveAccessControlEntryRecord', { id: id(a % 4) })];
      case 4:
        return [
          metadataRecord('UserScramCredentialRecord', {
            ...credential,
            salt: Buffer.of(a),
            storedKey: Buffer.of(b),
            serverKey: Buffer.of(1),
            iterations: 4096,
          }),
        ];
      case 5:
        return [metadataRecord('RemoveUserScramCredentialRecord', credential)];
      case 6:
        return [
          metadataRecord('DelegationTokenRecord', {
            owner: name,
            requester: name,
            renewers: [],
            issueTimestamp: a,
            maxTimestamp: 2n ** 60n,
            expirationTimestamp: b,
            tokenId: `t${a % 3}`,
          }),
        ];
      default:
        return [metadataRecord('RemoveDelegationTokenRecord', { tokenId: `t${a % 3}` })];
    }
  }
}

const choice = fc.record({ kind: fc.nat(11), a: fc.nat(30), b: fc.nat(30) });

/** Batches of records, each of which fits what the batches before it made. The first sets metadata.version. */
export const histories: fc.Arbitrary<MetadataRecord[][]> = fc
  .array(choice, { maxLength: 60 })
  .map(choices => {
    const builder = new HistoryBuilder();
    const first = [metadataRecord('FeatureLevelRecord', { name: 'metadata.version', featureLevel: 30 })];
    return [first, ...choices.map(each => builder.batch(each)).filter(batch => batch.length > 0)];
  });
