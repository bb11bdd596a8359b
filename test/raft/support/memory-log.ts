import { add64, type Offset } from '../../../src/base/int64.ts';
import type { OffsetAndEpoch } from '../../../src/raft/raft-client.ts';
import type {
  LogAppendRange,
  RawSnapshotReader,
  RawSnapshotWriter,
  ReplicatedLog,
} from '../../../src/raft/replicated-log.ts';
import { batchesOf, type RecordBatch } from '../../../src/record/record-batch.ts';

interface MemorySnapshot {
  readonly id: OffsetAndEpoch;
  readonly bytes: Buffer;
}

/** A log in memory that notes what is done to it, and whose fsync ends when the test says so. */
export class MemoryLog implements ReplicatedLog {
  readonly calls: string[];
  startOffset: Offset = 0;
  batches: RecordBatch[] = [];
  snapshots: MemorySnapshot[] = [];
  highWatermark: Offset = 0;
  closed = false;
  /** Flushes that wait for {@link finishFlush}. Without `manual` a flush ends at once. */
  manual = false;
  private waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(calls: string[] = []) {
    this.calls = calls;
  }

  get endOffset(): Offset {
    const last = this.batches.at(-1);
    return last === undefined ? this.startOffset : add64(last.lastOffset, 1);
  }

  get lastFetchedEpoch(): number {
    return this.batches.at(-1)?.partitionLeaderEpoch ?? this.snapshots.at(-1)?.id.epoch ?? 0;
  }

  epochStarts(): { epoch: number; startOffset: Offset }[] {
    const starts: { epoch: number; startOffset: Offset }[] = [];
    for (const batch of this.batches) {
      const epoch = batch.partitionLeaderEpoch;
      if (starts.at(-1)?.epoch !== epoch) starts.push({ epoch, startOffset: batch.baseOffset });
    }
    return starts;
  }

  endOffsetForEpoch(epoch: number): OffsetAndEpoch {
    const last = this.batches.findLast(batch => batch.partitionLeaderEpoch <= epoch);
    if (last === undefined) return { epoch: 0, offset: this.startOffset };
    return { epoch: last.partitionLeaderEpoch, offset: add64(last.lastOffset, 1) };
  }

  initializeLeaderEpoch(epoch: number): void {
    this.calls.push(`epoch ${epoch}`);
  }

  appendAsLeader(records: Buffer): LogAppendRange {
    const batches = [...batchesOf(records)];
    this.batches.push(...batches);
    const firstOffset = batches[0]!.baseOffset;
    const { lastOffset } = batches.at(-1)!;
    this.calls.push(`append ${firstOffset}-${lastOffset}`);
    return { firstOffset, lastOffset };
  }

  appendAsFollower(records: Buffer): LogAppendRange {
    return this.appendAsLeader(records);
  }

  flush(): Promise<void> {
    this.calls.push('fsync');
    if (!this.manual) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** Ends the flush that has waited longest. */
  finishFlush(error?: Error): void {
    const flush = this.waiting.shift();
    if (flush === undefined) throw new Error('no flush is waiting');
    if (error === undefined) flush.resolve();
    else flush.reject(error);
  }

  read(startOffset: Offset): Buffer {
    return Buffer.concat(
      this.batches.filter(batch => batch.lastOffset >= startOffset).map(batch => batch.bytes),
    );
  }

  truncateToEndOffset(offset: Offset): void {
    this.calls.push(`truncate ${offset}`);
    this.batches = this.batches.filter(batch => batch.lastOffset < offset);
  }

  truncateToLatestSnapshot(): boolean {
    const latest = this.latestSnapshotId();
    if (latest === undefined || latest.offset <= this.endOffset) return false;
    this.batches = [];
    this.startOffset = latest.offset;
    return true;
  }

  updateHighWatermark(offset: Offset): void {
    this.highWatermark = offset;
    this.calls.push(`commit ${offset}`);
  }

  snapshotIds(): OffsetAndEpoch[] {
    return this.snapshots.map(snapshot => snapshot.id);
  }

  latestSnapshotId(): OffsetAndEpoch | undefined {
    return this.snapshots.at(-1)?.id;
  }

  createSnapshot(id: OffsetAndEpoch): RawSnapshotWriter | undefined {
    const chunks: Buffer[] = [];
    const freezeSync = (): void => {
      this.snapshots.push({ id, bytes: Buffer.concat(chunks) });
    };
    return {
      id,
      get sizeInBytes() {
        return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      },
      append: bytes => {
        chunks.push(bytes);
      },
      read: (position, length) => Buffer.concat(chunks).subarray(position, position + length),
      freezeSync,
      freeze: async () => freezeSync(),
      close: () => {},
    };
  }

  readSnapshot(id: OffsetAndEpoch): RawSnapshotReader | undefined {
    const found = this.snapshots.find(one => one.id.offset === id.offset && one.id.epoch === id.epoch);
    if (found === undefined) return undefined;
    const { bytes } = found;
    return {
      id,
      sizeInBytes: bytes.length,
      read: (position, length) => bytes.subarray(position, position + length),
      close: () => {},
    };
  }

  deleteBeforeSnapshot(id: OffsetAndEpoch): boolean {
    this.startOffset = id.offset;
    this.batches = this.batches.filter(batch => batch.baseOffset >= id.offset);
    return true;
  }

  maybeClean(): boolean {
    return false;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
