import type { LeaderEpoch, Offset } from '../base/int64.ts';
import type {
  ClientTransaction,
  CoordinatorAppendOptions,
  CoordinatorPartition,
  PartitionBounds,
  PartitionListener,
  PartitionReader,
  PartitionWriter,
} from '../coordinator/runtime/partition-writer.ts';
import { topicPartitionKey } from '../log/topic-partition.ts';
import type { VerificationGuard } from '../log/verification-guard.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { requiredOffset } from '../replication/partition.ts';
import type { ReplicaManager } from '../replication/replica-manager.ts';
import { NO_SEQUENCE } from '../record/record.ts';
import type { TransactionVerifier } from '../replication/transaction-verifier.ts';

const ALL_REPLICAS = -1;

interface Registration {
  readonly unregister: () => void;
}

/** The way of coordinators to the partitions of their topics: over the replica manager of this broker. */
export class ReplicaPartitionWriter implements PartitionWriter, PartitionReader {
  private readonly replicaManager: ReplicaManager;
  private readonly transactionVerifier: TransactionVerifier | undefined;
  private readonly listeners = new Map<string, Map<PartitionListener, Registration>>();

  /** Without a `transactionVerifier` no transaction is written in that has to be verified. */
  constructor(replicaManager: ReplicaManager, transactionVerifier?: TransactionVerifier) {
    this.replicaManager = replicaManager;
    this.transactionVerifier = transactionVerifier;
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

  verifyTransaction(
    partition: CoordinatorPartition,
    transaction: ClientTransaction,
  ): Promise<VerificationGuard> | undefined {
    const { producerId, producerEpoch, operation } = transaction;
    const replica = this.replicaManager.partitionOrThrow(partition);
    // The sequences of a coordinator's own batches are not checked.
    const guard = replica.maybeStartTransactionVerification(
      producerId,
      NO_SEQUENCE,
      producerEpoch,
      operation === 'addPartition',
    );
    return guard && this.askWhetherOpen(partition, transaction, guard);
  }

  /** Resolves with `guard` if `partition` belongs to the transaction. */
  private async askWhetherOpen(
    partition: CoordinatorPartition,
    transaction: ClientTransaction,
    guard: VerificationGuard,
  ): Promise<VerificationGuard> {
    const codes = await this.transactionVerifier?.verify({ ...transaction, partitions: [partition] });
    const code = codes?.[0] ?? Errors.INVALID_TXN_STATE;
    if (code !== Errors.NONE) throw new KafkaError(code);
    return guard;
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
