import { MalformedError } from '../base/byte-reader.ts';
import type { BrokerEpoch } from '../base/int64.ts';
import {
  type BrokerRegistration,
  brokerRegistrationFrom,
  type ControllerRegistration,
  controllerRegistrationFrom,
} from './broker-registration.ts';
import { ClusterImage } from './cluster-image.ts';
import type { MetadataRecordData } from './metadata-record.ts';

/** Changes of the registered nodes on top of an image. */
export class ClusterDelta {
  readonly image: ClusterImage;
  /** New or changed; `undefined` for one that is gone. */
  readonly changedBrokers = new Map<number, BrokerRegistration | undefined>();
  readonly changedControllers = new Map<number, ControllerRegistration | undefined>();

  constructor(image: ClusterImage) {
    this.image = image;
  }

  /** As it is with the changes so far. */
  broker(brokerId: number): BrokerRegistration | undefined {
    return this.changedBrokers.has(brokerId)
      ? this.changedBrokers.get(brokerId)
      : this.image.broker(brokerId);
  }

  replayRegisterBroker(record: MetadataRecordData<'RegisterBrokerRecord'>): void {
    this.changedBrokers.set(record.brokerId, brokerRegistrationFrom(record));
  }

  replayUnregisterBroker(record: MetadataRecordData<'UnregisterBrokerRecord'>): void {
    this.existing(record.brokerId, record.brokerEpoch);
    this.changedBrokers.set(record.brokerId, undefined);
  }

  replayFence(brokerId: number, epoch: BrokerEpoch, fenced: boolean): void {
    this.changedBrokers.set(brokerId, { ...this.existing(brokerId, epoch), fenced });
  }

  replayRegistrationChange(record: MetadataRecordData<'BrokerRegistrationChangeRecord'>): void {
    const old = this.existing(record.brokerId, record.brokerEpoch);
    const fenced = change(record.fenced, 'fenced');
    const inControlledShutdown = change(record.inControlledShutdown, 'inControlledShutdown');
    this.changedBrokers.set(record.brokerId, {
      ...old,
      fenced: fenced ?? old.fenced,
      inControlledShutdown: inControlledShutdown ?? old.inControlledShutdown,
      directories: record.logDirs.length === 0 ? old.directories : [...record.logDirs].sort(),
      cordonedDirectories:
        record.cordonedLogDirs === null ? old.cordonedDirectories : [...record.cordonedLogDirs].sort(),
    });
  }

  replayRegisterController(record: MetadataRecordData<'RegisterControllerRecord'>): void {
    this.changedControllers.set(record.controllerId, controllerRegistrationFrom(record));
  }

  replayUnregisterController(record: MetadataRecordData<'UnregisterControllerRecord'>): void {
    this.changedControllers.set(record.controllerId, undefined);
  }

  /** A snapshot has been read: what it did not name is gone. */
  finishSnapshot(): void {
    for (const id of this.image.brokers.keys()) {
      if (!this.changedBrokers.has(id)) this.changedBrokers.set(id, undefined);
    }
    for (const id of this.image.controllers.keys()) {
      if (!this.changedControllers.has(id)) this.changedControllers.set(id, undefined);
    }
  }

  apply(): ClusterImage {
    const brokers = this.image.brokers.mutate(draft => {
      for (const [id, broker] of this.changedBrokers) {
        if (broker === undefined) draft.delete(id);
        else draft.set(id, broker);
      }
    });
    const controllers = this.image.controllers.mutate(draft => {
      for (const [id, controller] of this.changedControllers) {
        if (controller === undefined) draft.delete(id);
        else draft.set(id, controller);
      }
    });
    return new ClusterImage(brokers, controllers);
  }

  private existing(brokerId: number, epoch: BrokerEpoch): BrokerRegistration {
    const broker = this.broker(brokerId);
    if (broker === undefined) throw new MalformedError(`broker ${brokerId} changes, but is not registered`);
    if (broker.epoch !== epoch) {
      throw new MalformedError(`broker ${brokerId} of epoch ${epoch} changes, but has epoch ${broker.epoch}`);
    }
    return broker;
  }
}

/** The three-valued fields of a BrokerRegistrationChangeRecord: -1 clears, 0 leaves, 1 sets. */
function change(value: number, field: string): boolean | undefined {
  if (value === 0) return undefined;
  if (value !== 1 && value !== -1)
    throw new MalformedError(`a broker registration change has ${field} ${value}`);
  return value === 1;
}
