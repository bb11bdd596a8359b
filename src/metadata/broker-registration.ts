import type { BrokerEpoch } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { MetadataRecordData } from './metadata-record.ts';
import type { FeatureRange } from './features.ts';

/** Where a node listens: as it advertises itself. `securityProtocol` is Kafka's number (0 is PLAINTEXT). */
export interface Endpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly securityProtocol: number;
}

export interface BrokerRegistration {
  readonly id: number;
  /** The offset of its registration record: it tells this life of the broker from earlier ones. */
  readonly epoch: BrokerEpoch;
  /** Chosen anew by each process. */
  readonly incarnationId: Uuid;
  /** By listener name. */
  readonly listeners: ReadonlyMap<string, Endpoint>;
  readonly supportedFeatures: ReadonlyMap<string, FeatureRange>;
  readonly rack: string | null;
  /** A fenced broker leads nothing, and clients are not sent to it. */
  readonly fenced: boolean;
  readonly inControlledShutdown: boolean;
  readonly isMigratingZkBroker: boolean;
  /** The ids of its online log directories, sorted. */
  readonly directories: readonly Uuid[];
  /** Directories that get no new replicas; null where the broker said nothing of them. */
  readonly cordonedDirectories: readonly Uuid[] | null;
}

export interface ControllerRegistration {
  readonly id: number;
  readonly incarnationId: Uuid;
  readonly zkMigrationReady: boolean;
  readonly listeners: ReadonlyMap<string, Endpoint>;
  readonly supportedFeatures: ReadonlyMap<string, FeatureRange>;
}

export function brokerRegistrationFrom(
  record: MetadataRecordData<'RegisterBrokerRecord'>,
): BrokerRegistration {
  return {
    id: record.brokerId,
    epoch: record.brokerEpoch,
    incarnationId: record.incarnationId,
    listeners: new Map(record.endPoints.map(endpoint => [endpoint.name, endpoint])),
    supportedFeatures: rangesFrom(record.features),
    rack: record.rack,
    fenced: record.fenced,
    inControlledShutdown: record.inControlledShutdown,
    isMigratingZkBroker: record.isMigratingZkBroker,
    directories: [...record.logDirs].sort(),
    cordonedDirectories: record.cordonedLogDirs === null ? null : [...record.cordonedLogDirs].sort(),
  };
}

export function brokerRegistrationRecord(
  broker: BrokerRegistration,
): MetadataRecordData<'RegisterBrokerRecord'> {
  return {
    brokerId: broker.id,
    isMigratingZkBroker: broker.isMigratingZkBroker,
    incarnationId: broker.incarnationId,
    brokerEpoch: broker.epoch,
    endPoints: [...broker.listeners.values()],
    features: rangesTo(broker.supportedFeatures),
    rack: broker.rack,
    fenced: broker.fenced,
    inControlledShutdown: broker.inControlledShutdown,
    logDirs: [...broker.directories],
    cordonedLogDirs: broker.cordonedDirectories === null ? null : [...broker.cordonedDirectories],
  };
}

export function controllerRegistrationFrom(
  record: MetadataRecordData<'RegisterControllerRecord'>,
): ControllerRegistration {
  return {
    id: record.controllerId,
    incarnationId: record.incarnationId,
    zkMigrationReady: record.zkMigrationReady,
    listeners: new Map(record.endPoints.map(endpoint => [endpoint.name, endpoint])),
    supportedFeatures: rangesFrom(record.features),
  };
}

export function controllerRegistrationRecord(
  controller: ControllerRegistration,
): MetadataRecordData<'RegisterControllerRecord'> {
  return {
    controllerId: controller.id,
    incarnationId: controller.incarnationId,
    zkMigrationReady: controller.zkMigrationReady,
    endPoints: [...controller.listeners.values()],
    features: rangesTo(controller.supportedFeatures),
  };
}

interface NamedRange {
  name: string;
  minSupportedVersion: number;
  maxSupportedVersion: number;
}

function rangesFrom(features: readonly NamedRange[]): ReadonlyMap<string, FeatureRange> {
  return new Map(features.map(f => [f.name, { min: f.minSupportedVersion, max: f.maxSupportedVersion }]));
}

function rangesTo(features: ReadonlyMap<string, FeatureRange>): NamedRange[] {
  return [...features].map(([name, range]) => ({
    name,
    minSupportedVersion: range.min,
    maxSupportedVersion: range.max,
  }));
}
