import type { Offset } from '../../base/int64.ts';
import { MalformedError } from '../../base/byte-reader.ts';
import { KafkaError } from '../../protocol/errors.ts';
import type { FetchRequest } from '../../protocol/messages/01-fetch.ts';
import { downConvert } from '../../record/down-convert.ts';
import { batchesOf, type RecordBatch } from '../../record/record-batch.ts';
import type { FetchPartition } from '../../replication/fetch-params.ts';
import type { BrokerServices } from '../broker-services.ts';

/** The magic of the records that a version of Fetch may be answered with. */
const FIRST_VERSION_OF_MAGIC_1 = 2;
const FIRST_VERSION_OF_MAGIC_2 = 4;
const LAST_VERSION_OF_HARD_LIMITS = 2;

/** One batch; most often it is one with records. */
const FIRST_LOOK_BYTES = 1;
/** About 800 transaction markers. */
const NEXT_LOOKS_BYTES = 64 * 1024;

/** Whether answers of this version hold records in one of the old formats. */
export function hasOldFormat(version: number): boolean {
  return version < FIRST_VERSION_OF_MAGIC_2;
}

/** The records in the newest format that `version` may be answered with. */
export function inVersion(version: number, records: Buffer[], wanted: FetchPartition): Buffer[] {
  if (!hasOldFormat(version)) return records;
  const magic = version >= FIRST_VERSION_OF_MAGIC_1 ? 1 : 0;
  const converted: Buffer[] = [];
  let nextOffset = wanted.fetchOffset;
  let bytesLeft = wanted.maxBytes;
  for (const slice of records) {
    if (bytesLeft <= 0) break;
    const conversion = downConvert(slice, magic, nextOffset, bytesLeft);
    // Up to v2 no more is given than was asked for, be it a part of a message: the client then asks for more.
    const bytesMax = version <= LAST_VERSION_OF_HARD_LIMITS ? bytesLeft : conversion.records.length;
    converted.push(conversion.records.subarray(0, bytesMax));
    bytesLeft -= conversion.records.length;
    nextOffset = conversion.nextOffset;
  }
  return converted;
}

/**
 * `request` with each fetch offset moved on to the next batch that has a record which the old formats can say. An old
 * consumer knows its position by the records that it gets: where it stands before transaction markers, or in a gap that
 * compaction has left, an answer without records would leave it there for ever. So it reads, and waits, behind them.
 */
export async function behindUnreadable(request: FetchRequest, broker: BrokerServices): Promise<FetchRequest> {
  const topics = await Promise.all(
    request.topics.map(async each => {
      const partitions = await Promise.all(
        each.partitions.map(async wanted => {
          const { partition, fetchOffset } = wanted;
          return { ...wanted, fetchOffset: await readableFrom(each.topic, partition, fetchOffset, broker) };
        }),
      );
      return { ...each, partitions };
    }),
  );
  return { ...request, topics };
}

/** What is wrong with the partition or its records is for the read itself to say. */
async function readableFrom(
  topic: string,
  partition: number,
  fetchOffset: Offset,
  broker: BrokerServices,
): Promise<Offset> {
  const log = broker.replicaManager.partition(topic, partition)?.log;
  let offset = fetchOffset;
  if (log === undefined) return offset;
  try {
    for (let maxBytes = FIRST_LOOK_BYTES; ; maxBytes = NEXT_LOOKS_BYTES) {
      const before = offset;
      const { slices } = log.read(offset, maxBytes, 'highWatermark', true);
      for (const slice of slices) {
        for (const batch of batchesOf(await slice.load())) {
          if (isReadable(batch, offset)) return offset;
          offset = batch.nextOffset;
        }
      }
      if (offset === before) return offset;
    }
  } catch (error) {
    if (error instanceof KafkaError || error instanceof MalformedError) return offset;
    throw error;
  }
}

function isReadable(batch: RecordBatch, offset: Offset): boolean {
  if (batch.isControlBatch || batch.count <= 0) return false;
  // Only of a batch that begins before it is it not clear.
  if (batch.baseOffset >= offset) return true;
  for (const record of batch.records()) if (record.offset >= offset) return true;
  return false;
}
