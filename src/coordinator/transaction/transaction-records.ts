import { ByteReader, MalformedError } from '../../base/byte-reader.ts';
import { codecOf } from '../../protocol/codec.ts';
import { TransactionLogKey, TransactionLogValue } from '../../protocol/records/transaction-records.ts';
import type { CoordinatorRecordSerde, SerializedRecord } from '../runtime/coordinator-shard.ts';
import { decodeValue, encodeKey, encodeValue } from '../runtime/record-codec.ts';
import { NO_PRODUCER_EPOCH, NO_PRODUCER_ID, type TransactionMetadata } from './transaction-metadata.ts';
import { NO_PARTITIONS, type TransactionPartitions } from './transaction-partitions.ts';
import { TransactionState } from './transaction-state.ts';

/** A transactional id as of now; without metadata it is forgotten. */
export interface TransactionRecord {
  readonly transactionalId: string;
  readonly metadata: TransactionMetadata | null;
}

/** Values of version 1 need this level of `transaction.version`: an older broker cannot read them. */
const FLEXIBLE_VALUE_MIN_LEVEL = 1;

/**
 * The records of `__transaction_state`:
 *
 *     key:   type int16 (0) | transactional id
 *     value: version int16 (0; 1: flexible, with the producer ids before and after and the client's version) | fields,
 *            or null
 *
 * `transactionVersion` gives the level of the feature `transaction.version`.
 */
export function transactionRecordSerde(
  transactionVersion: () => number,
): CoordinatorRecordSerde<TransactionRecord> {
  return {
    serialize({ transactionalId, metadata }: TransactionRecord): SerializedRecord {
      const key = encodeKey(TransactionLogKey, { transactionalId });
      if (metadata === null) return { key, value: null };
      const version = transactionVersion() >= FLEXIBLE_VALUE_MIN_LEVEL ? 1 : 0;
      return { key, value: encodeMetadata(metadata, version) };
    },

    deserialize(key: Buffer, value: Buffer | null): TransactionRecord | undefined {
      const reader = new ByteReader(key);
      if (reader.int16() !== TransactionLogKey.apiKey) return undefined;
      const { transactionalId } = codecOf(TransactionLogKey, 0).decode(reader);
      return { transactionalId, metadata: value && decodeMetadata(value) };
    },
  };
}

function encodeMetadata(metadata: TransactionMetadata, version: number): Buffer {
  const { state, partitions } = metadata;
  const tagged =
    version === 0
      ? {}
      : {
          previousProducerId: metadata.previousProducerId,
          nextProducerId: metadata.nextProducerId,
          clientTransactionVersion: metadata.clientTransactionVersion,
        };
  return encodeValue(TransactionLogValue, version, {
    producerId: metadata.producerId,
    producerEpoch: metadata.producerEpoch,
    transactionTimeoutMs: metadata.transactionTimeoutMs,
    transactionStatus: state,
    transactionPartitions:
      state === TransactionState.EMPTY
        ? null
        : Array.from(partitions, ([topic, ids]) => ({ topic, partitionIds: [...ids] })),
    transactionLastUpdateTimestampMs: metadata.lastUpdateTimestamp,
    transactionStartTimestampMs: metadata.startTimestamp,
    ...tagged,
  });
}

function decodeMetadata(bytes: Buffer): TransactionMetadata {
  const value = decodeValue(TransactionLogValue, bytes);
  return {
    producerId: value.producerId,
    previousProducerId: value.previousProducerId ?? NO_PRODUCER_ID,
    nextProducerId: value.nextProducerId ?? NO_PRODUCER_ID,
    producerEpoch: value.producerEpoch,
    lastProducerEpoch: NO_PRODUCER_EPOCH,
    transactionTimeoutMs: value.transactionTimeoutMs,
    state: storedState(value.transactionStatus),
    partitions: decodePartitions(value.transactionPartitions),
    startTimestamp: value.transactionStartTimestampMs,
    lastUpdateTimestamp: value.transactionLastUpdateTimestampMs,
    clientTransactionVersion: value.clientTransactionVersion ?? 0,
  };
}

/** Dead and PrepareEpochFence are never written. */
function storedState(status: number): TransactionState {
  if (status < TransactionState.EMPTY || status > TransactionState.COMPLETE_ABORT)
    throw new MalformedError(`${status} is not a state of a transaction`);
  return status as TransactionState;
}

function decodePartitions(topics: TransactionLogValue['transactionPartitions']): TransactionPartitions {
  if (topics === null || topics.length === 0) return NO_PARTITIONS;
  const partitions = new Map<string, Set<number>>();
  for (const { topic, partitionIds } of topics) {
    const ids = partitions.get(topic) ?? new Set();
    for (const id of partitionIds) ids.add(id);
    partitions.set(topic, ids);
  }
  return partitions;
}
