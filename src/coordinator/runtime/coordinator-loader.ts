import { MalformedError } from '../../base/byte-reader.ts';
import type { Offset } from '../../base/int64.ts';
import type { SnapshotRegistry } from '../../base/snapshot-registry.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { ControlRecordType } from '../../record/control-records.ts';
import { batchesOf, type RecordBatch } from '../../record/record-batch.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { CoordinatorRecordSerde, CoordinatorShard } from './coordinator-shard.ts';
import type { CoordinatorPartition, PartitionReader } from './partition-writer.ts';

/** What is replayed between two looks at the event loop, at most (one batch at least). */
const READ_BYTES_MAX = 256 * 1024;
/** Of one offset: that the log changes under so many reads in a row is not to be believed. */
const EMPTY_READS_MAX = 10;

export interface LoadTarget<R> {
  readonly partition: CoordinatorPartition;
  readonly registry: SnapshotRegistry;
  readonly shard: CoordinatorShard<R>;
  /** Once false, the load ends without a result. */
  isWanted(): boolean;
}

export interface LoadSummary {
  /** Exclusive. */
  readonly endOffset: Offset;
  readonly highWatermark: Offset;
  readonly records: number;
  /** Records of a type that this coordinator does not keep. */
  readonly skipped: number;
}

/**
 * Replays a coordinator's partition, from its start to its end, into a shard. The state gets a snapshot at the last
 * batch end that the high watermark has passed, and at every batch end after it.
 *
 * Rejects with `KafkaError` of the reader, or `CORRUPT_MESSAGE` for a batch or record that is not understood.
 */
export async function loadShard<R>(
  runtime: Runtime,
  reader: PartitionReader,
  serde: CoordinatorRecordSerde<R>,
  target: LoadTarget<R>,
): Promise<LoadSummary | undefined> {
  const { partition, registry } = target;
  const bounds = reader.bounds(partition);
  if (bounds === undefined) throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER);
  const counts = { records: 0, skipped: 0 };
  let offset = bounds.logStartOffset;
  let emptyReads = 0;
  for (;;) {
    const now = reader.bounds(partition);
    if (now === undefined) throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER);
    if (offset >= now.logEndOffset) {
      registry.takeSnapshot(offset);
      return { endOffset: offset, highWatermark: now.highWatermark, ...counts };
    }
    const buffer = await reader.read(partition, offset, READ_BYTES_MAX);
    if (!target.isWanted()) return undefined;
    let next = offset;
    for (const batch of batchesOf(buffer)) {
      if (batch.nextOffset <= offset) continue;
      if (batch.nextOffset > now.highWatermark) registry.takeSnapshot(next);
      replayBatch(batch, offset, serde, target.shard, counts);
      next = batch.nextOffset;
    }
    // A read gives nothing when the log was compacted under it.
    emptyReads = next === offset ? emptyReads + 1 : 0;
    if (emptyReads > EMPTY_READS_MAX)
      throw new KafkaError(Errors.CORRUPT_MESSAGE, `no record batch at offset ${offset}`);
    offset = next;
    await turn(runtime);
    if (!target.isWanted()) return undefined;
  }
}

/** Lets the event loop serve others: a read from memory would not. */
function turn(runtime: Runtime): Promise<void> {
  return new Promise(resolve => runtime.timers.soon(resolve));
}

function replayBatch<R>(
  batch: RecordBatch,
  fromOffset: Offset,
  serde: CoordinatorRecordSerde<R>,
  shard: CoordinatorShard<R>,
  counts: { records: number; skipped: number },
): void {
  if (!batch.isValid())
    throw new KafkaError(Errors.CORRUPT_MESSAGE, `the batch at offset ${batch.baseOffset} is damaged`);
  const producerId = batch.isTransactional ? batch.producerId : -1;
  const { producerEpoch, isControlBatch } = batch;
  for (const { offset, key, value } of batch.records()) {
    if (offset < fromOffset) continue;
    counts.records++;
    if (isControlBatch) {
      const type = key !== null && key.length >= 4 ? key.readInt16BE(2) : -1;
      if (type === ControlRecordType.COMMIT || type === ControlRecordType.ABORT) {
        shard.replayEndTransactionMarker(batch.producerId, producerEpoch, type === ControlRecordType.COMMIT);
      }
      continue;
    }
    if (key === null)
      throw new KafkaError(Errors.CORRUPT_MESSAGE, `the record at offset ${offset} has no key`);
    const record = deserialize(serde, key, value, offset);
    if (record === undefined) counts.skipped++;
    else shard.replay(record, { offset, producerId, producerEpoch });
  }
}

function deserialize<R>(
  serde: CoordinatorRecordSerde<R>,
  key: Buffer,
  value: Buffer | null,
  offset: Offset,
): R | undefined {
  try {
    return serde.deserialize(key, value);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new KafkaError(
      Errors.CORRUPT_MESSAGE,
      `the record at offset ${offset} is damaged: ${error.message}`,
    );
  }
}
