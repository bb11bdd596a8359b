import { type Uuid, ZERO_UUID } from '../../../src/base/uuid.ts';
import { type MetadataRecord, metadataRecord } from '../../../src/metadata/metadata-record.ts';

export const ORDERS_ID: Uuid = 'b3JkZXJzb3JkZXJzb3JkZQ';

export function broker(
  brokerId: number,
  options: {
    fenced?: boolean;
    listener?: string;
    rack?: string;
    logDirs?: Uuid[];
    cordonedLogDirs?: Uuid[];
  } = {},
): MetadataRecord {
  return metadataRecord('RegisterBrokerRecord', {
    brokerId,
    isMigratingZkBroker: false,
    incarnationId: ZERO_UUID,
    brokerEpoch: brokerId,
    endPoints: [
      {
        name: options.listener ?? 'PLAINTEXT',
        host: `host${brokerId}`,
        port: 9000 + brokerId,
        securityProtocol: 0,
      },
    ],
    features: [],
    rack: options.rack ?? null,
    fenced: options.fenced ?? false,
    inControlledShutdown: false,
    logDirs: options.logDirs ?? [],
    cordonedLogDirs: options.cordonedLogDirs ?? null,
  });
}

export function topic(name: string, topicId: Uuid): MetadataRecord {
  return metadataRecord('TopicRecord', { name, topicId });
}

export function partition(
  topicId: Uuid,
  partitionId: number,
  options: { replicas?: number[]; isr?: number[]; leader?: number; directories?: Uuid[] } = {},
): MetadataRecord {
  const replicas = options.replicas ?? [1];
  return metadataRecord('PartitionRecord', {
    partitionId,
    topicId,
    replicas,
    isr: options.isr ?? replicas,
    removingReplicas: [],
    addingReplicas: [],
    leader: options.leader ?? replicas[0]!,
    leaderRecoveryState: 0,
    leaderEpoch: 5,
    partitionEpoch: 6,
    directories: options.directories ?? [],
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  });
}
