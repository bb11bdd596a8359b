import type { LeaderEpoch, Offset } from '../base/int64.ts';
import type {
  CoordinatorAppendOptions,
  CoordinatorPartition,
  PartitionBounds,
  PartitionListener,
  PartitionReader,
  PartitionWriter,
} from '../coordinator/runtime/partition-writer.ts';
import { topicPartitionKey } from '../log/topic-partition.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { requiredOffset } from '../replication/partition.ts';
import type { ReplicaManager } from '../replication/replica-manager.ts';

const ALL_REPLICAS = -1;

interface Registration {
  readonly unregister: () => void;
}

/** The way of coordinators to the partitions of their topics: over the replica manager of this broker. */
export class ReplicaPartitionWriter implements PartitionWriter, PartitionReader {
  private readonly replicaManager: ReplicaManager;
  private readonly listeners = new Map<string, Map<PartitionListener, Registration>>();

  constructor(replicaManager: ReplicaManager) {
    this.replicaManager = replicaManager;
  }

  registerListener(partition: CoordinatorPartition, listener: PartitionListener): void {
    const replica = this.replicaManager.partitionOrThrow(partition);
    // As a follower it tells what another leader has committed, which need not be what the shard has written.
    const onHighWatermark = (offset: Offset) => {
      if (replica.isLeader) listener.onHighWatermarkUpdated(offset);
    };
    replica.addHighWatermarkListener(onHighWatermark);
    const key = topicPartitionKey(partition);
    const listeners = this.listeners.get(key) ?? new Map<PartitionListener, Registration>();
    listeners.set(listener, { unregister: () => replica.removeHighWatermarkListener(onHighWatermark) });
    this.listeners.set(key, listeners);
  }

  deregisterListener(partition: CoordinatorPartition, listener: PartitionListener): void {
    const key = topicPartitionKey(partition);
    const listeners = this.listeners.get(key);
    listeners?.get(listener)?.unregister();
    listeners?.delete(listener);
    if (listeners?.size === 0) this.listeners.delete(key);
  }

  maxBatchBytes(partition: CoordinatorPartition): number {
    return this.replicaManager.partitionOrThrow(partition).leaderLog().config.maxMessageBytes;
  }

  append(
    partition: CoordinatorPartition,
    leaderEpoch: LeaderEpoch,
    batch: Buffer,
    options?: CoordinatorAppendOptions,
  ): Offset {
    const replica = this.replicaManager.partitionOrThrow(partition);
    if (!replica.isLeader || replica.leaderEpoch !== leaderEpoch) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `${topicPartitionKey(partition)} is in leader epoch ${replica.leaderEpoch}, not ${leaderEpoch}`,
      );
    }
    const info = replica.appendAsLeader(batch, ALL_REPLICAS, { ...options, origin: 'coordinator' });
    info.onWritten(error => {
      if (error === undefined) return;
      const listeners = this.listeners.get(topicPartitionKey(partition));
      for (const listener of [...(listeners?.keys() ?? [])]) listener.onWriteFailed(error.code);
    });
    return requiredOffset(info);
  }

  bounds(partition: CoordinatorPartition): PartitionBounds | undefined {
    const replica = this.replicaManager.partition(partition.topic, partition.partition);
    const log = replica?.log;
    if (log === undefined || !replica?.isLeader) return undefined;
    const { logStartOffset, logEndOffset, highWatermark } = log;
    return { logStartOffset, logEndOffset, highWatermark };
  }

  async read(partition: CoordinatorPartition, offset: Offset, maxBytes: number): Promise<Buffer> {
    const log = this.replicaManager.partitionOrThrow(partition).leaderLog();
    const { slices } = log.read(offset, maxBytes, 'logEnd', true);
    const parts = await Promise.all(slices.map(slice => slice.load()));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
