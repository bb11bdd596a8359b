import type { LeaderAndEpoch } from '../raft/raft-client.ts';
import type { MetadataDelta } from './metadata-delta.ts';
import type { MetadataImage } from './metadata-image.ts';

/** Where an update came from. */
export interface LoaderManifest {
  /** `log`: batches after the image before. `snapshot`: a whole snapshot that took its place. */
  readonly source: 'log' | 'snapshot';
  readonly batchCount: number;
  /** Of the batches as they are in the log. */
  readonly sizeInBytes: number;
}

/** Told of each new image: what turns metadata into logs, coordinators, quotas and so on. */
export interface MetadataPublisher {
  /** For log lines. */
  readonly name: string;
  /**
   * `image` is the metadata from now on, `delta` what changed since the image given before (since the empty image, the
   * first time). Runs to its end before the next publisher is told; what it throws stops the process.
   */
  onMetadataUpdate(delta: MetadataDelta, image: MetadataImage, manifest: LoaderManifest): void;
  /** The leader of the quorum changed. A new leader hears it after it was told of every earlier record. */
  onControllerChange?(leaderAndEpoch: LeaderAndEpoch): void;
  /** The node is going down: nothing more will be published. */
  close?(): void;
}
