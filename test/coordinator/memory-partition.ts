import { add64, type LeaderEpoch, type Offset } from '../../src/base/int64.ts';
import type {
  ClientTransaction,
  CoordinatorAppendOptions,
  CoordinatorPartition,
  PartitionBounds,
  PartitionListener,
  PartitionReader,
  PartitionWriter,
} from '../../src/coordinator/runtime/partition-writer.ts';
import type { VerificationGuard } from '../../src/log/verification-guard.ts';
import { KafkaError } from '../../src/protocol/errors.ts';
import { batchesOf, RecordBatch } from '../../src/record/record-batch.ts';

class MemoryLog {
  readonly batches: Buffer[] = [];
  endOffset: Offset = 0;
  highWatermark: Offset = 0;
  readonly listeners = new Set<PartitionListener>();
}

/** Partitions in memory, as the server would have them over its log. Batches are committed at once unless held back. */
export class MemoryPartitions implements PartitionWriter, PartitionReader {
  maxBytes = 1_048_588;
  /** While false, what is appended waits for {@link commit}. */
  autoCommit = true;
  /** While set, every append fails with this code. */
  failWith: number | undefined;
  /** Set: transactions are verified by it. */
  verify: ((transaction: ClientTransaction) => Promise<VerificationGuard> | undefined) | undefined;
  /** Bytes that `read` returns at most. */
  readBytesMax = 1 << 20;
  private readonly logs = new Map<number, MemoryLog>();

  log(partition = 0): MemoryLog {
    let log = this.logs.get(partition);
    if (log === undefined) this.logs.set(partition, (log = new MemoryLog()));
    return log;
  }

  /** Key and value of every record, in order. */
  records(partition = 0): { offset: Offset; key: Buffer; value: Buffer | null }[] {
    const all = [];
    for (const buffer of this.log(partition).batches) {
      for (const batch of batchesOf(buffer)) {
        for (const { offset, key, value } of batch.records()) all.push({ offset, key: key!, value });
      }
    }
    return all;
  }

  commit(partition = 0, offset: Offset = this.log(partition).endOffset): void {
    const log = this.log(partition);
    log.highWatermark = offset;
    for (const listener of [...log.listeners]) listener.onHighWatermarkUpdated(offset);
  }

  registerListener({ partition }: CoordinatorPartition, listener: PartitionListener): void {
    this.log(partition).listeners.add(listener);
  }

  deregisterListener({ partition }: CoordinatorPartition, listener: PartitionListener): void {
    this.log(partition).listeners.delete(listener);
  }

  maxBatchBytes(): number {
    return this.maxBytes;
  }

  verifyTransaction(
    _partition: CoordinatorPartition,
    transaction: ClientTransaction,
  ): Promise<VerificationGuard> | undefined {
    return this.verify?.(transaction);
  }

  append(
    { partition }: CoordinatorPartition,
    _leaderEpoch: LeaderEpoch,
    buffer: Buffer,
    _options?: CoordinatorAppendOptions,
  ): Offset {
    if (this.failWith !== undefined) throw new KafkaError(this.failWith);
    const log = this.log(partition);
    const batch = new RecordBatch(buffer);
    batch.setBaseOffset(log.endOffset);
    log.endOffset = add64(log.endOffset, batch.count);
    log.batches.push(buffer);
    if (this.autoCommit) this.commit(partition);
    return log.endOffset;
  }

  bounds({ partition }: CoordinatorPartition): PartitionBounds {
    const { endOffset, highWatermark } = this.log(partition);
    return { logStartOffset: 0, logEndOffset: endOffset, highWatermark };
  }

  async read({ partition }: CoordinatorPartition, offset: Offset, maxBytes: number): Promise<Buffer> {
    const chosen: Buffer[] = [];
    let size = 0;
    for (const buffer of this.log(partition).batches) {
      if (new RecordBatch(buffer).nextOffset <= offset) continue;
      if (chosen.length > 0 && size + buffer.length > Math.min(maxBytes, this.readBytesMax)) break;
      chosen.push(buffer);
      size += buffer.length;
    }
    return Buffer.concat(chosen);
  }
}
