import { add64, type Offset, sub64 } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { CommittedBatch, LeaderAndEpoch, RaftListener, SnapshotReader } from '../raft/raft-client.ts';
import { MetadataBatchLoader } from './metadata-batch-loader.ts';
import { MetadataDelta } from './metadata-delta.ts';
import { MetadataImage } from './metadata-image.ts';
import type { LoaderManifest, MetadataPublisher } from './metadata-publisher.ts';

/** What the loader asks of the quorum besides being its listener. */
export interface MetadataLogState {
  /** Exclusive; `undefined` until it is known after a start. */
  highWatermark(): Offset | undefined;
}

/**
 * Makes images of what the quorum commits and tells publishers of them. After a start nothing is published before the
 * loader has reached the high watermark, so that nobody acts on metadata that is known to be old; then the publishers
 * get one update from the empty image to the present one.
 */
export class MetadataLoader implements RaftListener {
  private readonly logger: Logger;
  private readonly log: MetadataLogState;
  private readonly batchLoader = new MetadataBatchLoader(MetadataImage.EMPTY);
  private readonly publishers: MetadataPublisher[] = [];
  private current = MetadataImage.EMPTY;
  private caughtUp = false;
  private source: LoaderManifest['source'] = 'log';
  private leaderAndEpoch: LeaderAndEpoch | undefined;

  constructor(logger: Logger, log: MetadataLogState) {
    this.logger = logger.child('metadata-loader');
    this.log = log;
  }

  /** The last image that was published; the empty one before the first. */
  image(): MetadataImage {
    return this.current;
  }

  /** Whether a transaction was left open at the end of what has been read. */
  get inTransaction(): boolean {
    return this.batchLoader.inTransaction;
  }

  /**
   * Publishers are told in the order they were added; with `before`, the new one is told before that one. One that comes
   * late gets everything so far at once.
   */
  addPublisher(publisher: MetadataPublisher, before?: MetadataPublisher): void {
    const index = before === undefined ? -1 : this.publishers.indexOf(before);
    this.publishers.splice(index < 0 ? this.publishers.length : index, 0, publisher);
    if (!this.caughtUp) return;
    const delta = new MetadataDelta(MetadataImage.EMPTY);
    for (const record of this.current.records()) delta.replay(record);
    publisher.onMetadataUpdate(delta, this.current, { source: 'snapshot', batchCount: 0, sizeInBytes: 0 });
    if (this.leaderAndEpoch !== undefined) publisher.onControllerChange?.(this.leaderAndEpoch);
  }

  /** Resolves when {@link image} is what the quorum has committed, or when the loader shuts down before. */
  whenCaughtUp(): Promise<void> {
    return new Promise(resolve => {
      const publisher: MetadataPublisher = {
        name: 'caught-up',
        onMetadataUpdate: () => {
          this.removePublisher(publisher);
          resolve();
        },
        close: resolve,
      };
      this.addPublisher(publisher);
    });
  }

  removePublisher(publisher: MetadataPublisher): void {
    const index = this.publishers.indexOf(publisher);
    if (index >= 0) this.publishers.splice(index, 1);
  }

  handleCommit(batches: readonly CommittedBatch[]): void {
    for (const batch of batches) this.batchLoader.loadBatch(batch);
    this.maybePublish();
  }

  handleLoadSnapshot(reader: SnapshotReader): void {
    const { offset, epoch } = reader.snapshotId;
    this.batchLoader.loadSnapshot(reader.batches(), {
      lastContainedOffset: sub64(offset, 1),
      lastContainedEpoch: epoch,
      lastContainedLogTimeMs: reader.lastContainedLogTimestamp,
    });
    this.logger.info('loaded a metadata snapshot', { offset, epoch });
    this.source = 'snapshot';
    this.maybePublish();
  }

  handleLeaderChange(leaderAndEpoch: LeaderAndEpoch): void {
    this.leaderAndEpoch = leaderAndEpoch;
    // A leader knows the high watermark of its epoch only now, if the log ends with what it read before.
    this.maybePublish();
    for (const publisher of [...this.publishers]) publisher.onControllerChange?.(leaderAndEpoch);
  }

  beginShutdown(): void {
    for (const publisher of this.publishers.splice(0)) publisher.close?.();
  }

  private maybePublish(): void {
    const { lastReadOffset, lastContainedOffset } = this.batchLoader;
    if (!this.caughtUp) {
      const highWatermark = this.log.highWatermark();
      if (highWatermark === undefined || add64(lastReadOffset, 1) < highWatermark) return;
      this.caughtUp = true;
      this.logger.info('caught up with the metadata log', { offset: lastReadOffset });
    } else if (lastContainedOffset === this.current.highestOffset) {
      return;
    }
    const { image, delta, batchCount, sizeInBytes } = this.batchLoader.take();
    const manifest: LoaderManifest = { source: this.source, batchCount, sizeInBytes };
    this.source = 'log';
    this.current = image;
    for (const publisher of [...this.publishers]) publisher.onMetadataUpdate(delta, image, manifest);
  }
}
