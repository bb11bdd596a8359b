import type { Logger } from '../../base/logger.ts';
import type { LeaderEpoch, Offset, ProducerId } from '../../base/int64.ts';
import type { SnapshotRegistry } from '../../base/snapshot-registry.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { CoordinatorTimer } from './coordinator-timer.ts';

/** The key and value bytes of a record in a coordinator's partition; a null value is a tombstone. */
export interface SerializedRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** Between a coordinator's records and their bytes. */
export interface CoordinatorRecordSerde<R> {
  serialize(record: R): SerializedRecord;
  /**
   * `undefined` for a type of record that this coordinator does not keep: it is skipped. Throws `MalformedError` for
   * bytes that are not what their type says. The record may not refer to the given buffers.
   */
  deserialize(key: Buffer, value: Buffer | null): R | undefined;
}

/** Where a record stands in the log, and whose transaction it belongs to. */
export interface RecordPosition {
  readonly offset: Offset;
  /** -1 for a record outside of any transaction. */
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

/** What an operation of a shard gives back. */
export interface CoordinatorResult<T, R> {
  /** To append, in this order. */
  readonly records: readonly R[];
  /** Whether the records must go in one batch (default), so that a reader sees all of them or none. */
  readonly atomic?: boolean;
  /** Delivered once the records, and all that the operation may have seen, are committed. */
  readonly response: T;
  /**
   * Whether the runtime replays the records into the shard (default). `false` where the operation has changed the
   * state itself; it must then undo that in `onCompleted` when the append fails.
   */
  readonly replay?: boolean;
  /** Called before the response is delivered: without a code when committed, with Kafka's error code when not. */
  readonly onCompleted?: (code?: number) => void;
}

/**
 * The state machine of one partition of a coordinator's topic: synchronous, without any effect of its own. All its
 * state is in containers of the {@link SnapshotRegistry}, or is taken back by `onCompleted`.
 */
export interface CoordinatorShard<R> {
  /** Applies a record: one just made, or one read back from the log. Must not depend on anything but the log. */
  replay(record: R, position: RecordPosition): void;
  /** A transaction that wrote to this partition has ended. */
  replayEndTransactionMarker(producerId: ProducerId, producerEpoch: number, committed: boolean): void;
  /** The log has been replayed: start timers. */
  onLoaded(): void;
  /** The shard is about to be dropped: answer those who wait. */
  onUnloaded(): void;
}

/** What a shard is made of. */
export interface CoordinatorShardContext<R> {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly registry: SnapshotRegistry;
  readonly timer: CoordinatorTimer<R>;
  readonly partition: number;
  /** In which this broker leads the partition; it may rise while the shard goes on. */
  leaderEpoch(): LeaderEpoch;
}

export type CoordinatorShardFactory<S, R> = (context: CoordinatorShardContext<R>) => S;

/** A result that changes nothing. */
export function emptyResult<R>(): CoordinatorResult<void, R> {
  return { records: [], response: undefined };
}
