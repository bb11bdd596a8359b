import type { Int64, Offset } from '../../../src/base/int64.ts';
import type { PartitionKey } from './history.ts';

export interface TransactionMarkerAtRest {
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
}

/** One batch of a replica's log, as its bytes say. */
export interface BatchAtRest {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly leaderEpoch: number;
  readonly producerId: Int64;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isControl: boolean;
  readonly isTransactional: boolean;
  /** What a transaction marker says. */
  readonly marker?: TransactionMarkerAtRest;
  readonly crcIsValid: boolean;
  /** Of the records, in order; for metadata and control batches empty. */
  readonly values: readonly string[];
  /** The key of each value, where records have keys. */
  readonly keys?: readonly string[];
  /** The offset of each value. */
  readonly offsets: readonly Offset[];
  /** A digest of all its bytes. */
  readonly digest: string;
}

/** A replica's log on its disk. */
export interface ReplicaAtRest {
  readonly node: number;
  readonly partition: PartitionKey;
  /** `<topic>-<partition>`, for words. */
  readonly name: string;
  readonly batches: readonly BatchAtRest[];
  readonly logStartOffset: Offset;
  /** What could not be read, if anything. */
  readonly damage: string | undefined;
}

/** A partition as the newest metadata describe it. */
export interface PartitionAtRest {
  readonly partition: PartitionKey;
  readonly name: string;
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** The metadata log of a node on its disk, its newest snapshot and the image that the node has made of both. */
export interface MetadataAtRest {
  readonly node: number;
  readonly batches: readonly BatchAtRest[];
  readonly snapshots: readonly { readonly offset: Offset; readonly epoch: number }[];
  /** Undefined if the process is down. */
  readonly image: { readonly offset: Offset; readonly digest: string } | undefined;
  readonly highWatermark: Offset | undefined;
  readonly damage: string | undefined;
}

/** What the run has left behind. */
export interface FinalState {
  readonly atMs: number;
  readonly replicas: readonly ReplicaAtRest[];
  readonly metadataLogs: readonly MetadataAtRest[];
  /** By the node with the newest image; empty if none is up. */
  readonly partitions: readonly PartitionAtRest[];
  /** Nodes whose process is up. */
  readonly up: readonly number[];
}
