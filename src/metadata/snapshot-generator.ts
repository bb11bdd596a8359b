import { add64 } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { RaftClient, SnapshotWriter } from '../raft/raft-client.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MetadataDelta } from './metadata-delta.ts';
import type { MetadataImage } from './metadata-image.ts';
import type { LoaderManifest, MetadataPublisher } from './metadata-publisher.ts';
import type { MetadataRecord } from './metadata-record.ts';
import { encodeMetadataRecord } from './metadata-record-serde.ts';

/** Records of one batch of a snapshot, and of one turn of the event loop: some ms of work. */
const RECORDS_PER_BATCH = 1000;

export interface SnapshotGeneratorOptions {
  /** `metadata.log.max.record.bytes.between.snapshots` */
  readonly maxBytesBetweenSnapshots: number;
  /** `metadata.log.max.snapshot.interval.ms`; 0 for never because of time. */
  readonly maxIntervalMs: number;
}

/**
 * Writes a snapshot of the image when enough of the log came since the last one, or when that is long ago. The image
 * does not change under it, so the work is spread over many turns of the event loop. As in Kafka, the interval is
 * looked at when metadata changes: an idle cluster writes no snapshots.
 */
export class SnapshotGenerator implements MetadataPublisher {
  readonly name = 'snapshot-generator';
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly raftClient: Pick<RaftClient, 'createSnapshot'>;
  private readonly options: SnapshotGeneratorOptions;
  private bytesSince = 0;
  private lastMs: number;
  private writer: SnapshotWriter | undefined;
  private closed = false;

  constructor(
    runtime: Runtime,
    logger: Logger,
    raftClient: Pick<RaftClient, 'createSnapshot'>,
    options: SnapshotGeneratorOptions,
  ) {
    this.runtime = runtime;
    this.logger = logger.child('snapshot-generator');
    this.raftClient = raftClient;
    this.options = options;
    this.lastMs = runtime.clock.monotonicMs();
  }

  onMetadataUpdate(_delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest): void {
    const now = this.runtime.clock.monotonicMs();
    if (manifest.source === 'snapshot') {
      this.bytesSince = 0;
      this.lastMs = now;
    }
    this.bytesSince += manifest.source === 'log' ? manifest.sizeInBytes : 0;
    if (this.closed || this.writer !== undefined || image.highestOffset < 0) return;
    const { maxBytesBetweenSnapshots, maxIntervalMs } = this.options;
    const large = this.bytesSince >= maxBytesBetweenSnapshots;
    const old = maxIntervalMs > 0 && now - this.lastMs >= maxIntervalMs;
    if (large || old) this.start(image, now);
  }

  close(): void {
    this.closed = true;
    this.writer?.abort();
    this.writer = undefined;
  }

  private start(image: MetadataImage, now: number): void {
    const { lastContainedOffset, lastContainedEpoch, lastContainedLogTimeMs } = image.provenance;
    this.bytesSince = 0;
    this.lastMs = now;
    const id = { offset: add64(lastContainedOffset, 1), epoch: lastContainedEpoch };
    const writer = this.raftClient.createSnapshot(id, lastContainedLogTimeMs);
    if (writer === undefined) return;
    this.writer = writer;
    this.step(writer, image.records()[Symbol.iterator]());
  }

  private step(writer: SnapshotWriter, records: Iterator<MetadataRecord>): void {
    if (this.writer !== writer) return;
    const values: Buffer[] = [];
    let done = false;
    while (values.length < RECORDS_PER_BATCH) {
      const next = records.next();
      if (next.done === true) {
        done = true;
        break;
      }
      values.push(encodeMetadataRecord(next.value));
    }
    if (values.length > 0) writer.append(values);
    if (!done) {
      this.runtime.timers.soon(() => this.step(writer, records));
      return;
    }
    writer.freeze().then(
      () => this.finish(writer, undefined),
      (error: unknown) => this.finish(writer, error),
    );
  }

  private finish(writer: SnapshotWriter, error: unknown): void {
    if (this.writer === writer) this.writer = undefined;
    const { offset, epoch } = writer.snapshotId;
    if (error === undefined) this.logger.info('wrote a metadata snapshot', { offset, epoch });
    else this.logger.error('could not write a metadata snapshot', { offset, epoch, error: String(error) });
  }
}
