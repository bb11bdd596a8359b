import { add64, type BrokerEpoch, INT64_MAX, type ProducerId } from '../base/int64.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { metadataRecord } from '../metadata/metadata-record.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { checkBrokerEpoch } from './broker-checks.ts';
import { atomicResult, type ControllerResult } from './controller-result.ts';

/** How many ids a broker gets at once. */
const PRODUCER_IDS_PER_BLOCK = 1000;

/** Ids for one broker to give away: nobody else ever gets them (T10). */
export interface ProducerIdsBlock {
  readonly firstProducerId: ProducerId;
  readonly size: number;
}

export class ProducerIdControlManager {
  /** BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH; UNKNOWN_SERVER_ERROR when all 2^63 ids are used. */
  generateNextBlock(
    image: MetadataImage,
    brokerId: number,
    brokerEpoch: BrokerEpoch,
  ): ControllerResult<ProducerIdsBlock> {
    checkBrokerEpoch(image, brokerId, brokerEpoch);
    const { nextProducerId } = image.producerIds;
    const firstProducerId = nextProducerId < 0 ? 0 : nextProducerId;
    if (BigInt(firstProducerId) > INT64_MAX - BigInt(PRODUCER_IDS_PER_BLOCK)) {
      throw new KafkaError(Errors.UNKNOWN_SERVER_ERROR, 'all producer ids have been given away');
    }
    const record = metadataRecord('ProducerIdsRecord', {
      brokerId,
      brokerEpoch,
      nextProducerId: add64(firstProducerId, PRODUCER_IDS_PER_BLOCK),
    });
    return atomicResult([record], { firstProducerId, size: PRODUCER_IDS_PER_BLOCK });
  }
}
