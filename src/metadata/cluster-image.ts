import { PersistentMap } from '../base/persistent-map.ts';
import {
  type BrokerRegistration,
  brokerRegistrationRecord,
  type ControllerRegistration,
  controllerRegistrationRecord,
} from './broker-registration.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';
import { metadataVersionSupports, recordVersions } from './metadata-version.ts';

/** The nodes that have registered. */
export class ClusterImage {
  static readonly EMPTY = new ClusterImage(PersistentMap.empty(), PersistentMap.empty());

  readonly brokers: PersistentMap<number, BrokerRegistration>;
  readonly controllers: PersistentMap<number, ControllerRegistration>;

  constructor(
    brokers: PersistentMap<number, BrokerRegistration>,
    controllers: PersistentMap<number, ControllerRegistration>,
  ) {
    this.brokers = brokers;
    this.controllers = controllers;
  }

  broker(brokerId: number): BrokerRegistration | undefined {
    return this.brokers.get(brokerId);
  }

  /** Whether the broker is registered and may lead. */
  isActive(brokerId: number): boolean {
    const broker = this.brokers.get(brokerId);
    return broker !== undefined && !broker.fenced && !broker.inControlledShutdown;
  }

  *records(metadataVersion: number): Iterable<MetadataRecord> {
    const version = recordVersions.registerBroker(metadataVersion);
    for (const broker of this.brokers.values()) {
      const data = brokerRegistrationRecord(broker);
      if (version < 4) data.cordonedLogDirs = null;
      if (version < 3) data.logDirs = [];
      if (version < 2) data.isMigratingZkBroker = false;
      yield metadataRecord('RegisterBrokerRecord', data, version);
    }
    if (!metadataVersionSupports.controllerRegistration(metadataVersion)) return;
    for (const controller of this.controllers.values()) {
      yield metadataRecord('RegisterControllerRecord', controllerRegistrationRecord(controller));
    }
  }
}
