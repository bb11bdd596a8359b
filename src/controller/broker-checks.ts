import type { BrokerEpoch } from '../base/int64.ts';
import type { BrokerRegistration } from '../metadata/broker-registration.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { metadataVersionSupports } from '../metadata/metadata-version.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';

/** The registration, if the broker is in the life that it says. BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH. */
export function checkBrokerEpoch(
  image: MetadataImage,
  brokerId: number,
  epoch: BrokerEpoch,
): BrokerRegistration {
  const broker = image.cluster.broker(brokerId);
  if (broker === undefined) {
    throw new KafkaError(Errors.BROKER_ID_NOT_REGISTERED, `broker ${brokerId} is not registered`);
  }
  if (broker.epoch !== epoch) {
    const text = `broker ${brokerId} has epoch ${broker.epoch}, the request says ${epoch}`;
    throw new KafkaError(Errors.STALE_BROKER_EPOCH, text);
  }
  return broker;
}

/** UNSUPPORTED_VERSION while metadata.version is below the level that has directories. */
export function checkDirectoryAssignment(metadataVersion: number): void {
  if (metadataVersionSupports.directoryAssignment(metadataVersion)) return;
  const text = `replicas cannot be assigned to directories at metadata.version ${metadataVersion}: raise it first`;
  throw new KafkaError(Errors.UNSUPPORTED_VERSION, text);
}
