import type { ProducerId } from '../base/int64.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';

export class ProducerIdsImage {
  static readonly EMPTY = new ProducerIdsImage(-1);

  /** The first id of the next block; -1 before the first block was given away. */
  readonly nextProducerId: ProducerId;

  constructor(nextProducerId: ProducerId) {
    this.nextProducerId = nextProducerId;
  }

  *records(): Iterable<MetadataRecord> {
    if (this.nextProducerId < 0) return;
    yield metadataRecord('ProducerIdsRecord', {
      brokerId: -1,
      brokerEpoch: -1,
      nextProducerId: this.nextProducerId,
    });
  }
}
